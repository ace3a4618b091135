//! From a placement to a better one within a budget, step by step.
//!
//! A step changes what the busiest GPU holds: it swaps two experts, or gives a spare slot (empty, or of an
//! expert with more copies) to an expert of that GPU, or one of the GPU's own spare slots to any. Of all steps
//! the one is taken with which the excesses (see `packing`) sink most per slot that newly differs from the
//! placement in force; a step that puts an expert back where it was costs nothing and counts as half a slot.
//! Ties: swaps before spare slots, then the lowest slot, then the lowest other slot or expert.

use crate::base::cells::at;
use crate::rebalance::limits::Limits;
use crate::rebalance::packing::Packing;
use crate::rebalance::spares::{find_harm, list_spares};
use crate::rebalance::step::{Search, Step};

/// So near to even is enough.
const ENOUGH: f64 = 1.0 - 1.0 / 4096.0;
/// What every slot that differs must bring: balance, on average since the last placement that was kept.
const LEAST_GAIN: f64 = 1.0 / 1_048_576.0;
/// GPUs that the busiest one looks at for a swap, and when these offer no step.
const PARTNERS: usize = 2;
const MORE_PARTNERS: usize = 8;
/// Steps in a row that bring nothing worth keeping, at most.
const PATIENCE: u32 = 4;

/// Improves the packing; `kept` (`[P]`) becomes the best experts by slot found on the way. `effort` bounds the
/// steps weighed, 0 = no bound.
pub fn improve(packing: &mut Packing, limits: &Limits, effort: u32, kept: &mut [u32]) {
    packing.level = 1.0;
    packing.judge_all();
    let mut best = packing.balance();
    let mut paid = packing.moved;
    keep(packing, kept);
    let (mut weighed, mut idle) = (0, 0);
    let (mut spares, mut stale) = (0, true);
    for _ in 0..packing.on.len().saturating_mul(2) {
        if stale {
            spares = list_spares(packing, limits);
        }
        find_harm(packing, spares);
        packing.note_missed(packing.busiest().0);
        let mut search = Search::new(packing, limits);
        if best >= ENOUGH || search.top <= 0.0 || effort > 0 && weighed > u64::from(effort) {
            return;
        }
        search.swaps(PARTNERS);
        search.puts(spares);
        if search.best.is_none() {
            search.swaps(MORE_PARTNERS);
        }
        weighed += search.weighed;
        match search.best {
            Some(Step::Swap(a, b)) => {
                packing.swap(a, b);
                let alone = |slot| at(packing.count, at(packing.on, slot) as usize) == 1;
                stale = !alone(a) || !alone(b); // what has one copy is never spare
            }
            Some(Step::Put(slot, expert)) => {
                packing.put(slot, expert);
                stale = true;
            }
            None => return,
        }
        let balance = packing.balance();
        let more = packing.moved.saturating_sub(paid).max(1);
        if balance > best + LEAST_GAIN * f64::from(more) {
            best = balance;
            paid = packing.moved;
            keep(packing, kept);
            idle = 0;
        } else if idle == PATIENCE {
            return;
        } else {
            idle += 1;
        }
    }
}

fn keep(packing: &Packing, kept: &mut [u32]) {
    for (kept, &expert) in kept.iter_mut().zip(packing.on.iter()) {
        *kept = expert;
    }
}
