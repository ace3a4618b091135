//! How the state changes: slots swap or change their experts, and all that depends on them is brought up to date.

use crate::balanced::improve::lanes;
use crate::balanced::improve::packing::{Packing, Step, bit};
use crate::base::cells::{NONE, at, part, part_mut, put};

impl<const N: usize> Packing<'_, N> {
    /// Counts, chains, contents and sums from `expert_at`.
    pub fn rebuild(&mut self) {
        let empty = self.empty();
        self.head.fill(NONE);
        for expert in 0..empty {
            self.set_count(expert, 0);
        }
        for slot in (0..self.expert_at.len()).rev() {
            let expert = at(self.expert_at, slot);
            if expert != empty {
                self.link(slot, expert);
            }
        }
        for expert in 0..empty {
            self.note_parts(expert);
        }
        self.now += 1;
        self.changed.fill(self.now);
        for gpu in 0..self.gpus() {
            self.note_content(gpu);
            self.add_up(gpu);
        }
        self.known = 0;
    }

    /// All that depends on loads, units and weights.
    pub fn refresh(&mut self) {
        for gpu in 0..self.gpus() {
            self.add_up(gpu);
        }
        self.known = 0;
    }

    /// Works out what changes would do, which swaps need not know.
    pub fn know(&mut self) {
        let known = self.known;
        if known == self.now {
            return;
        }
        self.times_known += 1;
        for gpu in 0..self.gpus() {
            if at(self.changed, gpu) > known {
                self.note_slots(gpu);
            }
        }
        for gpu in 0..self.gpus() {
            if at(self.changed, gpu) > known {
                self.note_experts(gpu);
            }
        }
        self.known = self.now;
    }

    fn note_experts(&mut self, gpu: usize) {
        for slot in self.start(gpu)..self.start(gpu + 1) {
            let expert = at(self.expert_at, slot);
            if at(self.noted, expert as usize) != self.times_known {
                put(self.noted, expert as usize, self.times_known);
                self.note_expert(expert);
            }
        }
    }

    /// Makes a step.
    pub fn make(&mut self, step: Step) {
        match step {
            Step::Swap(a, b) => self.swap(a, b),
            Step::Recount(slot, expert) => self.recount(slot, expert),
        }
    }

    /// A slot changes its expert.
    pub fn recount(&mut self, slot: usize, expert: u32) {
        self.now += 1;
        let (empty, before) = (self.empty(), at(self.expert_at, slot));
        self.replace(slot, expert);
        self.note_content(at(self.gpu_of, slot) as usize);
        for expert in [before, expert] {
            if expert != empty {
                self.touch_holders(expert);
                self.note_parts(expert);
            }
        }
        self.settle();
    }

    /// Two slots swap their experts.
    pub fn swap(&mut self, a: usize, b: usize) {
        self.now += 1;
        let (x, y) = (at(self.expert_at, a), at(self.expert_at, b));
        self.replace(a, y);
        self.replace(b, x);
        for slot in [a, b] {
            self.note_content(at(self.gpu_of, slot) as usize);
        }
        if self.is_nearest() {
            for expert in [x, y] {
                if expert != self.empty() {
                    self.touch_holders(expert);
                    self.note_parts(expert);
                }
            }
        }
        self.settle();
    }

    fn link(&mut self, slot: usize, expert: u32) {
        put(self.next, slot, at(self.head, expert as usize));
        put(self.head, expert as usize, slot as u32);
        self.set_count(expert, at(self.count, expert as usize) + 1);
    }

    fn unlink(&mut self, slot: usize, expert: u32) {
        let after = at(self.next, slot);
        let mut here = at(self.head, expert as usize);
        if here == slot as u32 {
            put(self.head, expert as usize, after);
        } else {
            while here != NONE && at(self.next, here as usize) != slot as u32 {
                here = self.next.get(here as usize).copied().unwrap_or(NONE);
            }
            put(self.next, here as usize, after);
        }
        self.set_count(expert, at(self.count, expert as usize).saturating_sub(1));
    }

    fn touch(&mut self, gpu: usize) {
        if at(self.changed, gpu) != self.now {
            put(self.changed, gpu, self.now);
            put(self.touched, self.touches, gpu as u32);
            self.touches += 1;
        }
    }

    fn touch_holders(&mut self, expert: u32) {
        let mut slot = at(self.head, expert as usize);
        while slot != NONE {
            self.touch(at(self.gpu_of, slot as usize) as usize);
            slot = self.next.get(slot as usize).copied().unwrap_or(NONE);
        }
    }

    fn replace(&mut self, slot: usize, expert: u32) {
        let (empty, before) = (self.empty(), at(self.expert_at, slot));
        self.touch(at(self.gpu_of, slot) as usize);
        if before != empty {
            self.unlink(slot, before);
        }
        if expert != empty {
            self.link(slot, expert);
        }
        put(self.expert_at, slot, expert);
    }

    /// Brings up to date what depends on the GPUs touched.
    fn settle(&mut self) {
        for i in 0..self.touches {
            let gpu = at(self.touched, i) as usize;
            self.add_up(gpu);
        }
        self.touches = 0;
    }

    /// Adds up what `gpu` holds, in order of its slots, so that sums do not drift.
    fn add_up(&mut self, gpu: usize) {
        let n = self.blocks;
        let (from, to) = (self.start(gpu), self.start(gpu + 1));
        let sum = part_mut(self.sum, gpu * n, (gpu + 1) * n);
        sum.fill([-self.shift / (at(self.slowness, gpu) * self.unit); N]);
        for (slot, &expert) in (from..).zip(part(self.expert_at, from, to)) {
            let from = expert as usize * n;
            let share = share_at(self.parts.part, self.share, slot, expert);
            lanes::add(sum, part(self.load, from, from + n), share);
        }
        if !self.as_is.is_empty() {
            let seen = part_mut(self.seen, gpu * n, (gpu + 1) * n);
            seen.fill([0.0; N]);
            for (slot, &expert) in (from..).zip(part(self.expert_at, from, to)) {
                let from = expert as usize * n;
                let share = share_at(self.parts.part, self.share, slot, expert);
                lanes::add(seen, part(self.as_is, from, from + n), share);
            }
        }
        let (cost, worst) = match N {
            1 => (self.cost_of_one(gpu, 0.0), 0),
            _ => lanes::cost(&self.gpu(gpu)),
        };
        put(self.cost, gpu, cost);
        put(self.worst, gpu, worst as u32);
    }

    /// Which experts a GPU holds, which of them are new to it, and how many it no longer has.
    fn note_content(&mut self, gpu: usize) {
        let (from, to) = (self.start(gpu), self.start(gpu + 1));
        let now = part(self.expert_at, from, to);
        let has = now.iter().fold(0, |bits, &expert| bits | bit(expert));
        put(self.has, gpu, has);
        let empty = self.empty();
        let twin =
            |(i, e): (usize, &u32)| *e != empty && now.iter().take(i).any(|other| other == e);
        // as many bits as slots: no two are alike
        let twins = (has.count_ones() as usize) < now.len() && now.iter().enumerate().any(twin);
        put(self.twins, gpu, u32::from(twins));
        if !self.priced {
            return;
        }
        let before = part(self.in_force, from, to);
        let had = at(self.had, gpu);
        let mut gone = before.len() as u32;
        for (i, &expert) in now.iter().enumerate() {
            let stays = had & bit(expert) != 0 && {
                let earlier = now.iter().take(if twins || expert == empty { i } else { 0 });
                let twins = earlier.filter(|&&e| e == expert).count();
                before.iter().filter(|&&e| e == expert).count() > twins
            };
            gone -= u32::from(stays);
            put(self.fresh, from + i, u32::from(!stays));
        }
        put(self.gone, gpu, gone);
    }

    /// What changes of the experts of a GPU would do to it.
    #[inline(never)] // off the stack of each other
    fn note_slots(&mut self, gpu: usize) {
        let empty = self.empty();
        let cost = at(self.cost, gpu);
        for slot in self.start(gpu)..self.start(gpu + 1) {
            let expert = at(self.expert_at, slot);
            if expert == empty {
                let pinned = self.is_pinned(slot);
                put(self.drop_gain, slot, if pinned { f32::NEG_INFINITY } else { 0.0 });
                put(self.rise_at, slot, 0.0);
                continue;
            }
            let share = self.share_of(expert);
            let times = self.times(gpu, expert);
            let fall = (self.smaller(expert) - share) * times;
            put(self.relief_at, slot, (cost - self.cost_plus(gpu, expert, fall)) / times);
            if at(self.count, expert as usize) > 1 {
                let rise = self.larger(expert) - share;
                let more = self.cost_plus(gpu, expert, rise * times) - cost;
                put(self.rise_at, slot, more / times);
                let less = rise * (times - 1.0) - share;
                put(self.drop_relief_at, slot, cost - self.cost_plus(gpu, expert, less));
            }
        }
    }

    /// What changes of the replicas of an expert would do together.
    #[inline(never)] // off the stack of each other
    fn note_expert(&mut self, expert: u32) {
        let e = expert as usize;
        let mut slot = at(self.head, e);
        match at(self.count, e) {
            _ if expert == self.empty() => {}
            1 => {
                put(self.relief, e, at(self.relief_at, slot as usize));
                put(self.rise, e, 0.0);
                put(self.drop_gain, slot as usize, f32::NEG_INFINITY);
            }
            _ => {
                let (mut relief, mut rise) = (0.0, 0.0);
                while slot != NONE {
                    relief += at(self.relief_at, slot as usize);
                    rise += at(self.rise_at, slot as usize);
                    slot = self.next.get(slot as usize).copied().unwrap_or(NONE);
                }
                put(self.relief, e, relief);
                put(self.rise, e, rise);
                slot = at(self.head, e);
                while slot != NONE {
                    let s = slot as usize;
                    let gain = at(self.drop_relief_at, s) - (rise - self.rise_here(s));
                    let may = expert != self.raised
                        && !self.is_pinned(s)
                        && !self.is_primary(s)
                        && self.is_spare(s, expert);
                    put(self.drop_gain, s, if may { gain } else { f32::NEG_INFINITY });
                    slot = self.next.get(s).copied().unwrap_or(NONE);
                }
            }
        }
    }

    /// What its own GPU counts for in the rise of the expert of a slot.
    #[inline(always)]
    pub fn rise_here(&self, slot: usize) -> f32 {
        let (gpu, expert) = (at(self.gpu_of, slot) as usize, at(self.expert_at, slot));
        at(self.rise_at, slot) * self.times(gpu, expert)
    }
}

/// What the replica in a slot gets of its expert's load.
#[inline(always)]
fn share_at(part: &[f32], share: &[f32], slot: usize, expert: u32) -> f32 {
    part.get(slot).copied().unwrap_or_else(|| at(share, expert as usize))
}
