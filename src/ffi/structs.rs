//! Structs across the border: a caller compiled with an older or newer header than ours.
//!
//! The rule of Linux's copy_struct_from_user: what a smaller struct lacks reads as zero, a larger one
//! is good only with a zero tail. Never by reference: the copy is ours. A struct that is read begins with its size;
//! of what is written, and of the rows of an array, the size is passed beside the pointer.

use crate::base::table::{Table, TableMut};
use crate::explain::text::say;
use crate::ffi::memory::{Listen, Memory};
use crate::status::Status;
use core::mem::MaybeUninit;

/// No struct of ours will be larger; a larger struct_size is a mistake and not worth reading.
const LARGEST: usize = 4096;

/// A struct of the C face.
///
/// # Safety
/// All-zero bytes are a value, and so is every value of its fields.
pub unsafe trait Plain: Copy {
    /// Its size in the first release, which no caller can be below.
    const FIRST_SIZE: usize;
}

/// One that says its own size.
///
/// # Safety
/// The first field is a u32 struct_size.
pub unsafe trait Versioned: Plain {
    /// What makes a good one.
    const INIT: &'static str;
}

/// Structs of integers, floats and raw pointers: the last field of the first release, and of those that begin with
/// their size, which are read, what makes a good one.
macro_rules! plain {
    ($($name:ident to $last:ident: $type:ty $(, $init:literal)?;)*) => { $(
        // SAFETY: integers, floats and raw pointers.
        unsafe impl $crate::ffi::structs::Plain for $name {
            const FIRST_SIZE: usize = core::mem::offset_of!($name, $last) + size_of::<$type>();
        }
        $(
            // SAFETY: struct_size comes first.
            unsafe impl $crate::ffi::structs::Versioned for $name {
                const INIT: &'static str = $init;
            }
        )?
    )* };
}
pub(crate) use plain;

impl<H: Listen> Memory<H> {
    /// Copies a struct of the caller's.
    ///
    /// # Safety
    /// `pointer` is NULL, misaligned, or points to struct_size readable bytes.
    pub unsafe fn read<T: Versioned>(
        &mut self,
        name: &'static str,
        pointer: *const T,
    ) -> Result<T, Status> {
        self.pointer(name, pointer)?;
        // SAFETY: not NULL, aligned, and every struct starts with this field.
        let given = unsafe { pointer.cast::<u32>().read() } as usize;
        if !(T::FIRST_SIZE..=LARGEST).contains(&given) {
            return self.refuse(Status::StructSize, |text| {
                say!(text; "%.struct_size is %, sizeof was % in the first release: start from %",
                    name, given, T::FIRST_SIZE, T::INIT);
            });
        }
        // SAFETY: the caller vouches for struct_size bytes.
        if let Some(at) = unsafe { set_beyond::<T>(pointer.cast(), given) } {
            return self.refuse(Status::StructSize, |text| {
                say!(text; "%.struct_size is %, and byte % of it, which this library does not know, is not 0: start \
                    from %, or leave the fields of newer versions at 0", name, given, at, T::INIT);
            });
        }
        // SAFETY: as before.
        Ok(unsafe { copy(pointer.cast(), given) })
    }

    /// The same where NULL means all zero, which is all defaults.
    ///
    /// # Safety
    /// As [`Memory::read`].
    pub unsafe fn read_or_default<T: Versioned>(
        &mut self,
        name: &'static str,
        pointer: *const T,
    ) -> Result<T, Status> {
        // SAFETY: nothing is copied, or passed on.
        unsafe {
            if pointer.is_null() { Ok(copy(pointer.cast(), 0)) } else { self.read(name, pointer) }
        }
    }

    /// Refuses a reserved word that is in use.
    pub fn zero(&mut self, name: &'static str, reserved: u32) -> Result<(), Status> {
        if reserved == 0 {
            return Ok(());
        }
        self.refuse(Status::ReservedNotZero, |text| {
            say!(text; "% is not 0: start from the EPLB_*_INIT macro of the struct", name);
        })
    }

    /// Notes an array of `len` structs, each of the `size` that it has where the caller was compiled.
    ///
    /// # Safety
    /// `array` is NULL, misaligned, or points to so many that are there while the answer is.
    pub unsafe fn rows<T: Plain>(
        &mut self,
        (name, size_name): (&'static str, &'static str),
        array: *mut T,
        size: usize,
        len: usize,
        written: bool,
    ) -> Result<Rows<T>, Status> {
        self.pointer(name, array)?;
        self.row_size::<T>(size_name, size)?;
        let bytes = self.fits(name, len.checked_mul(size))?;
        self.note(name, array.cast::<u8>(), bytes, written)?;
        Ok(Rows { array, size, len })
    }

