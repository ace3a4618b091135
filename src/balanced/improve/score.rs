//! How balanced a placement is over the windows.

use crate::balanced::improve::instance::Instance;
use crate::balanced::improve::lanes::{self, blocks, take_lanes};
use crate::balanced::improve::scaling::bounded;
use crate::base::arena::{Arena, Carve};
use crate::base::cells::{NONE, at, change, part};

/// Weighted mean over the windows of mean / largest time; `u32::MAX` is an empty slot. Needs less of `arena` than a
/// search.
#[inline(never)]
pub fn balance<const N: usize>(
    instance: &Instance<N>,
    arena: &mut Arena,
    expert_at: &[u32],
) -> f64 {
    let n = blocks::<N>(instance.weight.len());
    let mut rest = arena.rest();
    let count = rest.u32s(instance.experts);
    let (sum, peaks) = (take_lanes::<N>(&mut rest, n), take_lanes::<N>(&mut rest, n));
    count.fill(0);
    peaks.fill([0.0; N]);
    for &expert in expert_at {
        change(count, expert, |count| count + 1);
    }
    let mut slots = expert_at.iter();
    for (&here, &speed) in instance.slots.iter().zip(instance.speed) {
        sum.fill([0.0; N]);
        for &expert in slots.by_ref().take(here as usize).filter(|expert| **expert != NONE) {
            let load = part(instance.loads, expert as usize * n, (expert as usize + 1) * n);
            lanes::add(sum, load, 1.0 / at(count, expert) as f32);
        }
        let slowness = bounded(instance.mean_speed / f64::from(speed));
        for (peaks, sum) in peaks.iter_mut().zip(sum.iter()) {
            lanes::largest_times(peaks, sum, slowness);
        }
    }
    mean_of(instance.weight, peaks.as_flattened())
}

/// Weighted mean over the windows of mean / largest time.
pub fn mean_of(weight: &[f32], peaks: &[f32]) -> f64 {
    let (mut sum, mut all) = (0.0, 0.0);
    for (&weight, &peak) in weight.iter().zip(peaks) {
        sum += f64::from(weight) / f64::from(if peak > 1.0 { peak } else { 1.0 });
        all += f64::from(weight);
    }
    sum / all
}
