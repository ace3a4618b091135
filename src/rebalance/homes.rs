//! In hierarchical scope: the node that each group of experts is bound to.

use crate::base::cells::{NONE, at, part, part_mut};
use crate::problem::Shape;
use core::ops::Range;

/// A group that is on several nodes.
const SPLIT: u32 = NONE - 1;

/// Finds the node of every expert (`[E]`): the one that its group is on in `expert_at`; for a group that is nowhere, or
/// on several, of those with room the one that has most of it, then most slots to spare, lowest index first. `places`:
/// nodes or GPUs that every expert must be on; `stay`: so does every replica that there is. `free`: groups on several
/// nodes are bound to none. False when no node has room for a group that is nowhere.
pub fn find(
    shape: &Shape,
    (expert_at, stay): (&[u32], bool),
    places: usize,
    free: bool,
    home: &mut [u32],
) -> bool {
    let size = group_size(shape);
    home.fill(NONE);
    note_homes(shape, expert_at, size, home);
    let stays = if stay { expert_at } else { &[] };
    (0..home.len()).step_by(size).all(|first| {
        let node = match at(home, first) {
            SPLIT if free => Some(NONE),
            known @ (SPLIT | NONE) => {
                let group = first..first + size;
                let held = |node| held(shape, expert_at, node, group.clone());
                let node = roomiest(shape, (stays, places, true), size, home, held);
                let split = || roomiest(shape, (stays, places, false), size, home, held);
                node.or_else(|| if known == SPLIT { split() } else { None })
            }
            node => Some(node),
        };
        part_mut(home, first, first + size).fill(node.unwrap_or(NONE));
        node.is_some()
    })
}

/// Whether a group is on several nodes. `home` (`[E]`) is scratch.
pub fn is_split(shape: &Shape, expert_at: &[u32], home: &mut [u32]) -> bool {
    home.fill(NONE);
    note_homes(shape, expert_at, group_size(shape), home);
    home.contains(&SPLIT)
}

fn group_size(shape: &Shape) -> usize {
    shape.num_logical_experts().checked_div(shape.num_groups()).unwrap_or(1).max(1)
}

/// Notes at the first expert of each group the node that it is on.
fn note_homes(shape: &Shape, expert_at: &[u32], size: usize, home: &mut [u32]) {
    let topology = shape.topology();
    let mut slots = expert_at.iter();
    for gpu in 0..topology.num_gpus() {
        let node = topology.node(gpu) as u32;
        let held = slots.by_ref().take(topology.slots(gpu));
        for &expert in held.filter(|&&expert| expert != NONE && topology.receives(gpu)) {
            let group = (expert as usize).checked_div(size).unwrap_or(0);
            let Some(known) = home.get_mut(group * size) else { continue };
            *known = if *known == NONE || *known == node { node } else { SPLIT };
        }
    }
}

/// Replicas of a group that a node has.
fn held(shape: &Shape, expert_at: &[u32], node: usize, group: Range<usize>) -> usize {
    let topology = shape.topology();
    let (mut sum, mut slots) = (0, expert_at.iter());
    for gpu in 0..topology.num_gpus() {
        let here = slots.by_ref().take(topology.slots(gpu));
        let held = here.filter(|&&expert| group.contains(&(expert as usize))).count();
        let counts = topology.node(gpu) == node && topology.receives(gpu);
        sum += if counts { held } else { 0 };
    }
    sum
}

/// The node for which `held` is largest, of equals the one that has most slots to spare when every group on it is on as
/// many `places` as it must be; where it `must` have room for one more, of those that have. What stays is in
/// `expert_at`.
fn roomiest(
    shape: &Shape,
    (expert_at, places, must): (&[u32], usize, bool),
    size: usize,
    home: &[u32],
    held: impl Fn(usize) -> usize,
) -> Option<u32> {
    let topology = shape.topology();
    let mut best: Option<((usize, usize), u32)> = None;
    // nodes by their first GPU, so that those without one cost nothing
    for gpu in 0..topology.num_gpus() {
        let node = topology.node(gpu);
        if (0..gpu).any(|other| topology.node(other) == node) {
            continue;
        }
        let groups = home.iter().step_by(size).enumerate();
        let groups = groups.filter(|&(_, &other)| other == node as u32);
        let experts = groups.flat_map(|(group, _)| group * size..(group + 1) * size);
        let (free, wanted) = room(shape, expert_at, node, (experts, places, size));
        let left = free.checked_sub(wanted.saturating_add(size.saturating_mul(places)));
        let left = if must { left } else { Some(left.unwrap_or(0)) };
        if let Some(left) = left {
            let now = (held(node), left);
            if best.is_none_or(|(most, _)| now > most) {
                best = Some((now, node as u32));
            }
        }
    }
    best.map(|(_, node)| node)
}

/// Slots of a node that can take an expert, no GPU one twice, when `more` come to those that it has; and how many these
/// still want.
fn room(
    shape: &Shape,
    expert_at: &[u32],
    node: usize,
    (experts, places, more): (impl Iterator<Item = usize> + Clone, usize, usize),
) -> (usize, usize) {
    let topology = shape.topology();
    let gpus = (0..topology.num_gpus()).scan(0, |first, gpu| {
        let from = *first;
        *first += topology.slots(gpu);
        Some((gpu, part(expert_at, from, *first)))
    });
    let gpus = gpus.filter(|&(gpu, _)| topology.node(gpu) == node && topology.receives(gpu));
    let all = experts.clone().count();
    let free = gpus.clone().fold(0, |sum: usize, (gpu, held)| {
        let there = experts.clone().filter(|&expert| held.contains(&(expert as u32))).count();
        let empty = held.iter().filter(|&&expert| expert == NONE).count();
        let here = if held.is_empty() { topology.slots(gpu) } else { empty };
        sum.saturating_add(here.min(all - there + more))
    });
    let wanted = experts.fold(0, |sum: usize, expert| {
        let on = gpus.clone().filter(|(_, held)| held.contains(&(expert as u32))).count();
        sum.saturating_add(places.saturating_sub(on))
    });
    (free, wanted)
}
