//! Arrays of structs as the caller compiled them: rows that are longer than ours, or shorter.

use crate::base::table::{Table, TableMut};
use crate::explain::Fault;
use crate::ffi::memory::{Listen, Memory};
use crate::ffi::read::{set_beyond, write};
use crate::gate::{eplb_gate_layer, eplb_gate_state, eplb_gate_verdict};
use crate::status::Status;
use core::mem::MaybeUninit;

/// A struct of which there are arrays.
///
/// # Safety
/// All-zero bytes are a valid value.
pub unsafe trait Row: Copy {}

// SAFETY: integers and floats.
unsafe impl Row for eplb_gate_layer {}
// SAFETY: as above.
unsafe impl Row for eplb_gate_state {}
// SAFETY: as above.
unsafe impl Row for eplb_gate_verdict {}

/// `len` rows, `size` bytes from one to the next. Holding one means that they are the caller's to give: see
/// [`Memory::rows`].
#[derive(Clone, Copy)]
pub struct Rows<T> {
    first: *mut T,
    size: usize,
    len: usize,
}

impl<H: Listen> Memory<H> {
    /// Notes an array of rows whose size has been checked.
    ///
    /// # Safety
    /// `first` is NULL, misaligned, or points to `len` rows of `size` bytes that are there while the answer is.
    pub unsafe fn rows<T: Row>(
        &mut self,
        name: &'static str,
        first: *mut T,
        len: usize,
        size: usize,
        written: bool,
    ) -> Result<Rows<T>, Status> {
        self.pointer(name, first)?;
        let bytes = len.checked_mul(size).ok_or(Status::ShapeTooLarge)?;
        if written {
            self.output(name, first.cast::<u8>(), bytes)?;
        } else {
            // SAFETY: passed on; the slice is not used.
            unsafe { self.input(name, first.cast::<u8>(), bytes)? };
        }
        Ok(Rows { first, size, len })
    }

    /// Refuses rows of a newer caller with something set that this library does not know.
    pub fn known<T: Row>(&mut self, name: &'static str, rows: &Rows<T>) -> Result<(), Status> {
        self.listener.about(name);
        for row in 0..rows.len {
            // SAFETY: the array has been noted.
            let unknown = unsafe { set_beyond(rows.at(row), size_of::<T>(), rows.size) };
            if let Some(at) = unknown {
                self.listener.found(|| Fault::Row { row, at });
                return Err(Status::StructSize);
            }
        }
        Ok(())
    }
}

impl<T: Row> Rows<T> {
    /// # Safety
    /// `row` is below `len`.
    unsafe fn at(&self, row: usize) -> *mut u8 {
        // SAFETY: as said.
        unsafe { self.first.cast::<u8>().add(row * self.size) }
    }
}

impl<T: Row> Table<T> for Rows<T> {
    fn rows(&self) -> usize {
        self.len
    }

    fn row(&self, row: usize) -> T {
        let mut value = MaybeUninit::<T>::zeroed();
        if row < self.len {
            let known = self.size.min(size_of::<T>());
            // SAFETY: a row of the caller's, of which no more is read than there is.
            unsafe { self.at(row).copy_to_nonoverlapping(value.as_mut_ptr().cast(), known) };
        }
        // SAFETY: all-zero is a value, and so is every value of the fields copied over it.
        unsafe { value.assume_init() }
    }
}

impl<T: Row> TableMut<T> for Rows<T> {
    fn set(&mut self, row: usize, value: T) {
        if row < self.len {
            // SAFETY: a row of the caller's, which overlaps nothing.
            unsafe { write(self.at(row), self.size, &value) };
        }
    }
}
