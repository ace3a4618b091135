//! Empty slots get copies, as long as moves last.
//!
//! The slot is one of the GPU that has the least to do, the expert the one whose copy there lowers the sum of all
//! (GPU time)^4 most, or raises it least: lowest slot, lowest expert among equals. What no expert fits into without
//! a duplicate, more replicas than allowed, or a move too many, stays empty.

use crate::base::cells::{at, put};
use crate::rebalance::gain::gain_of_put;
use crate::rebalance::limits::Limits;
use crate::rebalance::packing::{NONE, Packing};
use crate::rebalance::repair::fits;

/// Fills what can be filled. O(slots x (slots + experts)), of the slots those that are empty.
pub fn fill(packing: &mut Packing, limits: &Limits) {
    packing.level = 0.0;
    packing.judge_all();
    let mut empty = list(packing);
    while empty > 0 {
        let index = least_busy(packing, empty);
        let slot = at(packing.spares, index) as usize;
        match best_expert(packing, limits, slot) {
            Some(expert) => {
                packing.put(slot, expert);
                empty = remove(packing, index, empty);
            }
            // nor does any into the others of this GPU, now or later
            None => empty = drop_gpu(packing, at(packing.gpu, slot), empty),
        }
    }
}

/// Whether some empty slot could be filled.
pub fn has_room(packing: &mut Packing, limits: &Limits) -> bool {
    let empty = list(packing);
    (0..empty)
        .any(|index| best_expert(packing, limits, at(packing.spares, index) as usize).is_some())
}

/// Lists the empty slots; answers how many.
fn list(packing: &mut Packing) -> usize {
    let mut found = 0;
    for slot in 0..packing.on.len() {
        if at(packing.on, slot) == NONE && at(packing.gpu, slot) != NONE {
            put(packing.spares, found, slot as u32);
            found += 1;
        }
    }
    found
}

fn least_busy(packing: &Packing, empty: usize) -> usize {
    let (mut best, mut least) = (0, f64::INFINITY);
    for (index, &slot) in packing.spares.iter().enumerate().take(empty) {
        let excess = at(packing.excess, at(packing.gpu, slot as usize) as usize);
        if excess < least {
            (best, least) = (index, excess);
        }
    }
    best
}

fn best_expert(packing: &Packing, limits: &Limits, slot: usize) -> Option<usize> {
    let left = limits.moves.saturating_sub(packing.moved);
    let (mut best, mut most) = (None, f64::NEG_INFINITY);
    for expert in 0..packing.count.len() {
        let affordable = |price: i32| price <= 0 || price.unsigned_abs() <= left;
        if !fits(packing, limits, slot, expert)
            || !packing.price(slot, expert, limits).is_some_and(affordable)
        {
            continue;
        }
        let gain = gain_of_put(packing, slot, expert, most);
        if gain > most {
            (best, most) = (Some(expert), gain);
        }
    }
    best
}

fn remove(packing: &mut Packing, index: usize, empty: usize) -> usize {
    for i in index + 1..empty {
        let slot = at(packing.spares, i);
        put(packing.spares, i - 1, slot);
    }
    empty - 1
}

fn drop_gpu(packing: &mut Packing, gpu: u32, empty: usize) -> usize {
    let mut kept = 0;
    for i in 0..empty {
        let slot = at(packing.spares, i);
        if at(packing.gpu, slot as usize) != gpu {
            put(packing.spares, kept, slot);
            kept += 1;
        }
    }
    kept
}
