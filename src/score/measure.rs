//! One layer of a placement, measured over all its windows.

use crate::base::arena::{Arena, Carve};
use crate::base::cells::{at, change};
use crate::base::keys::widen;
use crate::bound::lower::{self, Kept};
use crate::dispatch;
use crate::placement::{Parts, by_gpu, each_slot};
use crate::problem::{Problem, Scope, Shape, StaticSplit};
use crate::score::how::How;
use crate::score::metrics::Metrics;
use crate::score::seconds::Step;
use crate::status::Status;

/// A layer to be measured.
#[derive(Clone, Copy)]
pub struct Layer<'a> {
    /// The loads of the experts.
    pub problem: &'a Problem<'a>,
    /// Its number in the problem.
    pub index: usize,
    /// `[P]` what its slots hold.
    pub slots: &'a [i32],
    /// `[P]` the load of each slot, where it is known; else load / count.
    pub slot_load: Option<&'a [f32]>,
}

/// Memory of the score.
#[derive(Debug)]
pub struct Scratch<'a> {
    /// `[E]` replicas that serve.
    count: &'a mut [u32],
    /// `[E]` one more than the last GPU on which the expert was seen.
    mark: &'a mut [u32],
    /// `[N]` load, then speed of each node.
    node: &'a mut [f64],
    bound: lower::Scratch<'a>,
    /// The parts of replicas that are not even.
    parts: Option<Parts<'a>>,
    /// What an exact split takes, when it is asked for: carved anew for each layer, off this stack.
    dispatch: Option<Arena<'a>>,
}

impl<'a> Scratch<'a> {
    /// Takes the memory: O(E + G + N + K).
    #[inline(never)] // what building takes is off the stack while measuring
    pub fn carve(arena: &'a mut Arena, shape: &Shape, how: &How) -> Self {
        let mut rest = arena.rest();
        let scratch = Scratch::list(&mut rest, shape, how.scope, how.split);
        Scratch { dispatch: how.dispatch.then_some(rest), ..scratch }
    }

    /// The same from memory or from a count, without the split.
    #[inline(always)]
    pub fn list(
        arena: &mut impl Carve<'a>,
        shape: &Shape,
        scope: Scope,
        split: StaticSplit,
    ) -> Self {
        Scratch {
            count: arena.u32s(shape.num_logical_experts()),
            mark: arena.u32s(shape.num_logical_experts()),
            node: arena.f64s(shape.topology().num_nodes().saturating_mul(2)),
            bound: lower::Scratch::carve(arena, shape, bounded_by_groups(shape, scope)),
            parts: (split == StaticSplit::Nearest).then(|| Parts::list(arena, shape)),
            dispatch: None,
        }
    }

    /// Prepares the bound.
    pub fn note(&mut self, shape: &Shape, kept: &Kept) {
        self.bound.note(shape, kept);
    }

    /// Counts the replicas on GPUs that serve.
    ///
    /// # Errors
    /// [`Status::PlacementExpert`], [`Status::PlacementMissing`].
    pub fn count_serving(&mut self, shape: &Shape, slots: &[i32]) -> Result<(), Status> {
        let count = &mut *self.count;
        count.fill(0);
        let topology = shape.topology();
        each_slot(topology, slots, |_, gpu, expert| match count.get_mut(expert as usize) {
            Some(count) => {
                *count += u32::from(topology.serves(gpu));
                Ok(())
            }
            None if expert == -1 => Ok(()),
            None => Err(Status::PlacementExpert),
        })?;
        if let Some(parts) = &mut self.parts {
            parts.note(shape, slots, |gpu| topology.serves(gpu));
        }
        if self.count.contains(&0) { Err(Status::PlacementMissing) } else { Ok(()) }
    }

    /// The load of the replica in a slot; none of an empty one.
    #[inline(always)]
    fn replica(&self, layer: &Layer, load: &[f32], slot: usize, expert: i32) -> Option<f64> {
        let expert = expert as usize;
        let (&load, &count) = (load.get(expert)?, self.count.get(expert)?);
        Some(match (layer.slot_load, &self.parts) {
            (Some(slot_load), _) => widen(at(slot_load, slot)),
            (_, Some(parts)) => widen(load) * at(parts.part, slot),
            _ => widen(load) / f64::from(count),
        })
    }
}

