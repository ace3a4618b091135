//! What BALANCED refuses, whatever the loads.

use crate::problem::{Scope, Shape};
use crate::status::Status;

/// GPUs at most: the solver keeps a GPU's number beside its load in one word.
const MOST_GPUS: usize = 0xffff;

/// Refuses what BALANCED cannot honour, and shapes without a placement.
///
/// # Errors
/// [`Status::TooFewSlots`], [`Status::ExpertsNotDivisible`], [`Status::Infeasible`],
/// [`Status::ShapeTooLarge`] for more than 65,535 GPUs.
pub fn admit(shape: &Shape, scope: Scope) -> Result<(), Status> {
    let experts = shape.num_logical_experts();
    if slots_in_use(shape) < experts {
        return Err(Status::TooFewSlots);
    }
    if shape.topology().num_gpus() > MOST_GPUS {
        return Err(Status::ShapeTooLarge);
    }
    if !shape.is_hierarchical(scope) {
        return Ok(());
    }
    if experts.checked_rem(shape.num_groups()) != Some(0) {
        return Err(Status::ExpertsNotDivisible);
    }
    if places_for_groups(shape) < shape.num_groups() {
        return Err(Status::Infeasible);
    }
    Ok(())
}

/// Slots that can be filled, each expert once on a GPU.
pub fn slots_in_use(shape: &Shape) -> usize {
    let usable = (0..shape.topology().num_gpus()).map(|gpu| shape.usable_slots(gpu));
    usable.fold(0_usize, |sum, slots| sum.saturating_add(slots))
}

/// Groups that find a node; all of them where groups are not bound to nodes.
pub fn groups_that_fit(shape: &Shape, scope: Scope) -> usize {
    if shape.is_hierarchical(scope) { places_for_groups(shape) } else { shape.num_groups() }
}

/// How many groups the nodes can hold, each expert once. O(G^2), or O(G) where nodes are contiguous.
fn places_for_groups(shape: &Shape) -> usize {
    let topology = shape.topology();
    let size = shape.num_logical_experts().checked_div(shape.num_groups()).unwrap_or(1);
    let places = |slots: usize| slots.checked_div(size).unwrap_or(0);
    let (mut sum, mut node, mut slots) = (0, 0, 0);
    if topology.contiguous_nodes() {
        for gpu in 0..topology.num_gpus() {
            if topology.node(gpu) != node {
                (sum, node, slots) = (sum + places(slots), topology.node(gpu), 0);
            }
            slots += shape.usable_slots(gpu);
        }
        return sum + places(slots);
    }
    // a node is counted at its first GPU, so that nodes without one cost nothing
    for gpu in 0..topology.num_gpus() {
        let node = topology.node(gpu);
        if (0..gpu).all(|before| topology.node(before) != node) {
            let here = (gpu..topology.num_gpus()).filter(|&gpu| topology.node(gpu) == node);
            sum += places(here.map(|gpu| shape.usable_slots(gpu)).sum());
        }
    }
    sum
}
