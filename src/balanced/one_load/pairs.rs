//! Two slots a GPU: for given counts, pairing the items in opposite order is optimal, and LPT does just that;
//! what is left is to find the counts. Hill climbing: one replica from a donor to an expert of the worst
//! pair.

use crate::balanced::one_load::board::SPLIT;
use crate::balanced::one_load::chains::first_at_most;
use crate::base::cells::{at, part, put};

/// The largest sum of the items paired in opposite order, and the rank of the first item that has it.
pub fn worst(w: &[u64]) -> (u64, usize) {
    let n = w.len();
    let (mut most, mut rank) = (0, 0);
    for (i, (&a, &b)) in w.iter().zip(w.iter().rev()).take(n / 2).enumerate() {
        if a + b > most {
            most = a + b;
            rank = i;
        }
    }
    (most, rank)
}

/// One step: the best donor and receiver, or None. `weight(e, c)`: fixed point load of expert e at c
/// replicas. `tmp` and `first` (first rank of each expert) are scratch.
pub fn step(
    w: &[u64],
    expert: &[u32],
    count: &[u32],
    cap: u32,
    weight: impl Fn(u32, u32) -> u64,
    tmp: &mut [u64],
    effort: &mut u64,
) -> Option<(u32, u32)> {
    let n = w.len();
    let (mut most, rank) = worst(w);
    let mut found = None;
    for r in [rank, n - 1 - rank] {
        let e = at(expert, r) & !SPLIT;
        let ce = at(count, e as usize);
        if ce == 0 || ce >= cap {
            continue;
        }
        let we = at(w, r);
        let from_e = first_at_most(w, 0, we);
        let more = weight(e, ce + 1);
        let mut d_rank = 0usize;
        while d_rank < n {
            let x = at(expert, d_rank);
            let d = x & !SPLIT;
            if x & SPLIT == 0 || d == e {
                d_rank += 1;
                continue;
            }
            let cd = at(count, d as usize);
            let less = weight(d, cd - 1);
            if less < most && *effort > 0 {
                rebuild(w, expert, from_e, e, d_rank, x, (more, ce + 1), (less, cd - 1), tmp);
                *effort = effort.saturating_sub(n as u64);
                let (now, _) = worst(part(tmp, 0, n));
                if now < most {
                    most = now;
                    found = Some((d, e));
                }
            }
            d_rank += 1;
            while d_rank < n && at(expert, d_rank) == x {
                d_rank += 1;
            }
        }
    }
    found
}

#[allow(clippy::too_many_arguments)]
fn rebuild(
    w: &[u64],
    expert: &[u32],
    _from_e: usize,
    e: u32,
    _from_d: usize,
    d: u32,
    mut a: (u64, u32),
    mut b: (u64, u32),
    out: &mut [u64],
) {
    if a.0 < b.0 {
        core::mem::swap(&mut a, &mut b);
    }
    let mut to = 0usize;
    for (&x, &k) in w.iter().zip(expert) {
        if k == d || k & !SPLIT == e {
            continue;
        }
        while a.1 > 0 && a.0 >= x {
            put(out, to, a.0);
            to += 1;
            a.1 -= 1;
            if a.1 == 0 {
                core::mem::swap(&mut a, &mut b);
            }
        }
        put(out, to, x);
        to += 1;
    }
    for (v, c) in [a, b] {
        for _ in 0..c {
            put(out, to, v);
            to += 1;
        }
    }
}
