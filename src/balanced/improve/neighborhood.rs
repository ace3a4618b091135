//! The neighborhood of one GPU, and the best step in it: what it swaps with others, which slots take one of its
//! experts, what its own slots take instead of theirs.

use crate::balanced::improve::marks::Marks;
use crate::balanced::improve::packing::{Packing, Step};
use crate::base::cells::at;

/// A gain below this part of what it is the difference of is not worth a step.
const LEAST_GAIN: f32 = 1.0 / 65_536.0;
/// Sums of loads are right to 2^-22: what that makes of the 24th power of times in units of 1.
const NOISE: f32 = 1.0 / 131_072.0;

pub struct Neighborhood<'s, 'p, const N: usize> {
    pub p: &'s Packing<'p, N>,
    /// The GPU at hand.
    pub gpu: usize,
    /// The best step so far, its price, and its gain for what the price counts.
    pub step: Option<Step>,
    pub price: i32,
    pub score: f32,
    pub budget: i32,
    /// A gain below this part of what it is the difference of may be rounding.
    pub noise: f32,
    pub looked: u64,
}

/// What a price counts for: nothing for half of a slot.
#[inline(always)]
fn counts(price: i32, priced: bool) -> f32 {
    if !priced {
        1.0
    } else if price <= 0 {
        0.5
    } else {
        price as f32
    }
}

/// Looks for a step for `gpu`: at all others, or at those that have changed since it looked last.
pub fn look<const N: usize>(
    p: &mut Packing<N>,
    marks: &mut Marks,
    gpu: usize,
) -> Option<(Step, i32)> {
    let noise = LEAST_GAIN + NOISE / p.unit;
    let score = at(p.cost, gpu) * noise;
    let (budget, seen) = (marks.budget, at(marks.seen, gpu));
    let all = at(p.changed, gpu) > seen;
    if p.is_nearest() {
        p.know();
        let mut look = Neighborhood { score, noise, ..Neighborhood::only(p, gpu, budget) };
        look.nearest_steps(marks, all);
        return look.end(marks);
    }
    if p.priced {
        p.know();
        let mut look = Neighborhood { score, noise, ..Neighborhood::only(p, gpu, budget) };
        look.at_others(all, seen);
        look.swaps(marks, all);
        return look.end(marks);
    }
    // counts are right from the start, or nearly so
    let mut look = Neighborhood { score, noise, ..Neighborhood::only(p, gpu, budget) };
    look.swaps(marks, all);
    let step = look.end(marks);
    if step.is_some() {
        return step;
    }
    p.know();
    let mut look = Neighborhood { score, noise, ..Neighborhood::only(p, gpu, budget) };
    look.at_others(all, seen);
    look.end(marks)
}

impl<'s, 'p, const N: usize> Neighborhood<'s, 'p, N> {
    /// For what is asked of limits alone.
    pub fn only(p: &'s Packing<'p, N>, gpu: usize, budget: i32) -> Self {
        Neighborhood { p, gpu, step: None, price: 0, score: 0.0, budget, noise: 0.0, looked: 0 }
    }

    /// The step that was found; what was looked at is charged.
    fn end(self, marks: &mut Marks) -> Option<(Step, i32)> {
        marks.left = marks.left.saturating_sub(self.looked);
        self.step.map(|step| (step, self.price))
    }
}

impl<const N: usize> Neighborhood<'_, '_, N> {
    /// Whether limits allow an expert more in a slot, whatever it costs.
    pub fn may_take(&self, slot: usize, expert: u32) -> bool {
        at(self.p.count, expert as usize) < self.p.limits.max_replicas
            && self.may_hold(slot, expert)
    }

    /// The same of an expert that leaves another slot.
    pub fn may_hold(&self, slot: usize, expert: u32) -> bool {
        let p = self.p;
        let gpu = at(p.gpu_of, slot) as usize;
        !p.is_pinned(slot)
            && !p.holds(gpu, expert)
            && p.allowed(gpu, expert)
            && self.pair_allows(slot, expert)
    }

    /// What a step costs; `None`: limits do not allow it.
    pub fn price(&self, step: Step) -> Option<i32> {
        let p = self.p;
        match step {
            Step::Recount(slot, x) => {
                let possible = at(p.expert_at, slot) != x
                    && at(p.drop_gain, slot) > f32::NEG_INFINITY
                    && self.may_take(slot, x);
                possible.then(|| self.price_of(slot, x))
            }
            Step::Swap(a, b) if p.is_primary(a) != p.is_primary(b) => None,
            Step::Swap(a, b) => self.swap_price(a, b),
        }
    }

    /// The same of a swap, whatever is a primary.
    pub fn swap_price(&self, a: usize, b: usize) -> Option<i32> {
        let p = self.p;
        let gpu = |slot: usize| at(p.gpu_of, slot) as usize;
        let (x, y) = (at(p.expert_at, a), at(p.expert_at, b));
        let possible = gpu(a) != gpu(b)
            && x != y
            && !p.holds(gpu(a), y)
            && !p.holds(gpu(b), x)
            && p.allowed(gpu(a), y)
            && p.allowed(gpu(b), x)
            && self.swap_allowed(a, b);
        possible.then(|| self.price_of(a, y) + self.price_of(b, x))
    }

    /// What it costs that a slot changes its expert.
    pub fn price_of(&self, slot: usize, expert: u32) -> i32 {
        self.p.arrives(at(self.p.gpu_of, slot) as usize, expert) - self.p.fresh_at(slot)
    }

    /// Steps that change counts.
    fn at_others(&mut self, all: bool, seen: u32) {
        let p = self.p;
        if all {
            self.recounts(0, p.drop_gain.len());
            self.shared_recounts();
            if p.priced || self.step.is_none() {
                self.own_recounts();
            }
            return;
        }
        for other in (0..p.gpus()).filter(|&other| at(p.changed, other) > seen) {
            self.recounts(p.start(other), p.start(other + 1));
        }
    }

    /// What a gain at this price must be above.
    #[inline(always)]
    pub fn enough(&self, price: i32) -> f32 {
        self.score * counts(price, self.p.priced)
    }

    /// Offers a step that keeps all limits; `of`: what its gain is the difference of.
    #[inline(always)]
    pub fn offer(&mut self, step: Step, (gain, of): (f32, f32), price: i32) {
        if price <= self.budget && gain > self.enough(price) && gain > of * self.noise {
            self.step = Some(step);
            self.price = price;
            self.score = gain / counts(price, self.p.priced);
        }
    }

    /// Whether `slot` may get `expert` as far as what comes from one GPU is limited.
    #[inline(always)]
    pub fn pair_allows(&self, slot: usize, expert: u32) -> bool {
        self.p.limits.per_pair == 0 || self.few_from_one(slot, expert)
    }

    #[inline(never)] // seldom asked
    fn few_from_one(&self, slot: usize, expert: u32) -> bool {
        let p = self.p;
        let gpu = at(p.gpu_of, slot) as usize;
        if p.arrives(gpu, expert) == 0 {
            return true;
        }
        let source = |expert| p.limits.sources.nearest(at(p.limits.node, gpu), expert);
        let from = source(expert);
        let others = (p.start(gpu)..p.start(gpu + 1)).filter(|&other| {
            other != slot && p.fresh_at(other) > 0 && source(at(p.expert_at, other)) == from
        });
        from == u32::MAX || others.count() < p.limits.per_pair as usize
    }
}
