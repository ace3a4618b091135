//! Experts that are not where they must be get a slot: nowhere yet, or on one GPU or node alone where two are asked
//! for. The heaviest choose first, lowest index among equals. Each takes one move, and no repair does with fewer; where
//! all slots that can be given away lie where the expert already is, another swaps or trades places with it: two moves.

use crate::balanced::improve::limits::Survive;
use crate::balanced::improve::marks::Marks;
use crate::balanced::improve::neighborhood::Neighborhood;
use crate::balanced::improve::packing::{Packing, Step};
use crate::base::cells::{at, part_mut, put};
use crate::base::keys::{descending, index_of, sort};

/// Gives every expert the places that it must be on; false where limits do not allow it.
#[inline(never)]
pub fn repair<const N: usize>(packing: &mut Packing<N>, marks: &mut Marks) -> bool {
    let experts = packing.empty() as usize;
    let twice = packing.limits.survive != Survive::Nothing;
    if (0..experts as u32).all(|expert| packing.is_placed(expert)) {
        return true;
    }
    for expert in 0..experts {
        put(marks.keys, expert, descending(packing.mean_load(expert as u32), expert));
    }
    sort(part_mut(marks.keys, 0, experts), marks.buffer);
    for places in 1..=1 + usize::from(twice) {
        for index in 0..experts {
            let expert = index_of(at(marks.keys, index)) as u32;
            let placed = match places {
                1 => at(packing.count, expert as usize) > 0,
                _ => packing.is_placed(expert),
            };
            if !placed && !place(packing, marks, expert) {
                return false;
            }
        }
    }
    true
}

/// One place more, as cheap as can be: a slot that can be given away, else a swap, else a slot whose expert moves to
/// one that can be.
fn place<const N: usize>(packing: &mut Packing<N>, marks: &mut Marks, expert: u32) -> bool {
    packing.know();
    // what takes one move first: an expert that is new to its slot may leave it for nothing
    (1..=2).any(|most| {
        let budget = marks.budget.min(most);
        if let Some((step, price)) = Neighborhood::place(packing, budget, expert) {
            packing.make(step);
            marks.budget -= price;
            return true;
        }
        let Some((spare, other, price)) = find_trade(packing, budget, expert) else { return false };
        let moving = at(packing.expert_at, other);
        packing.make(Step::Recount(spare, moving));
        packing.make(Step::Recount(other, expert));
        marks.budget -= price;
        true
    })
}

/// A slot that can be given away, a slot whose expert can move there, so that `expert` can have its place, and what
/// both cost.
#[inline(never)] // seldom asked
fn find_trade<const N: usize>(
    packing: &Packing<N>,
    budget: i32,
    expert: u32,
) -> Option<(usize, usize, i32)> {
    let slots = 0..packing.expert_at.len();
    let gpu = |slot| at(packing.gpu_of, slot) as usize;
    let look = Neighborhood::only(packing, 0, budget);
    let spares = slots.clone().filter(|&slot| at(packing.drop_gain, slot) > f32::NEG_INFINITY);
    spares.flat_map(|spare| slots.clone().map(move |other| (spare, other))).find_map(
        |(spare, other)| {
            let moving = at(packing.expert_at, other);
            let price = packing.arrives(gpu(spare), moving) + packing.arrives(gpu(other), expert)
                - packing.fresh_at(spare)
                - packing.fresh_at(other);
            let possible = moving != packing.empty()
                && moving != at(packing.expert_at, spare)
                && (!packing.priced || price <= budget)
                && packing.survives(moving, other, spare)
                && look.may_hold(spare, moving)
                && look.may_take(other, expert)
                && !packing.on_place(other, expert);
            possible.then_some((spare, other, price))
        },
    )
}
