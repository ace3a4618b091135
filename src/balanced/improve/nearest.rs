//! Parts of replicas where GPUs send to the nearest, and steps that know them.
//!
//! A GPU sends to a replica on itself, else to those on its node, else to all: how much a replica gets depends on how
//! many are on which node. A step that takes a replica to another node, or changes a count, changes what all others of
//! the expert get. Where several of them, but not all, are on one node, engines differ: SGLang sends what the node's
//! other GPUs have to the first of them alone. So each of these counts as if it were the first, as long as there are
//! few enough for a node each, or for one node.

use crate::balanced::improve::marks::Marks;
use crate::balanced::improve::neighborhood::Neighborhood;
use crate::balanced::improve::packing::{Packing, Step};
use crate::balanced::improve::split::Nearest;
use crate::base::cells::{NONE, add, at, part_mut, put};
use crate::base::keys::{heap, index_of};
use crate::parts;

/// An expert whose replicas change: one leaves a node, one comes to another; as it is afterwards.
struct Moved {
    expert: u32,
    count: u32,
    covered: f32,
    leaves: u32,
    comes: u32,
    /// Replicas on the node where one comes.
    there: u32,
}

impl<const N: usize> Packing<'_, N> {
    #[inline(always)]
    pub fn is_nearest(&self) -> bool {
        parts::PREVIOUS && !self.limits.nearest.sent.is_empty()
    }

    #[inline(always)]
    pub fn node_of(&self, slot: usize) -> u32 {
        at(self.limits.node, at(self.gpu_of, slot) as usize)
    }

    /// What a replica gets that is one of `near` on its node, of `count` in all; nodes that have any send `covered`.
    fn part(&self, node: u32, near: u32, count: u32, covered: f32) -> f32 {
        let Nearest { sent, one, few } = self.limits.nearest;
        let (near_, count_) = (near.max(1) as f32, count.max(1) as f32);
        let sent = at(sent, node as usize);
        let even = sent / near_;
        let first = sent - (near_ - 1.0) * one;
        let apart = near > 1 && near < count && count <= few && first > even;
        (if apart { first } else { even }) + (1.0 - covered) / count_
    }

    /// Works out what the replicas of an expert get.
    pub fn note_parts(&mut self, expert: u32) {
        if !self.is_nearest() || expert == self.empty() {
            return;
        }
        let head = at(self.head, expert as usize);
        let count = at(self.count, expert as usize);
        let mut covered = 0.0;
        let mut slot = head;
        while slot != NONE {
            let node = self.node_of(slot as usize);
            if at(self.parts.on, node) == 0 {
                covered += at(self.limits.nearest.sent, node);
            }
            add(self.parts.on, node, 1);
            slot = at(self.next, slot);
        }
        put(self.parts.covered, expert as usize, covered);
        slot = head;
        while slot != NONE {
            let node = self.node_of(slot as usize);
            let near = at(self.parts.on, node);
            put(self.parts.near, slot, near);
            put(self.parts.part, slot, self.part(node, near, count, covered));
            slot = at(self.next, slot);
        }
        slot = head;
        while slot != NONE {
            put(self.parts.on, self.node_of(slot as usize), 0);
            slot = at(self.next, slot);
        }
    }

    /// An expert after a replica has left a slot, or has come to a GPU.
    fn after(&self, expert: u32, from: Option<usize>, to: Option<usize>) -> Moved {
        let leaves = from.map_or(NONE, |slot| self.node_of(slot));
        let comes = to.map_or(NONE, |gpu| at(self.limits.node, gpu));
        let count = at(self.count, expert as usize);
        let mut moved = Moved {
            expert,
            count: (count + u32::from(to.is_some())).saturating_sub(u32::from(from.is_some())),
            covered: at(self.parts.covered, expert as usize),
            leaves,
            comes,
            there: 0,
        };
        if leaves == comes {
            moved.there = from.map_or(0, |slot| at(self.parts.near, slot));
            return moved;
        }
        let sent = self.limits.nearest.sent;
        if let Some(slot) = from
            && at(self.parts.near, slot) == 1
        {
            moved.covered -= at(sent, leaves);
        }
        if to.is_some() {
            let beside = self.holders(expert).find(|&slot| self.node_of(slot) == comes);
            moved.there = 1 + beside.map_or(0, |slot| at(self.parts.near, slot));
            moved.covered += if moved.there == 1 { at(sent, comes) } else { 0.0 };
        }
        moved
    }

    /// What the replica that comes gets.
    fn part_of_new(&self, moved: &Moved) -> f32 {
        if moved.expert == self.empty() {
            return 0.0;
        }
        self.part(moved.comes, moved.there, moved.count, moved.covered)
    }

    /// What a replica that stays gets more.
    fn part_more(&self, slot: usize, moved: &Moved) -> f32 {
        let node = self.node_of(slot);
        let more = u32::from(node == moved.comes);
        let near = (at(self.parts.near, slot) + more) - u32::from(node == moved.leaves);
        self.part(node, near, moved.count, moved.covered) - at(self.parts.part, slot)
    }

    /// The slot of a GPU that holds an expert.
    fn slot_with(&self, gpu: usize, expert: u32) -> Option<usize> {
        if !self.holds(gpu, expert) {
            return None;
        }
        self.held(gpu).iter().position(|&held| held == expert).map(|place| self.start(gpu) + place)
    }

    /// What all GPUs that hold an expert of which a replica moves cost: no more can be gained there.
    fn cost_of_holders(&self, moved: &Moved) -> f32 {
        if self.stays_even(moved) {
            return 0.0;
        }
        let holders = self.holders(moved.expert);
        holders.fold(0.0, |sum, slot| sum + at(self.cost, at(self.gpu_of, slot)))
    }

    /// Whether the other replicas get what they had.
    fn stays_even(&self, moved: &Moved) -> bool {
        moved.expert == self.empty()
            || moved.leaves == moved.comes
            || moved.count <= 1 && moved.comes != NONE
    }

    /// What is gained on the GPUs, but these two, that hold an expert of which a replica moves, and what they cost;
    /// those that hold `other`, too, are told what of that changes.
    fn gain_beside(
        &self,
        moved: &Moved,
        other: &Moved,
        (here, there): (usize, usize),
        first: bool,
    ) -> (f32, f32) {
        let (mut gain, mut of) = (0.0, 0.0);
        if self.stays_even(moved) {
            return (gain, of);
        }
        for slot in self.holders(moved.expert) {
            let gpu = at(self.gpu_of, slot) as usize;
            if gpu == here || gpu == there {
                continue;
            }
            let both = self.slot_with(gpu, other.expert);
            if both.is_some() && !first && !self.stays_even(other) {
                continue; // it has been counted
            }
            let more = both.map_or(0.0, |slot| self.part_more(slot, other));
            let mine = self.part_more(slot, moved);
            if more == 0.0 && mine == 0.0 {
                continue;
            }
            let cost = at(self.cost, gpu);
            gain += cost - self.cost_with(gpu, (moved.expert, mine), (other.expert, more));
            of += cost;
        }
        (gain, of)
    }

    /// What a step gains, and what that is the difference of; nothing where it is no more than `enough`.
    fn gain(&self, step: Step, enough: f32) -> (f32, f32) {
        let gpu = |slot: usize| at(self.gpu_of, slot) as usize;
        let part = |slot: usize| at(self.parts.part, slot);
        let (x, y, here, there, now);
        match step {
            Step::Swap(a, b) => {
                (here, there) = (gpu(a), gpu(b));
                x = self.after(at(self.expert_at, a), Some(a), Some(there));
                y = self.after(at(self.expert_at, b), Some(b), Some(here));
                now = at(self.cost, here) + at(self.cost, there);
            }
            Step::Recount(slot, expert) => {
                (here, there) = (gpu(slot), gpu(slot));
                x = self.after(expert, None, Some(here));
                y = self.after(at(self.expert_at, slot), Some(slot), None);
                now = at(self.cost, here);
            }
        }
        let hope = now + self.cost_of_holders(&x) + self.cost_of_holders(&y);
        if hope <= enough {
            return (0.0, 0.0);
        }
        let (new_x, new_y) = (self.part_of_new(&x), self.part_of_new(&y));
        let after = match step {
            Step::Swap(a, b) => {
                self.cost_with(here, (x.expert, -part(a)), (y.expert, new_y))
                    + self.cost_with(there, (x.expert, new_x), (y.expert, -part(b)))
            }
            Step::Recount(slot, _) => {
                let left = if y.expert == self.empty() { 0.0 } else { part(slot) };
                self.cost_with(here, (x.expert, new_x), (y.expert, -left))
            }
        };
        if hope - after <= enough {
            return (0.0, 0.0);
        }
        let (one, of_one) = self.gain_beside(&x, &y, (here, there), true);
        let (two, of_two) = self.gain_beside(&y, &x, (here, there), false);
        (now - after + one + two, now + of_one + of_two)
    }
}

