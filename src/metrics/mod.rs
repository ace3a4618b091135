//! The ruler: how balanced a placement is, and how far from the best that any placement could be.
//!
//! Load of a GPU = f64 sum over its slots, in ascending order, of load / count. Time = load / speed.
//! Balance = (total load / total speed) / largest time; 1.0 is perfect, and what all zero gives.

pub mod assignment;
mod bound;
mod groups;
mod lower;
mod polish;
mod weigh;

use crate::arena::{Arena, Need};
use crate::order::widen;
use crate::placement::Placement;
use crate::problem::{Problem, Scope, Shape};
use crate::status::Status;

/// What eplb_plan and eplb_evaluate report of one layer.
///
/// Loads are in the unit of problem.load (tokens), divided by the speed of the GPU where speeds are
/// given. A balance is mean / largest: 1.0 is perfect, also when all loads are 0.
#[allow(non_camel_case_types)] // the C name; Rust code sees it as `eplb::Metrics`
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct eplb_metrics {
    /// Total load over the total speed of the GPUs that are alive: what each GPU would do if all were even.
    pub mean_gpu_load: f64,
    /// Load / speed of the busiest GPU.
    pub max_gpu_load: f64,
    /// mean_gpu_load / max_gpu_load: the figure to quote.
    pub balance: f64,
    /// The same over nodes: load of a node / total speed of its GPUs.
    pub node_balance: f64,
    /// Mean over largest load of a single replica.
    pub expert_balance: f64,
    /// No placement of this layer has a smaller max_gpu_load, if it keeps the replicas of an expert on different
    /// GPUs and, in hierarchical scope, each group on a node. A placement with duplicates can be better: its
    /// bound is then its own max_gpu_load.
    pub bound: f64,
    /// max_gpu_load / bound - 1, at least 0: how far from optimal this placement can be at most.
    pub gap: f64,
    /// Replicas that share a GPU with another replica of their expert.
    pub duplicates: u32,
    /// The busiest GPU, lowest index first among equals.
    pub busiest_gpu: u32,
    /// The smallest balance over the windows: balance itself when there is one window.
    pub worst_window_balance: f64,
    /// The window that has it, the first among equals.
    pub worst_window: u32,
    /// Slots of a GPU that is alive whose expert differs from options.previous; 0 without it.
    pub moved_slots: u32,
}

pub use eplb_metrics as Metrics;

/// Receives the metrics of each layer, in order of the layers.
pub type Report<'r> = &'r mut dyn FnMut(usize, &Metrics);

/// Scratch of the ruler.
#[derive(Debug)]
pub struct Scratch<'a> {
    /// `[E]` replicas that serve.
    count: &'a mut [u32],
    /// `[E]` one more than the last GPU on which the expert was seen.
    mark: &'a mut [u32],
    /// `[N]` load, then speed of each node.
    node: &'a mut [f64],
    bound: lower::Scratch<'a>,
}

impl<'a> Scratch<'a> {
    /// Takes the scratch of the ruler: O(E + G + N + K).
    pub fn carve(arena: &mut Arena<'a>, shape: &Shape, scope: Scope) -> Self {
        Scratch {
            count: arena.u32s.take(shape.num_logical_experts()),
            mark: arena.u32s.take(shape.num_logical_experts()),
            node: arena.f64s.take(shape.topology().num_nodes().saturating_mul(2)),
            bound: lower::Scratch::carve(arena, shape, bounded_by_groups(shape, scope)),
        }
    }
}

/// Whether groups bind: hierarchical scope, groups of equal size, more than one node.
fn bounded_by_groups(shape: &Shape, scope: Scope) -> bool {
    let size = shape.num_logical_experts().checked_rem(shape.num_groups());
    shape.is_hierarchical(scope) && size == Some(0) && shape.topology().num_nodes() > 1
}

/// Refuses what the ruler does not measure yet.
///
/// # Errors
/// [`Status::UnsupportedWindows`].
pub fn admit(shape: &Shape) -> Result<(), Status> {
    if shape.num_windows() > 1 { Err(Status::UnsupportedWindows) } else { Ok(()) }
}

/// Measures every layer of a placement with the loads of the problem. Calls `report` once a layer,
/// in order. `scope` decides whether the bound is that of groups. O(L (P + E log E)), where a gap is left
/// up to 400 times as much for a sharper bound; workspace O(E + G + N + K).
///
/// # Errors
/// [`Status::ArrayLength`], [`Status::UnsupportedWindows`], [`Status::WorkspaceTooSmall`],
/// [`Status::PlacementExpert`], [`Status::PlacementMissing`]; `report` has then not been called.
pub fn evaluate(
    problem: &Problem,
    scope: Scope,
    mut arena: Arena,
    placement: &Placement,
    report: Report,
) -> Result<(), Status> {
    let shape = problem.shape();
    placement.check_lengths(shape)?;
    admit(shape)?;
    let mut scratch = Scratch::carve(&mut arena, shape, scope);
    arena.finish()?;
    for layer in 0..shape.num_layers() {
        count_serving(shape, placement.layer(shape, layer), &mut scratch)?;
    }
    for layer in 0..shape.num_layers() {
        let slots = placement.layer(shape, layer);
        count_serving(shape, slots, &mut scratch)?;
        report(layer, &measure(problem, layer, slots, &mut scratch));
    }
    Ok(())
}

