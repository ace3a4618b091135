//! How many replicas each expert of one row gets, and in which order they stand before packing.
//!
//! A rule gives counts and a list of physical experts, a fix-up then moves at most two replicas. Every fix-up decides from loads
//! and counts alone, so that any goes with any rule. For the divisor rules a move edits the list; for
//! water-filling it edits the counts, and the list is built afterwards (SPEC, "The move").

use super::{ascending, descending, first_largest, first_smallest};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    DHondt,
    /// D'Hondt, the last tenth Sainte-Lague (doc 000).
    SainteLagueTail,
    /// D'Hondt, the last tenth by the smaller predicted peak (doc 003).
    PeakAwareTail,
    /// Water-filling, then greedy fill (doc 001).
    Waterfill,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FixUp {
    None,
    /// Top donor to lightest receiver (before doc 000).
    OneMove,
    /// Best of top 2 x bottom 2 (doc 000).
    TopTwo,
    /// The same against the true second best (before doc 003).
    TrueSecond,
    /// As `TopTwo`, and once more after a shallow gain (doc 003).
    GuardedSecond,
    /// Best of top 2 x bottom 2, the peak computed anew (doc 001).
    Recompute,
}

/// The physical experts of one row, before packing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replicas {
    /// Logical expert of each physical expert.
    pub expert: Vec<usize>,
    /// Which replica of its expert each physical expert is.
    pub rank: Vec<usize>,
    /// Replicas of each logical expert.
    pub count: Vec<usize>,
}

/// Replicates the row's experts to `num_physical` physical experts.
pub fn replicate(rule: Rule, fix_up: FixUp, load: &[f32], num_physical: usize) -> Replicas {
    assert!(num_physical >= load.len() && !load.is_empty());
    if rule == Rule::Waterfill {
        let mut count = waterfill(load, num_physical);
        for (donor, receiver) in moves(fix_up, load, &count) {
            count[donor] -= 1;
            count[receiver] += 1;
        }
        return contiguous(count);
    }
    let mut replicas = divisor(rule, load, num_physical);
    for (donor, receiver) in moves(fix_up, load, &replicas.count) {
        move_replica(&mut replicas, donor, receiver);
    }
    replicas
}

// Rules

/// One replica of each expert, then one more at a time, appended (SPEC, "D'Hondt", "Sainte-Lague tail").
fn divisor(rule: Rule, load: &[f32], num_physical: usize) -> Replicas {
    let num_logical = load.len();
    let redundant = num_physical - num_logical;
    let tail = match rule {
        Rule::DHondt => 0,
        _ if redundant == 0 => 0, // the documents return before the tail
        _ => redundant.div_ceil(10).max(1),
    };
    let bulk = redundant - tail;

    let mut replicas = Replicas {
        expert: (0..num_logical).collect(),
        rank: vec![0; num_logical],
        count: vec![1; num_logical],
    };
    for step in 0..redundant {
        let count = &replicas.count;
        let best = if step < bulk {
            dhondt(load, count)
        } else if rule == Rule::PeakAwareTail {
            peak_aware(load, count)
        } else {
            sainte_lague(load, count)
        };
        replicas.expert.push(best);
        replicas.rank.push(replicas.count[best]);
        replicas.count[best] += 1;
    }
    replicas
}

/// First largest load / count (SPEC, "D'Hondt").
fn dhondt(load: &[f32], count: &[usize]) -> usize {
    first_largest(&averages(load, count))
}

/// First largest load / (2 count - 1) (SPEC, "Sainte-Lague tail").
fn sainte_lague(load: &[f32], count: &[usize]) -> usize {
    let benefit: Vec<f32> = load.iter().zip(count).map(|(x, &c)| x / (2 * c - 1) as f32).collect();
    first_largest(&benefit)
}

