//! Metrics of a placement: with the loads of its experts, or with what each of its slots had to do.

use crate::base::arena::{Arena, Carve, Need};
use crate::base::cells::{change, row};
use crate::base::keys::widen;
use crate::bound::lower::Kept;
use crate::dispatch;
use crate::placement::{Placement, by_gpu};
use crate::problem::loads::check_loads;
use crate::problem::{Problem, Scope, Shape, StaticSplit};
use crate::score::how::How;
use crate::score::measure::{Layer, Scratch, measure, measure_balance};
use crate::score::metrics::{Metrics, Report};
use crate::status::Status;

/// Refuses what is not measured.
///
/// # Errors
/// [`Status::ShapeTooLarge`] when `dispatch` is to be measured on more than 65,535 GPUs, [`Status::UnsupportedFlag`]
/// where it is left out.
pub fn admit(shape: &Shape, dispatch: bool) -> Result<(), Status> {
    if dispatch { dispatch::admit(shape) } else { Ok(()) }
}

/// What [`evaluate`] needs of an arena, whatever the number of layers.
#[inline(never)]
pub fn need(shape: &Shape, scope: Scope, dispatch: bool, split: StaticSplit) -> Need {
    let mut need = Need::default();
    Scratch::list(&mut need, shape, scope, split);
    if !dispatch {
        return need;
    }
    let loads = dispatch::split_loads_need(shape);
    let step = if shape.seconds().is_some() { dispatch::step_need(shape) } else { Need::default() };
    need.plus(loads.max(step))
}

/// What [`evaluate_measured`] needs.
pub fn need_measured(shape: &Shape, scope: Scope, dispatch: bool) -> Need {
    let sums = Need { f32s: shape.num_logical_experts(), ..Need::default() };
    need(shape, scope, dispatch, StaticSplit::Even).plus(sums)
}

/// Measures every layer of a placement with the loads of the problem. Calls `report` once a layer,
/// in order. `scope` decides whether the bound is that of groups, `dispatch` whether the split of tokens is
/// measured too. O(L W (P + E log E)), where a gap is left up to 400 times as much for a sharper bound; workspace
/// O(E + G + N + K), with `dispatch` O(P) more.
///
/// # Errors
/// [`Status::ArrayLength`], [`Status::WorkspaceTooSmall`], [`Status::PlacementExpert`],
/// [`Status::PlacementMissing`], [`Status::ShapeTooLarge`], [`Status::UnsupportedFlag`]; `report` has then not been
/// called.
pub fn evaluate(
    problem: &Problem,
    scope: Scope,
    dispatch: bool,
    arena: Arena,
    placement: &Placement,
    report: Report,
) -> Result<(), Status> {
    let how = &How { scope, dispatch, split: StaticSplit::Even, kept: Kept::NOTHING };
    evaluate_by(problem, how, arena, placement, report)
}

/// The same with a bound that knows what else is kept.
#[inline(never)] // one of two on the stack
pub fn evaluate_by(
    problem: &Problem,
    how: &How,
    mut arena: Arena,
    placement: &Placement,
    report: Report,
) -> Result<(), Status> {
    let How { scope, dispatch, split, kept } = *how;
    let mut metrics = Metrics::default();
    let shape = problem.shape();
    placement.check_lengths(shape)?;
    admit(shape, dispatch)?;
    arena.check(need(shape, scope, dispatch, split))?;
    let mut scratch = Scratch::carve(&mut arena, shape, how);
    scratch.note(shape, &kept);
    for layer in 0..shape.num_layers() {
        scratch.count_serving(shape, placement.layer(shape, layer))?;
    }
    for index in 0..shape.num_layers() {
        let slots = placement.layer(shape, index);
        scratch.count_serving(shape, slots)?;
        let layer = Layer { problem, index, slots, slot_load: None };
        measure(&layer, &mut metrics, &mut scratch);
        report(index, &metrics);
    }
    Ok(())
}

/// What each slot had to do, however tokens were split over replicas.
#[derive(Clone, Copy, Debug)]
pub struct Measured<'a> {
    /// Sizes and topology.
    pub shape: &'a Shape<'a>,
    /// `[L][P]` the load of each slot.
    pub physical_load: &'a [f32],
}

