//! The caller's arrays: noted one by one, checked against each other, then turned into slices. Everything that is
//! checked has a name, which a call forgets and an explanation keeps: one list of checks serves both.

use crate::base::arena::{Arena, Need};
use crate::explain::Fault;
use crate::ffi::read::check_pointer;
use crate::status::Status;
use core::slice;

/// Who is told what is being checked, and what is wrong with it.
pub trait Listen: Default {
    /// What is kept of a name.
    type Name: Copy;
    /// The next check is about this argument.
    fn about(&mut self, name: &'static str) -> Self::Name;
    /// What the check has found, where the status does not say all.
    fn found(&mut self, fault: impl FnOnce() -> Fault);
    /// These two overlap.
    fn overlap(&mut self, one: Self::Name, other: Self::Name);
}

/// Nobody: a call. All of it is gone from the code.
#[derive(Debug, Default)]
pub struct Deaf;

impl Listen for Deaf {
    type Name = ();
    #[inline(always)]
    fn about(&mut self, _: &'static str) {}
    #[inline(always)]
    fn found(&mut self, _: impl FnOnce() -> Fault) {}
    #[inline(always)]
    fn overlap(&mut self, (): (), (): ()) {}
}

/// Where an array of the call starts and ends, and what it is called.
/// What `check` finds, with nobody who listens. A frame of its own, so that what only checking needs is off the stack
/// while the function works.
#[inline(never)]
pub fn unheard<T>(check: impl FnOnce(&mut Memory<Deaf>) -> T) -> T {
    check(&mut Memory::default())
}

type Extent<N> = (usize, usize, N);

/// All arrays of the call.
#[derive(Default)]
pub struct Memory<H: Listen = Deaf> {
    /// Who is told.
    pub listener: H,
    // the bounds are the signatures: topology and 4 maps, or loads and a placement; workspace, 4 maps, metrics
    read: heapless::Vec<Extent<H::Name>, 8>,
    written: heapless::Vec<Extent<H::Name>, 6>,
}

impl<H: Listen> Memory<H> {
    /// NULL and alignment of a pointer that is needed.
    pub fn pointer<T>(&mut self, name: &'static str, pointer: *const T) -> Result<(), Status> {
        self.listener.about(name);
        check_pointer(pointer).inspect_err(|_| {
            self.listener.found(|| Fault::Alignment(align_of::<T>()));
        })
    }

    fn note<T>(
        &mut self,
        name: &'static str,
        pointer: *const T,
        len: usize,
        written: bool,
    ) -> Result<(), Status> {
        self.pointer(name, pointer)?;
        let name = self.listener.about(name);
        let start = pointer.addr();
        let bytes = len.checked_mul(size_of::<T>()).filter(|&n| n <= isize::MAX as usize);
        let end = bytes.and_then(|n| start.checked_add(n)).ok_or(Status::ShapeTooLarge)?;
        let extent = (start, end, name);
        let noted = if written { self.written.push(extent) } else { self.read.push(extent) };
        noted.map_err(|_| Status::ShapeTooLarge)
    }

    /// An array that the call reads.
    ///
    /// # Safety
    /// `pointer` is NULL, misaligned, or points to `len` elements that live for `'a` and are not
    /// written meanwhile but through what [`Memory::check_overlap`] refuses.
    pub unsafe fn input<'a, T>(
        &mut self,
        name: &'static str,
        pointer: *const T,
        len: usize,
    ) -> Result<&'a [T], Status> {
        self.note(name, pointer, len, false)?;
        // SAFETY: not NULL, aligned, within the address space, and vouched for by the caller.
        Ok(unsafe { slice::from_raw_parts(pointer, len) })
    }