impl<const N: usize> Neighborhood<'_, '_, N> {
    /// Offers a step, if limits allow it.
    pub fn offer_nearest(&mut self, step: Step) {
        let p = self.p;
        self.looked += 4 * p.blocks as u64;
        let priced = if p.priced { self.price(step) } else { Some(1) };
        let Some(price) = priced.filter(|&price| price <= self.budget) else { return };
        let enough = self.enough(price);
        let (gain, of) = p.gain(step, enough);
        if gain > enough && (p.priced || self.price(step).is_some()) {
            self.offer(step, (gain, of), price);
        }
    }

    /// Steps that could relieve the GPU at hand, with GPUs that have changed since it looked, or with `all`: swaps of
    /// what gets as much wherever it is with GPUs that have little to do, then, if there is none, everything else.
    #[inline(never)] // off the stack of the others
    pub fn nearest_steps(&mut self, marks: &mut Marks, all: bool) {
        let p = self.p;
        let mut left = self.list_partners(marks, all);
        let order = part_mut(marks.order, 0, left);
        heap::build(order);
        while left > 0 && (p.priced || self.step.is_none()) {
            let partner = index_of(at(marks.order, 0));
            left -= 1;
            let last = at(marks.order, left);
            heap::replace_top(part_mut(marks.order, 0, left), last);
            self.plain_swaps(partner);
        }
        if self.step.is_some() && !p.priced {
            return;
        }
        let seen = at(marks.seen, self.gpu);
        for other in (0..p.gpus()).filter(|&other| all || at(p.changed, other) > seen) {
            self.other_swaps(other);
            self.recounts_of(other);
        }
        if all {
            self.recounts_of_own();
        }
    }

