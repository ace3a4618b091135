//! The caller's memory: noted array by array, checked against each other, then turned into slices. One list of checks
//! serves a call and its explanation: what is wrong is said where it is found, to who listens.

use crate::base::arena::{Arena, Need};
use crate::explain::text::{Text, say};
use crate::status::Status;
use core::ffi::c_void;
use core::{mem, slice};

/// Who is told why a call is refused.
pub trait Listen: Default {
    /// What is kept of the name of an array.
    type Name: Copy;
    fn keep(name: &'static str) -> Self::Name;
    fn name(kept: Self::Name) -> &'static str;
    fn hear(&mut self, say: impl FnOnce(&mut Text));
}

/// Nobody: a call. All of it is gone from the code.
#[derive(Default)]
pub struct Deaf;

impl Listen for Deaf {
    type Name = ();
    #[inline(always)]
    fn keep(_: &'static str) {}
    #[inline(always)]
    fn name((): ()) -> &'static str {
        ""
    }
    #[inline(always)]
    fn hear(&mut self, _: impl FnOnce(&mut Text)) {}
}

/// Where an array of the call starts and ends, and what it is called.
type Extent<N> = (usize, usize, N);

/// All arrays of a call.
#[derive(Default)]
pub struct Memory<H: Listen> {
    pub listener: H,
    /// Those that are written, then the others. The bound is the signatures: topology and tokens of steps, then 4 maps, or
    /// loads and a placement, or homes with a batch; workspace, then 4 maps and metrics, or slots, quotas, table, fetches
    /// and metrics.
    arrays: heapless::Vec<Extent<H::Name>, 15>,
    written: usize,
}

impl<H: Listen> Memory<H> {
    /// Refuses the call, and says why.
    pub fn refuse<T>(&mut self, status: Status, say: impl FnOnce(&mut Text)) -> Result<T, Status> {
        self.listener.hear(say);
        Err(status)
    }

    /// NULL and alignment of a pointer that is needed.
    pub fn pointer<T>(&mut self, name: &'static str, pointer: *const T) -> Result<(), Status> {
        if pointer.is_null() {
            return self.refuse(Status::NullPointer, |text| {
                say!(text; "% is NULL: pass what it is to point to", name);
            });
        }
        if !pointer.is_aligned() {
            return self.refuse(Status::MisalignedPointer, |text| {
                say!(text; "% is at no multiple of % bytes: align it for its type", name, align_of::<T>());
            });
        }
        Ok(())
    }

    /// Lengths of arrays, `None` or an error when they do not fit the address space.
    pub fn fits<T>(&mut self, name: &'static str, length: Option<T>) -> Result<T, Status> {
        length.ok_or(Status::ShapeTooLarge).inspect_err(|_| {
            self.listener.hear(|text| {
                say!(text; "% does not fit the address space: make the sizes that it depends on smaller", name);
            });
        })
    }

    pub fn note<T>(
        &mut self,
        name: &'static str,
        pointer: *const T,
        len: usize,
        written: bool,
    ) -> Result<(), Status> {
        self.pointer(name, pointer)?;
        let start = pointer.addr();
        let bytes = len.checked_mul(size_of::<T>()).filter(|&n| n <= isize::MAX as usize);
        let end = self.fits(name, bytes.and_then(|n| start.checked_add(n)))?;
        let mut extent = (start, end, H::keep(name));
        if written {
            if let Some(first_read) = self.arrays.get_mut(self.written) {
                mem::swap(first_read, &mut extent); // which goes to the end
            }
            self.written += 1;
        }
        self.arrays.push(extent).map_err(|_| Status::ShapeTooLarge)
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
    pub fn workspace(
        &mut self,
        pointer: *mut c_void,
        size: usize,
        need: Need,
    ) -> Result<Workspace, Status> {
        let block = pointer.cast::<u64>();
        if !block.is_aligned() {
            return self.refuse(Status::WorkspaceMisaligned, |text| {
                say!(text; "workspace is at no multiple of 8 bytes: align it as eplb_workspace says");
            });
        }
        self.pointer("workspace", block)?;
        let bytes = need.bytes()?;
        if size < bytes {
            return self.refuse(Status::WorkspaceTooSmall, |text| {
                say!(text; "workspace_size is %, this call needs %: ask eplb_workspace for this operation, problem and \
                    options", size, bytes);
            });
        }
        self.output("workspace", pointer.cast::<u8>(), bytes)?;
        Ok(Workspace { block, need })
    }

    /// Refuses a call in which anything that is written overlaps anything else.
    pub fn check_overlap(&mut self) -> Result<(), Status> {
        let Memory { listener, arrays, written } = self;
        for (i, &(start, end, name)) in arrays.iter().take(*written).enumerate() {
            let mut others = arrays.iter().skip(i + 1);
            if let Some(&(.., other)) = others.find(|other| start < other.1 && other.0 < end) {
                listener.hear(|text| {
                    say!(text; "% overlaps %: what is written needs memory of its own", H::name(name), H::name(other));
                });
                return Err(Status::OverlappingArrays);
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

/// A workspace that is large enough.
#[derive(Clone, Copy)]
pub struct Workspace {
    block: *mut u64,
    need: Need,
}

impl Workspace {
    /// Makes the pools of an arena of it: cleared, 8-byte elements first.
    ///
    /// # Safety
    /// [`Memory::check_overlap`] has accepted the call, and there is one arena at a time.
    pub unsafe fn arena<'a>(&self) -> Arena<'a> {
        let Workspace { block, need } = *self;
        // SAFETY: the block is 8-byte aligned and holds the four arrays one after another; clearing it
        // makes every element a value.
        unsafe {
            let f64s = block.add(need.u64s).cast::<f64>();
            let u32s = f64s.add(need.f64s).cast::<u32>();
            let f32s = u32s.add(need.u32s).cast::<f32>();
            let end = f32s.add(need.f32s).cast::<u8>();
            let bytes = block.cast::<u8>();
            bytes.write_bytes(0, end.offset_from_unsigned(bytes));
            Arena::new(
                slice::from_raw_parts_mut(block, need.u64s),
                slice::from_raw_parts_mut(f64s, need.f64s),
                slice::from_raw_parts_mut(u32s, need.u32s),
                slice::from_raw_parts_mut(f32s, need.f32s),
            )
        }
    }
}
