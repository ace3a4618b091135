//! Rematch: every GPU offers one item; the offered items and what remains on the GPUs are paired in opposite
//! order, which no other pairing beats for the largest sum.

use crate::balanced::one_load::board::Board;
use crate::base::cells::{at, put};
use crate::base::keys::sort;

/// One sweep over column `k` of the GPUs' items; false when it was not applied (a collision it could not
/// undo, or the largest load would have grown by one).
#[inline(never)]
pub fn rematch<const S: bool>(
    b: &mut Board<S>,
    pick: impl Fn(usize) -> usize,
    limit: u64,
    rest: &mut [u64],
    offer: &mut [u64],
    tmp: &mut [u64],
) -> bool {
    let n = b.gpus;
    for g in 0..n {
        let r = at(b.on, b.start(g) + pick(g));
        put(rest, g, (at(b.load, g).wrapping_sub(at(b.w, r as usize)) << 16) | g as u64);
        put(offer, g, u64::from(r));
    }
    sort(rest, tmp);
    sort(offer, tmp);
    // A collision trades its item with the next pair, else with the one before.
    for i in 0..n {
        let (k, r) = (at(rest, i), at(offer, i));
        if !bars(b, &pick, k, r) {
            continue;
        }
        let mut done = false;
        for d in [1usize, 2, usize::MAX, usize::MAX - 1] {
            let j = i.wrapping_add(d);
            let (Some(&kj), Some(&rj)) = (rest.get(j), offer.get(j)) else { continue };
            if bars(b, &pick, k, rj) || bars(b, &pick, kj, r) {
                continue;
            }
            put(offer, i, rj);
            put(offer, j, r);
            done = true;
            break;
        }
        if !done {
            return false;
        }
    }
    let mut most = 0;
    for (&k, &r) in rest.iter().zip(offer.iter()) {
        let sum = (k >> 16) + at(b.w, r as usize);
        most = if sum > most { sum } else { most };
    }
    if most > limit {
        return false;
    }
    for (&k, &r) in rest.iter().zip(offer.iter()) {
        let g = (k & 0xffff) as usize;
        let slot = b.start(g) + pick(g);
        put(b.on, slot, r as u32);
        put(b.gpu, r as usize, g as u32);
        put(b.load, g, (k >> 16) + at(b.w, r as usize));
    }
    true
}

fn bars<const S: bool>(b: &Board<S>, pick: &impl Fn(usize) -> usize, k: u64, r: u64) -> bool {
    let g = (k & 0xffff) as usize;
    b.collides(g, at(b.on, b.start(g) + pick(g)), r as usize)
}
