//! The workspace: one carve list that both sizes and carves.
//!
//! Every part of the library that needs scratch has one function that takes its arrays from a [`Carve`]: an
//! [`Arena`], which hands out the caller's memory, or a [`Need`], which only counts. So the size that the
//! caller is told and the memory that is used come from one list and cannot differ.

use crate::status::Status;

/// The elements of an array of 4-byte elements, when it fits the address space.
///
/// # Errors
/// [`Status::ShapeTooLarge`], also where the number has overflowed before.
pub(crate) fn addressable(elements: Option<usize>) -> Result<usize, Status> {
    elements.filter(|&n| n <= isize::MAX as usize / 4).ok_or(Status::ShapeTooLarge)
}

/// What scratch arrays are taken from, front to back.
pub trait Carve<'a> {
    /// The next `len` 64-bit integers: sort keys, heaps, tournaments.
    fn u64s(&mut self, len: usize) -> &'a mut [u64];
    /// The next `len` 64-bit floats: exact sums.
    fn f64s(&mut self, len: usize) -> &'a mut [f64];
    /// The next `len` 32-bit integers: indices and counts.
    fn u32s(&mut self, len: usize) -> &'a mut [u32];
    /// The next `len` 32-bit floats: loads.
    fn f32s(&mut self, len: usize) -> &'a mut [f32];
}

/// How many elements of each type a call needs. Carving it counts, and gives empty arrays.
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

impl<'a> Carve<'a> for Need {
    fn u64s(&mut self, len: usize) -> &'a mut [u64] {
        self.u64s = self.u64s.saturating_add(len);
        &mut []
    }

    fn f64s(&mut self, len: usize) -> &'a mut [f64] {
        self.f64s = self.f64s.saturating_add(len);
        &mut []
    }

    fn u32s(&mut self, len: usize) -> &'a mut [u32] {
        self.u32s = self.u32s.saturating_add(len);
        &mut []
    }

    fn f32s(&mut self, len: usize) -> &'a mut [f32] {
        self.f32s = self.f32s.saturating_add(len);
        &mut []
    }
}

impl Need {
    /// What two need that take turns on the same memory.
    pub fn max(self, other: Need) -> Need {
        self.with(other, usize::max)
    }

    /// What two need side by side.
    pub fn plus(self, other: Need) -> Need {
        self.with(other, usize::saturating_add)
    }

    fn with(self, other: Need, of: fn(usize, usize) -> usize) -> Need {
        Need {
            u64s: of(self.u64s, other.u64s),
            f64s: of(self.f64s, other.f64s),
            u32s: of(self.u32s, other.u32s),
            f32s: of(self.f32s, other.f32s),
        }
    }

    /// Bytes of one block that holds all of it, 8-byte elements first: a multiple of 8, the alignment.
    ///
    /// # Errors
    /// [`Status::ShapeTooLarge`] when the block does not fit the address space.
    pub fn bytes(&self) -> Result<usize, Status> {
        let wide = self.u64s.checked_add(self.f64s).and_then(|n| n.checked_mul(8));
        let narrow = self.u32s.checked_add(self.f32s).and_then(|n| n.checked_mul(4));
        let both = wide.zip(narrow).and_then(|(wide, narrow)| wide.checked_add(narrow));
        let bytes = both.and_then(|n| n.checked_next_multiple_of(8));
        bytes.filter(|&n| n <= isize::MAX as usize).ok_or(Status::ShapeTooLarge)
    }
}

/// The caller's scratch memory, a pool per element type.
#[derive(Debug)]
pub struct Arena<'a> {
    u64s: &'a mut [u64],
    f64s: &'a mut [f64],
    u32s: &'a mut [u32],
    f32s: &'a mut [f32],
}

impl<'a> Arena<'a> {
    /// An arena over the caller's arrays. What they hold does not matter.
    pub fn new(
        u64s: &'a mut [u64],
        f64s: &'a mut [f64],
        u32s: &'a mut [u32],
        f32s: &'a mut [f32],
    ) -> Self {
        Arena { u64s, f64s, u32s, f32s }
    }

    /// What is left, as an arena of its own, for a while: a part that is carved anew again and again takes
    /// from there.
    pub fn rest(&mut self) -> Arena<'_> {
        Arena::new(self.u64s, self.f64s, self.u32s, self.f32s)
    }

    /// Sees that all of `need` can be taken: looked at once, before anything is computed.
    ///
    /// # Errors
    /// [`Status::WorkspaceTooSmall`].
    pub fn check(&self, need: Need) -> Result<(), Status> {
        let enough = self.u64s.len() >= need.u64s
            && self.f64s.len() >= need.f64s
            && self.u32s.len() >= need.u32s
            && self.f32s.len() >= need.f32s;
        if enough { Ok(()) } else { Err(Status::WorkspaceTooSmall) }
    }
}

impl<'a> Carve<'a> for Arena<'a> {
    fn u64s(&mut self, len: usize) -> &'a mut [u64] {
        take(&mut self.u64s, len)
    }

    fn f64s(&mut self, len: usize) -> &'a mut [f64] {
        take(&mut self.f64s, len)
    }

    fn u32s(&mut self, len: usize) -> &'a mut [u32] {
        take(&mut self.u32s, len)
    }

    fn f32s(&mut self, len: usize) -> &'a mut [f32] {
        take(&mut self.f32s, len)
    }
}

/// The first `len` elements; none when they are not there, which [`Arena::check`] has ruled out.
fn take<'a, T>(free: &mut &'a mut [T], len: usize) -> &'a mut [T] {
    match core::mem::take(free).split_at_mut_checked(len) {
        Some((head, tail)) => {
            *free = tail;
            head
        }
        None => &mut [],
    }
}
