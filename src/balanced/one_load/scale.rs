//! Loads scaled by a power of two, so that nothing is subnormal and flush-to-zero cannot matter, and their
//! image as integers, in which all packing is done: sums are exact, so no order of adding and no swap back
//! and forth shows.

/// The largest load lands in [2^40, 2^41).
const TOP: i32 = 127 + 40;
/// Smaller than the largest by 2^120 or more, zero included: one value, below what any sum can notice. Not
/// zero, so that D'Hondt deals spare slots evenly to experts without load.
const FLOOR: i32 = (127 - 80) << 23;
/// The whole load of a row is below 2^TOTAL, which leaves 16 bits for a GPU number beside a GPU's load.
pub(super) const TOTAL: i32 = 48;

const TWO52: f64 = 4_503_599_627_370_496.0;

/// Scales `load` into `out`; gives the factor that turns an f32 of `out` into fixed point.
pub fn scale(load: &[f32], out: &mut [f32]) -> f64 {
    let mut top = 0u32;
    for &x in load {
        let bits = x.to_bits() & 0x7fff_ffff;
        top = if bits > top { bits } else { top };
    }
    if top >= 100 << 23 {
        // Subnormals would be below the floor anyway.
        let shift = ((top >> 23) as i32).wrapping_sub(TOP).wrapping_shl(23);
        for (y, &x) in out.iter_mut().zip(load) {
            let bits = ((x.to_bits() & 0x7fff_ffff) as i32).wrapping_sub(shift);
            *y = f32::from_bits((if bits < FLOOR { FLOOR } else { bits }) as u32);
        }
    } else {
        let shift = exponent(normal(top)).wrapping_sub(TOP as i64).wrapping_mul(1 << 23);
        for (y, &x) in out.iter_mut().zip(load) {
            let bits = x.to_bits() & 0x7fff_ffff;
            let moved = normal(bits).wrapping_sub(shift);
            *y = f32::from_bits(if bits == 0 || top == 0 || moved < i64::from(FLOOR) {
                FLOOR as u32
            } else {
                moved as u32
            });
        }
    }
    // Four sums side by side: one alone would wait for each addition. Their order is fixed, so the result is
    // too.
    let mut sums = [0.0f64; 4];
    let (fours, rest) = out.as_chunks::<4>();
    for f in fours {
        for (s, &y) in sums.iter_mut().zip(f) {
            *s += f64::from(y);
        }
    }
    let [a, b, c, d] = sums;
    let mut total = a + b + (c + d);
    for &y in rest {
        total += f64::from(y);
    }
    // 2^(TOTAL - 1 - exponent of the total)
    let e = ((total.to_bits() >> 52) as i64).wrapping_sub(1023);
    f64::from_bits(((i64::from(TOTAL) - 1).wrapping_sub(e).wrapping_add(1023) as u64) << 52)
}

/// Bits with the exponent of a subnormal continued below zero, as if f32 had no least exponent.
fn normal(bits: u32) -> i64 {
    if bits >= 1 << 23 || bits == 0 {
        return i64::from(bits);
    }
    let up = bits.leading_zeros().wrapping_sub(8);
    let mantissa = i64::from(bits.wrapping_shl(up) & 0x007f_ffff);
    mantissa.wrapping_add(1i64.wrapping_sub(i64::from(up)).wrapping_mul(1 << 23))
}

fn exponent(bits: i64) -> i64 {
    bits >> 23
}

/// Rounds to the nearest integer below 2^52 without the range checks of a cast.
#[inline(always)]
pub fn fixed(x: f64) -> u64 {
    (x + TWO52).to_bits() & ((1 << 52) - 1)
}
