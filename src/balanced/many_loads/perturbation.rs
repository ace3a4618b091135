//! What is done with effort that is left: the placement is perturbed and searched again; the better of the two stays.
//!
//! A perturbation swaps one replica of the GPU that costs most with one of another GPU, and one of that with one of a
//! third, picked by a fixed sequence of numbers. All but those three GPUs have seen each other, so that the
//! search after it is short.

use crate::balanced::many_loads::packing::Packing;
use crate::balanced::many_loads::search::Search;
use crate::base::cells::{at, copy, put};

/// Swaps of a perturbation.
const SWAPS: usize = 2;

/// The placement before the perturbation, and who had seen what.
pub struct Kept<'a> {
    pub expert_at: &'a mut [u32],
    pub changed: &'a mut [u32],
    pub seen: &'a mut [u32],
}

/// Perturbs until the effort is spent.
pub fn perturb_and_search(packing: &mut Packing, search: &mut Search, kept: &mut Kept) {
    let mut number = 1_u64;
    let mut total = packing.total();
    while search.left > 0 {
        let before = search.now;
        copy(kept.expert_at, packing.expert_at);
        copy(kept.changed, search.changed);
        copy(kept.seen, search.seen);
        search.now += 1;
        perturb(packing, search, &mut number);
        search.run(packing);
        let now = packing.total();
        if now < total {
            total = now;
            continue;
        }
        copy(packing.expert_at, kept.expert_at);
        for gpu in 0..packing.gpus() {
            if at(search.changed, gpu) > before {
                packing.add_up(gpu);
            }
        }
        copy(search.changed, kept.changed);
        copy(search.seen, kept.seen);
    }
}

fn perturb(packing: &mut Packing, search: &mut Search, number: &mut u64) {
    let (mut most, mut here) = (-1.0, 0);
    for (gpu, &cost) in packing.cost.iter().enumerate() {
        if cost > most {
            most = cost;
            here = gpu;
        }
    }
    for _ in 0..SWAPS {
        search.left = search.left.saturating_sub(1);
        let there = draw(number, packing.gpus());
        let (give, take) = (pick(packing, number, here), pick(packing, number, there));
        let (going, coming) = (at(packing.expert_at, give), at(packing.expert_at, take));
        let empty = packing.held(here).is_empty() || packing.held(there).is_empty();
        if empty
            || there == here
            || packing.collides(there, going)
            || packing.collides(here, coming)
        {
            continue;
        }
        put(packing.expert_at, give, coming);
        put(packing.expert_at, take, going);
        for gpu in [here, there] {
            packing.add_up(gpu);
            search.touch(gpu);
        }
        here = there;
    }
}

fn pick(packing: &Packing, number: &mut u64, gpu: usize) -> usize {
    packing.start(gpu) + draw(number, packing.start(gpu + 1) - packing.start(gpu))
}

/// The next number of Knuth's sequence, as one below `below`.
fn draw(number: &mut u64, below: usize) -> usize {
    *number =
        number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (((*number >> 32) * below as u64) >> 32) as usize
}
