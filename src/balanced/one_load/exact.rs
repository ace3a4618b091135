//! Small rows: every vector of counts, and for each every packing, cut off by the best found so far. Counts that
//! leave slots empty are among them where the caller allows it: a replica more can be worse than none, since it
//! has to sit somewhere.
//!
//! No recursion: `pick` holds the choice at each depth. Items come in falling order, the replicas of an
//! expert on rising GPUs; of GPUs that are alike and empty only the first is tried.

use crate::balanced::one_load::row::Row;
use crate::balanced::one_load::scale::fixed;
use crate::base::cells::{at, change, part_mut, put};
use crate::base::keys::insertion_sort;

/// Slots, GPUs up to which the search is tried.
pub(super) const SLOTS: usize = 12;
pub(super) const GPUS: usize = 6;

/// An empty slot in `hold`.
pub(super) const EMPTY: u32 = u32::MAX;

pub fn small<const S: bool>(row: &Row<S>) -> bool {
    row.b.w.len() <= SLOTS && row.b.gpus <= GPUS
}

/// Betters `best` (a time) by at least `grain` if that can be done within `effort` nodes. Answers whether it
/// did: the placement is then in `hold`, with `EMPTY` in slots without an expert.
#[inline(never)]
pub fn exact<const S: bool>(
    row: &mut Row<S>,
    bound: u64,
    best: u64,
    grain: u64,
    effort: &mut u64,
) -> bool {
    let limit = best.saturating_sub(grain);
    let mut best = limit;
    let experts = row.experts();
    let gpus = row.b.gpus;
    let fastest = (0..gpus)
        .fold(0usize, |f, g| if row.b.time(g, 1 << 30) < row.b.time(f, 1 << 30) { g } else { f });
    // Counts as an odometer over experts by falling load.
    let mut count = [1u32; SLOTS];
    let mut depth = 0usize;
    let mut left = row.b.w.len() - experts;
    let mut fresh = true;
    while *effort > 0 && best > bound {
        if fresh {
            put(&mut count, depth, 1);
        } else if left == 0 || at(&count, depth) == row.cap {
            // All counts tried: back to the expert before.
            left += at(&count, depth) as usize - 1;
            if depth == 0 {
                break;
            }
            depth -= 1;
            continue;
        } else {
            change(&mut count, depth, |c| c + 1);
            left -= 1;
        }
        fresh = false;
        let e = at(row.order, depth) as u32;
        let weight = Row::<S>::weight(row.scaled, row.factor, e, at(&count, depth));
        if row.b.time(fastest, weight) >= best {
            continue;
        }
        if depth + 1 == experts {
            if left == 0 || row.may_stay_empty {
                best = pack(row, &count, best, effort);
            }
        } else {
            depth += 1;
            fresh = true;
        }
    }
    best < limit
}

/// Every packing of these counts.
#[inline(never)]
fn pack<const S: bool>(
    row: &mut Row<S>,
    count: &[u32; SLOTS],
    mut best: u64,
    effort: &mut u64,
) -> u64 {
    let experts = row.experts();
    let gpus = row.b.gpus;
    // Experts by falling share; items expert by expert.
    let mut shares = [0u64; SLOTS];
    for (i, &o) in row.order.iter().enumerate() {
        let w = Row::<S>::weight(row.scaled, row.factor, o as u32, at(count, i));
        put(&mut shares, i, (w << 8) | i as u64);
    }
    let n = experts;
    insertion_sort(part_mut(&mut shares, 0, n), usize::MAX);
    let (mut w, mut who, mut again) = ([0u64; SLOTS], [0u32; SLOTS], [false; SLOTS]);
    let mut items = 0usize;
    for i in (0..n).rev() {
        let s = at(&shares, i);
        let at_ = (s & 255) as usize;
        for k in 0..at(count, at_) {
            put(&mut w, items, s >> 8);
            put(&mut who, items, at(row.order, at_) as u32);
            put(&mut again, items, k > 0);
            items += 1;
        }
    }
    let mut pick = [0u32; SLOTS];
    let mut load = [0u64; GPUS];
    let mut room = [0u32; GPUS];
    for g in 0..gpus {
        put(&mut room, g, (row.b.start(g + 1) - row.b.start(g)) as u32);
    }
    let mut depth = 0usize;
    // The next GPU to try at this depth.
    let mut next = 0usize;
    loop {
        *effort = effort.saturating_sub(1);
        if *effort == 0 {
            return best;
        }
        let x = at(&w, depth);
        let mut g = next;
        while g < gpus {
            let full = at(&room, g) == 0;
            if !full
                && row.b.time(g, at(&load, g) + x) < best
                && !like_an_earlier(row, &load, &room, g)
            {
                break;
            }
            g += 1;
        }
        if g < gpus {
            put(&mut pick, depth, g as u32);
            change(&mut load, g, |l| l + x);
            change(&mut room, g, |r| r.wrapping_sub(1));
            depth += 1;
            next = if at(&again, depth) { g + 1 } else { 0 };
            if depth < items {
                continue;
            }
            // Complete, and better than the best: every step was below it.
            best = (0..gpus).fold(0, |m, g| row.b.time(g, at(&load, g)).max(m));
            row.hold.fill(EMPTY);
            let mut fill = [0usize; GPUS];
            for i in 0..items {
                let g = at(&pick, i) as usize;
                let slot = row.b.start(g) + at(&fill, g);
                put(row.hold, slot, at(&who, i));
                change(&mut fill, g, |f| f + 1);
            }
        }
        // Back to the last choice.
        if depth == 0 {
            return best;
        }
        depth -= 1;
        let g = at(&pick, depth) as usize;
        let x = at(&w, depth);
        change(&mut load, g, |l| l.wrapping_sub(x));
        change(&mut room, g, |r| r + 1);
        next = g + 1;
    }
}

/// Is a GPU of the same slots and speed, as empty as this one, before it?
fn like_an_earlier<const S: bool>(row: &Row<S>, load: &[u64], room: &[u32], g: usize) -> bool {
    let size = |g: usize| row.b.start(g + 1) - row.b.start(g);
    if at(room, g) as usize != size(g) {
        return false;
    }
    let probe = fixed((1u64 << 40) as f64);
    (0..g).any(|f| {
        at(load, f) == 0
            && at(room, f) == at(room, g)
            && size(f) == size(g)
            && row.b.time(f, probe) == row.b.time(g, probe)
    })
}
