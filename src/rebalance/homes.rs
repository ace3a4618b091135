//! In hierarchical scope: the node that each group of experts is bound to.

use crate::base::cells::{NONE, at, part_mut};
use crate::problem::Shape;

/// Finds the node of every expert (`[E]`): the one that its group is on in `expert_at`, and for a group that is nowhere
/// the one with most slots to spare, lowest index first. `places`: nodes or GPUs that every expert must be on. False
/// when a group is on several nodes, or none has room for it.
pub fn find(shape: &Shape, expert_at: &[u32], places: usize, home: &mut [u32]) -> bool {
    let size = shape.num_logical_experts().checked_div(shape.num_groups()).unwrap_or(1).max(1);
    home.fill(NONE);
    note_homes(shape, expert_at, size, home)
        && (0..home.len()).step_by(size).all(|first| {
            let node = match at(home, first) {
                NONE => roomiest(shape, home, size, size.saturating_mul(places)),
                node => Some(node),
            };
            part_mut(home, first, first + size).fill(node.unwrap_or(NONE));
            node.is_some()
        })
}

/// Notes the nodes that groups are on; false when one is on several.
fn note_homes(shape: &Shape, expert_at: &[u32], size: usize, home: &mut [u32]) -> bool {
    let topology = shape.topology();
    let mut slots = expert_at.iter();
    for gpu in 0..topology.num_gpus() {
        let node = topology.node(gpu) as u32;
        let held = slots.by_ref().take(topology.slots(gpu));
        for &expert in held.filter(|&&expert| expert != NONE && topology.receives(gpu)) {
            let group = (expert as usize).checked_div(size).unwrap_or(0);
            // a group is noted at its first expert
            let Some(known) = home.get_mut(group * size) else { continue };
            if *known != NONE && *known != node {
                return false;
            }
            *known = node;
        }
    }
    true
}

/// The node that has most slots to spare when every group on it needs `needed`, if one has as many.
fn roomiest(shape: &Shape, home: &[u32], size: usize, needed: usize) -> Option<u32> {
    let topology = shape.topology();
    let mut best: Option<(usize, u32)> = None;
    // nodes by their first GPU, so that those without one cost nothing
    for gpu in 0..topology.num_gpus() {
        let node = topology.node(gpu);
        if (0..gpu).any(|other| topology.node(other) == node) {
            continue;
        }
        let here = (gpu..topology.num_gpus()).filter(|&other| topology.node(other) == node);
        let slots = here.fold(0, |sum: usize, gpu| sum.saturating_add(shape.usable_slots(gpu)));
        let firsts = home.iter().step_by(size);
        let groups = firsts.filter(|&&other| other == node as u32).count();
        let Some(left) = slots.checked_sub(groups.saturating_mul(needed)) else { continue };
        if left >= needed && best.is_none_or(|(most, _)| left > most) {
            best = Some((left, node as u32));
        }
    }
    best.map(|(_, node)| node)
}
