//! Structs across the border: a caller compiled with an older or newer header than ours.
//!
//! The rule of Linux's copy_struct_from_user: what a smaller struct lacks reads as zero, a larger one
//! is good only with a zero tail. Never by reference: the copy is ours.

use crate::status::Status;
use core::mem::MaybeUninit;

/// No struct of ours will be larger; a larger struct_size is a mistake and not worth reading.
const LARGEST: usize = 4096;

/// A struct of the C face.
///
/// # Safety
/// All-zero bytes are a valid value, and the first field is a u32 struct_size.
pub unsafe trait Plain: Copy {
    /// Its size in the first release, which no caller can be below.
    const FIRST_SIZE: usize;
}

/// Copies a struct of the caller's.
///
/// # Safety
/// `pointer` is NULL, misaligned, or points to struct_size readable bytes.
pub unsafe fn read<T: Plain>(pointer: *const T) -> Result<T, Status> {
    check_pointer(pointer)?;
    // SAFETY: not NULL, aligned, and every struct starts with this field.
    let given = unsafe { pointer.cast::<u32>().read() } as usize;
    if !(T::FIRST_SIZE..=LARGEST).contains(&given) {
        return Err(Status::StructSize);
    }
    let bytes = pointer.cast::<u8>();
    for at in size_of::<T>()..given {
        // SAFETY: inside the struct_size bytes that the caller vouches for.
        if unsafe { bytes.add(at).read() } != 0 {
            return Err(Status::StructSize);
        }
    }
    let mut value = MaybeUninit::<T>::zeroed();
    // SAFETY: reads at most struct_size and writes at most size_of::<T>() bytes; all-zero was valid,
    // and so is every value of the fields copied over it.
    unsafe {
        let known = given.min(size_of::<T>());
        core::ptr::copy_nonoverlapping(bytes, value.as_mut_ptr().cast::<u8>(), known);
        Ok(value.assume_init())
    }
}

/// How far one element of an array of output structs is from the next, as the caller compiled it.
pub fn check_stride(given: usize, first_size: usize) -> Result<(), Status> {
    if (first_size..=LARGEST).contains(&given) && given & 7 == 0 {
        Ok(())
    } else {
        Err(Status::StructSize)
    }
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
