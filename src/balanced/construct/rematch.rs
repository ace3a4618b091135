//! Rematch: every GPU offers one item; the offered items and what remains on the GPUs are paired in opposite
//! order, which no other pairing beats for the largest sum.

use crate::balanced::construct::packing::Packing;
use crate::base::cells::{at, put};
use crate::base::keys::sort;
use crate::base::used::{Part, used};

/// Each GPU offers the item of its slot `pick(gpu)`. Not applied where it has a collision that it could not undo, or
/// where the largest load would be above `limit`. `rest`, `offer`: one a GPU, `buffer` for [`sort`].
#[inline(never)]
pub fn rematch<const SPEEDS: bool>(
    packing: &mut Packing<SPEEDS>,
    pick: impl Fn(usize) -> usize,
    limit: u64,
    rest: &mut [u64],
    offer: &mut [u64],
    buffer: &mut [u64],
) {
    let slot = |packing: &Packing<SPEEDS>, gpu: usize| packing.start(gpu) + pick(gpu);
    for (gpu, (rest, offer)) in rest.iter_mut().zip(offer.iter_mut()).enumerate() {
        let item = at(packing.item_at, slot(packing, gpu));
        let load = at(packing.gpu_load, gpu).wrapping_sub(at(packing.item_load, item));
        *rest = (load << 16) | gpu as u64;
        *offer = u64::from(item);
    }
    sort(rest, buffer);
    sort(offer, buffer);
    let collides = |packing: &Packing<SPEEDS>, rest: u64, item: u64| {
        let gpu = (rest & 0xffff) as usize;
        let leaving = at(packing.item_at, slot(packing, gpu)) as usize;
        packing.collides(gpu, leaving, item as usize)
    };
    // A collision trades its item with the next pair or the one after, else with those before.
    for i in 0..rest.len() {
        let (here, item) = (at(rest, i), at(offer, i));
        if !collides(packing, here, item) {
            continue;
        }
        let others = [i + 1, i + 2, i.wrapping_sub(1), i.wrapping_sub(2)];
        let other = others.into_iter().find(|&j| {
            let (Some(&there), Some(&other)) = (rest.get(j), offer.get(j)) else { return false };
            !collides(packing, here, other) && !collides(packing, there, item)
        });
        let Some(j) = other else { return };
        put(offer, i, at(offer, j));
        put(offer, j, item);
    }
    let load =
        |packing: &Packing<SPEEDS>, rest: u64, item| (rest >> 16) + at(packing.item_load, item);
    let pairs = || rest.iter().zip(offer.iter()).map(|(&rest, &item)| (rest, item as u32));
    if pairs().any(|(rest, item)| load(packing, rest, item) > limit) {
        return;
    }
    used(Part::Rematch);
    for (rest, item) in pairs() {
        let gpu = (rest & 0xffff) as u32;
        let slot = slot(packing, gpu as usize);
        put(packing.item_at, slot, item);
        put(packing.gpu_of, item, gpu);
        let sum = load(packing, rest, item);
        put(packing.gpu_load, gpu, sum);
    }
}
