//! Water-filling: the lowest level T such that ceil(load / T) replicas for each expert fit the slots.
//!
//! Seed document 001. Bisection in f64, the division in f32, as the document has them.

use super::Replicas;
use crate::order::{descending, heap, index_of, load_of_descending, sort};

/// The number of halvings that the document makes.
const HALVINGS: u32 = 40;

/// Counts that sum to `slots`.
pub fn counts(load: &[f32], slots: usize, count: &mut [u32], keys: &mut [u64], buffer: &mut [u64]) {
    count.fill(1);
    for (expert, (key, &load)) in keys.iter_mut().zip(load).enumerate() {
        *key = descending(load, expert);
    }
    sort(keys, buffer);
    let largest = load_of_descending(heap::top(keys));
    if largest > 0.0 {
        let level = level(keys, slots, largest);
        for &key in keys.iter() {
            let load = load_of_descending(key);
            if load <= level {
                break; // and so are all that follow
            }
            if let Some(count) = count.get_mut(index_of(key)) {
                *count = replicas_below(load, level);
            }
        }
    }
    fill(load, slots, count, keys);
}

/// The level, from experts in order of descending load.
fn level(sorted: &[u64], slots: usize, largest: f32) -> f32 {
    let (mut low, mut high) = (0.0, if largest > 1.0 { f64::from(largest) } else { 1.0 });
    for _ in 0..HALVINGS {
        let middle = (low + high) / 2.0;
        // the document divides by the level as f32: once it no longer moves there, the answer is known
        let level = middle as f32;
        if level == high as f32 || (level != low as f32 && fits(sorted, slots, level)) {
            high = middle;
        } else {
            low = middle;
        }
    }
    high as f32
}

/// Whether ceil(load / level) replicas each, at least one, fit the slots. Only loads above the level
/// need a look.
fn fits(sorted: &[u64], slots: usize, level: f32) -> bool {
    let mut spare = slots.saturating_sub(sorted.len()) as u64;
    for &key in sorted {
        let load = load_of_descending(key);
        if load <= level {
            return true;
        }
        let extra = u64::from(replicas_below(load, level)) - 1;
        if extra > spare {
            return false;
        }
        spare -= extra;
    }
    true
}

/// Replicas of a load that keep each at or below the level; for load > level > 0.
fn replicas_below(load: f32, level: f32) -> u32 {
    // the cast saturates, far above any number of slots
    (libm::ceilf(load / level) as u32).max(1)
}

/// Gives the slots left over to the largest load / count: one to each of as many experts as there are
/// slots, all at once. Equal averages by lowest index, which spreads loads of zero evenly.
fn fill(load: &[f32], slots: usize, count: &mut [u32], keys: &mut [u64]) {
    let used: u64 = count.iter().fold(0, |sum, &count| sum + u64::from(count));
    let mut left = (slots as u64).saturating_sub(used);
    while left >= count.len() as u64 && !count.is_empty() {
        for count in count.iter_mut() {
            *count += 1;
        }
        left -= count.len() as u64;
    }
    if left == 0 {
        return;
    }
    for (expert, (key, (load, &count))) in
        keys.iter_mut().zip(load.iter().zip(count.iter())).enumerate()
    {
        *key = descending(load / count as f32, expert);
    }
    heap::build(keys);
    let mut heap = keys;
    for _ in 0..left {
        let expert = index_of(heap::top(heap));
        if let Some(count) = count.get_mut(expert) {
            *count += 1;
        }
        let Some((last, rest)) = heap.split_last_mut() else { return };
        heap::replace_top(rest, *last);
        heap = rest;
    }
}

/// Lists the replicas of each expert side by side, ranks in order.
pub fn stand_together(replicas: &mut Replicas) {
    let mut places = replicas.expert.iter_mut().zip(replicas.rank.iter_mut());
    for (e, &count) in replicas.count.iter().enumerate() {
        for (r, (expert, rank)) in (0..count).zip(places.by_ref()) {
            *expert = e as u32;
            *rank = r;
        }
    }
}
