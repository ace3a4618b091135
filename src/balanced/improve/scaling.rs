//! What times count: the unit, how far below the largest they matter, and the weights of the windows.
//!
//! Times are raised to the 24th power in units of the largest. Where the largest is near the mean, what is well below
//! the mean is cut off first, so that the power tells the GPUs apart all the same. A window weighs the less the more
//! it costs as a whole: the balance of every window is to count, not that of the worst alone.

use crate::balanced::improve::instance::Instance;
use crate::balanced::improve::lanes::{self, Lanes};
use crate::balanced::improve::packing::Packing;
use crate::base::cells::{at, put};

/// Times count from this many times (largest - mean) below the mean on.
const ZOOM: f32 = 4.0;
/// So near to even is enough.
const ENOUGH: f32 = 1.0 / 4096.0;
/// No window weighs less than this part of the heaviest: 2^-72, the least power of a time, is far from subnormal then,
/// too.
const LEAST: f32 = 1.0 / (1_u64 << 40) as f32;

/// Scales anew. False: there is nothing to gain.
#[inline(never)] // off the stack of the search
pub fn scale<const N: usize>(
    p: &mut Packing<N>,
    instance: &Instance<N>,
    peaks: &mut [Lanes<N>],
) -> bool {
    p.peaks(peaks);
    let largest = |most, &peak: &f32| if peak > most { peak } else { most };
    let top = peaks.as_flattened().iter().take(instance.weight.len()).fold(0.0, largest);
    let excess = top - 1.0;
    if excess <= ENOUGH {
        return false;
    }
    let shift = 1.0 - ZOOM * excess;
    p.shift = if shift > 0.0 { shift } else { 0.0 };
    p.unit = top - p.shift;
    for (slowness, &speed) in p.slowness.iter_mut().zip(instance.speed) {
        *slowness = bounded(instance.mean_speed / f64::from(speed)) / p.unit;
    }
    weight_as_given(p, instance);
    if instance.weight.len() > 1 {
        p.refresh();
        weight_windows(p, instance);
    }
    p.refresh();
    true
}

/// The weights as given; so far apart that a cost would be 0, none is.
pub fn weight_as_given<const N: usize>(p: &mut Packing<N>, instance: &Instance<N>) {
    p.weight.fill([0.0; N]);
    for (to, &weight) in p.weight.as_flattened_mut().iter_mut().zip(instance.weight) {
        *to = if weight > LEAST { weight } else { LEAST };
    }
}

/// weight / sqrt(cost of the window), the heaviest being 1; where moves have a price, ^(3/4) instead of the root.
fn weight_windows<const N: usize>(p: &mut Packing<N>, instance: &Instance<N>) {
    let mut most = 0.0;
    for (lane, &weight) in instance.weight.iter().enumerate() {
        let mut cost = 0.0;
        for gpu in 0..p.gpus() {
            cost += f64::from(lanes::power(p.sum_in(gpu, lane) * at(p.slowness, gpu), 1.0));
        }
        let half = libm::sqrt(cost);
        // under a budget not every window can be helped
        let by = if p.priced { half * libm::sqrt(half) } else { half };
        let weight = (f64::from(weight) / by) as f32;
        most = if weight > most { weight } else { most };
        put(p.weight.as_flattened_mut(), lane, weight);
    }
    for weight in p.weight.as_flattened_mut().iter_mut().take(instance.weight.len()) {
        let part = *weight / most;
        *weight = if part > LEAST { part } else { LEAST };
    }
}

/// As f32, and no further from 1 than sums of loads can bear.
pub fn bounded(x: f64) -> f32 {
    const FAR: f64 = (1_u64 << 32) as f64;
    let x = if x > 1.0 / FAR { x } else { 1.0 / FAR };
    (if x < FAR { x } else { FAR }) as f32
}
