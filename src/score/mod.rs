//! The ruler: how balanced a placement is, and how far from the best that any placement could be.
//!
//! Load of a GPU = f64 sum over its slots, in ascending order, of load / count. Time = load / speed.
//! Balance = (total load / total speed) / largest time; 1.0 is perfect, and what all zero gives. Over several
//! windows: the weighted means.

pub mod measured;

pub use crate::score::measured::evaluate_measured;

use crate::base::arena::{Arena, Carve, Need};
use crate::base::keys::widen;
use crate::bound::lower;
use crate::dispatch;
use crate::placement::{Placement, PlacementMut};
use crate::problem::{Problem, Scope, Shape};
use crate::status::Status;

/// What eplb_plan and eplb_evaluate report of one layer.
///
/// Loads are in the unit of problem.load (tokens), divided by the speed of the GPU where speeds are
/// given. A balance is mean / largest: 1.0 is perfect, also when all loads are 0. With several windows each
/// figure is the mean of that figure over the windows, weighted by window_weight, unless it says otherwise;
/// then balance is not exactly mean_gpu_load / max_gpu_load.
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
    /// The busiest GPU, lowest index first among equals; with several windows that of worst_window.
    pub busiest_gpu: u32,
    /// The smallest balance over the windows that have weight: balance itself when there is one window.
    pub worst_window_balance: f64,
    /// The window that has it, the first among equals.
    pub worst_window: u32,
    /// Slots of a living GPU whose expert differs from options.previous; 0 without it, and from eplb_evaluate.
    pub moved_slots: u32,
    /// The balance when tokens are split over the replicas as eplb_dispatch does, not evenly; 0 unless
    /// EPLB_FLAG_DISPATCH is set.
    pub dispatch_balance: f64,
    /// However tokens are split over the replicas of this placement, the busiest GPU has at least this load /
    /// speed; 0 unless EPLB_FLAG_DISPATCH is set.
    pub dispatch_bound: f64,
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
    /// what judging dispatch takes, when it is asked for: carved anew for each layer, off this stack
    judge: Option<Arena<'a>>,
}

impl<'a> Scratch<'a> {
    /// Takes the scratch of the ruler: O(E + G + N + K).
    #[inline(never)] // what building takes is off the stack while measuring
    fn carve(arena: &'a mut Arena, shape: &Shape, scope: Scope, dispatch: bool) -> Self {
        let mut rest = arena.rest();
        let scratch = Scratch::list(&mut rest, shape, scope);
        Scratch { judge: dispatch.then_some(rest), ..scratch }
    }

    #[inline(always)]
    fn list(arena: &mut impl Carve<'a>, shape: &Shape, scope: Scope) -> Self {
        Scratch {
            count: arena.u32s(shape.num_logical_experts()),
            mark: arena.u32s(shape.num_logical_experts()),
            node: arena.f64s(shape.topology().num_nodes().saturating_mul(2)),
            bound: lower::Scratch::carve(arena, shape, bounded_by_groups(shape, scope)),
            judge: None,
        }
    }
}

/// Whether groups bind: hierarchical scope, groups of equal size, more than one node.
fn bounded_by_groups(shape: &Shape, scope: Scope) -> bool {
    let size = shape.num_logical_experts().checked_rem(shape.num_groups());
    shape.is_hierarchical(scope) && size == Some(0) && shape.topology().num_nodes() > 1
}

/// Refuses what the ruler does not measure.
///
/// # Errors
/// [`Status::ShapeTooLarge`] when `dispatch` is to be judged on more than 65,535 GPUs.
pub fn admit(shape: &Shape, dispatch: bool) -> Result<(), Status> {
    if dispatch { dispatch::admit(shape) } else { Ok(()) }
}

