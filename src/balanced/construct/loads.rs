//! Loads scaled by a power of two, so that nothing is subnormal and flush-to-zero cannot matter, and their
//! image as integers, in which all packing is done: sums are exact, so no order of adding and no swap back
//! and forth shows.

use crate::base::cells::at;
use crate::base::keys::{descending, sort};

/// The largest load lands in [2^40, 2^41).
const TOP: i32 = 127 + 40;
/// Smaller than the largest by 2^120 or more, zero included: one value, below what any sum can notice. Not
/// zero, so that D'Hondt deals spare slots evenly to experts without load.
const FLOOR: i32 = (127 - 80) << 23;
/// The whole load of an instance is below 2^TOTAL, which leaves 16 bits for a GPU number beside a GPU's load.
const TOTAL: i64 = 48;

const TWO52: f64 = 4_503_599_627_370_496.0;

/// The loads of an instance.
pub struct Loads<'a> {
    /// By expert, scaled by a power of two; times `factor` it is fixed point.
    pub scaled: &'a mut [f32],
    pub factor: f64,
    /// Keys of the experts by falling load.
    pub order: &'a mut [u64],
}

impl Loads<'_> {
    /// Scales and sorts. `speeds`: loads get eight bits less, which leaves room for the times of slow GPUs.
    pub fn set(&mut self, load: &[f32], speeds: bool, buffer: &mut [u64]) {
        self.factor = scale(load, self.scaled) * if speeds { 1.0 / 256.0 } else { 1.0 };
        self.sort(buffer);
    }

    pub fn sort(&mut self, buffer: &mut [u64]) {
        for (expert, (key, &load)) in self.order.iter_mut().zip(self.scaled.iter()).enumerate() {
            *key = descending(load, expert);
        }
        sort(self.order, buffer);
    }

    /// Whether no expert has any load.
    pub fn are_none(&self) -> bool {
        let first = at(self.order, 0_usize) as u32;
        at(self.scaled, first).to_bits() == FLOOR as u32
    }

    /// Key of an expert by falling load of one of its `count` replicas.
    #[inline(always)]
    pub fn key(&self, expert: u32, count: u32) -> u64 {
        descending(at(self.scaled, expert) / count as f32, expert as usize)
    }

    /// The load of one of `count` replicas, in fixed point.
    #[inline(always)]
    pub fn of_replica(&self, expert: u32, count: u32) -> u64 {
        fixed(self.exact(expert) / f64::from(count))
    }

    /// The load of an expert, before it is rounded to fixed point.
    #[inline(always)]
    pub fn exact(&self, expert: u32) -> f64 {
        f64::from(at(self.scaled, expert)) * self.factor
    }
}

/// Scales `load` into `out`; gives the factor that turns an f32 of `out` into fixed point.
pub fn scale(load: &[f32], out: &mut [f32]) -> f64 {
    let bits = |x: f32| x.to_bits() & 0x7fff_ffff;
    let top = load.iter().fold(0, |top, &x| bits(x).max(top));
    if top >= 100 << 23 {
        // Subnormals would be below the floor anyway.
        let shift = ((top >> 23) as i32).wrapping_sub(TOP).wrapping_shl(23);
        for (scaled, &x) in out.iter_mut().zip(load) {
            let moved = (bits(x) as i32).wrapping_sub(shift);
            *scaled = f32::from_bits(moved.max(FLOOR) as u32);
        }
    } else {
        let exponent = normal(top) >> 23;
        let shift = exponent.wrapping_sub(i64::from(TOP)).wrapping_mul(1 << 23);
        for (scaled, &x) in out.iter_mut().zip(load) {
            let moved = if bits(x) == 0 { 0 } else { normal(bits(x)).wrapping_sub(shift) };
            *scaled = f32::from_bits(moved.max(i64::from(FLOOR)) as u32);
        }
    }
    // Four sums side by side: one alone would wait for each addition. Their order is fixed, so the result is
    // too.
    let mut sums = [0.0_f64; 4];
    let (fours, rest) = out.as_chunks::<4>();
    for four in fours {
        for (sum, &x) in sums.iter_mut().zip(four) {
            *sum += f64::from(x);
        }
    }
    let [a, b, c, d] = sums;
    let total = rest.iter().fold(a + b + (c + d), |total, &x| total + f64::from(x));
    // 2^(TOTAL - 1 - exponent of the total)
    let exponent = ((total.to_bits() >> 52) as i64).wrapping_sub(1023);
    f64::from_bits(((TOTAL - 1).wrapping_sub(exponent).wrapping_add(1023) as u64) << 52)
}

/// Bits with the exponent of a subnormal continued below zero, as if f32 had no least exponent.
fn normal(bits: u32) -> i64 {
    if bits >= 1 << 23 || bits == 0 {
        return i64::from(bits);
    }
    let up = bits.leading_zeros().wrapping_sub(8);
    let mantissa = i64::from(bits.wrapping_shl(up) & 0x007f_ffff);
    mantissa.wrapping_add(1_i64.wrapping_sub(i64::from(up)).wrapping_mul(1 << 23))
}

/// Rounds to the nearest integer below 2^52 without the range checks of a cast.
#[inline(always)]
pub fn fixed(x: f64) -> u64 {
    (x + TWO52).to_bits() & ((1 << 52) - 1)
}
