//! Swaps: a slot of the GPU at hand with one of another, which is lighter in the worst window of the first. The
//! partners that have least to do in that window come first.

use crate::balanced::improve::lanes;
use crate::balanced::improve::limits::Survive;
use crate::balanced::improve::marks::Marks;
use crate::balanced::improve::neighborhood::Neighborhood;
use crate::balanced::improve::packing::Step;
use crate::base::cells::{at, part, part_mut, put};
use crate::base::keys::{descending, heap, index_of, load_of_descending, sort};

/// What may cross over in a swap with the partner at hand.
struct Bounds {
    /// The worst windows of the two GPUs.
    lane: usize,
    there: usize,
    /// In the worst window of this one: more than `least`, less than `most`.
    least: f32,
    most: f32,
    /// What the partner may get in its own worst window.
    cap: f32,
    /// The least that sending one there costs.
    fare: i32,
}

impl<const N: usize> Neighborhood<'_, '_, N> {
    /// Swaps with the GPUs that have least to do where this one has most: with some, if there is a step by then, else
    /// with all.
    pub fn swaps(&mut self, marks: &mut Marks, all: bool) {
        let p = self.p;
        let mut left = self.list_partners(marks, all);
        if left == 0 {
            return;
        }
        self.note_mine(marks);
        let some = match (p.priced, p.one_load()) {
            (false, _) => 1,
            (true, true) => 4,
            (true, false) => 16,
        };
        let order = part_mut(marks.order, 0, left);
        heap::build(order);
        for done in 0.. {
            if left == 0 || done >= some && self.step.is_some() {
                return;
            }
            let partner = index_of(at(marks.order, 0));
            left -= 1;
            let last = at(marks.order, left);
            heap::replace_top(part_mut(marks.order, 0, left), last);
            if !p.one_load() || self.even(partner) > self.enough(self.least_price_of_swap(partner))
            {
                self.swaps_with(marks, partner);
            }
        }
    }

    /// The least that a swap with a slot of `q` costs: where no expert in force is gone none comes back, and none is
    /// new.
    fn least_price_of_swap(&self, q: usize) -> i32 {
        let p = self.p;
        let of = |gpu| if at(p.gone, gpu) == 0 { 1 } else { -1 };
        if p.priced { of(self.gpu) + of(q) } else { 0 }
    }

    /// What is gained at most with one load: when the two GPUs, if they are alike, end even.
    fn even(&self, q: usize) -> f32 {
        let (p, h) = (self.p, self.gpu);
        if at(p.slowness, h) != at(p.slowness, q) {
            return f32::INFINITY;
        }
        let crossing = (p.sum_in(h, 0) - p.sum_in(q, 0)) * 0.5;
        at(p.cost, h) + at(p.cost, q) - 2.0 * p.cost_of_one(h, -crossing)
    }

    /// Lists the GPUs to swap with, answers how many.
    pub fn list_partners(&mut self, marks: &mut Marks, all: bool) -> usize {
        let (p, h) = (self.p, self.gpu);
        let lane = at(p.worst, h) as usize;
        let seen = at(marks.seen, h);
        let time = p.sum_in(h, lane) * at(p.slowness, h);
        let short = self.enough(-2) - at(p.cost, h);
        let times = p.sum.as_flattened().iter().skip(lane).step_by(p.stride());
        let times = times.zip(p.slowness.iter()).zip(p.changed.iter().zip(p.cost.iter()));
        let mut found = 0;
        for (gpu, ((&sum, &slowness), (&changed, &cost))) in times.enumerate() {
            let there = sum * slowness;
            let new = all || changed > seen;
            if there < time && new && cost > short && gpu != h && self.same_node(gpu) {
                put(marks.order, found, (u64::from(rising(there)) << 32) | gpu as u64);
                found += 1;
            }
        }
        self.looked += 16 + p.gpus() as u64 / 2;
        found
    }

    /// Where groups are bound to nodes, no swap crosses them.
    #[inline(always)]
    fn same_node(&self, gpu: usize) -> bool {
        let limits = &self.p.limits;
        limits.home.is_empty() || at(limits.node, gpu) == at(limits.node, self.gpu)
    }

    /// What this GPU has to give, by falling load in its worst window.
    fn note_mine(&mut self, marks: &mut Marks) {
        let p = self.p;
        let lane = at(p.worst, self.gpu) as usize;
        let (from, to) = (p.start(self.gpu), p.start(self.gpu + 1));
        let keys = part_mut(marks.keys, 0, to - from);
        for (key, slot) in keys.iter_mut().zip(from..to) {
            *key = descending(p.share_in(at(p.expert_at, slot), lane), slot);
        }
        sort(keys, marks.buffer);
    }

