//! Elements by index without a panic: what is not there reads as zero and is not written.

/// The element, or zero.
#[inline]
pub fn at<T: Copy + Default>(values: &[T], index: usize) -> T {
    values.get(index).copied().unwrap_or_default()
}

/// Writes an element.
#[inline]
pub fn put<T>(values: &mut [T], index: usize, value: T) {
    if let Some(place) = values.get_mut(index) {
        *place = value;
    }
}

/// Adds to an element.
#[inline]
pub fn add(values: &mut [u64], index: usize, more: u64) {
    if let Some(place) = values.get_mut(index) {
        *place = place.wrapping_add(more);
    }
}

/// Takes from an element, which holds at least that much.
#[inline]
pub fn take(values: &mut [u64], index: usize, less: u64) {
    if let Some(place) = values.get_mut(index) {
        *place = place.wrapping_sub(less);
    }
}
