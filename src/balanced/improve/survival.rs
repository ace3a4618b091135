//! Places that an expert must be on.

use crate::balanced::improve::limits::Survive;
use crate::balanced::improve::packing::Packing;
use crate::base::cells::at;

impl<const N: usize> Packing<'_, N> {
    /// The GPU of a slot, or its node where nodes are to be survived.
    fn place(&self, slot: usize) -> u32 {
        let gpu = at(self.gpu_of, slot);
        if self.limits.survive == Survive::Node { at(self.limits.node, gpu as usize) } else { gpu }
    }

    /// Whether an expert is already on the place of a slot.
    #[inline(never)] // seldom asked
    pub fn on_place(&self, slot: usize, expert: u32) -> bool {
        let place = self.place(slot);
        self.holders(expert).any(|slot| self.place(slot) == place)
    }

    /// Whether an expert is on as many places as it must be.
    pub fn is_placed(&self, expert: u32) -> bool {
        self.survives(expert, usize::MAX, usize::MAX)
    }

    /// The same, not counting the slot `without`, and counting the place of `with`.
    #[inline(never)] // seldom asked
    pub fn survives(&self, expert: u32, without: usize, with: usize) -> bool {
        let more = Some(with).filter(|&slot| slot < self.expert_at.len());
        let mut places = self.holders(expert).filter(|&slot| slot != without).chain(more);
        let Some(first) = places.next() else { return false };
        if self.limits.survive == Survive::Nothing {
            return true;
        }
        let first = self.place(first);
        places.any(|slot| self.place(slot) != first)
    }

    /// Whether the expert of a slot, which has other replicas, can do without that one: it is on as many places as it
    /// must be then, or on none fewer than now.
    pub fn is_spare(&self, slot: usize, expert: u32) -> bool {
        if self.limits.survive == Survive::Nothing || self.survives(expert, slot, usize::MAX) {
            return true;
        }
        let place = self.place(slot);
        self.holders(expert).any(|other| other != slot && self.place(other) == place)
    }
}
