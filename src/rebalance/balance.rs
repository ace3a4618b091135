//! Balance on the GPUs that stay: what a plan is compared by with the one in force.

use crate::base::arena::{Arena, Carve, Need};
use crate::base::cells::at;
use crate::base::keys::widen;
use crate::placement::{Parts, by_gpu};
use crate::problem::topology::Topology;
use crate::problem::{Problem, Shape};

/// What [`balance`] needs: O(E), and O(P + N) where GPUs send to the `nearest`.
pub fn need(shape: &Shape, nearest: bool) -> Need {
    let mut need = Need { u32s: shape.num_logical_experts(), ..Need::default() };
    if nearest {
        Parts::list(&mut need, shape);
    }
    need
}

/// Weighted mean over the windows of mean GPU time / largest GPU time, of a layer's slots on GPUs that
/// receive; `None` when an expert has no copy there. O(W (P + E)).
pub fn balance(
    problem: &Problem,
    layer: usize,
    slots: &[i32],
    nearest: bool,
    arena: &mut Arena,
) -> Option<f64> {
    let shape = problem.shape();
    let topology = shape.topology();
    let mut rest = arena.rest();
    let count = rest.u32s(shape.num_logical_experts());
    count_copies(topology, slots, |gpu| topology.receives(gpu), count);
    if count.contains(&0) {
        return None;
    }
    let parts = &mut if nearest { Some(Parts::list(&mut rest, shape)) } else { None };
    if let Some(parts) = parts {
        parts.note(shape, slots, |gpu| topology.receives(gpu));
    }
    let part = parts.as_ref().map_or::<&[f64], _>(&[], |parts| parts.part);
    let shares = &Shares { count, part };
    let (mut sum, mut all) = (0.0, 0.0);
    for window in 0..problem.shape().num_windows() {
        let weight = widen(problem.window_weight(window, layer).abs());
        if weight > 0.0 {
            sum += weight * balance_of_window(problem, (window, layer), slots, shares);
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

/// What replicas get: load / count; by slot the part of the load where that is another.
struct Shares<'a> {
    count: &'a [u32],
    part: &'a [f64],
}

impl Shares<'_> {
    fn of(&self, load: f64, expert: i32, slot: usize) -> f64 {
        match self.part.get(slot) {
            Some(part) => load * part,
            None => load / f64::from(at(self.count, expert as usize)),
        }
    }
}

fn balance_of_window(
    problem: &Problem,
    (window, layer): (usize, usize),
    slots: &[i32],
    shares: &Shares,
) -> f64 {
    let topology = problem.shape().topology();
    let load = problem.load(window, layer);
    let (mut largest, mut speeds) = (0.0, 0.0);
    for (gpu, first, held) in by_gpu(topology, slots).filter(|&(gpu, ..)| topology.receives(gpu)) {
        let mut sum = 0.0;
        for (slot, &expert) in (first..).zip(held) {
            if let Some(&load) = load.get(expert as usize) {
                sum += shares.of(widen(load), expert, slot);
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
