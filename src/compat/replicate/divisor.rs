//! Divisor rules: extra replicas one at a time, each to the largest load / divisor(count), lowest index
//! first among equals.
//!
//! D'Hondt: T. Jefferson 1792, V. D'Hondt 1878; in DeepSeek EPLB (2025) as `replicate_experts`.
//! Sainte-Lague: D. Webster 1832, A. Sainte-Lague 1910. The tails: see docs/POLICIES.md.

use crate::base::keys::{descending, heap, index_of, load_of_descending};
use crate::compat::replicate::replicas::Replicas;
use core::ops::Range;

/// A divisor: what a load is divided by, given the replicas that the expert has.
fn d_hondt(count: u32) -> f32 {
    count as f32
}

fn sainte_lague(count: u32) -> f32 {
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

/// Gives the physical experts of `places` away, the first that are given, by D'Hondt.
///
/// Of replicas that are all as large as the largest, the slots could hold no more than the total: so the
/// largest is always at least the total / slots, and no expert below that is ever chosen. It need not be
/// in the heap.
pub fn extend_d_hondt(
    load: &[f32],
    replicas: &mut Replicas,
    heap: &mut [u64],
    places: Range<usize>,
) {
    const ROUNDING: f64 = 1.0 - 1e-5;
    let mean = total(load) / places.end as f64;
    extend(load, replicas, heap, places, (mean * ROUNDING) as f32, d_hondt);
}

/// Gives the physical experts of `places` away by Sainte-Lague.
pub fn extend_sainte_lague(
    load: &[f32],
    replicas: &mut Replicas,
    heap: &mut [u64],
    places: Range<usize>,
) {
    extend(load, replicas, heap, places, 0.0, sainte_lague);
}

fn extend(
    load: &[f32],
    replicas: &mut Replicas,
    heap: &mut [u64],
    places: Range<usize>,
    least: f32,
    divisor: impl Fn(u32) -> f32,
) {
    if places.is_empty() {
        return;
    }
    let heap = build(load, replicas.count, heap, least, &divisor);
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
    let d_heap = build(load, replicas.count, d_heap, 0.0, d_hondt);
    let s_heap = build(load, replicas.count, s_heap, 0.0, sainte_lague);
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

/// A heap of the experts with at least the `least` load.
fn build<'h>(
    load: &[f32],
    count: &[u32],
    heap: &'h mut [u64],
    least: f32,
    divisor: impl Fn(u32) -> f32,
) -> &'h mut [u64] {
    let mut len = 0;
    for (expert, (&load, &count)) in load.iter().zip(count).enumerate() {
        if let Some(key) = heap.get_mut(len) {
            *key = descending(load / divisor(count), expert);
        }
        len += usize::from(load >= least);
    }
    let heap = heap.get_mut(..len).unwrap_or_default();
    heap::build(heap);
    heap
}

/// The total load, in four sums at a time: nothing depends on its last bits.
fn total(load: &[f32]) -> f64 {
    let (fours, rest) = load.as_chunks::<4>();
    let add = |sums: [f64; 4], four: &[f32; 4]| {
        let [a, b, c, d] = four.map(f64::from);
        let [e, f, g, h] = sums;
        [a + e, b + f, c + g, d + h]
    };
    let [a, b, c, d] = fours.iter().fold([0.0; 4], add);
    rest.iter().fold(a + b + c + d, |sum, &load| sum + f64::from(load))
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

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec;
    use std::vec::Vec;

    type Extend = fn(&[f32], &mut Replicas, &mut [u64], Range<usize>);

    fn check(extend: Extend, divisor: fn(u32) -> f32) {
        for experts in 1..20 {
            let load: Vec<f32> = (0..experts).map(|expert| (expert * 37 % 11) as f32).collect();
            let places = 2 * experts + 3;
            let (mut expert, mut rank) = (vec![9; places], vec![9; places]);
            let (mut count, mut heap) = (vec![9; experts], vec![9; experts]);
            let mut replicas = Replicas { expert: &mut expert, rank: &mut rank, count: &mut count };
            start(&load, &mut replicas);
            extend(&load, &mut replicas, &mut heap, experts..places);
            let mut expected = vec![1; experts];
            for _ in experts..places {
                let quotient = |expert: usize| load[expert] / divisor(expected[expert]);
                let order = |&a: &usize, &b: &usize| quotient(a).total_cmp(&quotient(b));
                let largest = (0..experts).rev().max_by(order).unwrap(); // lowest among equals
                expected[largest] += 1;
            }
            assert_eq!(count, expected);
        }
    }

    #[test]
    fn each_replica_goes_to_the_largest_quotient() {
        check(extend_d_hondt, d_hondt);
        check(extend_sainte_lague, sainte_lague);
    }
}
