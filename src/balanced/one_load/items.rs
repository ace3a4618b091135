//! From counts to items: all replicas of the row in falling order of load / count.
//!
//! The experts that were split are a prefix of the sorted experts, the rest keeps its order: only the prefix
//! is sorted again, by expert, and merged in. Physical experts are numbered as DeepSeek EPLB does (the extras
//! in the order they were dealt), so that equal loads come in the same order as there.

use crate::balanced::one_load::board::SPLIT;
use crate::balanced::one_load::scale::fixed;
use crate::base::cells::{add, at, part, part_mut, put};
use crate::base::keys::{descending, insertion_sort, load_of_descending, sort};

pub struct Items<'a> {
    pub keys: &'a mut [u64],
    pub tmp: &'a mut [u64],
    pub start: &'a mut [u32],
}

/// Writes keys (f32 load, physical expert), w and expert of all items. `split`: the experts of order[split..]
/// have one replica each.
#[allow(clippy::too_many_arguments)]
pub fn items(
    load: &[f32],
    order: &[u64],
    split: usize,
    count: &[u32],
    extra: &[u32],
    factor: f64,
    s: &mut Items,
    w: &mut [u64],
    expert: &mut [u32],
) {
    let experts = order.len();
    let real = experts + extra.len();
    // The split experts by load / count.
    for (k, &o) in s.keys.iter_mut().zip(part(order, 0, split)) {
        let e = o as u32;
        *k = descending(at(load, e as usize) / at(count, e as usize) as f32, e as usize);
    }
    sort(part_mut(s.keys, 0, split), s.tmp);
    // Each with its replicas behind it, in tmp.
    let mut to = 0usize;
    for &k in part(s.keys, 0, split) {
        let e = k as u32;
        put(s.tmp, to, k);
        put(s.start, e as usize, to as u32 + 1);
        to += at(count, e as usize) as usize;
    }
    for (&e, physical) in extra.iter().zip(experts..) {
        let at_ = at(s.start, e as usize);
        let first = descending(at(load, e as usize) / at(count, e as usize) as f32, physical);
        put(s.tmp, at_ as usize, first);
        add(s.start, e as usize, 1);
    }
    // Equal loads of two experts interleave by physical number.
    if !insertion_sort(part_mut(s.tmp, 0, to), to.saturating_mul(16)) {
        // too many of equal load to insert one by one
        if let Some((tmp, buffer)) = s.tmp.split_at_mut_checked(real) {
            sort(part_mut(tmp, 0, to), buffer);
        }
    }
    // Merge with the rest, as far as the two overlap; below the smallest replica the rest stands as it is.
    let rest = part(order, split, experts);
    let last = if to == 0 { 0 } else { at(s.tmp, to - 1) };
    let mixed = to + below(rest, last);
    merge(part(s.tmp, 0, to), part(rest, 0, mixed - to), part_mut(s.keys, 0, mixed));
    for (k, &o) in part_mut(s.keys, mixed, real).iter_mut().zip(part(rest, mixed - to, rest.len()))
    {
        *k = o;
    }
    for ((&k, w), x) in part(s.keys, 0, mixed).iter().zip(w.iter_mut()).zip(expert.iter_mut()) {
        let physical = k as u32 as usize;
        let e = if physical < experts { physical as u32 } else { at(extra, physical - experts) };
        let c = at(count, e as usize);
        if c > 1 {
            *w = fixed(f64::from(at(load, e as usize)) * factor / f64::from(c));
            *x = e | SPLIT;
        } else {
            *w = fixed(f64::from(load_of_descending(k)) * factor);
            *x = e;
        }
    }
    for ((&k, w), x) in part(s.keys, mixed, real)
        .iter()
        .zip(part_mut(w, mixed, real))
        .zip(part_mut(expert, mixed, real))
    {
        *w = fixed(f64::from(load_of_descending(k)) * factor);
        *x = k as u32;
    }
}

/// How many of the ascending `keys` are below `k`.
fn below(keys: &[u64], k: u64) -> usize {
    let (mut low, mut high) = (0usize, keys.len());
    while low < high {
        let middle = low + (high - low) / 2;
        if at(keys, middle) < k {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

/// Merges two ascending slices into `out` (their lengths together), first half from the front, second from
/// the back: neither end can run past a slice that is not exhausted, and the two chains of loads run side by
/// side.
#[inline(always)]
fn merge(a: &[u64], b: &[u64], out: &mut [u64]) {
    let half = out.len() / 2;
    let (mut i, mut j) = (0usize, 0usize);
    let (mut x, mut y) = (a.len(), b.len());
    let Some((front, back)) = out.split_at_mut_checked(half) else { return };
    let odd = back.len() > front.len();
    let mut backs = back.iter_mut().rev();
    for f in front.iter_mut() {
        let (p, q) = (a.get(i).copied().unwrap_or(u64::MAX), b.get(j).copied().unwrap_or(u64::MAX));
        let second = q < p;
        *f = if second { q } else { p };
        j += usize::from(second);
        i += usize::from(!second);
        let (p, q) = (at(a, x.wrapping_sub(1)), at(b, y.wrapping_sub(1)));
        // An exhausted slice reads 0; when the other also holds 0, any of the two writes 0.
        let first = p > q || y == 0;
        if let Some(t) = backs.next() {
            *t = if first { p } else { q };
        }
        x = x.wrapping_sub(usize::from(first));
        y = y.wrapping_sub(usize::from(!first));
    }
    if odd && let Some(t) = backs.next() {
        let (p, q) = (a.get(i).copied().unwrap_or(u64::MAX), b.get(j).copied().unwrap_or(u64::MAX));
        *t = if q < p { q } else { p };
    }
}
