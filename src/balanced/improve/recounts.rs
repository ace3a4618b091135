//! Steps that change counts: slots of others that can be given away take an expert of the GPU at hand, so that its
//! share falls; its own slots that can be given away take any expert, or none.

use crate::balanced::improve::lanes;
use crate::balanced::improve::neighborhood::Neighborhood;
use crate::balanced::improve::packing::Step;
use crate::base::cells::{at, part};

impl<const N: usize> Neighborhood<'_, '_, N> {
    /// Slots from..to of others that can be given away take an expert of this GPU.
    #[inline(never)] // off the stack of the others
    pub fn recounts(&mut self, from: usize, to: usize) {
        let p = self.p;
        let mut most = (0.0, p.empty());
        for &x in p.held(self.gpu) {
            let relief = at(p.relief, x as usize);
            most = if relief > most.0 { (relief, x) } else { most };
        }
        self.looked += ((to - from) / 8) as u64;
        let slots = p.start(self.gpu)..p.start(self.gpu + 1);
        // the expert that relieves most first: then few others can do better
        for pass in 0..2 {
            let eights = part(p.drop_gain, from, to).chunks(8);
            for (slot, eight) in (from..).step_by(8).zip(eights) {
                if lanes::largest_of(eight) + most.0 <= self.score * 0.5 {
                    continue;
                }
                for (slot, &gain) in (slot..).zip(eight) {
                    if gain + most.0 > self.score * 0.5 && !slots.contains(&slot) {
                        if pass == 0 {
                            self.give_to(slot, gain, &[most.1]);
                        } else {
                            self.give_to(slot, gain, p.held(self.gpu));
                        }
                    }
                }
            }
        }
    }

    /// A slot of another GPU takes one of these experts.
    fn give_to(&mut self, slot: usize, gain: f32, experts: &[u32]) {
        let p = self.p;
        let least = p.least_price(at(p.gpu_of, slot) as usize) - p.fresh_at(slot);
        if p.priced && least > self.budget {
            return;
        }
        for &x in experts {
            if gain + at(p.relief, x as usize) > self.enough(least) && x != p.empty() {
                self.try_recount(slot, x, gain);
            }
        }
    }

    /// The same for slots of experts that this GPU holds, too: it gets worse by that and better by this at once.
    #[inline(never)] // off the stack of the others
    pub fn shared_recounts(&mut self) {
        let p = self.p;
        for mine in p.start(self.gpu)..p.start(self.gpu + 1) {
            let d = at(p.expert_at, mine);
            if at(p.count, d as usize) < 2 || d == p.empty() {
                continue;
            }
            for slot in p.holders(d) {
                let gpu = at(p.gpu_of, slot) as usize;
                let least = p.least_price(gpu) - p.fresh_at(slot);
                if gpu == self.gpu
                    || p.priced && least > self.budget
                    || at(p.drop_gain, slot) == f32::NEG_INFINITY
                {
                    continue;
                }
                let most = at(p.drop_relief_at, slot);
                // what it does to GPUs that hold no expert of this one's alone
                let harm = at(p.rise, d as usize) - p.rise_here(slot) - p.rise_here(mine);
                for &x in p.held(self.gpu) {
                    let alone = if at(p.count, x as usize) == 1 { harm } else { 0.0 };
                    let hope = at(p.relief, x as usize) + most - alone;
                    if hope > self.enough(least) && x != d && x != p.empty() {
                        self.try_recount(slot, x, most);
                    }
                }
            }
        }
    }

    /// Scores one such step, unless price or limits forbid it; `most` is what giving the slot away gains at most.
    #[inline(always)]
    fn try_recount(&mut self, slot: usize, x: u32, most: f32) {
        let p = self.p;
        let gpu = at(p.gpu_of, slot) as usize;
        let price = p.arrives(gpu, x) - p.fresh_at(slot);
        if (!p.priced || price <= self.budget)
            && most + at(p.relief, x as usize) > self.enough(price)
            && at(p.count, x as usize) < p.limits.max_replicas
            && p.allowed(gpu, x)
            && !p.holds(gpu, x)
        {
            self.score_recount(slot, x, price);
        }
    }

    /// Slots of this GPU that can be given away take any expert, or none.
    #[inline(never)] // off the stack of the others
    pub fn own_recounts(&mut self) {
        let p = self.p;
        let mut most = -1.0;
        for slot in p.start(self.gpu)..p.start(self.gpu + 1) {
            let d = at(p.expert_at, slot);
            let gain = at(p.drop_gain, slot);
            if gain == f32::NEG_INFINITY || d == p.empty() {
                continue;
            }
            let fresh = p.fresh_at(slot);
            if p.limits.may_empty {
                let of = at(p.cost, self.gpu) + at(p.rise, d as usize);
                let price = p.arrives(self.gpu, p.empty()) - fresh;
                self.offer(Step::Recount(slot, p.empty()), (gain, of), price);
            }
            if most < 0.0 {
                most = lanes::largest(p.relief);
                self.looked += (p.relief.len() / 8) as u64;
            }
            let least = p.least_price(self.gpu) - fresh;
            if (!p.priced || least <= self.budget) && gain + most > self.enough(least) {
                self.take_any(slot, gain, least);
            }
        }
    }

