//! The ruler on measured loads: what each slot had to do, however tokens were split over replicas.

use crate::base::arena::{Arena, Carve, Need};
use crate::base::keys::widen;
use crate::placement::Placement;
use crate::problem::loads::check_loads;
use crate::problem::{Problem, Scope, Shape};
use crate::score::{Metrics, Report, Scratch, count_serving, measure};
use crate::status::Status;

/// What [`evaluate_measured`] needs of an arena.
pub fn need(shape: &Shape, scope: Scope, dispatch: bool) -> Need {
    let sums = Need { f32s: shape.num_logical_experts(), ..Need::default() };
    crate::score::need(shape, scope, dispatch).plus(sums)
}

/// Measures every layer of a placement with the loads `physical_load` `[L][P]` of its slots. The loads of the
/// experts, of which the bound is taken, are the sums over their slots (at most the largest f32). Slots that
/// are empty or on a dead GPU do not count. Otherwise as [`evaluate`](crate::score::evaluate), for one window.
///
/// # Errors
/// [`Status::ArrayLength`], [`Status::LoadNan`], [`Status::LoadInfinite`], [`Status::LoadNegative`],
/// [`Status::WorkspaceTooSmall`], [`Status::PlacementExpert`], [`Status::PlacementMissing`]; `report` has then
/// not been called.
#[inline(never)] // one of two rulers on the stack
pub fn evaluate_measured(
    shape: &Shape,
    scope: Scope,
    dispatch: bool,
    mut arena: Arena,
    placement: &Placement,
    physical_load: &[f32],
    report: Report,
) -> Result<(), Status> {
    placement.check_lengths(shape)?;
    if physical_load.len() != placement.physical_to_logical.len() {
        return Err(Status::ArrayLength);
    }
    check_loads(physical_load)?;
    let one = shape.one_layer();
    arena.check(need(shape, scope, dispatch))?;
    let expert_load = arena.f32s(shape.num_logical_experts());
    let mut scratch = Scratch::carve(&mut arena, &one, scope, dispatch);
    scratch.bound.note(&one);
    for layer in 0..shape.num_layers() {
        count_serving(shape, placement.layer(shape, layer), &mut scratch)?;
    }
    let mut metrics = Metrics::default();
    let slots_of_a_layer = shape.num_physical_experts();
    for layer in 0..shape.num_layers() {
        let slots = placement.layer(shape, layer);
        let from = layer * slots_of_a_layer;
        let measured =
            physical_load.get(from..).and_then(|l| l.get(..slots_of_a_layer)).unwrap_or_default();
        sum_by_expert(shape, slots, measured, expert_load);
        count_serving(shape, slots, &mut scratch)?;
        // by reference: a copy would be on the stack all the while
        let problem = &Problem::with_shape(one, expert_load, None);
        let problem = problem.as_ref().map_err(|status| *status)?;
        measure(problem, 0, slots, Some(measured), &mut metrics, &mut scratch);
        report(layer, &metrics);
    }
    Ok(())
}

fn sum_by_expert(shape: &Shape, slots: &[i32], measured: &[f32], expert_load: &mut [f32]) {
    expert_load.fill(0.0);
    let topology = shape.topology();
    let mut rest = slots.iter().zip(measured);
    for gpu in 0..topology.num_gpus() {
        for (&expert, &load) in rest.by_ref().take(topology.slots(gpu)) {
            if let Some(sum) = expert_load.get_mut(expert as usize).filter(|_| topology.serves(gpu))
            {
                let more = widen(*sum) + widen(load);
                *sum = if more < f64::from(f32::MAX) { more as f32 } else { f32::MAX };
            }
        }
    }
}