    /// The same where NULL means the default.
    ///
    /// # Safety
    /// As [`Memory::input`].
    pub unsafe fn optional_input<'a, T>(
        &mut self,
        name: &'static str,
        pointer: *const T,
        len: usize,
    ) -> Result<Option<&'a [T]>, Status> {
        if pointer.is_null() {
            return Ok(None);
        }
        // SAFETY: passed on.
        unsafe { self.input(name, pointer, len) }.map(Some)
    }

    /// Notes an array that the call will write.
    pub fn output<T>(
        &mut self,
        name: &'static str,
        pointer: *mut T,
        len: usize,
    ) -> Result<(), Status> {
        self.note(name, pointer, len, true)
    }

    /// The same where NULL means not wanted.
    pub fn optional_output<T>(
        &mut self,
        name: &'static str,
        pointer: *mut T,
        len: usize,
    ) -> Result<(), Status> {
        if pointer.is_null() { Ok(()) } else { self.output(name, pointer, len) }
    }

    /// Notes the workspace and checks it against the need.
    pub fn workspace(&mut self, pointer: *mut u8, size: usize, need: &Need) -> Result<(), Status> {
        self.listener.about("workspace");
        if pointer.is_null() {
            return Err(Status::NullPointer);
        }
        if !pointer.cast::<u64>().is_aligned() {
            return Err(Status::WorkspaceMisaligned);
        }
        let bytes = need.bytes()?;
        self.at_least("workspace_size", size, bytes, Status::WorkspaceTooSmall)?;
        self.note("workspace", pointer, bytes, true)
    }

    /// Refuses a block of fewer bytes than are needed.
    pub fn at_least(
        &mut self,
        name: &'static str,
        given: usize,
        needed: usize,
        status: Status,
    ) -> Result<(), Status> {
        self.listener.about(name);
        if given >= needed {
            return Ok(());
        }
        self.listener.found(|| Fault::Bytes { given, needed });
        Err(status)
    }

    /// Refuses a call in which anything that is written overlaps anything else.
    pub fn check_overlap(&mut self) -> Result<(), Status> {
        for (i, &(start, end, name)) in self.written.iter().enumerate() {
            let others = self.written.iter().skip(i + 1).chain(&self.read);
            for &(other_start, other_end, other) in others {
                if start < other_end && other_start < end {
                    self.listener.overlap(name, other);
                    return Err(Status::OverlappingArrays);
                }
            }
        }
        Ok(())
    }
}

/// A noted output as a slice; `None` for NULL.
///
/// # Safety
/// [`Memory::output`] and [`Memory::check_overlap`] have accepted it, with this `len`.
pub unsafe fn output<'a, T>(pointer: *mut T, len: usize) -> Option<&'a mut [T]> {
    if pointer.is_null() {
        return None;
    }
    // SAFETY: not NULL, aligned, and disjoint from every other array. Its content may never have been
    // written; T is an integer, and nothing is read before it is written.
    Some(unsafe { slice::from_raw_parts_mut(pointer, len) })
}

/// Makes the pools of an arena of the caller's block: cleared, 8-byte elements first.
///
/// # Safety
/// [`Memory::workspace`] and [`Memory::check_overlap`] have accepted the block for this `need`.
pub unsafe fn arena<'a>(block: *mut u8, need: &Need) -> Arena<'a> {
    // SAFETY: the block is 8-byte aligned and holds the four arrays one after another; clearing it
    // makes every element a value.
    unsafe {
        let u64s = block.cast::<u64>();
        let f64s = u64s.add(need.u64s).cast::<f64>();
        let u32s = f64s.add(need.f64s).cast::<u32>();
        let f32s = u32s.add(need.u32s).cast::<f32>();
        let end = f32s.add(need.f32s).cast::<u8>();
        core::ptr::write_bytes(block, 0, end.offset_from_unsigned(block));
        Arena::new(
            slice::from_raw_parts_mut(u64s, need.u64s),
            slice::from_raw_parts_mut(f64s, need.f64s),
            slice::from_raw_parts_mut(u32s, need.u32s),
            slice::from_raw_parts_mut(f32s, need.f32s),
        )
    }
}
