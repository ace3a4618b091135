//! Slots change hands: loads, counts, holders and what differs from the placement in force follow.

use crate::base::cells::{at, change, put};
use crate::rebalance::limits::Limits;
use crate::rebalance::packing::{NONE, Packing};

impl Packing<'_> {
    /// Slots that differ more when `slot` gets `expert`, with what it then holds from where.
    pub fn price(&self, slot: usize, expert: usize, limits: &Limits) -> Option<i32> {
        let gpu = at(self.gpu, slot);
        let held = u32::from(at(self.on, slot) != NONE && at(self.source, slot) != gpu);
        if self.old_copies(gpu as usize, expert) > self.copies(gpu as usize, expert) {
            return Some(0_i32.wrapping_sub(held as i32));
        }
        if limits.per_pair > 0 {
            let source = self.nearest(gpu as usize, expert);
            let (from, to) = self.slots(gpu as usize);
            let same = |&other: &usize| other != slot && at(self.source, other) == source;
            let others = (from..to).filter(|s| at(self.on, *s) != NONE).filter(same).count();
            if source != NONE && others >= limits.per_pair as usize {
                return None;
            }
        }
        Some(1 - held as i32)
    }

    /// Puts an expert into a slot.
    pub fn put(&mut self, slot: usize, expert: usize) {
        let gpu = at(self.gpu, slot) as usize;
        let here = self.old_copies(gpu, expert) > self.copies(gpu, expert);
        self.clear(slot);
        self.load_of_holders(expert, false);
        let head = at(self.head, expert);
        put(self.next, slot, head);
        put(self.head, expert, slot as u32);
        put(self.on, slot, expert as u32);
        change(self.count, expert, |count| count + 1);
        self.reshare(expert);
        self.load_of_holders(expert, true);
        let source = if here { gpu as u32 } else { self.nearest(gpu, expert) };
        put(self.source, slot, source);
        if !here {
            change(self.differing, gpu, |n| n + 1);
            self.moved += 1;
        }
    }

    /// Empties a slot.
    fn clear(&mut self, slot: usize) {
        let before = at(self.on, slot);
        self.take(slot);
        if before != NONE {
            self.load_of_holders(before as usize, false);
            change(self.count, before as usize, |count| count.wrapping_sub(1));
            self.reshare(before as usize);
            self.load_of_holders(before as usize, true);
            self.judge(at(self.gpu, slot) as usize);
        }
    }

    /// Puts the experts of another placement, by slot, into the slots; where that has none all stays.
    pub fn hold(&mut self, experts: &[u32]) {
        let differs = |packing: &Self, slot: usize, expert: u32| {
            expert != NONE && at(packing.on, slot) != expert && at(packing.gpu, slot) != NONE
        };
        // all that change places leave first, so that none is counted as one more copy
        for (slot, &expert) in experts.iter().enumerate() {
            if differs(self, slot, expert) {
                self.clear(slot);
            }
        }
        for (slot, &expert) in experts.iter().enumerate() {
            if differs(self, slot, expert) {
                self.put(slot, expert as usize);
            }
        }
    }

    /// Swaps the experts of two slots.
    pub fn swap(&mut self, a: usize, b: usize) {
        let (x, y) = (at(self.on, a) as usize, at(self.on, b) as usize);
        self.take(a);
        self.take(b);
        self.give(a, y);
        self.give(b, x);
    }

    /// Takes the expert of a slot away from its GPU and its chain, not from its count.
    fn take(&mut self, slot: usize) {
        let (gpu, expert) = (at(self.gpu, slot) as usize, at(self.on, slot));
        if expert == NONE {
            return;
        }
        if at(self.source, slot) != gpu as u32 {
            change(self.differing, gpu, |n| n.wrapping_sub(1));
            self.moved = self.moved.wrapping_sub(1);
        }
        self.load_with(gpu, expert as usize, false);
        let after = at(self.next, slot);
        let before = self.holders(expert as usize).find(|&s| at(self.next, s) == slot as u32);
        match before {
            Some(before) => put(self.next, before, after),
            None => put(self.head, expert as usize, after),
        }
        put(self.on, slot, NONE);
    }

    /// The opposite.
    fn give(&mut self, slot: usize, expert: usize) {
        let gpu = at(self.gpu, slot) as usize;
        let here = self.old_copies(gpu, expert) > self.copies(gpu, expert);
        let source = if here { gpu as u32 } else { self.nearest(gpu, expert) };
        put(self.source, slot, source);
        if !here {
            change(self.differing, gpu, |n| n + 1);
            self.moved += 1;
        }
        let head = at(self.head, expert);
        put(self.next, slot, head);
        put(self.head, expert, slot as u32);
        put(self.on, slot, expert as u32);
        self.load_with(gpu, expert, true);
        self.judge(gpu);
    }

    fn load_of_holders(&mut self, expert: usize, add: bool) {
        let mut slot = self.head.get(expert).copied().unwrap_or(NONE);
        while slot != NONE {
            let gpu = at(self.gpu, slot as usize) as usize;
            self.load_with(gpu, expert, add);
            if add {
                self.judge(gpu);
            }
            slot = self.next.get(slot as usize).copied().unwrap_or(NONE);
        }
    }

    pub(super) fn load_with(&mut self, gpu: usize, expert: usize, add: bool) {
        let windows = self.windows;
        let loads = self.load.iter_mut().skip(gpu * windows).take(windows);
        for (load, &share) in loads.zip(self.share.iter().skip(expert * windows)) {
            *load = if add { load.wrapping_add(share) } else { load.wrapping_sub(share) };
        }
    }
}
