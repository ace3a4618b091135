//! Diverse packing: first of all apart from one's own replicas.
//!
//! Seed document 001, `pack_diverse_heap`. While the replicas of an expert are packed, the packs that hold
//! one are out of the tournament; only when every pack with room holds one is a scan needed.

use super::{Items, Packed};
use crate::arena::Arena;
use crate::order::{Key, Tournament, descending, index_of, load_of_descending, sort};

/// No item: the end of a chain.
const NONE: u32 = u32::MAX;

/// What diverse packing needs beside the scratch of all packers.
#[derive(Debug)]
pub struct Scratch<'a> {
    /// `[experts]`, at most as many as items: the item of each packed last.
    last: &'a mut [u32],
    /// `[items]` the item of the same expert packed before.
    before: &'a mut [u32],
    /// `[packs]` replicas of the present expert.
    same: &'a mut [u32],
}

impl<'a> Scratch<'a> {
    pub fn carve(arena: &mut Arena<'a>, items: usize, packs: usize) -> Self {
        Scratch {
            last: arena.u32s.take(items),
            before: arena.u32s.take(items),
            same: arena.u32s.take(packs),
        }
    }
}

/// Orders packs by load, then items, then index.
fn key(running: &[f64], held: &[u32], capacity: usize, pack: usize) -> [u64; 2] {
    match (running.get(pack), held.get(pack)) {
        (Some(load), Some(&held)) if (held as usize) < capacity => {
            [load.to_bits(), u64::from(held) << 32 | pack as u64]
        }
        _ => Key::OUT,
    }
}

fn is_out([_, pack]: [u64; 2]) -> bool {
    pack == u64::MAX
}

/// Packs replicas onto GPUs.
pub fn diverse(items: Items, packs: usize, packed: &mut Packed, scratch: &mut super::Scratch) {
    let count = items.load.len();
    let Some(capacity) = count.checked_div(packs) else { return };
    let keys = scratch.keys.get_mut(..count).unwrap_or_default();
    let buffer = scratch.buffer.get_mut(..count).unwrap_or_default();
    for (item, (key, &load)) in keys.iter_mut().zip(items.load).enumerate() {
        *key = descending(load, item);
    }
    sort(keys, buffer);

    let held = scratch.held.get_mut(..packs).unwrap_or_default();
    let running = scratch.running.get_mut(..packs).unwrap_or_default();
    let Scratch { last, before, same } = &mut scratch.diverse;
    let same = same.get_mut(..packs).unwrap_or_default();
    held.fill(0);
    running.fill(0.0);
    same.fill(0);
    last.fill(NONE);
    let mut lightest =
        Tournament::new(scratch.tree, packs, |pack| key(running, held, capacity, pack));

    let expert_of = |key: Option<&u64>| key.and_then(|&key| items.expert.get(index_of(key)));
    let mut present = NONE;
    let mut sorted = keys.iter().peekable();
    while let Some(&key_of_item) = sorted.next() {
        let item = index_of(key_of_item);
        let Some(&expert) = expert_of(Some(&key_of_item)) else { continue };
        if expert != present {
            for pack in packs_of(expert, last, before, packed.pack) {
                lightest.set(pack, Key::OUT);
                if let Some(same) = same.get_mut(pack) {
                    *same += 1;
                }
            }
            present = expert;
        }
        let mut best = lightest.best();
        if is_out(best) {
            // every pack with room holds a replica: the fewest, then as ever
            let with_room = (0..packs)
                .map(|pack| (same.get(pack), key(running, held, capacity, pack)))
                .filter(|&(_, key)| !is_out(key));
            best = with_room.min().map_or(best, |(_, key)| key);
        }
        let pack = index_of(best[1]);
        if let (Some(to), Some(rank), Some(held), Some(running)) = (
            packed.pack.get_mut(item),
            packed.rank.get_mut(item),
            held.get_mut(pack),
            running.get_mut(pack),
        ) {
            *to = pack as u32;
            *rank = *held;
            *held += 1;
            *running += f64::from(load_of_descending(key_of_item));
        }
        if let (Some(last), Some(before)) = (last.get_mut(expert as usize), before.get_mut(item)) {
            *before = core::mem::replace(last, item as u32);
        }
        if expert_of(sorted.peek().copied()) == Some(&expert) {
            lightest.set(pack, Key::OUT);
            if let Some(same) = same.get_mut(pack) {
                *same += 1;
            }
            continue;
        }
        for pack in packs_of(expert, last, before, packed.pack) {
            lightest.set(pack, key(running, held, capacity, pack));
            if let Some(same) = same.get_mut(pack) {
                *same = 0;
            }
        }
        present = NONE;
    }
}

/// The packs of the replicas of an expert, last packed first.
fn packs_of<'s>(
    expert: u32,
    last: &'s [u32],
    before: &'s [u32],
    pack: &'s [u32],
) -> impl Iterator<Item = usize> + 's {
    let first = last.get(expert as usize).copied();
    let chain = core::iter::successors(first, |&item| before.get(item as usize).copied());
    chain.map_while(|item| pack.get(item as usize).map(|&pack| pack as usize))
}
