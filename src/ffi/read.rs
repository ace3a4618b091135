//! Structs across the border: a caller compiled with an older or newer header than ours.
//!
//! The rule of Linux's copy_struct_from_user: what a smaller struct lacks reads as zero, a larger one
//! is good only with a zero tail. Never by reference: the copy is ours. A struct that is read begins with its size;
//! of what is written, and of the rows of an array, the size is passed beside the pointer.

use crate::explain::Fault;
use crate::ffi::memory::{Listen, Memory};
use crate::status::Status;
use core::mem::MaybeUninit;

/// No struct of ours will be larger; a larger struct_size is a mistake and not worth reading.
const LARGEST: usize = 4096;

/// A struct of the C face that is read.
///
/// # Safety
/// All-zero bytes are a valid value, and the first field is a u32 struct_size.
pub unsafe trait Plain: Copy {
    /// Its size in the first release, which no caller can be below.
    const FIRST_SIZE: usize;
    /// What makes a good one.
    const INIT: &'static str;
}

impl<H: Listen> Memory<H> {
    /// Copies a struct of the caller's.
    ///
    /// # Safety
    /// `pointer` is NULL, misaligned, or points to struct_size readable bytes.
    pub unsafe fn read<T: Plain>(
        &mut self,
        name: &'static str,
        pointer: *const T,
    ) -> Result<T, Status> {
        self.pointer(name, pointer)?;
        // SAFETY: not NULL, aligned, and every struct starts with this field.
        let given = unsafe { pointer.cast::<u32>().read() } as usize;
        let first = T::FIRST_SIZE;
        let mut bad = |unknown| {
            self.listener.found(|| Fault::Struct { given, first, unknown, init: T::INIT });
            Err(Status::StructSize)
        };
        if !(first..=LARGEST).contains(&given) {
            return bad(None);
        }
        // SAFETY: the caller vouches for struct_size bytes.
        if let Some(unknown) = unsafe { set_beyond(pointer.cast(), size_of::<T>(), given) } {
            return bad(Some(unknown));
        }
        let mut value = MaybeUninit::<T>::zeroed();
        // SAFETY: reads at most struct_size and writes at most size_of::<T>() bytes; all-zero was valid,
        // and so is every value of the fields copied over it.
        unsafe {
            let known = given.min(size_of::<T>());
            let to = value.as_mut_ptr().cast::<u8>();
            core::ptr::copy_nonoverlapping(pointer.cast::<u8>(), to, known);
            Ok(value.assume_init())
        }
    }

    /// The size of a struct that is written, or of a row: how far one is from the next, as the caller compiled it.
    pub fn stride(&mut self, name: &'static str, given: usize, first: usize) -> Result<(), Status> {
        self.listener.about(name);
        if (first..=LARGEST).contains(&given) && given & 7 == 0 {
            return Ok(());
        }
        self.listener.found(|| Fault::Stride { given, first });
        Err(Status::StructSize)
    }
}

/// The first byte from `known` on, of `given`, that is not 0.
///
/// # Safety
/// `bytes` points to `given` readable bytes.
pub unsafe fn set_beyond(bytes: *const u8, known: usize, given: usize) -> Option<usize> {
    // SAFETY: inside the bytes that the caller vouches for.
    (known..given).find(|&at| unsafe { bytes.add(at).read() } != 0)
}

/// Writes `value` where the caller has `given` bytes for it: what fits, then zeroes.
///
/// # Safety
/// `to` points to `given` writable bytes.
pub unsafe fn write<T: Copy>(to: *mut u8, given: usize, value: &T) {
    let known = given.min(size_of::<T>());
    // SAFETY: `given` bytes are writable, `known` of them readable from `value`, which is ours.
    unsafe {
        core::ptr::copy_nonoverlapping((&raw const *value).cast::<u8>(), to, known);
        core::ptr::write_bytes(to.add(known), 0, given - known);
    }
}

/// NULL and alignment.
pub fn check_pointer<T>(pointer: *const T) -> Result<(), Status> {
    if pointer.is_null() {
        Err(Status::NullPointer)
    } else if !pointer.is_aligned() {
        Err(Status::MisalignedPointer)
    } else {
        Ok(())
    }
}
