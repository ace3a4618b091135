//! Divisor rules: extra replicas one at a time, each to the largest load / divisor(count), lowest index
//! first among equals.
//!
//! D'Hondt: T. Jefferson 1792, V. D'Hondt 1878; in DeepSeek EPLB (2025) as `replicate_experts`.
//! Sainte-Lague: D. Webster 1832, A. Sainte-Lague 1910. The tails: seed documents 000 and 003.

use super::Replicas;
use crate::order::{descending, heap, index_of, load_of_descending};
use core::ops::Range;

/// A divisor: what a load is divided by, given the replicas that the expert has.
pub fn d_hondt(count: u32) -> f32 {
    count as f32
}

pub fn sainte_lague(count: u32) -> f32 {
    (2 * count - 1) as f32
}

/// One replica each: the first E' physical experts are the experts themselves.
pub fn start(load: &[f32], replicas: &mut Replicas) {
    replicas.count.fill(1);
    replicas.rank.fill(0);
    for (i, expert) in replicas.expert.iter_mut().take(load.len()).enumerate() {
        *expert = i as u32;
    }
}

/// Gives the physical experts of `places` away.
pub fn extend(
    load: &[f32],
    replicas: &mut Replicas,
    heap: &mut [u64],
    places: Range<usize>,
    divisor: impl Fn(u32) -> f32 + Copy,
) {
    if places.is_empty() {
        return;
    }
    build(load, replicas.count, heap, divisor);
    for place in places {
        let expert = index_of(heap::top(heap));
        let count = append(replicas, place, expert);
        if let Some(&load) = load.get(expert) {
            heap::replace_top(heap, descending(load / divisor(count), expert));
        }
    }
}

/// The same, each place by the divisor that predicts the lower peak (document 003): the larger of the
/// second largest load / count and the new load / count of the expert chosen. In f32 throughout.
pub fn extend_peak_aware(
    load: &[f32],
    replicas: &mut Replicas,
    d_heap: &mut [u64],
    s_heap: &mut [u64],
    places: Range<usize>,
) {
    if places.is_empty() {
        return;
    }
    build(load, replicas.count, d_heap, d_hondt);
    build(load, replicas.count, s_heap, sainte_lague);
    for place in places {
        let d = index_of(freshen(d_heap, 0, load, replicas.count, d_hondt));
        let s = index_of(freshen(s_heap, 0, load, replicas.count, sainte_lague));
        // the second largest stands below the largest; a lone expert is its own second
        let left = freshen(d_heap, 1, load, replicas.count, d_hondt);
        let right = freshen(d_heap, 2, load, replicas.count, d_hondt);
        let second = match left.min(right) {
            u64::MAX => load_of_descending(heap::top(d_heap)),
            key => load_of_descending(key),
        };
        let next = |expert: usize| match (load.get(expert), replicas.count.get(expert)) {
            (Some(load), Some(&count)) => load / (count as f32 + 1.0),
            _ => 0.0,
        };
        let (new_d, new_s) = (next(d), next(s));
        let larger = |a: f32, b: f32| if a > b { a } else { b };
        let (peak_d, peak_s) = (larger(second, new_d), larger(second, new_s));
        let difference = if peak_s > peak_d { peak_s - peak_d } else { peak_d - peak_s };
        let s_is_lower = peak_s + 1e-12 < peak_d;
        let s_is_as_low = difference <= 1e-12 && new_s <= new_d;
        append(replicas, place, if s_is_lower || s_is_as_low { s } else { d });
    }
}

/// A heap of all experts.
fn build(load: &[f32], count: &[u32], heap: &mut [u64], divisor: impl Fn(u32) -> f32) {
    for (expert, (key, (load, &count))) in heap.iter_mut().zip(load.iter().zip(count)).enumerate() {
        *key = descending(load / divisor(count), expert);
    }
    heap::build(heap);
}

/// The smallest key below and at `place`, brought up to date: counts only grow, so that a stale key is
/// too small, and comes up before it can do harm.
fn freshen(
    heap: &mut [u64],
    place: usize,
    load: &[f32],
    count: &[u32],
    divisor: impl Fn(u32) -> f32,
) -> u64 {
    loop {
        let Some(key) = heap.get_mut(place) else { return u64::MAX };
        let expert = index_of(*key);
        let (Some(load), Some(&count)) = (load.get(expert), count.get(expert)) else {
            return u64::MAX;
        };
        let fresh = descending(load / divisor(count), expert);
        if *key == fresh {
            return fresh;
        }
        *key = fresh;
        heap::sift_down(heap, place);
    }
}

/// Makes the physical expert at `place` the next replica of `expert`, and answers its new count.
fn append(replicas: &mut Replicas, place: usize, expert: usize) -> u32 {
    let Some(count) = replicas.count.get_mut(expert) else { return 1 };
    if let (Some(to), Some(rank)) = (replicas.expert.get_mut(place), replicas.rank.get_mut(place)) {
        *to = expert as u32;
        *rank = *count;
    }
    *count += 1;
    *count
}
