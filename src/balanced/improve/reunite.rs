//! Groups that are on several nodes come together on the one that they are bound to, while limits last. A replica
//! elsewhere is astray: it trades places with another, or its slot takes what may be there, once a replica is at home.

use crate::balanced::improve::marks::Marks;
use crate::balanced::improve::neighborhood::Neighborhood;
use crate::balanced::improve::packing::{Packing, Step};
use crate::base::cells::at;

/// Brings replicas that are astray home, as far as limits allow.
#[inline(never)]
pub fn reunite<const N: usize>(packing: &mut Packing<N>, marks: &mut Marks) {
    if packing.limits.home.is_empty() {
        return;
    }
    let mut found = true;
    while found {
        found = false;
        for slot in 0..packing.expert_at.len() {
            if packing.is_astray(slot) {
                packing.know();
                let step = find_step(packing, marks, slot);
                if let Some((step, price)) = step {
                    packing.make(step);
                    marks.budget -= price;
                    found = true;
                }
            }
        }
    }
}

fn find_step<const N: usize>(
    p: &Packing<N>,
    marks: &mut Marks,
    slot: usize,
) -> Option<(Step, i32)> {
    let gpu = at(p.gpu_of, slot) as usize;
    marks.left = marks.left.saturating_sub(p.expert_at.len() as u64 / 2);
    if !p.is_home(at(p.expert_at, slot), slot) {
        return find_trade(p, marks.budget, slot).or_else(|| find_home(p, marks.budget, slot));
    }
    if at(p.drop_gain, slot) == f32::NEG_INFINITY {
        return None;
    }
    Neighborhood::fill(p, marks, slot).or_else(|| {
        let price = p.arrives(gpu, p.empty()) - p.fresh_at(slot);
        (price <= marks.budget).then_some((Step::Recount(slot, p.empty()), price))
    })
}

/// A replica at home, in the slot of another that is astray or can be given away.
fn find_home<const N: usize>(p: &Packing<N>, budget: i32, slot: usize) -> Option<(Step, i32)> {
    let expert = at(p.expert_at, slot);
    let look = Neighborhood::only(p, 0, budget);
    let mut best = ((false, f32::NEG_INFINITY), None);
    for (to, &gain) in p.drop_gain.iter().enumerate() {
        let (gpu, given) = (at(p.gpu_of, to) as usize, at(p.expert_at, to));
        let astray = given == p.empty() || p.is_astray(to);
        let price = p.arrives(gpu, expert) - p.fresh_at(to);
        if gain > f32::NEG_INFINITY
            && (best.1.is_none() || (astray, gain) > best.0)
            && price <= budget
            && look.may_take(to, expert)
            && (astray || p.is_home(given, to))
        {
            best = ((astray, gain), Some((Step::Recount(to, expert), price)));
        }
    }
    best.1
}

/// Two that are astray swap, so that the one of `slot` is at home, and at best both are.
fn find_trade<const N: usize>(p: &Packing<N>, budget: i32, slot: usize) -> Option<(Step, i32)> {
    let (gpu, expert) = (at(p.gpu_of, slot) as usize, at(p.expert_at, slot));
    let look = Neighborhood::only(p, 0, budget);
    let mut best = ((false, f32::NEG_INFINITY), None);
    for (other, &coming) in p.expert_at.iter().enumerate() {
        let there = at(p.gpu_of, other) as usize;
        if !p.allowed(there, expert) || !p.is_astray(other) {
            continue;
        }
        let price = p.arrives(gpu, coming) + p.arrives(there, expert)
            - p.fresh_at(slot)
            - p.fresh_at(other);
        let both = p.allowed(gpu, coming);
        let gain = -p.cost_of_swap((gpu, expert), (there, coming));
        if price <= budget
            && (best.1.is_none() || (both, gain) > best.0)
            && !p.holds(there, expert)
            && !p.holds(gpu, coming)
            && look.swap_allowed(slot, other)
        {
            best = ((both, gain), Some((Step::Swap(slot, other), price)));
        }
    }
    best.1
}

impl<const N: usize> Packing<'_, N> {
    /// Whether the expert of a slot is on another node than the one that it is bound to.
    fn is_astray(&self, slot: usize) -> bool {
        let gpu = at(self.gpu_of, slot) as usize;
        !self.allowed(gpu, at(self.expert_at, slot))
    }

    /// Whether an expert has a replica at home, not counting `without`.
    fn is_home(&self, expert: u32, without: usize) -> bool {
        self.holders(expert).any(|slot| slot != without && !self.is_astray(slot))
    }
}
