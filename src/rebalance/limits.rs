//! The limits of a plan from a placement: what a step may do, and what it may not.

use crate::base::cells::at;
use crate::rebalance::packing::{NONE, Packing};

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
