//! The start: experts by falling mean, each replica to the GPU whose largest time over the windows stays
//! smallest. Experts that peak in the same window thereby avoid each other.

use crate::balanced::many_loads::lanes::{self, WIDE};
use crate::balanced::many_loads::packing::Packing;
use crate::base::cells::{NONE, add, at, part, part_mut, put};
use crate::base::keys::{descending, index_of, sort};

/// Fills the packing. `keys`: `[E]`, `buffer` for [`sort`], `filled`: `[G]`. Gives up, answering false, when a
/// replica finds no GPU with room that does not hold its expert, even after another has moved for it.
pub fn greedy(
    packing: &mut Packing,
    mean: &[f32],
    keys: &mut [u64],
    buffer: &mut [u64],
    filled: &mut [u32],
) -> bool {
    for (expert, (key, &mean)) in keys.iter_mut().zip(mean).enumerate() {
        *key = descending(mean, expert);
    }
    sort(keys, buffer);
    clear(packing, filled);
    for &key in keys.iter() {
        let expert = index_of(key) as u32;
        for _ in 0..at(packing.count, expert as usize) {
            let to = lightest(packing, filled, expert);
            let placed = match to {
                NONE => make_room(packing, filled, expert),
                gpu => {
                    place(packing, filled, gpu as usize, expert);
                    true
                }
            };
            if !placed {
                return false;
            }
        }
    }
    true
}

fn clear(packing: &mut Packing, filled: &mut [u32]) {
    filled.fill(0);
    packing.sum.fill([0.0; WIDE]);
    for gpu in 0..packing.gpus() {
        note(packing, filled, gpu);
    }
}

fn holds(packing: &Packing, filled: &[u32], gpu: usize, expert: u32) -> bool {
    let from = packing.start(gpu);
    part(packing.expert_at, from, from + at(filled, gpu) as usize).contains(&expert)
}

fn place(packing: &mut Packing, filled: &mut [u32], gpu: usize, expert: u32) {
    let n = packing.blocks;
    put(packing.expert_at, packing.start(gpu) + at(filled, gpu) as usize, expert);
    add(filled, gpu, 1);
    let from = expert as usize * n;
    lanes::add(
        part_mut(packing.sum, gpu * n, (gpu + 1) * n),
        part(packing.replica, from, from + n),
    );
    note(packing, filled, gpu);
}

/// Notes the largest time of a GPU, infinite when it is full, where its cost will be.
fn note(packing: &mut Packing, filled: &[u32], gpu: usize) {
    let full = packing.start(gpu) + at(filled, gpu) as usize >= packing.start(gpu + 1);
    let time = lanes::largest(packing.of_gpu(gpu)) * at(packing.slowness, gpu);
    put(packing.cost, gpu, if full { f32::INFINITY } else { time });
}

/// The GPU with room that ends lowest, lowest index first.
fn lightest(packing: &Packing, filled: &[u32], expert: u32) -> u32 {
    let several = at(packing.count, expert as usize) > 1;
    let (mut best, mut to) = (f32::INFINITY, NONE);
    let load = packing.of_expert(expert);
    let gpus = packing
        .sum
        .chunks_exact(packing.blocks.max(1))
        .zip(packing.slowness.iter())
        .zip(packing.cost.iter());
    for (gpu, ((sum, &slowness), &now)) in gpus.enumerate() {
        // full, or no candidate even with nothing more
        if now >= best {
            continue;
        }
        let time = lanes::largest_with(sum, load) * slowness;
        if time < best && !(several && holds(packing, filled, gpu, expert)) {
            best = time;
            to = gpu as u32;
        }
    }
    to
}

/// When every GPU with room holds `expert`: something of a GPU without it goes to one with room.
#[cold]
fn make_room(packing: &mut Packing, filled: &mut [u32], expert: u32) -> bool {
    for to in 0..packing.gpus() {
        if packing.start(to) + at(filled, to) as usize >= packing.start(to + 1) {
            continue;
        }
        for from in 0..packing.gpus() {
            if from == to || holds(packing, filled, from, expert) {
                continue;
            }
            let start = packing.start(from);
            for slot in start..start + at(filled, from) as usize {
                let other = at(packing.expert_at, slot);
                if !holds(packing, filled, to, other) {
                    place(packing, filled, to, other);
                    put(packing.expert_at, slot, expert);
                    add_up_to(packing, from, at(filled, from) as usize);
                    note(packing, filled, from);
                    return true;
                }
            }
        }
    }
    false
}

/// The load of the first `filled` slots of a GPU, anew.
fn add_up_to(packing: &mut Packing, gpu: usize, filled: usize) {
    let n = packing.blocks;
    let from = packing.start(gpu);
    let sum = part_mut(packing.sum, gpu * n, (gpu + 1) * n);
    sum.fill([0.0; WIDE]);
    for &expert in part(packing.expert_at, from, from + filled) {
        let from = expert as usize * n;
        lanes::add(sum, part(packing.replica, from, from + n));
    }
}
