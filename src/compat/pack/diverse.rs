//! Diverse packing: first of all apart from one's own replicas.
//!
//! Seed document 001, `pack_diverse_heap`. While the replicas of an expert are packed, the packs that hold
//! one are out of the tournament; only when every pack with room holds one is a scan needed.

use crate::base::cells::NONE;
use crate::base::keys::{index_of, load_of_descending};
use crate::base::tournament::{Key, Tournament};
use crate::compat::pack::items::{Items, Packed, heaviest_first};
use crate::compat::pack::scratch::{Diverse, Scratch};

/// Packs replicas onto GPUs.
pub fn diverse(items: Items, packs: usize, packed: &mut Packed, scratch: &mut Scratch) {
    let count = items.load.len();
    let Some(capacity) = count.checked_div(packs) else { return };
    let keys = scratch.keys.get_mut(..count).unwrap_or_default();
    heaviest_first(items.load, keys, scratch.buffer);
    let Diverse { last, before, same } = &mut scratch.diverse;
    last.fill(NONE);
    let held = scratch.held.get_mut(..packs).unwrap_or_default();
    let running = scratch.running.get_mut(..packs).unwrap_or_default();
    let same = same.get_mut(..packs).unwrap_or_default();
    held.fill(0);
    running.fill(0.0);
    same.fill(0);
    let lightest = Tournament::new(scratch.tree, packs, |pack| [0, pack as u64]);
    let mut packs = Packs { running, held, same, capacity, lightest };

    let expert_of = |key: u64| items.expert.get(index_of(key)).copied().unwrap_or(NONE);
    let mut present = NONE;
    let mut sorted = keys.iter().copied().peekable();
    while let Some(key) = sorted.next() {
        let (item, expert) = (index_of(key), expert_of(key));
        let (Some(last), Some(before_item), Some(to), Some(rank)) = (
            last.get_mut(expert as usize),
            before.get_mut(item),
            packed.pack.get_mut(item),
            packed.rank.get_mut(item),
        ) else {
            continue;
        };
        *before_item = *last;
        let more = sorted.peek().is_some_and(|&next| expert_of(next) == expert);
        if *last == NONE && !more {
            // the only replica, or the first of a few that others come between
            *last = item as u32;
            let pack = packs.best();
            (*to, *rank) = (pack as u32, packs.add(pack, load_of_descending(key)));
            packs.enter(pack);
            continue;
        }
        let chain = core::mem::replace(last, item as u32);
        if expert != present {
            packs_of(chain, before, packed.pack).for_each(|pack| packs.leave(pack));
            present = expert;
        }
        let pack = packs.best();
        let added = packs.add(pack, load_of_descending(key));
        if let (Some(to), Some(rank)) = (packed.pack.get_mut(item), packed.rank.get_mut(item)) {
            (*to, *rank) = (pack as u32, added);
        }
        packs.leave(pack);
        if !more {
            packs_of(item as u32, before, packed.pack).for_each(|pack| packs.enter(pack));
            present = NONE;
        }
    }
}

/// The packs of a chain of replicas, from its last item to its first.
fn packs_of<'s>(item: u32, before: &'s [u32], pack: &'s [u32]) -> impl Iterator<Item = usize> + 's {
    let chain = core::iter::successors(Some(item), |&item| before.get(item as usize).copied());
    chain.map_while(|item| pack.get(item as usize).map(|&pack| pack as usize))
}

/// The packs as they fill.
struct Packs<'a> {
    running: &'a mut [f64],
    held: &'a mut [u32],
    same: &'a mut [u32],
    capacity: usize,
    /// Those with room that hold no replica of the present expert.
    lightest: Tournament<'a, [u64; 2]>,
}

impl Packs<'_> {
    /// Orders packs with room by load, then items, then index.
    #[inline(always)]
    fn key(&self, pack: usize) -> [u64; 2] {
        match (self.running.get(pack), self.held.get(pack)) {
            (Some(load), Some(&held)) if (held as usize) < self.capacity => {
                [load.to_bits(), u64::from(held) << 32 | pack as u64]
            }
            _ => Key::OUT,
        }
    }

    /// Where the next item goes.
    #[inline(always)]
    fn best(&self) -> usize {
        let is_out = |[_, pack]: [u64; 2]| pack == u64::MAX;
        let mut best = self.lightest.best();
        if is_out(best) {
            // every pack with room holds a replica: the fewest, then as ever
            let all = self.same.iter().enumerate().map(|(pack, same)| (same, self.key(pack)));
            best = all.filter(|&(_, key)| !is_out(key)).min().map_or(best, |(_, key)| key);
        }
        index_of(best[1])
    }

    /// Adds an item, and answers its rank.
    #[inline(always)]
    fn add(&mut self, pack: usize, load: f32) -> u32 {
        match (self.running.get_mut(pack), self.held.get_mut(pack)) {
            (Some(running), Some(held)) => {
                *running += f64::from(load);
                *held += 1;
                *held - 1
            }
            _ => 0,
        }
    }

    /// The pack holds one more replica of the present expert.
    #[inline(always)]
    fn leave(&mut self, pack: usize) {
        self.lightest.set(pack, Key::OUT);
        if let Some(same) = self.same.get_mut(pack) {
            *same += 1;
        }
    }

    /// Its replicas no longer matter.
    #[inline(always)]
    fn enter(&mut self, pack: usize) {
        self.lightest.set(pack, self.key(pack));
        if let Some(same) = self.same.get_mut(pack) {
            *same = 0;
        }
    }
}
