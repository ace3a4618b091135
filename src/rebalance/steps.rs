//! What a step may do, and what it may not: limits on moves, on replicas, and on where copies must remain.

use crate::base::cells::{at, put};
use crate::rebalance::board::{Board, NONE};

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
    /// Only slots that are empty in the placement in force may change.
    pub fill_only: bool,
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

    /// Whether a slot has to keep the expert that it has in the placement in force.
    pub fn pinned(&self, board: &Board, slot: usize) -> bool {
        self.fill_only && !board.was_empty(slot)
    }

    /// Whether a slot can be given to another expert: it is empty, or its expert can do without, or has
    /// another copy on the same place.
    pub fn spare(&self, board: &Board, slot: usize) -> bool {
        let expert = at(board.on, slot);
        at(board.gpu, slot) != NONE
            && !self.pinned(board, slot)
            && (expert == NONE
                || at(board.count, expert as usize) > 1
                    && (self.survive == Survive::Nothing
                        || self.safe(board, expert as usize, slot, None)
                        || self.beside(board, slot, expert as usize)))
    }

    fn beside(&self, board: &Board, slot: usize, expert: usize) -> bool {
        let place = self.place(board, slot);
        let mut others = board.holders(expert).filter(|&other| other != slot);
        others.any(|other| self.place(board, other) == place)
    }

    /// Whether an expert is already on the place of a slot.
    pub fn on_place(&self, board: &Board, slot: usize, expert: usize) -> bool {
        let place = self.place(board, slot);
        board.holders(expert).any(|slot| self.place(board, slot) == place)
    }
}

/// Gain when `slot` gives up its expert for a copy of `expert`: how much all excesses sink together. Not
/// exact, but an answer of at most `enough`, once it is certain that it is no more.
pub fn gain_of_put(board: &Board, slot: usize, expert: usize, enough: f64) -> f64 {
    let gpu = at(board.gpu, slot);
    let before = at(board.on, slot) as usize;
    let windows = board.windows;
    let others = u64::from(at(board.count, before)).wrapping_sub(1);
    let old = |window: usize| before.wrapping_mul(windows).wrapping_add(window);
    let new = |window: usize| expert * windows + window;
    // how much a copy of each changes
    let more = |window| at(board.more, new(window));
    let sink = |window| more(window).wrapping_sub(at(board.share, new(window)));
    let rise = |window| {
        let share = at(board.whole, old(window)).checked_div(others).unwrap_or(0);
        share.wrapping_sub(at(board.share, old(window)))
    };
    let copies = |expert: usize, holder: u32| {
        let here = |&s: &usize| s != slot && at(board.gpu, s) == holder;
        board.holders(expert).filter(here).count() as u64
    };
    let excess = |gpu: u32| at(board.excess, gpu as usize);
    let first = |expert: usize, index: usize, holder: u32| {
        !board.holders(expert).take(index).any(|s| at(board.gpu, s) == holder)
    };

    // what can still be gained: no GPU with a copy of the new expert gets worse for it
    let mut hope = 0.0;
    for holder in board.holders(expert) {
        hope += excess(at(board.gpu, holder));
    }
    let twice = copies(before, gpu);
    let mut gain = excess(gpu)
        - board.excess_with(gpu as usize, |window| {
            let left = more(window).wrapping_sub(at(board.share, old(window)));
            if twice > 0 { left.wrapping_add(twice.wrapping_mul(rise(window))) } else { left }
        });
    for (index, holder) in board.holders(before).enumerate() {
        if gain + hope <= enough {
            return gain + hope;
        }
        let here = at(board.gpu, holder);
        if here != gpu && first(before, index, here) {
            let (lost, shared) = (copies(before, here), copies(expert, here));
            gain += excess(here)
                - board.excess_with(here as usize, |window| {
                    let up = lost.wrapping_mul(rise(window));
                    up.wrapping_add(shared.wrapping_mul(sink(window)))
                });
        }
    }
    for (index, holder) in board.holders(expert).enumerate() {
        let here = at(board.gpu, holder);
        if here != gpu
            && excess(here) > 0.0
            && first(expert, index, here)
            && !board.holders(before).any(|s| s != slot && at(board.gpu, s) == here)
        {
            let shared = copies(expert, here);
            let after = |window| shared.wrapping_mul(sink(window));
            gain += excess(here) - board.excess_with(here as usize, after);
        }
    }
    gain
}

/// How much the excesses of other GPUs rise together when a slot gives up its expert.
fn harm_of_loss(board: &Board, slot: usize) -> f64 {
    let before = at(board.on, slot) as usize;
    let others = u64::from(at(board.count, before)).wrapping_sub(1);
    let windows = board.windows;
    let mut harm = 0.0;
    for holder in board.holders(before).filter(|&holder| holder != slot) {
        let gpu = at(board.gpu, holder);
        if gpu == at(board.gpu, slot) {
            continue;
        }
        let after = board.excess_with(gpu as usize, |window| {
            let old = before.wrapping_mul(windows).wrapping_add(window);
            let share = at(board.whole, old).checked_div(others).unwrap_or(0);
            share.wrapping_sub(at(board.share, old))
        });
        let more = after - at(board.excess, gpu as usize);
        harm += if more > 0.0 { more } else { 0.0 };
    }
    harm
}

/// Lists the slots that can be given away; answers how many.
pub fn list_spares(board: &mut Board, limits: &Limits) -> usize {
    let mut found = 0;
    for (slot, &expert) in board.on.iter().enumerate() {
        let spare = match board.count.get(expert as usize) {
            Some(1) => false, // so are most
            Some(_) if limits.survive == Survive::Nothing => !limits.pinned(board, slot),
            _ => limits.spare(board, slot),
        };
        if spare {
            put(board.spares, found, slot as u32);
            found += 1;
        }
    }
    found
}

/// Finds out what the loss of each spare slot does to others, where that is not known.
pub fn find_harm(board: &mut Board, spares: usize) {
    for index in 0..spares {
        let slot = at(board.spares, index) as usize;
        if at(board.harm, slot) < 0.0 {
            let harm = harm_of_loss(board, slot);
            put(board.harm, slot, harm);
        }
    }
}
