//! DeepSeek's packing: items by falling load, each to the GPU with room and the least load, lowest index
//! first. Loads in f32, so that the result is theirs, bit for bit, as long as no replica meets its like; then
//! it goes to the next lightest GPU that may take it. With speeds the GPU that would be done first takes the
//! item.
//!
//! Without speeds the GPUs sit in a tournament tree; a full GPU has the key `u64::MAX`.

use crate::balanced::one_load::board::{Board, SPLIT};
use crate::base::cells::{add, at, change, part, put};
use crate::base::keys::load_of_descending;

/// Fills the board; `keys` are the items', `tree` holds 2 * (gpus rounded up to a power of two), `next` one
/// per GPU. False: a replica found no GPU, nor could another item make room (the board is then not usable).
pub fn lpt<const S: bool>(
    b: &mut Board<S>,
    keys: &[u64],
    tree: &mut [u64],
    next: &mut [u32],
) -> bool {
    // The usual sizes with a tree of known size: no bounds to check, and all its levels unrolled.
    match b.gpus.next_power_of_two() {
        32 if !S => tree.first_chunk_mut::<64>().is_some_and(|t| deal(b, keys, t, 32, next)),
        64 if !S => tree.first_chunk_mut::<128>().is_some_and(|t| deal(b, keys, t, 64, next)),
        128 if !S => tree.first_chunk_mut::<256>().is_some_and(|t| deal(b, keys, t, 128, next)),
        256 if !S => tree.first_chunk_mut::<512>().is_some_and(|t| deal(b, keys, t, 256, next)),
        width => deal(b, keys, tree, width, next),
    }
}

/// `next`: the first free slot of each GPU.
#[inline(always)]
fn deal<const S: bool>(
    b: &mut Board<S>,
    keys: &[u64],
    tree: &mut (impl Tree + ?Sized),
    width: usize,
    next: &mut [u32],
) -> bool {
    for (n, &f) in next.iter_mut().zip(b.first.iter()) {
        *n = f;
    }
    let opened = if S {
        b.load.fill(0);
        0
    } else {
        open(b, keys, tree, width, next)
    };
    let mut best = tree.node(1);
    for (&k, r) in keys.iter().zip(0usize..).skip(opened) {
        let e = at(b.expert, r);
        if !S && e & SPLIT != 0 && best != u64::MAX && has(b, best as u32 as usize, next, e) {
            best = next_lightest(b, e, tree, width, next);
        }
        let found = if S {
            soonest(b, r, e, next)
        } else if best == u64::MAX {
            None
        } else {
            Some(best as u32 as usize)
        };
        let Some(g) = found else {
            let Some((x, from, to)) = make_room(b, e, next) else { return false };
            give_way(b, r, x, from, to, next);
            if !S {
                let before = tree.node(width + to);
                let full = at(next, to) as usize == b.start(to + 1);
                best = update(
                    tree,
                    width,
                    to,
                    load_of(before) + load_of_descending(at(keys, x as usize)),
                    full,
                );
            }
            continue;
        };
        let slot = at(next, g);
        put(b.on, slot as usize, r as u32);
        put(b.gpu, r, g as u32);
        put(next, g, slot + 1);
        if let (Some(x), Some(&w)) = (b.load.get_mut(g), b.w.get(r)) {
            *x = x.wrapping_add(w);
        }
        if !S {
            best = update(
                tree,
                width,
                g,
                load_of(best) + load_of_descending(k),
                slot + 1 == at(b.first, g + 1),
            );
        }
    }
    true
}

/// A tournament tree: the winner of nodes 2 n and 2 n + 1 at n, the GPUs at width ...
trait Tree {
    fn node(&self, i: usize) -> u64;
    fn set(&mut self, i: usize, v: u64);
    /// Levels above the leaves, for a tree of this width.
    fn levels(&self, width: usize) -> u32;
}

impl<const N: usize> Tree for [u64; N] {
    #[inline(always)]
    fn node(&self, i: usize) -> u64 {
        at(self, i & (N - 1))
    }
    #[inline(always)]
    fn set(&mut self, i: usize, v: u64) {
        put(self, i & (N - 1), v);
    }
    #[inline(always)]
    fn levels(&self, _width: usize) -> u32 {
        N.trailing_zeros() - 1
    }
}

impl Tree for [u64] {
    #[inline(always)]
    fn node(&self, i: usize) -> u64 {
        at(self, i)
    }
    #[inline(always)]
    fn set(&mut self, i: usize, v: u64) {
        put(self, i, v);
    }
    #[inline(always)]
    fn levels(&self, width: usize) -> u32 {
        width.trailing_zeros()
    }
}

