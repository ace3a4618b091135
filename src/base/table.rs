//! A table with a row a layer, wherever its rows lie: in a slice, or as far apart as a C caller's compiler put them.

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

impl<T: Copy + Default> Table<T> for &[T] {
    fn rows(&self) -> usize {
        self.len()
    }
    fn row(&self, layer: usize) -> T {
        self.get(layer).copied().unwrap_or_default()
    }
}

impl<T: Copy + Default> Table<T> for &mut [T] {
    fn rows(&self) -> usize {
        self.len()
    }
    fn row(&self, layer: usize) -> T {
        self.get(layer).copied().unwrap_or_default()
    }
}

impl<T: Copy + Default> TableMut<T> for &mut [T] {
    fn set(&mut self, layer: usize, row: T) {
        if let Some(place) = self.get_mut(layer) {
            *place = row;
        }
    }
}