/// Whether groups bind: hierarchical scope, groups of equal size, more than one node.
fn bounded_by_groups(shape: &Shape, scope: Scope) -> bool {
    let size = shape.num_logical_experts().checked_rem(shape.num_groups());
    shape.is_hierarchical(scope) && size == Some(0) && shape.topology().num_nodes() > 1
}

/// Balances, bound and gap, over all windows that have weight; and the exact split, where it is asked for. Into
/// `metrics`, whatever they held: what is large is on the stack once.
pub fn measure(layer: &Layer, metrics: &mut Metrics, scratch: &mut Scratch) {
    *metrics = Metrics::default();
    let problem = layer.problem;
    if problem.shape().num_windows() > 1 {
        measure_windows(layer, metrics, scratch);
    } else if widen(problem.window_weight(0, layer.index).abs()) > 0.0 {
        measure_window(layer, 0, metrics, scratch);
        metrics.worst_window_balance = metrics.balance;
    }
    metrics.gap = gap(metrics.max_gpu_load, metrics.bound);
    metrics.seconds_gap = gap(metrics.max_gpu_seconds, metrics.seconds_bound);
}

/// How far a value is above its bound.
fn gap(reached: f64, bound: f64) -> f64 {
    if bound > 0.0 { reached / bound - 1.0 } else { 0.0 }
}

/// The means over several windows, and the worst.
#[inline(never)] // one window does without its stack
fn measure_windows(layer: &Layer, metrics: &mut Metrics, scratch: &mut Scratch) {
    let weight = |window| widen(layer.problem.window_weight(window, layer.index).abs());
    let windows = layer.problem.shape().num_windows();
    let all = (0..windows).fold(0.0, |sum, window| sum + weight(window));
    let mut here = Metrics::default();
    let mut first = true;
    for window in (0..windows).filter(|&window| weight(window) > 0.0) {
        here = Metrics::default();
        measure_window(layer, window, &mut here, scratch);
        // exactly 1 when one window has weight, which then is not rounded
        metrics.add(weight(window) / all, &here);
        if first || here.balance < metrics.worst_window_balance {
            metrics.worst_window_balance = here.balance;
            metrics.worst_window = window as u32;
            metrics.busiest_gpu = here.busiest_gpu;
        }
        first = false;
    }
    metrics.duplicates = here.duplicates; // the same in each
}

/// Balances, bound and split of one window.
fn measure_window(layer: &Layer, window: usize, metrics: &mut Metrics, scratch: &mut Scratch) {
    measure_balance(layer, window, metrics, scratch);
    // mathematically the bound is no larger; do not let rounding say otherwise
    let load = layer.problem.load(window, layer.index);
    let replicas = scratch.count.iter().fold(0, |sum, &count| sum + u64::from(count));
    let apart = replicas.saturating_sub(metrics.duplicates.into());
    let bound = lower::lower_bound(load, metrics.max_gpu_load, apart, &mut scratch.bound);
    metrics.bound = if bound < metrics.max_gpu_load { bound } else { metrics.max_gpu_load };
    if let Some(arena) = &mut scratch.dispatch {
        measure_dispatch(layer, window, arena, metrics);
    }
    if layer.problem.shape().seconds().is_some() {
        measure_seconds(layer, window, metrics, scratch);
    }
}

/// What a step takes.
#[inline(never)] // off the stack where no cost is given
fn measure_seconds(layer: &Layer, window: usize, metrics: &mut Metrics, scratch: &Scratch) {
    let shape = layer.problem.shape();
    let Some(seconds) = shape.seconds() else { return };
    let load = layer.problem.load(window, layer.index);
    let (slots, uneven) = (layer.slots, scratch.parts.is_some());
    let step = Step { shape, seconds, window, load, slots, uneven };
    step.measure(metrics, &|slot, expert| scratch.replica(layer, load, slot, expert));
}

