//! Windows side by side, `N` to a block: eight, so that one instruction does several where the processor can, or
//! one. The order of adding is written down, so that it does not matter whether it can.
//!
//! All of it is f32: add, subtract, multiply, divide and compare. Nothing is ever subnormal: times are cut off below
//! before they are raised to a power.

use crate::base::arena::Carve;

/// `N` windows.
pub type Lanes<const N: usize> = [f32; N];

/// Blocks that hold `windows`.
pub fn blocks<const N: usize>(windows: usize) -> usize {
    windows.div_ceil(N)
}

/// Whole blocks.
pub fn take_lanes<'a, const N: usize>(
    arena: &mut impl Carve<'a>,
    blocks: usize,
) -> &'a mut [Lanes<N>] {
    arena.f32s(blocks.saturating_mul(N)).as_chunks_mut().0
}

/// Times below this part of the unit cost as much as this: 2^-3, whose 24th power is still far from subnormal.
const LEAST: f32 = 0.125;
/// Times above this many units cost as much as this: sums of the 24th power stay finite.
const MOST: f32 = 16.0;

/// A GPU: its load, what a unit of load takes, and the weights of the windows.
#[derive(Clone, Copy)]
pub struct Gpu<'a, const N: usize> {
    pub load: &'a [Lanes<N>],
    pub slowness: f32,
    pub weight: &'a [Lanes<N>],
}

/// Part of an expert's load, which may be negative.
#[derive(Clone, Copy)]
pub struct Item<'a, const N: usize> {
    pub load: &'a [Lanes<N>],
    pub part: f32,
}

/// weight * time^24, the time cut off at `LEAST` and `MOST`: the latter as integers, since of a minimum of floats
/// compilers make branches.
#[inline(always)]
pub fn power(time: f32, weight: f32) -> f32 {
    let t = if time > LEAST { time } else { LEAST };
    let t = f32::from_bits((t.to_bits() as i32).min(MOST.to_bits() as i32) as u32);
    let t2 = t * t;
    let t4 = t2 * t2;
    let t8 = t4 * t4;
    t8 * t8 * t8 * weight
}

/// A time whose 24th power is at least `cost`, and not much more: what costs less is below it.
pub fn time_of(cost: f32) -> f32 {
    const ONE: i32 = 127 << 23;
    if cost <= 1.0 / (1_u64 << 63) as f32 {
        return LEAST;
    }
    // the exponent by 24, then Newton's method, which comes from above
    let mut t = f32::from_bits(((cost.to_bits() as i32 - ONE) / 24 + ONE) as u32);
    for _ in 0..4 {
        let t2 = t * t;
        let t4 = t2 * t2;
        let t8 = t4 * t4;
        t *= (23.0 + cost / (t8 * t8 * t8)) * (1.0 / 24.0);
    }
    t * (1.0 + 1.0 / 65_536.0)
}

#[inline(always)]
fn sum<const N: usize>(lanes: &Lanes<N>) -> f32 {
    match lanes.as_slice() {
        &[a, b, c, d, e, f, g, h] => {
            let (a, b, c, d) = (a + e, b + f, c + g, d + h);
            (a + c) + (b + d)
        }
        all => all.iter().fold(0.0, |sum, x| sum + x),
    }
}

/// What a GPU costs with two items more: the sum over the windows of weight * time^24.
#[inline(always)]
pub fn cost_with<const N: usize>(gpu: &Gpu<N>, x: Item<N>, y: Item<N>) -> f32 {
    let mut all = 0.0;
    for (((load, a), b), weight) in gpu.load.iter().zip(x.load).zip(y.load).zip(gpu.weight) {
        let mut costs = [0.0; N];
        powers_with(&mut costs, (load, gpu.slowness), (a, x.part), (b, y.part), weight);
        all += sum(&costs);
    }
    all
}

/// What two GPUs cost together when one gives `x` to the other for `y`.
#[inline(always)]
pub fn cost_of_swap<const N: usize>(here: &Gpu<N>, there: &Gpu<N>, x: Item<N>, y: Item<N>) -> f32 {
    let mut all = 0.0;
    let loads = here.load.iter().zip(there.load).zip(x.load.iter().zip(y.load));
    for (((h, q), (a, b)), weight) in loads.zip(here.weight) {
        let gpus = ((h, here.slowness), (q, there.slowness));
        let mut costs = [0.0; N];
        powers_of_swap(&mut costs, gpus, (a, x.part), (b, y.part), weight);
        all += sum(&costs);
    }
    all
}

