//! A table with a row a layer, wherever its rows lie: in a slice, or as far apart as a C caller's compiler put them.

use crate::base::cells::{at, put};
use core::ops::{Deref, DerefMut};

/// Rows that are read.
pub trait Table<T> {
    /// Rows.
    fn rows(&self) -> usize;
    /// A row; a default one beyond the end.
    fn row(&self, layer: usize) -> T;
}

/// Rows that are written, too.
pub trait TableMut<T>: Table<T> {
    /// Changes a row; nothing beyond the end.
    fn set(&mut self, layer: usize, row: T);
}

impl<T: Copy + Default, S: Deref<Target = [T]>> Table<T> for S {
    fn rows(&self) -> usize {
        self.len()
    }
    fn row(&self, layer: usize) -> T {
        at(self, layer)
    }
}

impl<T: Copy + Default, S: DerefMut<Target = [T]>> TableMut<T> for S {
    fn set(&mut self, layer: usize, row: T) {
        put(self, layer, row);
    }
}