/// D'Hondt's or Sainte-Lague's choice, whichever predicts the lower peak (SPEC, "Peak-aware tail"), all in f32.
fn peak_aware(load: &[f32], count: &[usize]) -> usize {
    let average = averages(load, count);
    // Doc 003: with one expert the second largest is the largest.
    let second = match descending(&average).get(1) {
        Some(&i) => average[i],
        None => average[0],
    };
    let d = dhondt(load, count);
    let s = sainte_lague(load, count);
    let new_d = load[d] / (count[d] as f32 + 1.0);
    let new_s = load[s] / (count[s] as f32 + 1.0);
    let peak_d = second.max(new_d);
    let peak_s = second.max(new_s);
    let tie = (peak_s - peak_d).abs() <= 1e-12_f32;
    if peak_s + 1e-12_f32 < peak_d || (tie && new_s <= new_d) { s } else { d }
}

/// Counts by water-filling, then greedy fill (SPEC, "Water-filling").
fn waterfill(load: &[f32], num_physical: usize) -> Vec<usize> {
    let num_logical = load.len();
    let largest = load[first_largest(load)];
    if largest == 0.0 {
        let each = num_physical / num_logical;
        let remainder = num_physical % num_logical;
        return (0..num_logical).map(|e| if e < remainder { each + 1 } else { each }).collect();
    }

    let counts_at = |level: f64| -> Vec<usize> {
        load.iter().map(|x| ((x / level as f32).ceil() as usize).max(1)).collect()
    };
    let mut lo = 0.0_f64;
    let mut hi = f64::from(largest).max(1.0);
    for _ in 0..40 {
        let middle = (lo + hi) / 2.0;
        if counts_at(middle).iter().sum::<usize>() <= num_physical {
            hi = middle;
        } else {
            lo = middle;
        }
    }

    let mut count = counts_at(hi);
    loop {
        let left = num_physical - count.iter().sum::<usize>();
        if left == 0 {
            return count;
        }
        let top = descending(&averages(load, &count));
        for &e in top.iter().take(left.min(num_logical)) {
            count[e] += 1;
        }
    }
}

/// Replicas of an expert side by side, ranks 0.. in order (SPEC, "Water-filling").
fn contiguous(count: Vec<usize>) -> Replicas {
    let mut expert = Vec::new();
    let mut rank = Vec::new();
    for (e, &c) in count.iter().enumerate() {
        for r in 0..c {
            expert.push(e);
            rank.push(r);
        }
    }
    Replicas { expert, rank, count }
}

// Fix-ups

/// The moves (donor, receiver) that a fix-up makes, in order: none, one or two.
pub fn moves(fix_up: FixUp, load: &[f32], count: &[usize]) -> Vec<(usize, usize)> {
    // Documents: `num_log > 1`. Their `num_redundant > 0` needs no test: without extras nobody can donate.
    if load.len() < 2 {
        return Vec::new();
    }
    let only = |one: Option<(usize, usize)>| one.into_iter().collect();
    match fix_up {
        FixUp::None => Vec::new(),
        FixUp::OneMove => only(one_move(load, count)),
        FixUp::TopTwo => only(top_two(load, count, false).map(|(pair, _)| pair)),
        FixUp::TrueSecond => only(top_two(load, count, true).map(|(pair, _)| pair)),
        FixUp::GuardedSecond => guarded_second(load, count),
        FixUp::Recompute => only(recompute(load, count)),
    }
}

/// Before doc 000 (SPEC, "One move"), all in f32.
fn one_move(load: &[f32], count: &[usize]) -> Option<(usize, usize)> {
    let average = averages(load, count);
    let top = descending(&average);
    let (largest, second) = (average[top[0]], average[top[1]]);
    let donor = top[0];
    let receiver = first_smallest(&average);
    if donor == receiver || count[donor] < 2 {
        return None;
    }
    let new_d = load[donor] / (count[donor] as f32 - 1.0);
    let new_r = load[receiver] / (count[receiver] as f32 + 1.0);
    let new_peak = second.max(new_d).max(new_r);
    (new_peak + 1e-12_f32 < largest).then_some((donor, receiver))
}

