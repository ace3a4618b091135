//! What a step may do, and what it may not: limits on moves, on replicas, and on where copies must remain.

use crate::base::cells::{at, put};
use crate::rebalance::limits::{Limits, Survive};
use crate::rebalance::packing::{NONE, Packing};

impl Limits {
    fn place(&self, packing: &Packing, slot: usize) -> u32 {
        let gpu = at(packing.gpu, slot);
        if self.survive == Survive::Node { at(packing.node, gpu as usize) } else { gpu }
    }

    /// Whether an expert is on as many places as it must be, not counting `without`, and counting the place of
    /// `with`.
    pub fn safe(
        &self,
        packing: &Packing,
        expert: usize,
        without: usize,
        with: Option<usize>,
    ) -> bool {
        let mut places = packing.holders(expert).filter(|&slot| slot != without).chain(with);
        let Some(first) = places.next() else { return false };
        if self.survive == Survive::Nothing {
            return true;
        }
        let first = self.place(packing, first);
        places.any(|slot| self.place(packing, slot) != first)
    }

    /// Whether a slot has to keep the expert that it has in the placement in force.
    pub fn pinned(&self, packing: &Packing, slot: usize) -> bool {
        self.fill_only && !packing.was_empty(slot)
    }

    /// Whether a slot can be given to another expert: it is empty, or its expert can do without, or has
    /// another copy on the same place.
    pub fn spare(&self, packing: &Packing, slot: usize) -> bool {
        let expert = at(packing.on, slot);
        at(packing.gpu, slot) != NONE
            && !self.pinned(packing, slot)
            && (expert == NONE
                || at(packing.count, expert as usize) > 1
                    && (self.survive == Survive::Nothing
                        || self.safe(packing, expert as usize, slot, None)
                        || self.beside(packing, slot, expert as usize)))
    }

    fn beside(&self, packing: &Packing, slot: usize, expert: usize) -> bool {
        let place = self.place(packing, slot);
        let mut others = packing.holders(expert).filter(|&other| other != slot);
        others.any(|other| self.place(packing, other) == place)
    }

    /// Whether an expert is already on the place of a slot.
    pub fn on_place(&self, packing: &Packing, slot: usize, expert: usize) -> bool {
        let place = self.place(packing, slot);
        packing.holders(expert).any(|slot| self.place(packing, slot) == place)
    }
}

/// Gain when `slot` gives up its expert for a copy of `expert`: how much all excesses sink together. Not
/// exact, but an answer of at most `enough`, once it is certain that it is no more.
pub fn gain_of_put(packing: &Packing, slot: usize, expert: usize, enough: f64) -> f64 {
    let gpu = at(packing.gpu, slot);
    let before = at(packing.on, slot) as usize;
    let windows = packing.windows;
    let others = u64::from(at(packing.count, before)).wrapping_sub(1);
    let old = |window: usize| before.wrapping_mul(windows).wrapping_add(window);
    let new = |window: usize| expert * windows + window;
    // how much a copy of each changes
    let more = |window| at(packing.more, new(window));
    let sink = |window| more(window).wrapping_sub(at(packing.share, new(window)));
    let rise = |window| {
        let share = at(packing.whole, old(window)).checked_div(others).unwrap_or(0);
        share.wrapping_sub(at(packing.share, old(window)))
    };
    let copies = |expert: usize, holder: u32| {
        let here = |&s: &usize| s != slot && at(packing.gpu, s) == holder;
        packing.holders(expert).filter(here).count() as u64
    };
    let excess = |gpu: u32| at(packing.excess, gpu as usize);
    let first = |expert: usize, index: usize, holder: u32| {
        !packing.holders(expert).take(index).any(|s| at(packing.gpu, s) == holder)
    };

    // what can still be gained: no GPU with a copy of the new expert gets worse for it
    let mut hope = 0.0;
    for holder in packing.holders(expert) {
        hope += excess(at(packing.gpu, holder));
    }
    let twice = copies(before, gpu);
    let mut gain = excess(gpu)
        - packing.excess_with(gpu as usize, |window| {
            let left = more(window).wrapping_sub(at(packing.share, old(window)));
            if twice > 0 { left.wrapping_add(twice.wrapping_mul(rise(window))) } else { left }
        });
    for (index, holder) in packing.holders(before).enumerate() {
        if gain + hope <= enough {
            return gain + hope;
        }
        let here = at(packing.gpu, holder);
        if here != gpu && first(before, index, here) {
            let (lost, shared) = (copies(before, here), copies(expert, here));
            gain += excess(here)
                - packing.excess_with(here as usize, |window| {
                    let up = lost.wrapping_mul(rise(window));
                    up.wrapping_add(shared.wrapping_mul(sink(window)))
                });
        }
    }
    for (index, holder) in packing.holders(expert).enumerate() {
        let here = at(packing.gpu, holder);
        if here != gpu
            && excess(here) > 0.0
            && first(expert, index, here)
            && !packing.holders(before).any(|s| s != slot && at(packing.gpu, s) == here)
        {
            let shared = copies(expert, here);
            let after = |window| shared.wrapping_mul(sink(window));
            gain += excess(here) - packing.excess_with(here as usize, after);
        }
    }
    gain
}

/// How much the excesses of other GPUs rise together when a slot gives up its expert.
fn harm_of_loss(packing: &Packing, slot: usize) -> f64 {
    let before = at(packing.on, slot) as usize;
    let others = u64::from(at(packing.count, before)).wrapping_sub(1);
    let windows = packing.windows;
    let mut harm = 0.0;
    for holder in packing.holders(before).filter(|&holder| holder != slot) {
        let gpu = at(packing.gpu, holder);
        if gpu == at(packing.gpu, slot) {
            continue;
        }
        let after = packing.excess_with(gpu as usize, |window| {
            let old = before.wrapping_mul(windows).wrapping_add(window);
            let share = at(packing.whole, old).checked_div(others).unwrap_or(0);
            share.wrapping_sub(at(packing.share, old))
        });
        let more = after - at(packing.excess, gpu as usize);
        harm += if more > 0.0 { more } else { 0.0 };
    }
    harm
}

/// Lists the slots that can be given away; answers how many.
pub fn list_spares(packing: &mut Packing, limits: &Limits) -> usize {
    let mut found = 0;
    for (slot, &expert) in packing.on.iter().enumerate() {
        let spare = match packing.count.get(expert as usize) {
            Some(1) => false, // so are most
            Some(_) if limits.survive == Survive::Nothing => !limits.pinned(packing, slot),
            _ => limits.spare(packing, slot),
        };
        if spare {
            put(packing.spares, found, slot as u32);
            found += 1;
        }
    }
    found
}

/// Finds out what the loss of each spare slot does to others, where that is not known.
pub fn find_harm(packing: &mut Packing, spares: usize) {
    for index in 0..spares {
        let slot = at(packing.spares, index) as usize;
        if at(packing.harm, slot) < 0.0 {
            let harm = harm_of_loss(packing, slot);
            put(packing.harm, slot, harm);
        }
    }
}