/// Measures every layer of a placement with the loads of the problem. Calls `report` once a layer,
/// in order. `scope` decides whether the bound is that of groups, `dispatch` whether the split of tokens is
/// judged too. O(L W (P + E log E)), where a gap is left up to 400 times as much for a sharper bound; workspace
/// O(E + G + N + K), with `dispatch` O(P) more.
///
/// # Errors
/// [`Status::ArrayLength`], [`Status::WorkspaceTooSmall`], [`Status::PlacementExpert`],
/// [`Status::PlacementMissing`], [`Status::ShapeTooLarge`]; `report` has then not been called.
#[inline(never)] // one of two rulers on the stack
pub fn evaluate(
    problem: &Problem,
    scope: Scope,
    dispatch: bool,
    mut arena: Arena,
    placement: &Placement,
    report: Report,
) -> Result<(), Status> {
    let mut metrics = Metrics::default();
    let shape = problem.shape();
    placement.check_lengths(shape)?;
    admit(shape, dispatch)?;
    arena.check(need(shape, scope, dispatch))?;
    let mut scratch = Scratch::carve(&mut arena, shape, scope, dispatch);
    scratch.bound.note(shape);
    for layer in 0..shape.num_layers() {
        count_serving(shape, placement.layer(shape, layer), &mut scratch)?;
    }
    for layer in 0..shape.num_layers() {
        let slots = placement.layer(shape, layer);
        count_serving(shape, slots, &mut scratch)?;
        measure(problem, layer, slots, None, &mut metrics, &mut scratch);
        report(layer, &metrics);
    }
    Ok(())
}

/// What a layer needs.
#[inline(never)]
pub fn need(shape: &Shape, scope: Scope, dispatch: bool) -> Need {
    let mut need = Need::default();
    Scratch::list(&mut need, shape, scope);
    if dispatch { need.plus(dispatch::judge_need(shape)) } else { need }
}

/// Measures and reports one layer whose slots are known to be good: what a plan has just written.
#[inline(never)]
pub fn report_layer(
    problem: &Problem,
    layer: usize,
    scope: Scope,
    dispatch: bool,
    arena: &mut Arena,
    maps: &PlacementMut,
    report: &mut Report,
) {
    let mut scratch = Scratch::carve(arena, problem.shape(), scope, dispatch);
    let slots = maps.slots(problem.shape(), layer);
    scratch.bound.note(problem.shape());
    // a plan leaves no expert out, so that counting cannot fail
    let mut metrics = Metrics::default();
    if count_serving(problem.shape(), slots, &mut scratch).is_ok() {
        measure(problem, layer, slots, None, &mut metrics, &mut scratch);
    }
    report(layer, &metrics);
}

