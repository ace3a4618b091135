//! What is done with effort that is left: the placement is kicked out of its rest and searched again; the
//! better of the two stays.
//!
//! A kick swaps one replica of the GPU that costs most with one of another GPU, and one of that with one of a
//! third, picked by a fixed sequence of numbers. All but those three GPUs have seen each other, so that the
//! search after it is short.

use crate::balanced::many_loads::board::Board;
use crate::balanced::many_loads::search::{Sight, search};
use crate::base::cells::{at, put};

/// Swaps of a kick.
const SWAPS: usize = 2;

/// The placement before the kick, and who had seen what.
pub struct Kept<'a> {
    pub on: &'a mut [u32],
    pub changed: &'a mut [u32],
    pub seen: &'a mut [u32],
}

/// Kicks until the effort is spent.
pub fn kicks(b: &mut Board, sight: &mut Sight, kept: &mut Kept) {
    let mut number = 1_u64;
    let mut total = b.total();
    while sight.left > 0 {
        let before = sight.now;
        copy(kept.on, b.on);
        copy(kept.changed, sight.changed);
        copy(kept.seen, sight.seen);
        sight.now += 1;
        kick(b, sight, &mut number);
        search(b, sight);
        let now = b.total();
        if now < total {
            total = now;
            continue;
        }
        copy(b.on, kept.on);
        for gpu in 0..b.gpus() {
            if at(sight.changed, gpu) > before {
                b.add_up(gpu);
            }
        }
        copy(sight.changed, kept.changed);
        copy(sight.seen, kept.seen);
    }
}

fn copy(to: &mut [u32], from: &[u32]) {
    for (to, &from) in to.iter_mut().zip(from) {
        *to = from;
    }
}

fn kick(b: &mut Board, sight: &mut Sight, number: &mut u64) {
    let (mut most, mut here) = (-1.0, 0);
    for (gpu, &cost) in b.cost.iter().enumerate() {
        if cost > most {
            most = cost;
            here = gpu;
        }
    }
    for _ in 0..SWAPS {
        sight.left = sight.left.saturating_sub(1);
        let there = draw(number, b.gpus());
        let (give, take) = (pick(b, number, here), pick(b, number, there));
        let (going, coming) = (at(b.on, give), at(b.on, take));
        let empty = b.held(here).is_empty() || b.held(there).is_empty();
        if empty || there == here || b.meets(there, going) || b.meets(here, coming) {
            continue;
        }
        put(b.on, give, coming);
        put(b.on, take, going);
        for gpu in [here, there] {
            b.add_up(gpu);
            sight.touch(gpu);
        }
        here = there;
    }
}

fn pick(b: &Board, number: &mut u64, gpu: usize) -> usize {
    b.start(gpu) + draw(number, b.start(gpu + 1) - b.start(gpu))
}

/// The next number of Knuth's sequence, as one below `below`.
fn draw(number: &mut u64, below: usize) -> usize {
    *number =
        number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (((*number >> 32) * below as u64) >> 32) as usize
}
