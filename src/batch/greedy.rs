//! Copies where tokens are stuck, a fetch at a time.
//!
//! The GPU with the most to give fetches its largest expert to the smallest room that takes all of it; where none
//! does, to the largest.

use crate::base::cells::at;
use crate::batch::layout::{HOME, Layout};
use crate::batch::reach::Reach;

/// Adds copies until no GPU is above its capacity: whether that could be.
pub fn fetch_all(layout: &mut Layout, reach: &mut Reach) -> bool {
    loop {
        let Some(gpu) = most_above(layout, reach) else { return true };
        let Some((expert, to)) = next_fetch(layout, reach, gpu) else { return false };
        let slot = layout.slot_on(to);
        if !slot.is_some_and(|slot| layout.fetch(expert, slot)) {
            return false;
        }
    }
}

/// Moves tokens along the copies there are; then the GPU that is most above its capacity.
fn most_above(layout: &mut Layout, reach: &mut Reach) -> Option<usize> {
    if reach.relieve_all(layout) {
        return None;
    }
    let mut most = (0, usize::MAX);
    for gpu in 0..layout.load.len() {
        if layout.surplus(gpu) > most.0 {
            most = (layout.surplus(gpu), gpu);
        }
    }
    (most.0 > 0).then_some(most.1)
}

/// What to fetch, and where to, for a GPU whose tokens are stuck.
fn next_fetch(layout: &mut Layout, reach: &mut Reach, gpu: usize) -> Option<(u32, usize)> {
    reach.relieve(layout, gpu); // what it reaches: a closed set
    let above = layout.surplus(gpu);
    let limits = layout.limits;
    let mut best = (0, 0);
    for &from in reach.closed() {
        for slot in layout.of_gpu(from as usize) {
            let expert = at(layout.expert, slot);
            let movable = layout.spare_tokens(slot);
            if movable >= limits.least_tokens
                && movable > 0
                && at(layout.kind, slot) == HOME
                && layout.count(expert) < limits.replicas
                && movable.min(above) > best.0
                && layout.is_sent(expert)
            {
                best = (movable.min(above), expert);
            }
        }
    }
    let (amount, expert) = best;
    let mut smallest = (u64::MAX, None);
    let mut largest = (0, None);
    for to in 0..layout.load.len() {
        let room = layout.room(to);
        let cost = limits.fetch_tokens;
        if room < cost.saturating_add(limits.least_tokens) || layout.slot_on(to).is_none() {
            continue;
        }
        if room >= amount + cost && room < smallest.0 {
            smallest = (room, Some(to));
        }
        if room > largest.0 {
            largest = (room, Some(to));
        }
    }
    let to = smallest.1.or(largest.1)?;
    (amount > 0).then_some((expert, to))
}