/// The largest GPU time in one window, and the duplicates, of slots that are known to be good.
#[inline(never)] // what it takes is off the stack while planning
pub fn largest_load(
    problem: &Problem,
    window: usize,
    layer: usize,
    scope: Scope,
    arena: &mut Arena,
    slots: &[i32],
) -> (f64, u32) {
    let mut scratch = Scratch::carve(arena, problem.shape(), scope, false);
    let mut metrics = Metrics::default();
    if count_serving(problem.shape(), slots, &mut scratch).is_ok() {
        weigh(problem, window, layer, slots, None, &mut metrics, &mut scratch);
    }
    (metrics.max_gpu_load, metrics.duplicates)
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

/// The ruler, the bound and the gap, over all windows that have weight; and dispatch, where it is judged. Into
/// `metrics`, whatever they held: what is large is on the stack once.
fn measure(
    problem: &Problem,
    layer: usize,
    slots: &[i32],
    measured: Option<&[f32]>,
    metrics: &mut Metrics,
    scratch: &mut Scratch,
) {
    *metrics = Metrics::default();
    if problem.shape().num_windows() > 1 {
        measure_windows(problem, layer, slots, measured, metrics, scratch);
    } else if widen(problem.window_weight(0, layer).abs()) > 0.0 {
        measure_window(problem, 0, layer, slots, measured, metrics, scratch);
        metrics.worst_window_balance = metrics.balance;
    }
    metrics.gap =
        if metrics.bound > 0.0 { metrics.max_gpu_load / metrics.bound - 1.0 } else { 0.0 };
}

/// The means over several windows, and the worst.
#[inline(never)] // one window does without its stack
fn measure_windows(
    problem: &Problem,
    layer: usize,
    slots: &[i32],
    measured: Option<&[f32]>,
    metrics: &mut Metrics,
    scratch: &mut Scratch,
) {
    let weight = |window| widen(problem.window_weight(window, layer).abs());
    let windows = problem.shape().num_windows();
    let all = (0..windows).fold(0.0, |sum, window| sum + weight(window));
    let mut here = Metrics::default();
    let mut first = true;
    for window in (0..windows).filter(|&window| weight(window) > 0.0) {
        here = Metrics::default();
        measure_window(problem, window, layer, slots, measured, &mut here, scratch);
        // exactly 1 when one window has weight, which then is not rounded
        let share = weight(window) / all;
        metrics.mean_gpu_load += share * here.mean_gpu_load;
        metrics.max_gpu_load += share * here.max_gpu_load;
        metrics.balance += share * here.balance;
        metrics.node_balance += share * here.node_balance;
        metrics.expert_balance += share * here.expert_balance;
        metrics.bound += share * here.bound;
        metrics.dispatch_balance += share * here.dispatch_balance;
        metrics.dispatch_bound += share * here.dispatch_bound;
        if first || here.balance < metrics.worst_window_balance {
            metrics.worst_window_balance = here.balance;
            metrics.worst_window = window as u32;
            metrics.busiest_gpu = here.busiest_gpu;
        }
        first = false;
    }
    metrics.duplicates = here.duplicates; // the same in each
}

/// The ruler and the bound of one window.
fn measure_window(
    problem: &Problem,
    window: usize,
    layer: usize,
    slots: &[i32],
    measured: Option<&[f32]>,
    metrics: &mut Metrics,
    scratch: &mut Scratch,
) {
    weigh(problem, window, layer, slots, measured, metrics, scratch);
    // mathematically the bound is no larger; do not let rounding say otherwise
    let load = problem.load(window, layer);
    let bound = lower::lower_bound(load, metrics.max_gpu_load, &mut scratch.bound);
    metrics.bound = if bound < metrics.max_gpu_load { bound } else { metrics.max_gpu_load };
    if let Some(arena) = &mut scratch.judge {
        judge(problem.shape(), slots, load, arena, metrics);
    }
}

/// What dispatch makes of the placement.
#[inline(never)] // its memory is on the stack only meanwhile
fn judge(shape: &Shape, slots: &[i32], load: &[f32], arena: &mut Arena, metrics: &mut Metrics) {
    let judged = dispatch::judge(shape, slots, load, arena.rest());
    metrics.dispatch_balance = ratio(metrics.mean_gpu_load, judged.largest);
    metrics.dispatch_bound = judged.bound;
}

/// The ruler itself, into metrics that are all zero. `measured`: the load of each slot, where it is known; else
/// load / count.
#[inline(never)] // off the stack before the bound
fn weigh(
    problem: &Problem,
    window: usize,
    layer: usize,
    slots: &[i32],
    measured: Option<&[f32]>,
    metrics: &mut Metrics,
    scratch: &mut Scratch,
) {
    let topology = problem.shape().topology();
    let load = problem.load(window, layer);
    let mut largest_replica = 0.0;
    let mut replicas = 0.0;
    let mut total_speed = 0.0;

    scratch.mark.fill(0);
    scratch.node.fill(0.0);
    let nodes = topology.num_nodes();
    let mut served = 0.0;
    let mut rest = slots.iter().enumerate();
    for gpu in 0..topology.num_gpus() {
        let held = rest.by_ref().take(topology.slots(gpu));
        if !topology.serves(gpu) {
            held.for_each(drop);
            continue;
        }
        let mut sum = 0.0;
        for (slot, &expert) in held {
            let expert = expert as usize;
            let (Some(&load), Some(&count)) = (load.get(expert), scratch.count.get(expert)) else {
                continue; // an empty slot
            };
            let replica = match measured {
                Some(measured) => widen(measured.get(slot).copied().unwrap_or(0.0)),
                None => widen(load) / f64::from(count),
            };
            served += replica;
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

    let total = match measured {
        Some(_) => served,
        None => load.iter().fold(0.0, |sum, &load| sum + widen(load)),
    };
    metrics.mean_gpu_load = total / total_speed;
    metrics.balance = ratio(metrics.mean_gpu_load, metrics.max_gpu_load);
    let (node_load, node_speed) = scratch.node.split_at_checked(nodes).unwrap_or_default();
    let busiest_node = node_load.iter().zip(node_speed).fold(0.0, |most, (&load, &speed)| {
        if speed > 0.0 && load / speed > most { load / speed } else { most }
    });
    metrics.node_balance = ratio(metrics.mean_gpu_load, busiest_node);
    metrics.expert_balance = ratio(total / replicas, largest_replica);
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
