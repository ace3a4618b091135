//! Swaps: the GPU that takes longest gives one of its items for a slightly lighter one of another GPU.
//!
//! Walking down from an item gives its partners in order of the load they take off. The first swap that brings
//! both GPUs within the target is taken, else the best that lowers the larger of the two. A walk ends where no
//! GPU could take the difference.

use crate::balanced::construct::packing::Packing;
use crate::base::cells::at;
use crate::base::used::{Part, used};

/// Two items that take each other's place, if there are such, and how many were looked at.
type Found = (Option<(usize, usize)>, u64);

/// Lowers the largest time until it is within `target` or no swap helps; true when within. Swaps must gain at
/// least `tolerance`, so that rounding never decides. One unit of `effort` is one partner looked at.
#[inline(never)]
pub fn swaps<const SPEEDS: bool>(
    packing: &mut Packing<SPEEDS>,
    target: u64,
    tolerance: u64,
    effort: &mut u64,
) -> bool {
    loop {
        let (longest, most, least) = packing.extremes();
        if most <= target {
            return true;
        }
        let (pair, looked) = match within(packing, longest, target, least) {
            (None, looked) => {
                let (pair, more) =
                    improving(packing, longest, most.saturating_sub(tolerance), least);
                (pair, looked + more)
            }
            found => found,
        };
        *effort = effort.saturating_sub(looked);
        let Some((give, take)) = pair else { return false };
        packing.swap(give, take);
        used(Part::Swap);
        if *effort == 0 {
            return false;
        }
    }
}

/// The first swap that brings GPU `here` and its partner within `target`.
#[inline(never)] // as `improving`: the stack holds one of the two
fn within<const SPEEDS: bool>(
    packing: &Packing<SPEEDS>,
    here: usize,
    target: u64,
    least: u64,
) -> Found {
    let need = at(packing.gpu_load, here).saturating_sub(packing.allowed(here, target));
    let room = packing.room(target, least);
    let mut looked = 0;
    if need > room {
        return (None, 0);
    }
    for &give in packing.held(here) {
        let give = give as usize;
        let load = at(packing.item_load, give);
        let mut take = give + 1;
        while let Some(&other) = packing.item_load.get(take) {
            if load.wrapping_sub(other) >= need {
                break;
            }
            take += 1;
        }
        while let (Some(&other), Some(&there)) =
            (packing.item_load.get(take), packing.gpu_of.get(take))
        {
            let less = load.wrapping_sub(other);
            if less > room {
                break;
            }
            let there = there as usize;
            // `here` itself is above the target and cannot pass.
            if at(packing.gpu_load, there).wrapping_add(less) <= packing.allowed(there, target)
                && !packing.collides(there, take, give)
                && !packing.collides(here, give, take)
            {
                return (Some((give, take)), looked + (take - give) as u64);
            }
            take += 1;
        }
        looked += (take - give) as u64;
    }
    (None, looked)
}

/// The swap that leaves the larger of the two times smallest, below `best`.
#[inline(never)]
fn improving<const SPEEDS: bool>(
    packing: &Packing<SPEEDS>,
    here: usize,
    mut best: u64,
    least: u64,
) -> Found {
    let load_here = at(packing.gpu_load, here);
    let room = packing.room(best, least);
    let mut found = None;
    let mut looked = 0;
    for &give in packing.held(here) {
        let give = give as usize;
        let load = at(packing.item_load, give);
        let stop = if SPEEDS { room } else { best.saturating_sub(least) };
        let mut take = give + 1;
        while let (Some(&other), Some(&there)) =
            (packing.item_load.get(take), packing.gpu_of.get(take))
        {
            let less = load.wrapping_sub(other);
            if less >= stop {
                break;
            }
            let there = there as usize;
            let time_there = packing.time(there, at(packing.gpu_load, there).wrapping_add(less));
            let worst = time_there.max(packing.time(here, load_here.wrapping_sub(less)));
            if worst < best
                && there != here
                && !packing.collides(there, take, give)
                && !packing.collides(here, give, take)
            {
                best = worst;
                found = Some((give, take));
            }
            take += 1;
        }
        looked += (take - give) as u64;
    }
    (found, looked)
}
