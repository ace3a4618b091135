//! Searches to the end. The pilot method for small instances: every first step is tried, each followed by the search;
//! the best is made, every second step tried, and so on.

use crate::balanced::improve::incumbent::{ALIKE, Incumbent, Kept, copy};
use crate::balanced::improve::neighborhood::Neighborhood;
use crate::balanced::improve::packing::{Packing, Step};
use crate::balanced::improve::scaling;
use crate::balanced::improve::search::{self, End, Marks};

/// Slots up to which this is tried.
const SMALL: usize = 16;
/// Units of effort that it may take.
const EFFORT: u64 = 400_000;
/// First steps that are made for good, at most.
const ROUNDS: usize = 8;

/// Makes it as good as can be.
pub fn settle<const N: usize>(
    packing: &mut Packing<N>,
    incumbent: &mut Incumbent<N>,
    marks: &mut Marks,
    kept: &mut Kept,
) {
    if packing.expert_at.len() <= SMALL {
        let rest = marks.left.saturating_sub(EFFORT);
        marks.left -= rest;
        pilot(packing, incumbent, marks, kept);
        marks.left += rest;
    } else {
        descend(packing, incumbent, marks, kept);
    }
    let same = packing.expert_at.iter().zip(kept.best.iter()).all(|(a, b)| a == b);
    if !same {
        restore(packing, marks, kept.best);
    }
}

/// Searches until nothing is left; answers the balance then.
fn descend<const N: usize>(
    packing: &mut Packing<N>,
    incumbent: &mut Incumbent<N>,
    marks: &mut Marks,
    kept: &mut Kept,
) -> f64 {
    marks.seen.fill(0);
    incumbent.keep(packing, kept);
    while scaling::scale(packing, incumbent.instance, incumbent.peaks) {
        let end = search::search(packing, marks, |packing| incumbent.keep(packing, kept));
        if end != End::Lower {
            break;
        }
    }
    incumbent.keep(packing, kept);
    incumbent.balance(packing)
}

fn restore<const N: usize>(packing: &mut Packing<N>, marks: &mut Marks, from: &[u32]) {
    copy(packing.expert_at, from);
    packing.rebuild();
    marks.budget = packing.budget_left();
    let changed = packing.expert_at.len() + packing.gpus();
    marks.left = marks.left.saturating_sub((changed * packing.blocks) as u64);
}

/// Improves what it holds; the best is kept.
#[inline(never)]
fn pilot<const N: usize>(
    packing: &mut Packing<N>,
    incumbent: &mut Incumbent<N>,
    marks: &mut Marks,
    kept: &mut Kept,
) {
    copy(kept.root, packing.expert_at);
    descend(packing, incumbent, marks, kept);
    for round in 0..ROUNDS {
        let before = incumbent.best;
        let Some(step) = first_step(packing, incumbent, marks, kept) else { return };
        if incumbent.best <= before && round > 0 || marks.left == 0 {
            return;
        }
        restore(packing, marks, kept.root);
        apply(packing, marks, step);
        copy(kept.root, packing.expert_at);
    }
}

/// The first step from which the search gets furthest.
fn first_step<const N: usize>(
    packing: &mut Packing<N>,
    incumbent: &mut Incumbent<N>,
    marks: &mut Marks,
    kept: &mut Kept,
) -> Option<Step> {
    let (slots, experts) = (packing.expert_at.len(), packing.empty() as usize);
    let mut first = None;
    let mut level = f64::NEG_INFINITY;
    for slot in 0..slots {
        for other in 0..experts + slots {
            let step = match other.checked_sub(experts) {
                None => Step::Recount(slot, other as u32),
                Some(partner) => Step::Swap(slot, partner),
            };
            if matches!(step, Step::Swap(a, b) if a >= b) || marks.left == 0 {
                continue;
            }
            restore(packing, marks, kept.root);
            if apply(packing, marks, step) {
                let now = descend(packing, incumbent, marks, kept);
                if now > level + ALIKE {
                    (first, level) = (Some(step), now);
                }
            }
        }
    }
    first
}

/// Makes a step if limits allow it.
fn apply<const N: usize>(packing: &mut Packing<N>, marks: &mut Marks, step: Step) -> bool {
    let price = Neighborhood::only(packing, 0, marks.budget).price(step);
    let Some(price) = price.filter(|&price| !packing.priced || price <= marks.budget) else {
        return false;
    };
    packing.make(step);
    marks.budget -= price;
    true
}