    fn swaps_with(&mut self, marks: &mut Marks, q: usize) {
        let p = self.p;
        let slots = p.held(self.gpu).len();
        let fare = if p.priced { self.note_fares(marks, q) } else { 0 };
        let fresh = i32::from(p.priced && at(p.gone, q) > 0);
        let least = fare + p.least_price(self.gpu) - fresh;
        let Some(bounds) = self.bounds(q, (fare, least)) else { return };
        let others = slots * usize::from(!p.one_load());
        for (x, &key) in part_mut(marks.there, 0, others).iter_mut().zip(marks.keys.iter()) {
            *x = p.share_in(at(p.expert_at, index_of(key)), bounds.there);
        }
        self.looked += 16 + (slots * p.held(q).len()) as u64 / 2;
        for (take, &coming) in (p.start(q)..).zip(p.held(q)) {
            let mut price = 0;
            if p.priced {
                price = p.arrives(self.gpu, coming) - p.fresh_at(take);
                let together = at(p.cost, self.gpu) + at(p.cost, q);
                let least = price + bounds.fare;
                if least > self.budget || together <= self.enough(least) {
                    continue;
                }
            }
            let y = p.share_in(coming, bounds.lane);
            let cap = bounds.cap + p.share_in(coming, bounds.there);
            let theirs = part(marks.there, 0, others);
            for (i, &key) in part(marks.keys, 0, slots).iter().enumerate() {
                let crossing = load_of_descending(key) - y;
                if crossing >= bounds.most || theirs.get(i).is_some_and(|&x| x >= cap) {
                    continue;
                }
                if crossing <= bounds.least {
                    break;
                }
                let price = if p.priced { at(marks.fare, i) as i32 + price } else { 0 };
                self.score_swap((index_of(key), take), price);
            }
        }
    }

    /// What it costs to send each expert to `q`; answers the least.
    #[inline(never)]
    fn note_fares(&mut self, marks: &mut Marks, q: usize) -> i32 {
        let p = self.p;
        let mut least = 2;
        let keys = part(marks.keys, 0, p.held(self.gpu).len());
        for (fare, &key) in marks.fare.iter_mut().zip(keys) {
            let slot = index_of(key);
            let price = p.arrives(q, at(p.expert_at, slot)) - p.fresh_at(slot);
            *fare = price as u32;
            least = if price < least { price } else { least };
        }
        least
    }

    /// What a swap with `q` must keep to; none when it cannot gain enough.
    fn bounds(&self, q: usize, (fare, price): (i32, i32)) -> Option<Bounds> {
        let (p, h) = (self.p, self.gpu);
        let limit = at(p.cost, h) + at(p.cost, q) - self.enough(price);
        if limit <= 0.0 {
            return None;
        }
        let weights = p.weight.as_flattened();
        let (lane, there) = (at(p.worst, h) as usize, at(p.worst, q) as usize);
        let (slowness, slowness_there) = (at(p.slowness, h), at(p.slowness, q));
        let now = p.sum_in(h, lane);
        // q must not end above where this one is now
        let most = (now * slowness - p.sum_in(q, lane) * slowness_there) / slowness_there;
        let least = now - lanes::time_of(limit / at(weights, lane)) / slowness;
        let cap = lanes::time_of(limit / at(weights, there)) / slowness_there - p.sum_in(q, there);
        Some(Bounds { lane, there, least: if least > 0.0 { least } else { 0.0 }, most, cap, fare })
    }

    #[inline(never)] // what is here is out of the loop that leads here
    fn score_swap(&mut self, (give, take): (usize, usize), price: i32) {
        let (p, h) = (self.p, self.gpu);
        if price > self.budget {
            return;
        }
        self.looked += 8 * p.blocks as u64;
        let q = at(p.gpu_of, take) as usize;
        let (going, coming) = (at(p.expert_at, give), at(p.expert_at, take));
        let together = at(p.cost, h) + at(p.cost, q);
        let gain = together - p.cost_of_swap((h, going), (q, coming));
        if gain > self.enough(price)
            && !p.meets(q, going)
            && !p.meets(h, coming)
            && p.is_primary(give) == p.is_primary(take)
            && self.swap_allowed(give, take)
        {
            self.offer(Step::Swap(give, take), (gain, together), price);
        }
    }

    /// Whether limits that seldom bind allow it.
    pub fn swap_allowed(&self, give: usize, take: usize) -> bool {
        let p = self.p;
        let (going, coming) = (at(p.expert_at, give), at(p.expert_at, take));
        !p.is_pinned(give)
            && !p.is_pinned(take)
            && (p.limits.per_pair == 0
                || self.pair_allows(give, coming) && self.pair_allows(take, going))
            && (p.limits.survive != Survive::Node
                || (going == p.empty() || p.survives(going, give, take))
                    && (coming == p.empty() || p.survives(coming, take, give)))
    }
}

/// Bits that rise with a float, whatever its sign.
#[inline(always)]
fn rising(x: f32) -> u32 {
    let bits = x.to_bits();
    if bits >> 31 == 0 { bits | (1 << 31) } else { !bits }
}
