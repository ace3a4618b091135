//! What a step may do, and what it may not: limits on moves, on replicas, and on where copies must remain.

use super::board::{Board, NONE};
use crate::plan::at::at;

/// What every expert must be on two of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survive {
    Nothing,
    Gpu,
    Node,
}

/// Limits of a plan from a placement.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Slots that may differ.
    pub moves: u32,
    /// From one GPU to another; 0 = no limit.
    pub per_pair: u32,
    /// Replicas of an expert.
    pub most_replicas: u32,
    pub survive: Survive,
}

impl Limits {
    /// Places that each expert must be on.
    pub fn places(&self) -> usize {
        if self.survive == Survive::Nothing { 1 } else { 2 }
    }

    fn place(&self, board: &Board, slot: usize) -> u32 {
        let gpu = at(board.gpu, slot);
        if self.survive == Survive::Node { at(board.node, gpu as usize) } else { gpu }
    }

    /// Whether an expert is on as many places as it must be, not counting `without`, and counting the place of
    /// `with`.
    pub fn safe(&self, board: &Board, expert: usize, without: usize, with: Option<usize>) -> bool {
        let mut places = board.holders(expert).filter(|&slot| slot != without).chain(with);
        let Some(first) = places.next() else { return false };
        if self.survive == Survive::Nothing {
            return true;
        }
        let first = self.place(board, first);
        places.any(|slot| self.place(board, slot) != first)
    }

    /// Whether a slot can be given to another expert: it is empty, or its expert can do without.
    pub fn spare(&self, board: &Board, slot: usize) -> bool {
        let expert = at(board.on, slot);
        at(board.gpu, slot) != NONE
            && (expert == NONE
                || at(board.count, expert as usize) > 1
                    && self.safe(board, expert as usize, slot, None))
    }

    /// Whether an expert is already on the place of a slot.
    pub fn on_place(&self, board: &Board, slot: usize, expert: usize) -> bool {
        let place = self.place(board, slot);
        board.holders(expert).any(|slot| self.place(board, slot) == place)
    }
}

/// Gain when `slot` gives up its expert for a copy of `expert`: how much all excesses sink together.
pub fn gain_of_put(board: &Board, slot: usize, expert: usize) -> f64 {
    let gpu = at(board.gpu, slot);
    let before = at(board.on, slot) as usize;
    let windows = board.windows;
    let others = u64::from(at(board.count, before)).wrapping_sub(1);
    // what copies of the two gain on a GPU with so many of each
    let gain_on = |holder: u32| {
        let lost = board
            .holders(before)
            .filter(|&s| s != slot && at(board.gpu, s) == holder)
            .count() as u64;
        let shared = board.copies(holder as usize, expert) as u64;
        let after = board.excess_with(holder as usize, |window| {
            let old = before.wrapping_mul(windows).wrapping_add(window);
            let new = expert * windows + window;
            let more = at(board.more, new);
            let mut change = shared.wrapping_mul(more.wrapping_sub(at(board.share, new)));
            if lost > 0 {
                let share = at(board.whole, old).checked_div(others).unwrap_or(0);
                let rise = share.wrapping_sub(at(board.share, old));
                change = change.wrapping_add(lost.wrapping_mul(rise));
            }
            if holder == gpu {
                change = change.wrapping_add(more.wrapping_sub(at(board.share, old)));
            }
            change
        });
        at(board.excess, holder as usize) - after
    };
    let mut gain = gain_on(gpu);
    for (index, holder) in board.holders(before).enumerate() {
        let here = at(board.gpu, holder);
        let seen = |s: usize| at(board.gpu, s) == here;
        if here != gpu && !board.holders(before).take(index).any(seen) {
            gain += gain_on(here);
        }
    }
    for (index, holder) in board.holders(expert).enumerate() {
        let here = at(board.gpu, holder);
        let seen = |s: usize| at(board.gpu, s) == here;
        if here != gpu
            && !board.holders(expert).take(index).any(seen)
            && !board.holders(before).any(seen)
        {
            gain += gain_on(here);
        }
    }
    gain
}
