//! Repair: experts that are not where they must be get slots, with the fewest moves.
//!
//! An expert without a copy on a GPU that receives gets one spare slot: empty, or of an expert that can do
//! without. Where every expert must be on two GPUs, or nodes, one more for each that is missing. Each of these
//! is one move, and no repair does with fewer. The heaviest expert chooses first (lowest index among equals),
//! and takes the slot whose loss and use leave the least sum of (GPU time)^4; the lowest slot among equals.
//!
//! When two places are asked for, all spare slots may lie where the expert already is. Then some other expert
//! trades its place for one of them: two moves. There always is one while the slots can hold all: see
//! docs/DESIGN.md.

use crate::base::cells::{at, put};
use crate::problem::Shape;
use crate::rebalance::gain::gain_of_put;
use crate::rebalance::limits::Limits;
use crate::rebalance::packing::{NONE, Packing};
use crate::status::Status;

/// Gives every expert the places that it must be on.
///
/// # Errors
/// [`Status::Infeasible`] when slots or limits do not allow it.
pub fn repair(packing: &mut Packing, shape: &Shape, limits: &Limits) -> Result<(), Status> {
    if packing.scattered() {
        return Err(Status::Infeasible);
    }
    house_groups(packing, shape, limits)?;
    packing.level = 0.0;
    packing.judge_all();
    for places in 1..=limits.places() {
        while let Some(expert) = next(packing, limits, places) {
            place(packing, limits, expert)?;
        }
    }
    if packing.moved > limits.moves { Err(Status::Infeasible) } else { Ok(()) }
}

/// The heaviest expert that is on fewer than `places` places.
fn next(packing: &Packing, limits: &Limits, places: usize) -> Option<usize> {
    let mut best = None;
    let mut most = -1.0;
    for (expert, &count) in packing.count.iter().enumerate() {
        let short =
            if places == 1 { count == 0 } else { !limits.safe(packing, expert, usize::MAX, None) };
        if !short {
            continue;
        }
        let whole = packing.whole.iter().skip(expert * packing.windows);
        let load = packing.weight.iter().zip(whole).fold(0.0, |sum, (w, &x)| sum + w * x as f64);
        if load > most {
            (best, most) = (Some(expert), load);
        }
    }
    best
}

fn place(packing: &mut Packing, limits: &Limits, expert: usize) -> Result<(), Status> {
    let mut best = None;
    let mut most = f64::NEG_INFINITY;
    for slot in 0..packing.on.len() {
        if !limits.spare(packing, slot)
            || !fits(packing, limits, slot, expert)
            || limits.on_place(packing, slot, expert)
            || packing.price(slot, expert, limits).is_none()
        {
            continue;
        }
        let gain = gain_of_put(packing, slot, expert, f64::NEG_INFINITY);
        if gain > most {
            (best, most) = (Some(slot), gain);
        }
    }
    if let Some(slot) = best {
        packing.put(slot, expert);
        return Ok(());
    }
    let (spare, other) = trade(packing, limits, expert).ok_or(Status::Infeasible)?;
    let moving = at(packing.on, other) as usize;
    packing.put(spare, moving);
    packing.put(other, expert);
    Ok(())
}

/// Whether one more copy may be there.
pub fn fits(packing: &Packing, limits: &Limits, slot: usize, expert: usize) -> bool {
    let gpu = at(packing.gpu, slot) as usize;
    at(packing.count, expert) < limits.most_replicas
        && packing.allowed(gpu, expert)
        && !packing.holds(gpu, expert)
}

/// A spare slot and a slot elsewhere whose expert can move there, so that `expert` can have its place.
fn trade(packing: &Packing, limits: &Limits, expert: usize) -> Option<(usize, usize)> {
    let slots = 0..packing.on.len();
    slots.clone().filter(|&spare| limits.spare(packing, spare)).find_map(|spare| {
        let gpu = at(packing.gpu, spare) as usize;
        let other = slots.clone().find(|&other| {
            let moving = at(packing.on, other);
            moving != NONE
                && moving != at(packing.on, spare)
                && !limits.pinned(packing, other)
                && fits(packing, limits, other, expert)
                && !limits.on_place(packing, other, expert)
                && packing.allowed(gpu, moving as usize)
                && !packing.holds(gpu, moving as usize)
                && limits.safe(packing, moving as usize, other, Some(spare))
                && packing.price(spare, moving as usize, limits).is_some()
                && packing.price(other, expert, limits).is_some()
        })?;
        Some((spare, other))
    })
}

/// Gives every group without a copy the node with most slots to spare, lowest index first.
fn house_groups(packing: &mut Packing, shape: &Shape, limits: &Limits) -> Result<(), Status> {
    for group in 0..packing.group_node.len() {
        if at(packing.group_node, group) != NONE {
            continue;
        }
        let needed = packing.group_size.saturating_mul(limits.places());
        let mut best = None;
        // nodes by their first GPU, so that those without one cost nothing
        for gpu in 0..packing.node.len() {
            let node = at(packing.node, gpu);
            if packing.node.iter().take(gpu).any(|&other| other == node) {
                continue;
            }
            let here = packing.node.iter().enumerate().filter(|(_, other)| **other == node);
            let room = here.fold(0, |sum, (gpu, _)| sum + shape.usable_slots(gpu));
            let groups = packing.group_node.iter().filter(|other| **other == node).count();
            let Some(room) = room.checked_sub(groups.saturating_mul(needed)) else { continue };
            if room >= needed && best.is_none_or(|(most, _)| room > most) {
                best = Some((room, node));
            }
        }
        let (_, node) = best.ok_or(Status::Infeasible)?;
        put(packing.group_node, group, node);
    }
    Ok(())
}
