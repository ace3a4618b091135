//! Reading and writing slices without a path to a panic: out of range reads give the default, writes are
//! dropped. No caller relies on either; they only keep the optimiser from having to prove what the reader
//! sees.

#[inline(always)]
pub fn at<T: Copy + Default>(xs: &[T], i: usize) -> T {
    xs.get(i).copied().unwrap_or_default()
}

#[inline(always)]
pub fn put<T>(xs: &mut [T], i: usize, value: T) {
    if let Some(x) = xs.get_mut(i) {
        *x = value;
    }
}

/// Changes one entry by what `f` makes of it.
#[inline(always)]
pub fn change<T: Copy>(xs: &mut [T], i: usize, f: impl Fn(T) -> T) {
    if let Some(x) = xs.get_mut(i) {
        *x = f(*x);
    }
}

#[inline(always)]
pub fn add(xs: &mut [u32], i: usize, value: u32) {
    if let Some(x) = xs.get_mut(i) {
        *x = x.wrapping_add(value);
    }
}

/// The part `from..to`, empty when out of range.
#[inline(always)]
pub fn part<T>(xs: &[T], from: usize, to: usize) -> &[T] {
    xs.get(from..to).unwrap_or(&[])
}

#[inline(always)]
pub fn part_mut<T>(xs: &mut [T], from: usize, to: usize) -> &mut [T] {
    xs.get_mut(from..to).unwrap_or(&mut [])
}
