//! Chains of two swaps, when no single swap helps: the GPU that takes longest swaps with any other and lets
//! it overflow, a second swap of that one with a third mends it. Accepted when all three end at least a
//! hundredth of the way from the largest time to the bound: asking for more got stuck earlier, asking for
//! less was no better.

use crate::balanced::one_load::board::{Board, SPLIT};
use crate::base::cells::at;

/// Part of the excess over the bound that a chain must remove.
pub(super) const STEP: u64 = 100;

/// One chain, the first that is good enough; false when there is none or `effort` is spent.
#[inline(never)]
pub fn chain<const S: bool>(b: &mut Board<S>, bound: u64, grain: u64, effort: &mut u64) -> bool {
    let (h, most, least) = b.extremes();
    let limit = most.saturating_sub(most.saturating_sub(bound) / STEP).saturating_sub(grain);
    if limit < bound {
        return false;
    }
    let need = at(b.load, h).saturating_sub(b.allowed(h, limit)).max(1);
    let room = b.room(limit, least);
    let n = b.w.len();
    let mut looked = 0u64;
    for j in b.start(h)..b.start(h + 1) {
        let a = at(b.on, j) as usize;
        let wa = at(b.w, a);
        if wa < need {
            continue;
        }
        let mut r = first_at_most(b.w, a + 1, wa - need);
        while r < n {
            let d = wa.wrapping_sub(at(b.w, r));
            if d > room.saturating_mul(2) {
                break;
            }
            let q = at(b.gpu, r) as usize;
            let over = at(b.load, q).wrapping_add(d).saturating_sub(b.allowed(q, limit));
            looked += 1;
            if q != h && over <= room && over > 0 && !b.collides(h, a as u32, r) {
                if let Some((c, x)) = mend(b, h, q, a, r, over, room, limit, &mut looked) {
                    b.swap(a, r);
                    b.swap(c, x);
                    *effort = effort.saturating_sub(looked);
                    return true;
                }
                if looked > *effort {
                    *effort = 0;
                    return false;
                }
            }
            r += 1;
        }
    }
    *effort = effort.saturating_sub(looked);
    false
}

/// The second swap: q, which now holds a instead of r and is `over` too much, gives c for x of a third GPU.
#[allow(clippy::too_many_arguments)]
#[inline(always)]
fn mend<const S: bool>(
    b: &Board<S>,
    h: usize,
    q: usize,
    a: usize,
    r: usize,
    over: u64,
    room: u64,
    limit: u64,
    looked: &mut u64,
) -> Option<(usize, usize)> {
    let n = b.w.len();
    for j in b.start(q)..b.start(q + 1) + 1 {
        let c = if j == b.start(q + 1) { a } else { at(b.on, j) as usize };
        let wc = at(b.w, c);
        if c == r || wc < over {
            continue;
        }
        let mut x = first_at_most(b.w, c + 1, wc - over);
        while x < n {
            let back = wc.wrapping_sub(at(b.w, x));
            if back > room {
                break;
            }
            *looked += 1;
            let t = at(b.gpu, x) as usize;
            let fits = at(b.load, t).wrapping_add(back) <= b.allowed(t, limit);
            if fits && t != q && t != h && takes(b, q, r, c, a, x) && !b.collides(t, x as u32, c) {
                return Some((c, x));
            }
            x += 1;
        }
    }
    None
}

/// Does `q`, without ranks r and c, take a and x (only x when c is a)?
fn takes<const S: bool>(b: &Board<S>, q: usize, r: usize, c: usize, a: usize, x: usize) -> bool {
    let (ea, ex) = (at(b.expert, a), at(b.expert, x));
    if c == a {
        return !b.collides(q, r as u32, x);
    }
    if ea == ex {
        return false;
    }
    if (ea | ex) & SPLIT == 0 {
        return true;
    }
    let mut hit = false;
    for &k in b.held(q) {
        let e = at(b.expert, k as usize);
        hit |= k != r as u32
            && k != c as u32
            && ((ea & SPLIT != 0 && e == ea) || (ex & SPLIT != 0 && e == ex));
    }
    !hit
}

/// The first rank at or after `from` whose load is at most `w`.
pub fn first_at_most(ws: &[u64], from: usize, w: u64) -> usize {
    let (mut low, mut high) = (from, ws.len());
    while low < high {
        let middle = low + (high - low) / 2;
        if at(ws, middle) > w {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}