/// Measures every layer of a placement with the loads of its slots. The loads of the experts, of which the bound is
/// taken, are the sums over their slots (at most the largest f32). Slots that are empty or on a dead GPU do not
/// count. Otherwise as [`evaluate`], for one window.
///
/// # Errors
/// [`Status::ArrayLength`], [`Status::LoadNan`], [`Status::LoadInfinite`], [`Status::LoadNegative`],
/// [`Status::WorkspaceTooSmall`], [`Status::PlacementExpert`], [`Status::PlacementMissing`], [`Status::ShapeTooLarge`],
/// [`Status::UnsupportedFlag`]; `report` has then not been called.
pub fn evaluate_measured(
    measured: &Measured,
    scope: Scope,
    dispatch: bool,
    arena: Arena,
    placement: &Placement,
    report: Report,
) -> Result<(), Status> {
    let how = &How { scope, dispatch, split: StaticSplit::Even, kept: Kept::NOTHING };
    evaluate_measured_by(measured, how, arena, placement, report)
}

/// The same with a bound that knows what else is kept.
#[inline(never)] // one of two on the stack
pub fn evaluate_measured_by(
    measured: &Measured,
    how: &How,
    mut arena: Arena,
    placement: &Placement,
    report: Report,
) -> Result<(), Status> {
    let How { scope, dispatch, kept, .. } = *how;
    let Measured { shape, physical_load } = *measured;
    placement.check_lengths(shape)?;
    if physical_load.len() != placement.physical_to_logical.len() {
        return Err(Status::ArrayLength);
    }
    check_loads(physical_load)?;
    let one = shape.one_layer();
    admit(shape, dispatch)?;
    arena.check(need_measured(shape, scope, dispatch))?;
    let expert_load = arena.f32s(shape.num_logical_experts());
    let how = &How { split: StaticSplit::Even, ..*how }; // what slots had to do is known
    let mut scratch = Scratch::carve(&mut arena, &one, how);
    scratch.note(&one, &kept);
    for layer in 0..shape.num_layers() {
        scratch.count_serving(shape, placement.layer(shape, layer))?;
    }
    let mut metrics = Metrics::default();
    for index in 0..shape.num_layers() {
        let slots = placement.layer(shape, index);
        let slot_load = row(physical_load, index, shape.num_physical_experts());
        sum_by_expert(shape, slots, slot_load, expert_load);
        scratch.count_serving(shape, slots)?;
        // by reference: a copy would be on the stack all the while
        let problem = &Problem::with_shape(one, expert_load, None);
        let problem = problem.as_ref().map_err(|status| *status)?;
        let layer = Layer { problem, index: 0, slots, slot_load: Some(slot_load) };
        measure(&layer, &mut metrics, &mut scratch);
        report(index, &metrics);
    }
    Ok(())
}

fn sum_by_expert(shape: &Shape, slots: &[i32], slot_load: &[f32], expert_load: &mut [f32]) {
    expert_load.fill(0.0);
    let topology = shape.topology();
    for (_, first, held) in by_gpu(topology, slots).filter(|&(gpu, ..)| topology.serves(gpu)) {
        for (&expert, &load) in held.iter().zip(slot_load.get(first..).unwrap_or_default()) {
            change(expert_load, expert, |sum| {
                let sum = widen(sum) + widen(load);
                if sum < f64::from(f32::MAX) { sum as f32 } else { f32::MAX }
            });
        }
    }
}

/// Measures and reports a layer whose slots are known to be good: what a plan has just written.
#[inline(never)]
pub fn report_layer(
    layer: &Layer,
    how: &How,
    moved_slots: u32,
    arena: &mut Arena,
    report: &mut Report,
) {
    let shape = layer.problem.shape();
    let mut scratch = Scratch::carve(arena, shape, how);
    scratch.note(shape, &how.kept);
    // a plan leaves no expert out, so that counting cannot fail
    let mut metrics = Metrics::default();
    if scratch.count_serving(shape, layer.slots).is_ok() {
        measure(layer, &mut metrics, &mut scratch);
    }
    metrics.moved_slots = moved_slots;
    report(layer.index, &metrics);
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
    let how = &How { scope, dispatch: false, split: StaticSplit::Even, kept: Kept::NOTHING };
    let mut scratch = Scratch::carve(arena, problem.shape(), how);
    let mut metrics = Metrics::default();
    if scratch.count_serving(problem.shape(), slots).is_ok() {
        let layer = Layer { problem, index: layer, slots, slot_load: None };
        measure_balance(&layer, window, &mut metrics, &mut scratch);
    }
    (metrics.max_gpu_load, metrics.duplicates)
}
