//! Ejection chains of two swaps, when no single swap helps: the GPU that takes longest swaps with any other and lets
//! it overflow, a second swap of that one with a third mends it. Accepted when all three end at least a
//! hundredth of the way from the largest time to the bound: asking for more got stuck earlier, asking for
//! less was no better.

use crate::balanced::construct::packing::{Packing, SPLIT};
use crate::base::cells::at;
use crate::base::used::{Part, used};

/// Part of the excess over the bound that a chain must remove.
pub const STEP: u64 = 100;

/// The first swap: GPU `longest` gives item `give` to GPU `there` for item `take`, and `there` is `over` too much.
struct Ejection {
    longest: usize,
    there: usize,
    give: usize,
    take: usize,
    over: u64,
}

/// One chain, the first that is good enough; false when there is none or `effort` is spent.
#[inline(never)]
pub fn ejection_chain<const SPEEDS: bool>(
    packing: &mut Packing<SPEEDS>,
    bound: u64,
    tolerance: u64,
    effort: &mut u64,
) -> bool {
    let (longest, most, least) = packing.extremes();
    let limit = most.saturating_sub(most.saturating_sub(bound) / STEP).saturating_sub(tolerance);
    if limit < bound {
        return false;
    }
    let excess = at(packing.gpu_load, longest).saturating_sub(packing.allowed(longest, limit));
    let need = excess.max(1);
    let room = packing.room(limit, least);
    let mut looked = 0;
    for slot in packing.start(longest)..packing.start(longest + 1) {
        let give = at(packing.item_at, slot) as usize;
        let load = at(packing.item_load, give);
        if load < need {
            continue;
        }
        let first = first_at_most(packing.item_load, give + 1, load - need);
        for take in first..packing.item_load.len() {
            let less = load.wrapping_sub(at(packing.item_load, take));
            if less > room.saturating_mul(2) {
                break;
            }
            let there = at(packing.gpu_of, take) as usize;
            let then = at(packing.gpu_load, there).wrapping_add(less);
            let over = then.saturating_sub(packing.allowed(there, limit));
            looked += 1;
            let overflows = there != longest && over <= room && over > 0;
            if overflows && !packing.collides(longest, give, take) {
                let ejection = Ejection { longest, there, give, take, over };
                if let Some((a, b)) = mend(packing, &ejection, room, limit, &mut looked) {
                    packing.swap(give, take);
                    packing.swap(a, b);
                    used(Part::EjectionChain);
                    *effort = effort.saturating_sub(looked);
                    return true;
                }
                if looked > *effort {
                    *effort = 0;
                    return false;
                }
            }
        }
    }
    *effort = effort.saturating_sub(looked);
    false
}

/// The second swap: `there` gives an item, maybe the one that it just got, for one of a third GPU.
#[inline(always)]
fn mend<const SPEEDS: bool>(
    packing: &Packing<SPEEDS>,
    first: &Ejection,
    room: u64,
    limit: u64,
    looked: &mut u64,
) -> Option<(usize, usize)> {
    let there = first.there;
    for slot in packing.start(there)..packing.start(there + 1) + 1 {
        let last = slot == packing.start(there + 1);
        let give = if last { first.give } else { at(packing.item_at, slot) as usize };
        let load = at(packing.item_load, give);
        if give == first.take || load < first.over {
            continue;
        }
        let from = first_at_most(packing.item_load, give + 1, load - first.over);
        for take in from..packing.item_load.len() {
            let less = load.wrapping_sub(at(packing.item_load, take));
            if less > room {
                break;
            }
            *looked += 1;
            let third = at(packing.gpu_of, take) as usize;
            let then = at(packing.gpu_load, third).wrapping_add(less);
            if then <= packing.allowed(third, limit)
                && third != there
                && third != first.longest
                && accepts(packing, first, give, take)
                && !packing.collides(third, take, give)
            {
                return Some((give, take));
            }
        }
    }
    None
}

/// Does the GPU of the ejection, without the items that it gives, take those that it gets?
fn accepts<const SPEEDS: bool>(
    packing: &Packing<SPEEDS>,
    first: &Ejection,
    give: usize,
    take: usize,
) -> bool {
    if give == first.give {
        return !packing.collides(first.there, first.take, take);
    }
    let coming = [at(packing.expert_of, first.give), at(packing.expert_of, take)];
    let [a, b] = coming;
    if a == b {
        return false;
    }
    if (a | b) & SPLIT == 0 {
        return true;
    }
    let mut hit = false;
    for &item in packing.held(first.there) {
        let expert = at(packing.expert_of, item);
        let stays = item != first.take as u32 && item != give as u32;
        hit |= stays && expert & SPLIT != 0 && coming.contains(&expert);
    }
    !hit
}

/// The first item at or after `from` whose load is at most `load`.
pub fn first_at_most(loads: &[u64], from: usize, load: u64) -> usize {
    from + loads.get(from..).unwrap_or_default().partition_point(|&x| x > load)
}
