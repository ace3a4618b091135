//! The workspace: one carve list that both sizes and carves.
//!
//! Every part of the library that needs scratch has one function that takes its arrays from an
//! [`Arena`]. Run over an arena without memory the same function only counts, so the size that the
//! caller is told and the memory that is used come from one list and cannot differ.

use crate::status::Status;

/// A stretch of one element type from which arrays are taken, front to back.
#[derive(Debug)]
pub struct Pool<'a, T> {
    free: &'a mut [T],
    taken: usize,
    short: bool,
}

impl<'a, T> Pool<'a, T> {
    fn new(free: &'a mut [T]) -> Self {
        Pool { free, taken: 0, short: false }
    }

    /// Takes the next `len` elements. When they are not there the array is empty and the arena
    /// remembers that it ran short; [`Arena::finish`] says so before anything is computed.
    pub fn take(&mut self, len: usize) -> &'a mut [T] {
        self.taken = self.taken.saturating_add(len);
        match core::mem::take(&mut self.free).split_at_mut_checked(len) {
            Some((head, tail)) => {
                self.free = tail;
                head
            }
            None => {
                self.short = true;
                &mut []
            }
        }
    }
}

/// How many elements of each type a call needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Need {
    /// 64-bit integers.
    pub u64s: usize,
    /// 64-bit floats.
    pub f64s: usize,
    /// 32-bit integers.
    pub u32s: usize,
    /// 32-bit floats.
    pub f32s: usize,
}

impl Need {
    /// What two need that take turns on the same memory.
    pub fn max(self, other: Need) -> Need {
        Need {
            u64s: self.u64s.max(other.u64s),
            f64s: self.f64s.max(other.f64s),
            u32s: self.u32s.max(other.u32s),
            f32s: self.f32s.max(other.f32s),
        }
    }

    /// Bytes of one block that holds all of it, 8-byte elements first.
    ///
    /// # Errors
    /// [`Status::ShapeTooLarge`] when the block does not fit the address space.
    pub fn bytes(&self) -> Result<usize, Status> {
        let wide = self.u64s.checked_add(self.f64s).and_then(|n| n.checked_mul(8));
        let narrow = self.u32s.checked_add(self.f32s).and_then(|n| n.checked_mul(4));
        match (wide, narrow) {
            (Some(wide), Some(narrow)) => {
                wide.checked_add(narrow).filter(|&n| n <= isize::MAX as usize)
            }
            _ => None,
        }
        .ok_or(Status::ShapeTooLarge)
    }
}

/// The caller's scratch memory, a pool per element type.
#[derive(Debug)]
pub struct Arena<'a> {
    /// 64-bit integers: sort keys, heaps, tournaments.
    pub u64s: Pool<'a, u64>,
    /// 64-bit floats: exact sums.
    pub f64s: Pool<'a, f64>,
    /// 32-bit integers: indices and counts.
    pub u32s: Pool<'a, u32>,
    /// 32-bit floats: loads.
    pub f32s: Pool<'a, f32>,
}

impl<'a> Arena<'a> {
    /// An arena over the caller's arrays. What they hold does not matter.
    pub fn new(
        u64s: &'a mut [u64],
        f64s: &'a mut [f64],
        u32s: &'a mut [u32],
        f32s: &'a mut [f32],
    ) -> Self {
        Arena {
            u64s: Pool::new(u64s),
            f64s: Pool::new(f64s),
            u32s: Pool::new(u32s),
            f32s: Pool::new(f32s),
        }
    }

    /// An arena without memory: carving it only counts.
    pub fn counting() -> Arena<'static> {
        Arena::new(&mut [], &mut [], &mut [], &mut [])
    }

    /// What is left, as an arena of its own, for a while: a part that is carved anew again and again takes
    /// from there. An arena that counts lends one that counts.
    pub fn rest(&mut self) -> Arena<'_> {
        Arena::new(self.u64s.free, self.f64s.free, self.u32s.free, self.f32s.free)
    }

    /// Takes as much of each type as `need` says, as an arena of its own.
    pub fn part(&mut self, need: Need) -> Arena<'a> {
        Arena::new(
            self.u64s.take(need.u64s),
            self.f64s.take(need.f64s),
            self.u32s.take(need.u32s),
            self.f32s.take(need.f32s),
        )
    }

    /// What has been taken so far.
    pub fn need(&self) -> Need {
        Need {
            u64s: self.u64s.taken,
            f64s: self.f64s.taken,
            u32s: self.u32s.taken,
            f32s: self.f32s.taken,
        }
    }

    /// Ends the carving.
    ///
    /// # Errors
    /// [`Status::WorkspaceTooSmall`] when any array could not be given in full.
    pub fn finish(self) -> Result<(), Status> {
        let short = self.u64s.short || self.f64s.short || self.u32s.short || self.f32s.short;
        if short { Err(Status::WorkspaceTooSmall) } else { Ok(()) }
    }
}
