//! One search: makes a placement better, whatever it starts from.
//!
//! A local search. State: a [`packing`], changed by [`changes`]. Steps: [`swaps`] and [`recounts`], found in the
//! [`neighborhood`] of one GPU. Objective: the sum over GPUs and windows of weight * time^24 ([`lanes`], [`scaling`]);
//! the [`limits`] say what may be done and what it costs. The [`incumbent`] is the placement with the best balance.

mod changes;
mod fill;
mod incumbent;
pub mod instance;
pub mod lanes;
pub mod limits;
mod marks;
mod nearest;
mod neighborhood;
mod packing;
mod pilot_method;
mod placing;
mod primaries;
mod recounts;
mod repair;
mod reunite;
pub mod scaling;
pub mod score;
mod scratch;
mod search;
pub mod split;
mod start;
mod survival;
mod swaps;
mod tidy;
mod uphill;

use crate::balanced::improve::incumbent::Incumbent;
use crate::balanced::improve::instance::{Found, Goal, Instance};
use crate::balanced::improve::limits::{Kind, Limits};
use crate::balanced::improve::pilot_method::Descent;
use crate::balanced::improve::scratch::Scratch;
use crate::base::arena::{Arena, Need};
use crate::base::cells::NONE;
use crate::parts;

/// What [`improve`] needs of an arena for instances of up to these sizes (experts, slots, GPUs, windows).
pub fn need<const N: usize>(sizes: [usize; 4], kind: Kind) -> Need {
    scratch::need::<N>(sizes, kind)
}

/// Makes the placement better: `expert_at` holds the expert of each slot, `u32::MAX` where there is none. First experts
/// that are not on as many places as they must be get theirs; `None`: limits do not allow that, and nothing is changed.
#[inline(never)] // what it carves is on the stack only while it searches
pub fn improve<'a, const N: usize>(
    instance: &Instance<'a, N>,
    limits: &'a Limits<'a>,
    goal: Goal,
    arena: &mut Arena,
    expert_at: &mut [u32],
) -> Option<Found> {
    let sizes = [instance.experts, expert_at.len(), instance.slots.len(), instance.weight.len()];
    let Scratch { packing, marks, kept, peaks, primaries } =
        &mut scratch::carve::<N>(arena, sizes, limits.kind());
    start::set(packing, instance, limits, expert_at);
    marks.left = instance.effort;
    marks.budget = packing.budget_left();
    if !repair::repair(packing, marks) {
        return None;
    }
    if parts::PREVIOUS && goal == Goal::Balanced {
        reunite::reunite(packing, marks);
    }
    if goal == Goal::Balanced && packing.is_nearest() && !packing.priced {
        tidy::tidy(packing, marks);
    }
    let fills = !limits.may_empty;
    let enough = if goal == Goal::Balanced { limits.enough } else { f64::INFINITY };
    let incumbent = &mut Incumbent::new(instance, peaks, enough);
    incumbent.note(packing, kept);
    let done = incumbent.fewest == 0;
    if goal >= Goal::Filled && fills && !done {
        fill::fill(packing, marks, incumbent, kept);
    }
    if parts::PREVIOUS && goal == Goal::Balanced && !limits.primaries.is_empty() {
        scaling::scale(packing, instance, incumbent.peaks);
        primaries.settle(packing, marks);
    }
    if goal == Goal::Balanced && !done {
        Descent { packing, marks, incumbent, kept }.settle();
        if fills {
            // what was at its most replicas may have fewer now
            fill::fill(packing, marks, incumbent, kept);
        }
    }
    let chosen = if incumbent.fewest != NONE { &kept.enough } else { &packing.expert_at };
    for (to, &expert) in expert_at.iter_mut().zip(chosen.iter()) {
        *to = if expert == packing.empty() { NONE } else { expert };
    }
    let is_enough = incumbent.fewest != NONE;
    Some(Found { moved: if is_enough { incumbent.fewest } else { packing.moved() }, is_enough })
}
