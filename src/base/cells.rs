//! Reading and writing slices without a path to a panic: out of range reads give the default, writes are
//! dropped. No caller relies on either; they only keep the optimiser from having to prove what the reader
//! sees.

use core::num::Wrapping;
use core::ops::{Add, Sub};

/// No expert, no slot, no GPU, no node: where a number is expected, and beyond every array.
pub const NONE: u32 = u32::MAX;

/// A place in a slice. Experts, slots and GPUs are u32 in arrays and usize in loops; an i32 is an entry of a map, of
/// which -1, an empty slot, is beyond every array.
pub trait Index: Copy {
    /// The place.
    fn index(self) -> usize;
}

impl Index for usize {
    #[inline(always)]
    fn index(self) -> usize {
        self
    }
}

impl Index for u32 {
    #[inline(always)]
    fn index(self) -> usize {
        self as usize
    }
}

impl Index for i32 {
    #[inline(always)]
    fn index(self) -> usize {
        self as usize
    }
}

/// An entry.
#[inline(always)]
pub fn at<T: Copy + Default>(xs: &[T], i: impl Index) -> T {
    xs.get(i.index()).copied().unwrap_or_default()
}

/// Writes an entry.
#[inline(always)]
pub fn put<T>(xs: &mut [T], i: impl Index, value: T) {
    if let Some(x) = xs.get_mut(i.index()) {
        *x = value;
    }
}

/// Changes an entry by what `f` makes of it.
#[inline(always)]
pub fn change<T: Copy>(xs: &mut [T], i: impl Index, f: impl FnOnce(T) -> T) {
    if let Some(x) = xs.get_mut(i.index()) {
        *x = f(*x);
    }
}

/// Adds to an entry; around, where it is too much.
#[inline(always)]
pub fn add<T: Copy>(xs: &mut [T], i: impl Index, more: T)
where
    Wrapping<T>: Add<Output = Wrapping<T>>,
{
    change(xs, i, |x| (Wrapping(x) + Wrapping(more)).0);
}

/// Takes from an entry, likewise.
#[inline(always)]
pub fn subtract<T: Copy>(xs: &mut [T], i: impl Index, less: T)
where
    Wrapping<T>: Sub<Output = Wrapping<T>>,
{
    change(xs, i, |x| (Wrapping(x) - Wrapping(less)).0);
}

/// Copies as much as there is of both.
#[inline]
pub fn copy<T: Copy>(to: &mut [T], from: &[T]) {
    to.iter_mut().zip(from).for_each(|(to, &from)| *to = from);
}

/// The part `from..to`, empty when out of range.
#[inline(always)]
pub fn part<T>(xs: &[T], from: usize, to: usize) -> &[T] {
    xs.get(from..to).unwrap_or_default()
}

/// The same to be written.
#[inline(always)]
pub fn part_mut<T>(xs: &mut [T], from: usize, to: usize) -> &mut [T] {
    xs.get_mut(from..to).unwrap_or_default()
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