    /// Swaps with another GPU of experts that get as much wherever they are.
    fn plain_swaps(&mut self, other: usize) {
        let p = self.p;
        let (lane, same) = (at(p.worst, self.gpu) as usize, self.is_beside(other));
        let time = p.sum_in(self.gpu, lane) * at(p.slowness, self.gpu);
        let most = time / at(p.slowness, other) - p.sum_in(other, lane);
        self.looked += (p.held(self.gpu).len() * p.held(other).len()) as u64 / 2;
        let loads = |e: u32| at(p.load.as_flattened(), e as usize * p.stride() + lane);
        for mine in p.start(self.gpu)..p.start(self.gpu + 1) {
            let x = at(p.expert_at, mine);
            if x == p.empty() || !same && at(p.count, x) > 1 {
                continue;
            }
            let here = loads(x) * at(p.parts.part, mine);
            for slot in p.start(other)..p.start(other + 1) {
                let y = at(p.expert_at, slot);
                let crossing = here - loads(y) * at(p.parts.part, slot);
                if crossing > 0.0 && crossing < most && (same || at(p.count, y) <= 1) {
                    self.offer_nearest(Step::Swap(mine, slot));
                }
            }
        }
    }

    /// Swaps that bring a replica of several to another node: of this GPU, or of one of its experts elsewhere.
    fn other_swaps(&mut self, other: usize) {
        let p = self.p;
        for mine in p.start(self.gpu)..p.start(self.gpu + 1) {
            let x = at(p.expert_at, mine);
            let several = at(p.count, x) > 1 && x != p.empty();
            if x == p.empty() {
                continue;
            }
            for slot in p.start(other)..p.start(other + 1) {
                let y = at(p.expert_at, slot);
                if !self.is_beside(other) && (several || at(p.count, y) > 1) {
                    self.offer_nearest(Step::Swap(mine, slot));
                }
                for beside in p.holders(x).filter(|&beside| several && beside != mine) {
                    if p.node_of(beside) != p.node_of(slot) {
                        self.offer_nearest(Step::Swap(beside, slot));
                    }
                }
            }
        }
    }

    /// Slots of another GPU that can be given away take an expert of this one.
    fn recounts_of(&mut self, other: usize) {
        let p = self.p;
        for slot in p.start(other)..p.start(other + 1) {
            if at(p.drop_gain, slot) == f32::NEG_INFINITY || other == self.gpu {
                continue;
            }
            for &x in p.held(self.gpu).iter().filter(|&&x| x != p.empty()) {
                self.offer_nearest(Step::Recount(slot, x));
            }
        }
    }

    /// Slots of this GPU that can be given away take any expert, or none.
    fn recounts_of_own(&mut self) {
        let p = self.p;
        for slot in p.start(self.gpu)..p.start(self.gpu + 1) {
            if at(p.drop_gain, slot) == f32::NEG_INFINITY {
                continue;
            }
            let most = p.empty() + u32::from(p.limits.may_empty);
            for expert in 0..most {
                self.offer_nearest(Step::Recount(slot, expert));
            }
        }
    }

    /// Whether another GPU is on the same node.
    fn is_beside(&self, other: usize) -> bool {
        let node = self.p.limits.node;
        at(node, other) == at(node, self.gpu)
    }
}
