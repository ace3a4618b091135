//! Balance on the GPUs that stay: what a plan is compared by with the one in force.

use crate::base::cells::at;
use crate::base::keys::widen;
use crate::problem::Problem;
use crate::problem::topology::Topology;

/// Weighted mean over the windows of mean GPU time / largest GPU time, of a layer's slots on GPUs that
/// receive; `None` when an expert has no copy there. `count` holds `[E]`. O(W (P + E)).
pub fn balance(problem: &Problem, layer: usize, slots: &[i32], count: &mut [u32]) -> Option<f64> {
    let topology = problem.shape().topology();
    count_copies(topology, slots, |gpu| topology.receives(gpu), count);
    if count.contains(&0) {
        return None;
    }
    let (mut sum, mut all) = (0.0, 0.0);
    for window in 0..problem.shape().num_windows() {
        let weight = widen(problem.window_weight(window, layer).abs());
        if weight > 0.0 {
            sum += weight * balance_of_window(problem, window, layer, slots, count);
            all += weight;
        }
    }
    Some(if all > 0.0 { sum / all } else { 1.0 })
}

/// The balance that windows with load have when all together have `balance`: one without load has 1.
#[inline(never)] // off the stack of steps
pub fn under_load(problem: &Problem, layer: usize, balance: f64) -> f64 {
    let (mut idle, mut all) = (0.0, 0.0);
    for window in 0..problem.shape().num_windows() {
        let weight = widen(problem.window_weight(window, layer).abs());
        let has_load = problem.load(window, layer).iter().any(|&load| load > 0.0);
        idle += if has_load { 0.0 } else { weight };
        all += weight;
    }
    if all > idle { (balance * all - idle) / (all - idle) } else { balance }
}

/// Counts the copies of each expert on the GPUs that `counts` names. O(P + E).
pub fn count_copies(
    topology: &Topology,
    slots: &[i32],
    counts: impl Fn(usize) -> bool,
    count: &mut [u32],
) {
    count.fill(0);
    let mut rest = slots.iter();
    for gpu in 0..topology.num_gpus() {
        let here = u32::from(counts(gpu));
        for &expert in rest.by_ref().take(topology.slots(gpu)) {
            if let Some(count) = count.get_mut(expert as usize) {
                *count += here;
            }
        }
    }
}

fn balance_of_window(
    problem: &Problem,
    window: usize,
    layer: usize,
    slots: &[i32],
    count: &[u32],
) -> f64 {
    let topology = problem.shape().topology();
    let load = problem.load(window, layer);
    let (mut largest, mut speeds) = (0.0, 0.0);
    let mut rest = slots.iter();
    for gpu in 0..topology.num_gpus() {
        let held = rest.by_ref().take(topology.slots(gpu));
        if !topology.receives(gpu) {
            held.for_each(drop);
            continue;
        }
        let mut sum = 0.0;
        for &expert in held {
            if let Some(&load) = load.get(expert as usize) {
                sum += widen(load) / f64::from(at(count, expert as usize));
            }
        }
        let speed = f64::from(topology.speed(gpu));
        speeds += speed;
        let time = sum / speed;
        largest = if time > largest { time } else { largest };
    }
    let total = load.iter().fold(0.0, |sum, &load| sum + widen(load));
    if largest > 0.0 { total / speeds / largest } else { 1.0 }
}
