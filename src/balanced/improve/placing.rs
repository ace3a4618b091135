//! Steps that a placement cannot do without: an expert gets a place, an empty slot an expert.

use crate::balanced::improve::marks::Marks;
use crate::balanced::improve::neighborhood::Neighborhood;
use crate::balanced::improve::packing::{Packing, Step};
use crate::base::cells::at;

impl<'s, 'p, const N: usize> Neighborhood<'s, 'p, N> {
    /// Any step is better than none.
    pub fn at_any_cost(p: &'s Packing<'p, N>, budget: i32) -> Self {
        let any = Neighborhood::only(p, usize::MAX, budget);
        Neighborhood { score: -f32::MAX, noise: f32::NEG_INFINITY, ..any }
    }

    /// The best step that fills an empty slot, if limits allow one, and its price.
    pub fn fill(p: &'s Packing<'p, N>, marks: &mut Marks, slot: usize) -> Option<(Step, i32)> {
        let mut all = Neighborhood::at_any_cost(p, marks.budget);
        for expert in 0..p.empty() {
            let price = p.arrives(at(p.gpu_of, slot) as usize, expert) - p.fresh_at(slot);
            let hopes = p.is_nearest() || at(p.relief, expert as usize) > all.enough(price);
            if hopes && all.may_take(slot, expert) {
                all.score_recount(slot, expert, price);
            }
        }
        marks.left = marks.left.saturating_sub(u64::from(p.empty()) / 2 + all.looked);
        all.step.map(|step| (step, all.price))
    }

    /// The best step that puts `expert` on a place where it is not, and its price.
    pub fn place(p: &'s Packing<'p, N>, budget: i32, expert: u32) -> Option<(Step, i32)> {
        let mut all = Neighborhood::at_any_cost(p, budget);
        for slot in 0..p.expert_at.len() {
            if at(p.drop_gain, slot) > f32::NEG_INFINITY
                && all.may_take(slot, expert)
                && !p.on_place(slot, expert)
            {
                let price = p.arrives(at(p.gpu_of, slot) as usize, expert) - p.fresh_at(slot);
                all.score_recount(slot, expert, price);
            }
        }
        // one replica alone is on one place wherever it is
        if at(p.count, expert as usize) > 1 && (all.step.is_none() || !p.priced) {
            for mine in p.holders(expert) {
                all.swap_anywhere(mine);
            }
        }
        all.step.map(|step| (step, all.price))
    }

    /// Swaps of a slot with any other that end with both experts on the places that they must be on.
    #[inline(never)] // seldom asked
    fn swap_anywhere(&mut self, mine: usize) {
        let p = self.p;
        let (h, x) = (at(p.gpu_of, mine) as usize, at(p.expert_at, mine));
        for (slot, &y) in p.expert_at.iter().enumerate() {
            let q = at(p.gpu_of, slot) as usize;
            if y == x {
                continue;
            }
            let together = at(p.cost, h) + at(p.cost, q);
            let gain = together - p.cost_of_swap((h, x), (q, y));
            // cheaper than its price, which does not matter here
            if !p.priced && gain <= self.score {
                continue;
            }
            let Some(price) = self.price(Step::Swap(mine, slot)) else { continue };
            let placed = y == p.empty() || p.survives(y, slot, mine);
            if gain > self.enough(price) && placed && p.survives(x, mine, slot) {
                self.offer(Step::Swap(mine, slot), (gain, together), price);
            }
        }
    }
}
