//! From the loads of the windows to what is planned on: every window brought to the same mean, then drawn
//! away from the mean of all of them.
//!
//! A window counts by its weight and not by its tokens: the score averages balances, which do not know
//! how many tokens there were. And the windows that come will not be among those that were: w + 0.5 (w - mean)
//! stands for those that lie a little further out.

use crate::balanced::many_loads::lanes::Block;

/// How much further out.
const BEYOND: f64 = 0.5;
/// Least peak of an expert, so that spare slots go evenly to experts without load, and nothing is subnormal.
const TINY: f32 = f32::from_bits((127 - 80) << 23);

/// Turns shares into loads to plan on, in place: `[E]` times `blocks` of windows. `weight`: of each window,
/// the largest being 1. Writes the mean over the windows of each expert, and the peak, by which it earns
/// replicas: the largest over windows, of which one that counts for less is drawn towards the mean.
pub fn spread(
    loads: &mut [Block],
    blocks: usize,
    weight: &[f32],
    mean: &mut [f32],
    peak: &mut [f32],
) {
    let all = weight.iter().fold(0.0, |sum, &weight| sum + f64::from(weight));
    let experts = loads.chunks_exact_mut(blocks.max(1));
    for ((loads, mean), peak) in experts.zip(mean.iter_mut()).zip(peak.iter_mut()) {
        let loads = loads.as_flattened_mut();
        let mut sum = 0.0;
        for (&weight, &load) in weight.iter().zip(loads.iter()) {
            sum += f64::from(weight) * f64::from(load);
        }
        let middle = sum / all;
        let mut most = middle;
        for (&weight, load) in weight.iter().zip(loads.iter_mut()) {
            let out = (f64::from(*load) - middle) * (1.0 + BEYOND);
            let (here, heard) = (middle + out, middle + out * f64::from(weight));
            most = if heard > most { heard } else { most };
            *load = not_tiny(here);
        }
        *mean = not_tiny(middle).max(TINY);
        *peak = not_tiny(most).max(TINY);
    }
}

/// As f32, and 0 where that would be subnormal or negative.
fn not_tiny(x: f64) -> f32 {
    if x > f64::from(TINY) { x as f32 } else { 0.0 }
}
