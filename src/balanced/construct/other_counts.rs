//! Other counts than D'Hondt's, when the packing of those is stuck above the bound.

use crate::balanced::construct::pairs;
use crate::balanced::construct::solver::Solver;
use crate::balanced::construct::state::State;
use crate::base::cells::{add, subtract};
use crate::base::used::{Part, used};

/// Caps tried: 1, 1 - 40/1024, 1 - 80/1024, ... of the bound, each with two limits for the slots left over.
const CAPS: u64 = 16;
const CAP_STEP: u64 = 40;
/// Packings tried among the capped counts.
const TRIES: usize = 3;
/// D'Hondt among the candidates for counts.
const D_HONDT: u64 = 255;

impl<const SPEEDS: bool> Solver<'_, SPEEDS> {
    /// Capped counts, packed in order of their bounds as long as they can win. `first`: the bound of D'Hondt's.
    #[inline(never)]
    pub fn try_other_counts(&mut self, first: u64) {
        let pairs = self.has_pairs();
        for (key, _) in self.list_counts(first) {
            let (bound, candidate) = (key >> 8, key & 255);
            if self.best <= self.target() || key == u64::MAX || (bound >= self.best && !pairs) {
                break;
            }
            if candidate == D_HONDT {
                self.state.deal();
            } else {
                self.deal_capped(candidate);
            }
            self.state.set_items();
            if pairs {
                self.climb();
            }
            let mut time = self.pack();
            if self.stuck(time) && self.slots.get() > 2 {
                time = self.recount();
            }
            if time.saturating_add(self.tolerance()) < self.best {
                used(Part::OtherCounts);
                self.keep(time);
            }
        }
    }

    /// The most promising counts, as bound << 8 | candidate, and a checksum of each, since many caps give the same.
    fn list_counts(&mut self, first: u64) -> [(u64, u64); TRIES] {
        let mut list = [(u64::MAX, 0); TRIES];
        if self.best == u64::MAX {
            enter(&mut list, ((first << 8) | D_HONDT, 0));
        }
        let (pairs, alike) = (self.has_pairs(), self.state.packing.alike());
        for candidate in 0..2 * CAPS {
            if !self.deal_capped(candidate) {
                continue;
            }
            let hash =
                |expert: u32| u64::from(expert + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
            let extras = self.state.counts.extras().iter();
            let sum = extras.fold(0_u64, |sum, &expert| sum.wrapping_add(hash(expert)));
            if list.iter().any(|&(_, other)| other == sum) {
                continue;
            }
            self.state.set_items();
            let bound = if alike { self.state.packing_bound(0) } else { self.bound };
            if bound < self.best || pairs {
                enter(&mut list, ((bound << 8) | candidate, sum));
            }
        }
        list
    }

    /// The counts of a candidate, if they take just the slots there are.
    fn deal_capped(&mut self, candidate: u64) -> bool {
        let cap = self.bound - self.bound * (candidate >> 1) * CAP_STEP / 1024;
        let limit = self.bound / (2 + (candidate & 1));
        let State { counts, loads, items, places, .. } = &mut self.state;
        counts.deal_capped(loads, cap, limit, items.keys) && places.fit(counts.of)
    }

    /// Pairs: hill climbing on the counts in force, before they are packed.
    #[inline(never)]
    fn climb(&mut self) {
        loop {
            let State { packing, counts, loads, items, .. } = &mut self.state;
            let Some((from, to)) =
                pairs::climb(packing, counts, loads, items.buffer, &mut self.left)
            else {
                return;
            };
            subtract(counts.of, from, 1);
            add(counts.of, to, 1);
            counts.note_extras(loads);
            used(Part::CountsOfPairs);
            self.state.set_items();
        }
    }
}

/// Keeps the list sorted; what falls off its end is gone.
fn enter(list: &mut [(u64, u64)], mut x: (u64, u64)) {
    for y in list.iter_mut() {
        if x.0 < y.0 {
            core::mem::swap(&mut x, y);
        }
    }
}
