//! The start: experts by falling mean, each replica to the GPU whose largest time over the windows stays
//! smallest. Experts that peak in the same window thereby avoid each other.

use crate::balanced::many_loads::board::Board;
use crate::balanced::many_loads::lanes::{self, WIDE};
use crate::base::cells::{NONE, add, at, part, part_mut, put};
use crate::base::keys::{descending, index_of, sort};

/// Fills the board. `keys`: `[E]`, `buffer` for [`sort`], `fill`: `[G]`. Gives up, answering false, when a
/// replica finds no GPU with room that does not hold its expert, even after another has moved for it.
pub fn greedy(
    b: &mut Board,
    mean: &[f32],
    keys: &mut [u64],
    buffer: &mut [u64],
    fill: &mut [u32],
) -> bool {
    for (expert, (key, &mean)) in keys.iter_mut().zip(mean).enumerate() {
        *key = descending(mean, expert);
    }
    sort(keys, buffer);
    clear(b, fill);
    for &key in keys.iter() {
        let expert = index_of(key) as u32;
        for _ in 0..at(b.count, expert as usize) {
            let to = lightest(b, fill, expert);
            let placed = match to {
                NONE => make_room(b, fill, expert),
                gpu => {
                    enter(b, fill, gpu as usize, expert);
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

fn clear(b: &mut Board, fill: &mut [u32]) {
    fill.fill(0);
    b.sum.fill([0.0; WIDE]);
    for gpu in 0..b.gpus() {
        note(b, fill, gpu);
    }
}

fn holds(b: &Board, fill: &[u32], gpu: usize, expert: u32) -> bool {
    let from = b.start(gpu);
    part(b.on, from, from + at(fill, gpu) as usize).contains(&expert)
}

fn enter(b: &mut Board, fill: &mut [u32], gpu: usize, expert: u32) {
    let n = b.blocks;
    put(b.on, b.start(gpu) + at(fill, gpu) as usize, expert);
    add(fill, gpu, 1);
    let from = expert as usize * n;
    lanes::add(part_mut(b.sum, gpu * n, (gpu + 1) * n), part(b.replica, from, from + n));
    note(b, fill, gpu);
}

/// Notes the largest time of a GPU, infinite when it is full, where its cost will be.
fn note(b: &mut Board, fill: &[u32], gpu: usize) {
    let full = b.start(gpu) + at(fill, gpu) as usize >= b.start(gpu + 1);
    let time = lanes::largest(b.of_gpu(gpu)) * at(b.slowness, gpu);
    put(b.cost, gpu, if full { f32::INFINITY } else { time });
}

/// The GPU with room that ends lowest, lowest index first.
fn lightest(b: &Board, fill: &[u32], expert: u32) -> u32 {
    let several = at(b.count, expert as usize) > 1;
    let (mut best, mut to) = (f32::INFINITY, NONE);
    let load = b.of_expert(expert);
    let gpus = b.sum.chunks_exact(b.blocks.max(1)).zip(b.slowness.iter()).zip(b.cost.iter());
    for (gpu, ((sum, &slowness), &now)) in gpus.enumerate() {
        // full, or no candidate even with nothing more
        if now >= best {
            continue;
        }
        let time = lanes::largest_with(sum, load) * slowness;
        if time < best && !(several && holds(b, fill, gpu, expert)) {
            best = time;
            to = gpu as u32;
        }
    }
    to
}

/// When every GPU with room holds `expert`: something of a GPU without it goes to one with room.
#[cold]
fn make_room(b: &mut Board, fill: &mut [u32], expert: u32) -> bool {
    for to in 0..b.gpus() {
        if b.start(to) + at(fill, to) as usize >= b.start(to + 1) {
            continue;
        }
        for from in 0..b.gpus() {
            if from == to || holds(b, fill, from, expert) {
                continue;
            }
            let start = b.start(from);
            for slot in start..start + at(fill, from) as usize {
                let other = at(b.on, slot);
                if !holds(b, fill, to, other) {
                    enter(b, fill, to, other);
                    put(b.on, slot, expert);
                    add_up_to(b, from, at(fill, from) as usize);
                    note(b, fill, from);
                    return true;
                }
            }
        }
    }
    false
}

/// The load of the first `fill` slots of a GPU, anew.
fn add_up_to(b: &mut Board, gpu: usize, fill: usize) {
    let n = b.blocks;
    let from = b.start(gpu);
    let sum = part_mut(b.sum, gpu * n, (gpu + 1) * n);
    sum.fill([0.0; WIDE]);
    for &expert in part(b.on, from, from + fill) {
        let from = expert as usize * n;
        lanes::add(sum, part(b.replica, from, from + n));
    }
}