/// By window. Out of line, and through memory, because that is what compilers turn into vectors.
#[inline(never)]
fn powers_with<const N: usize>(
    costs: &mut Lanes<N>,
    (load, slowness): (&Lanes<N>, f32),
    (x, by): (&Lanes<N>, f32),
    (y, with): (&Lanes<N>, f32),
    weight: &Lanes<N>,
) {
    let items = x.iter().zip(y);
    for (((cost, load), (x, y)), weight) in costs.iter_mut().zip(load).zip(items).zip(weight) {
        *cost = power((load + (x * by + y * with)) * slowness, *weight);
    }
}

/// Two GPUs: load and slowness of each.
type Pair<'a, const N: usize> = ((&'a Lanes<N>, f32), (&'a Lanes<N>, f32));

/// As [`powers_with`].
#[inline(never)]
fn powers_of_swap<const N: usize>(
    costs: &mut Lanes<N>,
    (here, there): Pair<N>,
    (x, by): (&Lanes<N>, f32),
    (y, with): (&Lanes<N>, f32),
    weight: &Lanes<N>,
) {
    let loads = here.0.iter().zip(there.0).zip(x.iter().zip(y));
    for ((cost, ((h, q), (x, y))), weight) in costs.iter_mut().zip(loads).zip(weight) {
        let crossing = x * by - y * with;
        *cost = power((h - crossing) * here.1, *weight) + power((q + crossing) * there.1, *weight);
    }
}

/// What a GPU costs, and in which window most, as an index into the lanes; the first of equals.
pub fn cost<const N: usize>(gpu: &Gpu<N>) -> (f32, usize) {
    let (mut all, mut most, mut at) = (0.0, -1.0, 0);
    for (block, (load, weight)) in gpu.load.iter().zip(gpu.weight).enumerate() {
        let mut costs = [0.0; N];
        powers_with(&mut costs, (load, gpu.slowness), (load, 0.0), (load, 0.0), weight);
        for (i, &cost) in costs.iter().enumerate() {
            if cost > most {
                most = cost;
                at = N * block + i;
            }
        }
        all += sum(&costs);
    }
    (all, at)
}

/// The largest load over the windows after `plus` came.
#[inline(always)]
pub fn largest_with(load: &[Lanes<8>], plus: &[Lanes<8>]) -> f32 {
    let mut most = [0.0; 8];
    for (load, plus) in load.iter().zip(plus) {
        for ((most, &load), &plus) in most.iter_mut().zip(load).zip(plus) {
            let now = load + plus;
            *most = if now > *most { now } else { *most };
        }
    }
    largest_of(&most)
}

/// `load + x * by`, into `load`.
#[inline(always)]
pub fn add<const N: usize>(load: &mut [Lanes<N>], x: &[Lanes<N>], by: f32) {
    #[inline(never)]
    fn apart<const N: usize>(load: &mut Lanes<N>, x: &Lanes<N>, by: f32) {
        load.iter_mut().zip(x).for_each(|(load, &x)| *load += x * by);
    }
    for (load, x) in load.iter_mut().zip(x) {
        if N == 1 {
            load.iter_mut().zip(x).for_each(|(load, &x)| *load += x * by);
        } else {
            apart(load, x, by);
        }
    }
}

/// The largest, at least 0: eight side by side.
pub fn largest(xs: &[f32]) -> f32 {
    let (eights, rest) = xs.as_chunks::<8>();
    let mut most = [0.0; 8];
    for eight in eights {
        for (most, &x) in most.iter_mut().zip(eight) {
            *most = if x > *most { x } else { *most };
        }
    }
    let larger = |a: f32, &b: &f32| if b > a { b } else { a };
    rest.iter().fold(most.iter().fold(0.0, larger), larger)
}

/// The largest of up to eight.
#[inline(always)]
pub fn largest_of(xs: &[f32]) -> f32 {
    let Some(&[a, b, c, d, e, f, g, h]) = xs.first_chunk() else {
        return xs.iter().fold(f32::NEG_INFINITY, |most, &x| if x > most { x } else { most });
    };
    let larger = |a: f32, b: f32| if b > a { b } else { a };
    let (a, b, c, d) = (larger(a, e), larger(b, f), larger(c, g), larger(d, h));
    larger(larger(a, c), larger(b, d))
}

/// The larger of each peak and sum * slowness.
#[inline(never)]
pub fn largest_times<const N: usize>(peaks: &mut Lanes<N>, sum: &Lanes<N>, slowness: f32) {
    for (peak, &sum) in peaks.iter_mut().zip(sum) {
        let time = sum * slowness;
        *peak = if time > *peak { time } else { *peak };
    }
}
