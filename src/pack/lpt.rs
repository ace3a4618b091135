//! Largest processing time first, with capacity.
//!
//! R. L. Graham, "Bounds on multiprocessing timing anomalies", 1969; in DeepSeek EPLB (2025) as
//! `balanced_packing`. The least loaded pack with room is the winner of a tournament, so that an item
//! costs O(log packs) and not a scan.

use super::{Packed, Scratch};
use crate::order::{Tournament, ascending, descending, index_of, load_of_descending, sort};

/// Packs with f32 running loads.
pub fn lpt(load: &[f32], packs: usize, packed: &mut Packed, scratch: &mut Scratch) {
    let Some(capacity) = load.len().checked_div(packs) else { return };
    let keys = scratch.keys.get_mut(..load.len()).unwrap_or_default();
    let buffer = scratch.buffer.get_mut(..load.len()).unwrap_or_default();
    for (item, (key, &load)) in keys.iter_mut().zip(load).enumerate() {
        *key = descending(load, item);
    }
    sort(keys, buffer);

    let held = scratch.held.get_mut(..packs).unwrap_or_default();
    held.fill(0);
    let mut lightest = Tournament::new(scratch.tree, packs, |pack| ascending(0.0, pack));
    for &key in keys.iter() {
        let item = index_of(key);
        let best = lightest.best();
        let pack = index_of(best);
        let Some(held) = held.get_mut(pack) else { continue };
        if let (Some(to), Some(rank)) = (packed.pack.get_mut(item), packed.rank.get_mut(item)) {
            *to = pack as u32;
            *rank = *held;
        }
        *held += 1;
        let sum = f32::from_bits((best >> 32) as u32) + load_of_descending(key);
        lightest
            .set(pack, if *held as usize == capacity { u64::MAX } else { ascending(sum, pack) });
    }
}
