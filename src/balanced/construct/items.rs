//! From counts to items: all replicas in falling order of load / count.
//!
//! The experts that were split are a prefix of the sorted experts, the rest keeps its order: only the prefix
//! is sorted again, by expert, and merged in. Physical experts are numbered as DeepSeek EPLB does (the extras
//! in the order they were dealt), so that equal loads come in the same order as there.

use crate::balanced::construct::counts::Counts;
use crate::balanced::construct::loads::{Loads, fixed};
use crate::balanced::construct::packing::{Packing, SPLIT};
use crate::base::cells::{add, at, part, part_mut, put};
use crate::base::keys::{descending, insertion_sort, load_of_descending, sort};

pub struct Items<'a> {
    /// By item: key of f32 load and physical expert.
    pub keys: &'a mut [u64],
    /// As many words, and a buffer for [`sort`]; free for others between two calls.
    pub buffer: &'a mut [u64],
    /// By expert: scratch.
    pub next: &'a mut [u32],
}

impl Items<'_> {
    /// Writes keys, loads and experts of all items.
    pub fn set<const SPEEDS: bool>(
        &mut self,
        loads: &Loads,
        counts: &Counts,
        packing: &mut Packing<SPEEDS>,
    ) {
        let replicas = self.sort_replicas(loads, counts);
        let mixed = self.merge(replicas, part(loads.order, counts.split, loads.order.len()));
        let experts = loads.order.len();
        let (mixed, rest) = self.keys.split_at_mut_checked(mixed).unwrap_or_default();
        let mut to = packing.item_load.iter_mut().zip(packing.expert_of.iter_mut());
        for (&key, (load, expert)) in mixed.iter().zip(&mut to) {
            let physical = key as u32 as usize;
            let extra = physical.checked_sub(experts);
            let e = extra.map_or(key as u32, |extra| at(counts.extra, extra));
            let count = at(counts.of, e);
            (*load, *expert) = if count > 1 {
                (loads.of_replica(e, count), e | SPLIT)
            } else {
                (fixed(f64::from(load_of_descending(key)) * loads.factor), e)
            };
        }
        for (&key, (load, expert)) in rest.iter().zip(to) {
            *load = fixed(f64::from(load_of_descending(key)) * loads.factor);
            *expert = key as u32;
        }
    }

    /// Keys of the replicas of the split experts, sorted, into the buffer; how many there are.
    fn sort_replicas(&mut self, loads: &Loads, counts: &Counts) -> usize {
        let split = part_mut(self.keys, 0, counts.split);
        for (key, &expert) in split.iter_mut().zip(loads.order.iter()) {
            *key = loads.key(expert as u32, at(counts.of, expert as u32));
        }
        sort(split, self.buffer);
        let mut replicas = 0;
        for &key in split.iter() {
            put(self.buffer, replicas, key);
            put(self.next, key as u32, replicas as u32 + 1);
            replicas += at(counts.of, key as u32) as usize;
        }
        for (&expert, physical) in counts.extras().iter().zip(loads.order.len()..) {
            let load = at(loads.scaled, expert) / at(counts.of, expert) as f32;
            put(self.buffer, at(self.next, expert), descending(load, physical));
            add(self.next, expert, 1);
        }
        // Equal loads of two experts interleave by physical number.
        if !insertion_sort(part_mut(self.buffer, 0, replicas), replicas.saturating_mul(16)) {
            // too many of equal load to insert one by one
            let (keys, buffer) =
                self.buffer.split_at_mut_checked(self.keys.len()).unwrap_or_default();
            sort(part_mut(keys, 0, replicas), buffer);
        }
        replicas
    }

    /// Merges the replicas in the buffer with `rest`, into the keys. Answers how far the two overlap: below the
    /// smallest replica the rest stands as it is.
    fn merge(&mut self, replicas: usize, rest: &[u64]) -> usize {
        let replicas = part(self.buffer, 0, replicas);
        let last = replicas.last().copied().unwrap_or(0);
        let overlap = rest.partition_point(|&key| key < last);
        let (mut i, mut j) = (0, 0);
        let mut keys = self.keys.iter_mut();
        for key in keys.by_ref().take(replicas.len() + overlap) {
            let a = replicas.get(i).copied().unwrap_or(u64::MAX);
            let b = rest.get(j).copied().unwrap_or(u64::MAX);
            *key = a.min(b);
            // not a branch: which of the two comes next cannot be predicted
            i += usize::from(a < b);
            j += usize::from(b < a);
        }
        keys.zip(part(rest, overlap, rest.len())).for_each(|(key, &rest)| *key = rest);
        replicas.len() + overlap
    }
}