#[inline(always)]
fn load_of(leaf: u64) -> f32 {
    f32::from_bits((leaf >> 32) as u32)
}

/// Puts the first item of each GPU, the heaviest on the first, and plants the tree.
fn open<const S: bool>(
    b: &mut Board<S>,
    keys: &[u64],
    tree: &mut (impl Tree + ?Sized),
    width: usize,
    next: &mut [u32],
) -> usize {
    for g in 0..width {
        let leaf = if g < b.gpus {
            let slot = b.start(g);
            put(b.on, slot, g as u32);
            put(next, g, slot as u32 + 1);
            put(b.gpu, g, g as u32);
            put(b.load, g, at(b.w, g));
            if slot + 1 == b.start(g + 1) {
                u64::MAX
            } else {
                u64::from(load_of_descending(at(keys, g)).to_bits()) << 32 | g as u64
            }
        } else {
            u64::MAX
        };
        tree.set(width + g, leaf);
    }
    let mut node = width;
    while node > 1 {
        node -= 1;
        let (l, r) = (tree.node(node * 2), tree.node(node * 2 + 1));
        tree.set(node, if l < r { l } else { r });
    }
    b.gpus
}

/// Writes a leaf and plays its games again; gives the new winner.
#[inline(always)]
fn update(tree: &mut (impl Tree + ?Sized), width: usize, g: usize, load: f32, full: bool) -> u64 {
    let mut v = if full { u64::MAX } else { (u64::from(load.to_bits()) << 32) | g as u64 };
    let mut node = width + g;
    tree.set(node, v);
    for _ in 0..tree.levels(width) {
        let other = tree.node(node ^ 1);
        v = if other < v { other } else { v };
        node >>= 1;
        tree.set(node, v);
    }
    v
}

/// The lightest GPU with room and without `e`: rare, so by looking at all.
#[cold]
fn next_lightest<const S: bool>(
    b: &Board<S>,
    e: u32,
    tree: &(impl Tree + ?Sized),
    width: usize,
    next: &[u32],
) -> u64 {
    let mut best = u64::MAX;
    for g in 0..b.gpus {
        let t = tree.node(width + g);
        if t < best && !has(b, g, next, e) {
            best = t;
        }
    }
    best
}

/// Rank x leaves `from` for `to`, which is not full; rank r takes its place.
#[cold]
fn give_way<const S: bool>(
    b: &mut Board<S>,
    r: usize,
    x: u32,
    from: usize,
    to: usize,
    next: &mut [u32],
) {
    let there = at(next, to) as usize;
    for s in b.start(from)..b.start(from + 1) {
        if at(b.on, s) == x {
            put(b.on, s, r as u32);
        }
    }
    put(b.on, there, x);
    put(b.gpu, r, from as u32);
    put(b.gpu, x as usize, to as u32);
    add(next, to, 1);
    let (wx, wr) = (at(b.w, x as usize), at(b.w, r));
    change(b.load, from, |l: u64| l.wrapping_sub(wx).wrapping_add(wr));
    change(b.load, to, |l: u64| l.wrapping_add(wx));
}

fn soonest<const S: bool>(b: &Board<S>, r: usize, e: u32, next: &[u32]) -> Option<usize> {
    let (mut best, mut found) = (u64::MAX, None);
    for g in 0..b.gpus {
        if at(next, g) as usize >= b.start(g + 1) {
            continue;
        }
        let t = b.time(g, at(b.load, g).wrapping_add(at(b.w, r)));
        if t < best && !(e & SPLIT != 0 && has(b, g, next, e)) {
            best = t;
            found = Some(g);
        }
    }
    found
}

/// When every GPU with room holds `e`: the lightest item of a GPU without `e` that one of
/// those with room may take.
#[cold]
fn make_room<const S: bool>(b: &Board<S>, e: u32, next: &[u32]) -> Option<(u32, usize, usize)> {
    let mut found: Option<(u32, usize, usize)> = None;
    for to in 0..b.gpus {
        if at(next, to) as usize >= b.start(to + 1) {
            continue;
        }
        for from in 0..b.gpus {
            if from == to || has(b, from, next, e) {
                continue;
            }
            for &x in part(b.on, b.start(from), at(next, from) as usize) {
                let better = match found {
                    Some((y, _, _)) => x > y,
                    None => true,
                };
                if better && !has(b, to, next, at(b.expert, x as usize)) {
                    found = Some((x, from, to));
                }
            }
        }
    }
    found
}

#[inline(always)]
fn has<const S: bool>(b: &Board<S>, g: usize, next: &[u32], e: u32) -> bool {
    let mut hit = false;
    for &r in part(b.on, b.start(g), at(next, g) as usize) {
        hit |= at(b.expert, r as usize) == e;
    }
    hit
}
