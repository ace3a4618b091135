//! Count moves on a packed row: one slot changes its expert, so that expert e gets a replica more and expert
//! d one less. Either the GPU that takes longest holds e (its share of e falls), or it is the one that gives
//! up its replica of d.

use crate::balanced::one_load::board::{Board, SPLIT};
use crate::base::cells::{at, part};

/// The rank (a replica of d) that is to become one of expert `to`, and the largest time of the GPUs it
/// touches then.
#[derive(Clone, Copy)]
pub struct Move {
    pub worst: u64,
    pub rank: usize,
    pub to: u32,
}

/// Keeps the list sorted; what falls off its end is gone. Gives what the next must be below.
fn enter(list: &mut [Move], mut m: Move) -> u64 {
    let mut last = 0;
    for x in list.iter_mut() {
        if m.worst < x.worst {
            core::mem::swap(&mut m, x);
        }
        last = x.worst;
    }
    last
}

/// Fills `list` with the best moves that leave all they touch at `limit` or below; true when there is one.
/// `weight(e, c)`: load of expert e at c replicas, each expert at most `cap` of them.
pub fn find<const S: bool>(
    b: &Board<S>,
    count: &[u32],
    cap: u32,
    limit: u64,
    weight: impl Fn(u32, u32) -> u64,
    list: &mut [Move],
    effort: &mut u64,
) -> bool {
    let (h, _, _) = b.extremes();
    let load = at(b.load, h);
    let mut best = limit.wrapping_add(1);
    list.fill(Move { worst: best, rank: usize::MAX, to: 0 });
    let mut found = false;
    let n = b.w.len();
    let mut looked = 0u64;
    let mut end = 0usize;
    while end < n {
        let r = end;
        let x = at(b.expert, r);
        end += 1;
        if x & SPLIT == 0 {
            continue;
        }
        // The replicas of d follow each other, but for equal loads of two experts; those are left alone.
        let d = x & !SPLIT;
        let c = at(count, d as usize);
        while end < n && at(b.expert, end) == x {
            end += 1;
        }
        if (end - r) as u32 != c {
            continue;
        }
        looked += (end - r) as u64;
        let y = at(b.w, r);
        let rise = weight(d, c - 1).wrapping_sub(y);
        // Times of the GPUs of d, had its replicas grown; the largest two, without h.
        let (mut top, mut second, mut top_gpu, mut here) = (0u64, 0u64, 0u32, usize::MAX);
        for (&g, k) in part(b.gpu, r, end).iter().zip(r..end) {
            let t = b.time(g as usize, at(b.load, g as usize).wrapping_add(rise));
            if g as usize == h {
                here = k;
            } else if t > top {
                second = top;
                top = t;
                top_gpu = g;
            } else if t > second {
                second = t;
            }
        }
        if here != usize::MAX && top < best {
            // h gives up its replica; the largest item that fits takes the slot.
            let room = b.allowed(h, limit).saturating_add(y).saturating_sub(load);
            let mut last = d;
            for &x in b.expert.iter() {
                let e = x & !SPLIT;
                looked += 1;
                let c = at(count, e as usize);
                if e == last || e == d || c >= cap {
                    continue;
                }
                last = e;
                let small = weight(e, c + 1);
                if small <= room && !b.holds(h, e) {
                    let t = b.time(h, load.wrapping_sub(y).wrapping_add(small));
                    let worst = if t > top { t } else { top };
                    if worst < best {
                        best = enter(list, Move { worst, rank: here, to: e });
                        found = true;
                    }
                    break;
                }
            }
        }
        if second >= best {
            continue;
        }
        for (&g, k) in part(b.gpu, r, end).iter().zip(r..end) {
            let others = if g == top_gpu { second } else { top };
            if g as usize == h || others >= best {
                continue;
            }
            for &a in b.held(h) {
                looked += 1;
                let e = at(b.expert, a as usize) & !SPLIT;
                let c = at(count, e as usize);
                if e == d || c >= cap {
                    continue;
                }
                let small = weight(e, c + 1);
                let left = load
                    .wrapping_sub(at(b.w, a as usize))
                    .wrapping_add(small)
                    .wrapping_add(if here != usize::MAX { rise } else { 0 });
                let (t, u) = (
                    b.time(h, left),
                    b.time(g as usize, at(b.load, g as usize).wrapping_sub(y).wrapping_add(small)),
                );
                let mut worst = if t > u { t } else { u };
                worst = if others > worst { others } else { worst };
                if worst < best && !b.holds(g as usize, e) {
                    best = enter(list, Move { worst, rank: k, to: e });
                    found = true;
                }
            }
        }
    }
    *effort = effort.saturating_sub(looked);
    found && *effort > 0
}
