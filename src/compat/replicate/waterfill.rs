//! Water-filling: the lowest level T such that ceil(load / T) replicas for each expert fit the slots.
//!
//! Seed document 001, which finds the level by bisection. But the level is the largest replica that D'Hondt
//! leaves, but for a rounding or two: found there, it answers every question that the bisection asks.

use crate::base::keys::{descending, heap, index_of, load_of_descending};
use crate::compat::replicate::divisor;
use crate::compat::replicate::replicas::Replicas;

/// The number of halvings that the document makes.
const HALVINGS: u32 = 40;

/// Counts that sum to the slots (`replicas.expert.len()`). The other arrays are left without meaning.
pub fn counts(load: &[f32], replicas: &mut Replicas, keys: &mut [u64]) {
    let slots = replicas.expert.len();
    divisor::start(load, replicas);
    divisor::extend_d_hondt(load, replicas, keys, load.len()..slots);
    let averages = load.iter().zip(replicas.count.iter()).map(|(load, &count)| load / count as f32);
    let peak = averages.fold(0.0, |most, average| if average > most { average } else { most });

    replicas.count.fill(1);
    // no level worth trying is so far below the peak, hence no other expert will be split
    let floor = peak * (1.0 - 1.0 / 65536.0);
    let mut large = 0;
    for (expert, &load) in load.iter().enumerate() {
        if let Some(key) = keys.get_mut(large) {
            *key = descending(load, expert);
        }
        large += usize::from(load > floor);
    }
    if let Some(large) = keys.get(..large).filter(|large| !large.is_empty()) {
        let level = level(large, slots - load.len(), peak);
        for &key in large {
            if let Some(count) = replicas.count.get_mut(index_of(key)) {
                *count = replicas_below(load_of_descending(key), level);
            }
        }
    }
    fill(load, slots, replicas.count, keys);
}

/// What the document's bisection of [0, max(largest load, 1)] ends at. It runs in f64 and divides by the
/// level as f32, so that only the lowest f32 which fits decides its course.
fn level(large: &[u64], spare: usize, peak: f32) -> f32 {
    let mut lowest = peak;
    while !fits(large, spare, lowest) {
        lowest = lowest.next_up();
    }
    while fits(large, spare, lowest.next_down()) {
        lowest = lowest.next_down();
    }
    let largest = large.iter().map(|&key| load_of_descending(key));
    let largest = largest.fold(1.0, |most, load| if load > most { load } else { most });
    let (mut low, mut high) = (0.0, f64::from(largest));
    for _ in 0..HALVINGS {
        let middle = (low + high) / 2.0;
        if middle as f32 >= lowest {
            high = middle;
        } else {
            low = middle;
        }
    }
    high as f32
}

/// Whether `spare` slots suffice for ceil(load / level) replicas each, at least one. The higher the level,
/// the better.
fn fits(large: &[u64], spare: usize, level: f32) -> bool {
    let extra = |&key: &u64| u64::from(replicas_below(load_of_descending(key), level)) - 1;
    large.iter().map(extra).sum::<u64>() <= spare as u64
}

/// The fewest replicas, at least one, that keep each at or below the level.
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
