//! Swaps by rank: the GPU that takes longest gives one of its items for a slightly lighter one of another
//! GPU.
//!
//! Walking down the ranks from an item gives its partners in order of the load they take off. The first swap
//! that brings both GPUs within the target is taken, else the best that lowers the larger of the two. A walk
//! ends where no GPU could take the difference.

use crate::balanced::one_load::board::Board;
use crate::base::cells::at;

/// Lowers the largest time until it is within `target` or no swap helps; true when within. Swaps must gain at
/// least `grain`, so that rounding never decides. One unit of `effort` is one partner looked at.
#[inline(never)]
pub fn refine<const S: bool>(b: &mut Board<S>, target: u64, grain: u64, effort: &mut u64) -> bool {
    loop {
        let (h, most, least) = b.extremes();
        if most <= target {
            return true;
        }
        let (pair, looked) = match within(b, h, target, least) {
            (None, looked) => {
                let (pair, more) = improving(b, h, most.saturating_sub(grain), least);
                (pair, looked + more)
            }
            found => found,
        };
        *effort = effort.saturating_sub(looked);
        let Some((give, take)) = pair else { return false };
        b.swap(give, take);
        if *effort == 0 {
            return false;
        }
    }
}

/// The first swap that brings GPU h and its partner within `target`.
#[inline(never)] // as `improving`: the stack holds one of the two
fn within<const S: bool>(
    b: &Board<S>,
    h: usize,
    target: u64,
    least: u64,
) -> (Option<(usize, usize)>, u64) {
    let need = at(b.load, h).saturating_sub(b.allowed(h, target));
    let room = b.room(target, least);
    let mut looked = 0u64;
    if need > room {
        return (None, 0);
    }
    for &a in b.held(h) {
        let a = a as usize;
        let wa = at(b.w, a);
        let mut r = a + 1;
        while let Some(&w) = b.w.get(r) {
            if wa.wrapping_sub(w) >= need {
                break;
            }
            r += 1;
        }
        while let (Some(&w), Some(&q)) = (b.w.get(r), b.gpu.get(r)) {
            let d = wa.wrapping_sub(w);
            if d > room {
                break;
            }
            let q = q as usize;
            // h itself is above the target and cannot pass.
            if at(b.load, q).wrapping_add(d) <= b.allowed(q, target)
                && !b.collides(q, r as u32, a)
                && !b.collides(h, a as u32, r)
            {
                return (Some((a, r)), looked + (r - a) as u64);
            }
            r += 1;
        }
        looked += (r - a) as u64;
    }
    (None, looked)
}

/// The swap that leaves the larger of the two times smallest, below `best`.
#[inline(never)]
fn improving<const S: bool>(
    b: &Board<S>,
    h: usize,
    mut best: u64,
    least: u64,
) -> (Option<(usize, usize)>, u64) {
    let load = at(b.load, h);
    let room = b.room(best, least);
    let mut found = None;
    let mut looked = 0u64;
    for &a in b.held(h) {
        let a = a as usize;
        let wa = at(b.w, a);
        let stop = if S { room } else { best.saturating_sub(least) };
        let mut r = a + 1;
        while let (Some(&w), Some(&q)) = (b.w.get(r), b.gpu.get(r)) {
            let d = wa.wrapping_sub(w);
            if d >= stop {
                break;
            }
            let q = q as usize;
            let to = b.time(q, at(b.load, q).wrapping_add(d));
            let left = b.time(h, load.wrapping_sub(d));
            let worst = if to > left { to } else { left };
            if worst < best && q != h && !b.collides(q, r as u32, a) && !b.collides(h, a as u32, r)
            {
                best = worst;
                found = Some((a, r));
            }
            r += 1;
        }
        looked += (r - a) as u64;
    }
    (found, looked)
}