/// What dispatch makes of the placement.
#[inline(never)] // its memory is on the stack only meanwhile
fn measure_dispatch(layer: &Layer, window: usize, arena: &mut Arena, metrics: &mut Metrics) {
    let shape = layer.problem.shape();
    let load = layer.problem.load(window, layer.index);
    let split = dispatch::split_loads(shape, layer.slots, load, arena.rest());
    metrics.dispatch_balance = ratio(metrics.mean_gpu_load, split.largest);
    metrics.dispatch_bound = split.bound;
    if shape.seconds().is_some() {
        let mut rest = arena.rest();
        let tokens = rest.u32s(shape.num_logical_experts());
        let quota = rest.u32s(shape.num_physical_experts());
        dispatch::note_tokens(layer.problem, (window, layer.index), tokens);
        // every expert has a replica
        let split = dispatch::split_step(&shape.one_layer(), layer.slots, tokens, quota, rest);
        let split = split.unwrap_or_default();
        metrics.dispatch_seconds = split.largest_time;
        metrics.dispatch_seconds_bound = split.bound;
    }
}

/// The replicas that serve.
#[derive(Default)]
struct Replicas {
    number: f64,
    load: f64,
    largest: f64,
}

/// The balances of one window, into metrics that are all zero.
#[inline(never)] // off the stack before the bound
pub fn measure_balance(layer: &Layer, window: usize, metrics: &mut Metrics, scratch: &mut Scratch) {
    let topology = layer.problem.shape().topology();
    let load = layer.problem.load(window, layer.index);
    let mut replicas = Replicas::default();
    let mut total_speed = 0.0;
    let nodes = topology.num_nodes();
    scratch.mark.fill(0);
    scratch.node.fill(0.0);
    for (gpu, first, held) in by_gpu(topology, layer.slots) {
        if !topology.serves(gpu) {
            continue;
        }
        let mut sum = 0.0;
        for (slot, &expert) in (first..).zip(held) {
            let Some(replica) = scratch.replica(layer, load, slot, expert) else { continue };
            let expert = expert as usize;
            sum += replica;
            replicas.add(replica);
            if let Some(mark) = scratch.mark.get_mut(expert) {
                metrics.duplicates += u32::from(*mark == gpu as u32 + 1);
                *mark = gpu as u32 + 1;
            }
        }
        let speed = f64::from(topology.speed(gpu));
        if sum / speed > metrics.max_gpu_load {
            metrics.max_gpu_load = sum / speed;
            metrics.busiest_gpu = gpu as u32;
        }
        let node = topology.node(gpu);
        change(scratch.node, node, |load| load + sum);
        if topology.receives(gpu) {
            total_speed += speed;
            change(scratch.node, nodes + node, |all| all + speed);
        }
    }
    let total = match layer.slot_load {
        Some(_) => replicas.load,
        None => load.iter().fold(0.0, |sum, &load| sum + widen(load)),
    };
    metrics.mean_gpu_load = total / total_speed;
    metrics.balance = ratio(metrics.mean_gpu_load, metrics.max_gpu_load);
    metrics.node_balance = ratio(metrics.mean_gpu_load, busiest_node(scratch.node, nodes));
    metrics.expert_balance = ratio(total / replicas.number, replicas.largest);
}

impl Replicas {
    fn add(&mut self, load: f64) {
        self.number += 1.0;
        self.load += load;
        if load > self.largest {
            self.largest = load;
        }
    }
}

/// The largest load / speed of a node that has GPUs which receive.
fn busiest_node(node: &[f64], nodes: usize) -> f64 {
    let (load, speed) = node.split_at_checked(nodes).unwrap_or_default();
    load.iter().zip(speed).fold(0.0, |most, (&load, &speed)| {
        if speed > 0.0 && load / speed > most { load / speed } else { most }
    })
}

/// mean / largest; nothing to do is perfectly balanced, and so is what only rounding puts above 1. A
/// placement that still uses leaving GPUs can be above 1: it has more hands than those that stay.
fn ratio(mean: f64, largest: f64) -> f64 {
    const ROUNDING: f64 = 1.0 + 1e-12;
    if mean > largest && mean <= largest * ROUNDING || largest == 0.0 {
        1.0
    } else {
        mean / largest
    }
}