    /// A slot of this GPU takes any expert.
    #[inline(never)] // off the stack of the others
    pub fn take_any(&mut self, slot: usize, gain: f32, least: i32) {
        let p = self.p;
        let lane = at(p.worst, self.gpu) as usize;
        let loads = p.load.as_flattened().iter().skip(lane).step_by(p.stride());
        let weight = at(p.weight.as_flattened(), lane);
        let slowness = at(p.slowness, self.gpu);
        let d = at(p.expert_at, slot);
        let without = p.sum_in(self.gpu, lane) - p.share_in(d, lane);
        let now = at(p.cost, self.gpu) - (at(p.rise, d as usize) - p.rise_here(slot));
        self.looked += p.count.len() as u64 / 2;
        for (x, (&load, &relief)) in (0..p.empty()).zip(loads.zip(p.relief.iter())) {
            if gain + relief <= self.enough(least) || x == d {
                continue;
            }
            let there = (without + load * p.smaller(x)) * slowness;
            if now + relief - lanes::power(there, weight) > self.enough(least) {
                self.try_recount(slot, x, gain);
            }
        }
    }

    #[inline(never)] // used in many places
    pub fn score_recount(&mut self, slot: usize, x: u32, price: i32) {
        let p = self.p;
        if p.is_nearest() {
            self.offer_nearest(Step::Recount(slot, x));
            return;
        }
        let enough = self.enough(price);
        let gain = self.gain_of_recount(slot, x, enough);
        if gain <= enough || !self.pair_allows(slot, x) {
            return;
        }
        let d = at(p.expert_at, slot) as usize;
        let of = at(p.relief, x as usize) + at(p.cost, at(p.gpu_of, slot) as usize) + at(p.rise, d);
        self.offer(Step::Recount(slot, x), (gain, of), price);
    }

    /// What is gained when `slot` changes its expert to `x`: exact, or no more than `enough`.
    fn gain_of_recount(&mut self, slot: usize, x: u32, enough: f32) -> f32 {
        let p = self.p;
        let gpu = at(p.gpu_of, slot) as usize;
        let d = at(p.expert_at, slot);
        let now = at(p.relief, x as usize) + at(p.cost, gpu);
        self.looked += 8 * p.blocks as u64;
        if d == p.empty() {
            return now - p.cost_plus(gpu, x, p.smaller(x));
        }
        let harm = at(p.rise, d as usize) - p.rise_here(slot);
        // a GPU that holds both is relieved of one by the other
        let apart = at(p.count, x as usize) <= 1 && !p.holds(self.gpu, d);
        let limit = now - enough - if apart { harm } else { 0.0 };
        if !p.one_load() && self.too_much(slot, x, limit) {
            return enough;
        }
        let twin = (p.larger(d) - p.share_of(d)) * (p.times(gpu, d) - 1.0);
        let after = p.cost_with(gpu, (x, p.smaller(x)), (d, twin - p.share_of(d)));
        let mut gain = now - harm - after;
        // what it is relieved of so is at most the harm
        if apart || now - after <= enough || harm * 16.0 <= gain {
            return gain;
        }
        self.looked += u64::from(at(p.count, d as usize));
        for other in p.holders(d) {
            let here = at(p.gpu_of, other) as usize;
            if here != gpu && p.holds(here, x) {
                self.looked += u64::from(at(p.count, x as usize)) / 2 + 4;
                gain += self.both(other, here, x);
            }
        }
        gain
    }

    /// What is gained more when a GPU that holds the experts of `slot` and `x` gets more of one and less of the
    /// other at once.
    #[inline(never)]
    fn both(&self, slot: usize, gpu: usize, x: u32) -> f32 {
        let p = self.p;
        let d = at(p.expert_at, slot);
        let Some(beside) = p.holders(x).find(|&s| at(p.gpu_of, s) as usize == gpu) else {
            return 0.0;
        };
        let (times, many) = (p.times(gpu, x), p.times(gpu, d));
        let apart = at(p.relief_at, beside) * times - at(p.rise_at, slot) * many;
        let fall = (p.smaller(x) - p.share_of(x)) * times;
        let rise = (p.larger(d) - p.share_of(d)) * many;
        (at(p.cost, gpu) - p.cost_with(gpu, (x, fall), (d, rise)) - apart) / many
    }

    /// Whether the worst window of its GPU alone would cost too much when `slot` took `x`.
    #[inline(always)]
    fn too_much(&self, slot: usize, x: u32, limit: f32) -> bool {
        let p = self.p;
        let gpu = at(p.gpu_of, slot) as usize;
        let lane = at(p.worst, gpu) as usize;
        let load = at(p.load.as_flattened(), x as usize * N * p.blocks + lane);
        let then =
            p.sum_in(gpu, lane) - p.share_in(at(p.expert_at, slot), lane) + load * p.smaller(x);
        lanes::power(then * at(p.slowness, gpu), at(p.weight.as_flattened(), lane)) >= limit
    }
}