/// The best of the top 2 donors x bottom 2 receivers with its predicted peak (SPEC, "Two by two"): f32 averages, the rest in f64.
fn top_two(load: &[f32], count: &[usize], true_second: bool) -> Option<((usize, usize), f64)> {
    let average = averages(load, count);
    let top = descending(&average);
    let bottom = ascending(&average);
    let largest = f64::from(average[top[0]]);
    let second = f64::from(average[top[1]]);

    let mut best: Option<((usize, usize), f64)> = None;
    for &d in &top[..2] {
        if count[d] < 2 {
            continue;
        }
        for &r in &bottom[..2] {
            if d == r {
                continue;
            }
            // Before doc 003 the largest stays where it is unless it is the donor's own; doc 000 always takes the second.
            let others = if true_second && d != top[0] { largest } else { second };
            let new_d = f64::from(load[d]) / (count[d] - 1) as f64;
            let new_r = f64::from(load[r]) / (count[r] + 1) as f64;
            let peak = others.max(new_d).max(new_r);
            if peak + 1e-12 < largest && best.is_none_or(|(_, best_peak)| peak < best_peak) {
                best = Some(((d, r), peak));
            }
        }
    }
    best
}

/// `top_two`, and once more when the first move gains a tenth or less (SPEC, "Guarded second").
fn guarded_second(load: &[f32], count: &[usize]) -> Vec<(usize, usize)> {
    let Some((first, predicted)) = top_two(load, count, false) else {
        return Vec::new();
    };
    let average = averages(load, count);
    let old_peak = f64::from(average[first_largest(&average)]);
    if old_peak - predicted > 0.10 * old_peak.max(1e-12) {
        return vec![first];
    }
    let mut count = count.to_vec();
    count[first.0] -= 1;
    count[first.1] += 1;
    match top_two(load, &count, false) {
        Some((second, _)) => vec![first, second],
        None => vec![first],
    }
}

/// The best of the top 2 donors that can give x bottom 2 receivers, by the whole row's new peak (SPEC, "Recompute").
fn recompute(load: &[f32], count: &[usize]) -> Option<(usize, usize)> {
    let average = averages(load, count);
    let peak_of = |average: &[f32]| f64::from(average[first_largest(average)]);
    let mut donors = descending(&average);
    donors.retain(|&e| count[e] > 1);
    let receivers = ascending(&average);

    // Doc 001: every acceptance lowers the bar, and the next must beat it by 1e-9 again.
    let mut best = None;
    let mut best_peak = peak_of(&average);
    for &d in donors.iter().take(2) {
        for &r in &receivers[..2] {
            if d == r {
                continue;
            }
            let mut tried = count.to_vec();
            tried[d] -= 1;
            tried[r] += 1;
            let peak = peak_of(&averages(load, &tried));
            if peak + 1e-9 < best_peak {
                best_peak = peak;
                best = Some((d, r));
            }
        }
    }
    best
}

/// The donor's physical expert of the highest rank becomes the receiver's newest (SPEC, "The move").
fn move_replica(replicas: &mut Replicas, donor: usize, receiver: usize) {
    let last = replicas.count[donor] - 1;
    let i = (0..replicas.expert.len())
        .find(|&i| replicas.expert[i] == donor && replicas.rank[i] == last)
        .unwrap();
    replicas.expert[i] = receiver;
    replicas.rank[i] = replicas.count[receiver];
    replicas.count[donor] -= 1;
    replicas.count[receiver] += 1;
}

/// Load of one replica of each expert, in f32 (SPEC, "The road").
fn averages(load: &[f32], count: &[usize]) -> Vec<f32> {
    load.iter().zip(count).map(|(x, &c)| x / c as f32).collect()
}
