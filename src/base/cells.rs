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

/// Numbers that go around.
pub trait Wrapping: Copy {
    /// Their sum.
    fn plus(self, other: Self) -> Self;
    /// Their difference.
    fn minus(self, other: Self) -> Self;
}

impl Wrapping for u32 {
    #[inline(always)]
    fn plus(self, other: u32) -> u32 {
        self.wrapping_add(other)
    }
    #[inline(always)]
    fn minus(self, other: u32) -> u32 {
        self.wrapping_sub(other)
    }
}

impl Wrapping for u64 {
    #[inline(always)]
    fn plus(self, other: u64) -> u64 {
        self.wrapping_add(other)
    }
    #[inline(always)]
    fn minus(self, other: u64) -> u64 {
        self.wrapping_sub(other)
    }
}

/// Adds to an entry.
#[inline(always)]
pub fn add<T: Wrapping>(xs: &mut [T], i: usize, more: T) {
    if let Some(x) = xs.get_mut(i) {
        *x = x.plus(more);
    }
}

/// Takes from an entry.
#[inline(always)]
pub fn take<T: Wrapping>(xs: &mut [T], i: usize, less: T) {
    if let Some(x) = xs.get_mut(i) {
        *x = x.minus(less);
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

/// Row `index` of rows of `len`; empty when it is not there. In place of `chunks_exact` where two of them go
/// in step: their `zip` divides.
#[inline(always)]
pub fn row<T>(xs: &[T], index: usize, len: usize) -> &[T] {
    let rest = xs.get(index.saturating_mul(len)..);
    rest.and_then(|rest| rest.get(..len)).unwrap_or_default()
}

/// The same to be written.
#[inline(always)]
pub fn row_mut<T>(xs: &mut [T], index: usize, len: usize) -> &mut [T] {
    let rest = xs.get_mut(index.saturating_mul(len)..);
    rest.and_then(|rest| rest.get_mut(..len)).unwrap_or_default()
}
