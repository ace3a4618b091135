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

/// Row `index` of rows of `len`; empty when it is not there. In place of `chunks_exact` where two of them go
/// in step: their `zip` divides.
#[inline]
pub fn row<T>(values: &[T], index: usize, len: usize) -> &[T] {
    let rest = values.get(index.saturating_mul(len)..);
    rest.and_then(|rest| rest.get(..len)).unwrap_or_default()
}

/// The same to be written.
#[inline]
pub fn row_mut<T>(values: &mut [T], index: usize, len: usize) -> &mut [T] {
    let rest = values.get_mut(index.saturating_mul(len)..);
    rest.and_then(|rest| rest.get_mut(..len)).unwrap_or_default()
}