/// What a layer needs.
pub fn need(shape: &Shape, scope: Scope) -> Need {
    let mut arena = Arena::counting();
    Scratch::carve(&mut arena, shape, scope);
    arena.need()
}

/// Measures one layer whose slots are known to be good: what a plan has just written.
#[inline(never)]
pub fn measure_layer(
    problem: &Problem,
    layer: usize,
    scope: Scope,
    mut arena: Arena,
    slots: &[i32],
) -> Metrics {
    let mut scratch = Scratch::carve(&mut arena, problem.shape(), scope);
    // a plan leaves no expert out, so that counting cannot fail
    match count_serving(problem.shape(), slots, &mut scratch) {
        Ok(()) => measure(problem, layer, slots, &mut scratch),
        Err(_) => Metrics::default(),
    }
}

/// The same without the bound and the gap.
pub fn largest_load(
    problem: &Problem,
    layer: usize,
    scope: Scope,
    mut arena: Arena,
    slots: &[i32],
) -> Metrics {
    let mut scratch = Scratch::carve(&mut arena, problem.shape(), scope);
    match count_serving(problem.shape(), slots, &mut scratch) {
        Ok(()) => weigh(problem, layer, slots, &mut scratch),
        Err(_) => Metrics::default(),
    }
}

/// Counts the replicas on GPUs that serve.
fn count_serving(shape: &Shape, slots: &[i32], scratch: &mut Scratch) -> Result<(), Status> {
    scratch.count.fill(0);
    let mut rest = slots.iter();
    for gpu in 0..shape.topology().num_gpus() {
        let serves = shape.topology().serves(gpu);
        for &expert in rest.by_ref().take(shape.topology().slots(gpu)) {
            match scratch.count.get_mut(expert as usize) {
                Some(count) => *count += u32::from(serves),
                None if expert == -1 => {}
                None => return Err(Status::PlacementExpert),
            }
        }
    }
    if scratch.count.contains(&0) { Err(Status::PlacementMissing) } else { Ok(()) }
}

/// The ruler, the bound and the gap.
fn measure(problem: &Problem, layer: usize, slots: &[i32], scratch: &mut Scratch) -> Metrics {
    let mut metrics = weigh(problem, layer, slots, scratch);
    // mathematically the bound is no larger; do not let rounding say otherwise
    let bound = lower::lower_bound(problem, layer, metrics.max_gpu_load, &mut scratch.bound);
    metrics.bound = if bound < metrics.max_gpu_load { bound } else { metrics.max_gpu_load };
    metrics.worst_window_balance = metrics.balance;
    metrics.gap =
        if metrics.bound > 0.0 { metrics.max_gpu_load / metrics.bound - 1.0 } else { 0.0 };
    metrics
}

/// The ruler itself.
fn weigh(problem: &Problem, layer: usize, slots: &[i32], scratch: &mut Scratch) -> Metrics {
    let topology = problem.shape().topology();
    let load = problem.load(0, layer);
    let mut metrics = Metrics::default();
    let mut largest_replica = 0.0;
    let mut replicas = 0.0;
    let mut total_speed = 0.0;

    scratch.mark.fill(0);
    scratch.node.fill(0.0);
    let nodes = topology.num_nodes();
    let mut rest = slots.iter();
    for gpu in 0..topology.num_gpus() {
        let held = rest.by_ref().take(topology.slots(gpu));
        if !topology.serves(gpu) {
            held.for_each(drop);
            continue;
        }
        let mut sum = 0.0;
        for &expert in held {
            let expert = expert as usize;
            let (Some(&load), Some(&count)) = (load.get(expert), scratch.count.get(expert)) else {
                continue; // an empty slot
            };
            let replica = widen(load) / f64::from(count);
            sum += replica;
            replicas += 1.0;
            if replica > largest_replica {
                largest_replica = replica;
            }
            if let Some(mark) = scratch.mark.get_mut(expert) {
                metrics.duplicates += u32::from(*mark == gpu as u32 + 1);
                *mark = gpu as u32 + 1;
            }
        }
        let speed = f64::from(topology.speed(gpu));
        let time = sum / speed;
        if time > metrics.max_gpu_load {
            metrics.max_gpu_load = time;
            metrics.busiest_gpu = gpu as u32;
        }
        let node = topology.node(gpu);
        if let Some(node_load) = scratch.node.get_mut(node) {
            *node_load += sum;
        }
        if topology.receives(gpu) {
            total_speed += speed;
            if let Some(node_speed) = scratch.node.get_mut(nodes + node) {
                *node_speed += speed;
            }
        }
    }

    let total = load.iter().fold(0.0, |sum, &load| sum + widen(load));
    metrics.mean_gpu_load = total / total_speed;
    metrics.balance = ratio(metrics.mean_gpu_load, metrics.max_gpu_load);
    let (node_load, node_speed) = scratch.node.split_at_checked(nodes).unwrap_or_default();
    let busiest_node = node_load.iter().zip(node_speed).fold(0.0, |most, (&load, &speed)| {
        if speed > 0.0 && load / speed > most { load / speed } else { most }
    });
    metrics.node_balance = ratio(metrics.mean_gpu_load, busiest_node);
    metrics.expert_balance = ratio(total / replicas, largest_replica);
    metrics
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
