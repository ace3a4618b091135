//! Searches to the end. The pilot method for small instances: every first step is tried, each followed by the search;
//! the best is made, every second step tried, and so on.

use crate::balanced::improve::incumbent::{ALIKE, Incumbent, Kept};
use crate::balanced::improve::marks::Marks;
use crate::balanced::improve::neighborhood::Neighborhood;
use crate::balanced::improve::packing::{Packing, Step};
use crate::balanced::improve::scaling;
use crate::balanced::improve::search::{self, End};
use crate::base::cells::copy;
use crate::parts;

/// Slots up to which this is tried.
pub const SMALL: usize = 16;
/// Units of effort that it may take.
const EFFORT: u64 = 400_000;
/// First steps that are made for good, at most.
const ROUNDS: usize = 8;

/// A search to the end.
pub struct Descent<'d, 's, 'p, 'i, const N: usize> {
    pub packing: &'d mut Packing<'p, N>,
    pub marks: &'d mut Marks<'p>,
    pub incumbent: &'d mut Incumbent<'s, 'i, N>,
    pub kept: &'d mut Kept<'p>,
}

impl<const N: usize> Descent<'_, '_, '_, '_, N> {
    /// Makes it as good as can be.
    pub fn settle(&mut self) {
        if self.packing.expert_at.len() <= SMALL {
            let rest = self.marks.left.saturating_sub(EFFORT);
            self.marks.left -= rest;
            self.pilot();
            self.marks.left += rest;
        } else {
            self.descend();
            self.go_back();
            if parts::PREVIOUS && self.packing.priced {
                self.climb();
            }
        }
        self.go_back();
    }

    /// Goes back to the best placement, if it is another.
    pub fn go_back(&mut self) {
        let mut pairs = self.packing.expert_at.iter().zip(self.kept.best.iter());
        if !pairs.all(|(a, b)| a == b) {
            self.restore(true);
        }
    }

    /// Searches until nothing is left; answers the balance then.
    #[inline(never)]
    pub fn descend(&mut self) -> f64 {
        let Descent { packing, marks, incumbent, kept } = self;
        marks.seen.fill(0);
        incumbent.keep(packing, kept);
        while scaling::scale(packing, incumbent.instance, incumbent.peaks) {
            let end = search::search(packing, marks, |packing| incumbent.keep(packing, kept));
            if end != End::Lower {
                break;
            }
        }
        incumbent.keep(packing, kept);
        incumbent.balance_of(packing)
    }

    /// Goes back to the best, or to the root.
    #[inline(never)]
    fn restore(&mut self, best: bool) {
        let Descent { packing, marks, kept, .. } = self;
        copy(packing.expert_at, if best { kept.best } else { kept.root });
        packing.rebuild();
        marks.budget = packing.budget_left();
        let changed = packing.expert_at.len() + packing.gpus();
        marks.left = marks.left.saturating_sub((changed * packing.blocks) as u64);
    }

    /// Improves what it holds; the best is kept.
    #[inline(never)]
    fn pilot(&mut self) {
        copy(self.kept.root, self.packing.expert_at);
        self.descend();
        for round in 0..ROUNDS {
            let before = self.incumbent.best;
            let Some(step) = self.first_step() else { return };
            if self.incumbent.best <= before && round > 0 || self.marks.left == 0 {
                return;
            }
            self.restore(false);
            self.apply(step);
            copy(self.kept.root, self.packing.expert_at);
        }
    }

    /// The first step from which the search gets furthest.
    fn first_step(&mut self) -> Option<Step> {
        let (slots, experts) = (self.packing.expert_at.len(), self.packing.empty() as usize);
        let mut first = None;
        let mut level = f64::NEG_INFINITY;
        self.restore(false);
        let mut at_root = true;
        for slot in 0..slots {
            for other in 0..experts + slots {
                let step = match other.checked_sub(experts) {
                    None => Step::Recount(slot, other as u32),
                    Some(partner) => Step::Swap(slot, partner),
                };
                if matches!(step, Step::Swap(a, b) if a >= b) || self.marks.left == 0 {
                    continue;
                }
                if !at_root {
                    self.restore(false);
                }
                at_root = !self.apply(step);
                if !at_root {
                    let now = self.descend();
                    if now > level + ALIKE {
                        (first, level) = (Some(step), now);
                    }
                }
            }
        }
        first
    }

    /// Makes a step if limits allow it.
    #[inline(never)]
    fn apply(&mut self, step: Step) -> bool {
        let Descent { packing, marks, .. } = self;
        packing.know();
        let price = Neighborhood::only(packing, 0, marks.budget).price(step);
        let Some(price) = price.filter(|&price| !packing.priced || price <= marks.budget) else {
            return false;
        };
        packing.make(step);
        marks.budget -= price;
        true
    }
}