    /// Refuses a size that no version of the struct has.
    pub fn row_size<T: Plain>(&mut self, name: &'static str, size: usize) -> Result<(), Status> {
        if (T::FIRST_SIZE..=LARGEST).contains(&size) && size & 7 == 0 {
            return Ok(());
        }
        self.refuse(Status::StructSize, |text| {
            say!(text; "% is %: pass the sizeof of what it is the size of, which is % or more, a multiple of 8",
                name, size, T::FIRST_SIZE);
        })
    }

    /// Notes an array of structs that is written, unless it is NULL: not wanted.
    ///
    /// # Safety
    /// As [`Memory::rows`].
    pub unsafe fn optional_rows<T: Plain>(
        &mut self,
        names: (&'static str, &'static str),
        array: *mut T,
        size: usize,
        len: usize,
    ) -> Result<Rows<T>, Status> {
        if array.is_null() {
            return Ok(Rows { array, size: 0, len: 0 });
        }
        // SAFETY: passed on.
        unsafe { self.rows(names, array, size, len, true) }
    }

    /// Refuses rows of a newer caller with something set that this library does not know.
    pub fn known<T: Plain>(&mut self, name: &'static str, rows: &Rows<T>) -> Result<(), Status> {
        for row in 0..rows.len {
            // SAFETY: the array has been noted.
            if let Some(at) = unsafe { set_beyond::<T>(rows.at(row), rows.size) } {
                return self.refuse(Status::StructSize, |text| {
                    say!(text; "%[%] has byte % set, which this library does not know: leave the fields of newer \
                        versions at 0", name, row, at);
                });
            }
        }
        Ok(())
    }
}

/// The first byte beyond our `T`, of `given`, that is not 0.
///
/// # Safety
/// `bytes` points to `given` readable bytes.
unsafe fn set_beyond<T>(bytes: *const u8, given: usize) -> Option<usize> {
    // SAFETY: inside the bytes that the caller vouches for.
    (size_of::<T>()..given).find(|&at| unsafe { bytes.add(at).read() } != 0)
}

/// Copies what we know of a struct of `given` bytes; the rest is zero.
///
/// # Safety
/// `bytes` points to `given` readable bytes, of a `T` of some version.
unsafe fn copy<T: Plain>(bytes: *const u8, given: usize) -> T {
    let mut value = MaybeUninit::<T>::zeroed();
    // SAFETY: no more is read than there is; all-zero is a value, and so is every value of the fields copied over it.
    unsafe {
        // of a field that is cut in two none
        let known = given.min(size_of::<T>()) & !(align_of::<T>() - 1);
        bytes.copy_to_nonoverlapping(value.as_mut_ptr().cast(), known);
        value.assume_init()
    }
}

/// Structs of the caller's, `size` bytes from one to the next; none where they are not wanted. Holding them means that
/// they are the caller's to give: see [`Memory::rows`].
#[derive(Clone, Copy)]
pub struct Rows<T> {
    array: *mut T,
    size: usize,
    len: usize,
}

impl<T> Rows<T> {
    /// Whether there is an array.
    pub fn are_wanted(&self) -> bool {
        !self.array.is_null()
    }

    /// # Safety
    /// `row` is below `len`.
    unsafe fn at(&self, row: usize) -> *mut u8 {
        // SAFETY: as said.
        unsafe { self.array.cast::<u8>().add(row * self.size) }
    }
}

impl<T: Plain> Table<T> for Rows<T> {
    fn rows(&self) -> usize {
        self.len
    }

    /// All zero beyond the end.
    fn row(&self, row: usize) -> T {
        let inside = row < self.len;
        // SAFETY: a row of the caller's, or nothing of none.
        unsafe { copy(self.at(if inside { row } else { 0 }), if inside { self.size } else { 0 }) }
    }
}

impl<T: Plain> TableMut<T> for Rows<T> {
    /// What fits, then zeroes; nothing beyond the end.
    fn set(&mut self, row: usize, value: T) {
        if row >= self.len {
            return;
        }
        let known = self.size.min(size_of::<T>());
        // SAFETY: a row of the caller's, which overlaps nothing; `known` bytes are readable from `value`, which is
        // ours.
        unsafe {
            let to = self.at(row);
            to.copy_from_nonoverlapping((&raw const value).cast(), known);
            to.add(known).write_bytes(0, self.size - known);
        }
    }
}
