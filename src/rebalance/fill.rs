//! Empty slots get copies, as long as moves last.
//!
//! The slot is one of the GPU that has the least to do, the expert the one whose copy there lowers the sum of all
//! (GPU time)^4 most, or raises it least: lowest slot, lowest expert among equals. What no expert fits into without
//! a duplicate, more replicas than allowed, or a move too many, stays empty.

use crate::base::cells::{at, put};
use crate::rebalance::board::{Board, NONE};
use crate::rebalance::repair::fits;
use crate::rebalance::steps::{Limits, gain_of_put};

/// Fills what can be filled. O(slots x (slots + experts)), of the slots those that are empty.
pub fn fill(board: &mut Board, limits: &Limits) {
    board.level = 0.0;
    board.judge_all();
    let mut empty = list(board);
    while empty > 0 {
        let index = least_busy(board, empty);
        let slot = at(board.spares, index) as usize;
        match best_expert(board, limits, slot) {
            Some(expert) => {
                board.put(slot, expert);
                empty = remove(board, index, empty);
            }
            // nor does any into the others of this GPU, now or later
            None => empty = drop_gpu(board, at(board.gpu, slot), empty),
        }
    }
}

/// Whether some empty slot could be filled.
pub fn has_room(board: &mut Board, limits: &Limits) -> bool {
    let empty = list(board);
    (0..empty).any(|index| best_expert(board, limits, at(board.spares, index) as usize).is_some())
}

/// Lists the empty slots; answers how many.
fn list(board: &mut Board) -> usize {
    let mut found = 0;
    for slot in 0..board.on.len() {
        if at(board.on, slot) == NONE && at(board.gpu, slot) != NONE {
            put(board.spares, found, slot as u32);
            found += 1;
        }
    }
    found
}

fn least_busy(board: &Board, empty: usize) -> usize {
    let (mut best, mut least) = (0, f64::INFINITY);
    for (index, &slot) in board.spares.iter().enumerate().take(empty) {
        let excess = at(board.excess, at(board.gpu, slot as usize) as usize);
        if excess < least {
            (best, least) = (index, excess);
        }
    }
    best
}

fn best_expert(board: &Board, limits: &Limits, slot: usize) -> Option<usize> {
    let left = limits.moves.saturating_sub(board.moved);
    let (mut best, mut most) = (None, f64::NEG_INFINITY);
    for expert in 0..board.count.len() {
        let affordable = |price: i32| price <= 0 || price.unsigned_abs() <= left;
        if !fits(board, limits, slot, expert)
            || !board.price(slot, expert, limits).is_some_and(affordable)
        {
            continue;
        }
        let gain = gain_of_put(board, slot, expert, most);
        if gain > most {
            (best, most) = (Some(expert), gain);
        }
    }
    best
}

fn remove(board: &mut Board, index: usize, empty: usize) -> usize {
    for i in index + 1..empty {
        let slot = at(board.spares, i);
        put(board.spares, i - 1, slot);
    }
    empty - 1
}

fn drop_gpu(board: &mut Board, gpu: u32, empty: usize) -> usize {
    let mut kept = 0;
    for i in 0..empty {
        let slot = at(board.spares, i);
        if at(board.gpu, slot as usize) != gpu {
            put(board.spares, kept, slot);
            kept += 1;
        }
    }
    kept
}
