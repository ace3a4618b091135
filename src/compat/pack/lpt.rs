//! Largest processing time first, with capacity.
//!
//! R. L. Graham, "Bounds on multiprocessing timing anomalies", 1969; in DeepSeek EPLB (2025) as
//! `balanced_packing`. The least loaded pack with room is the winner of a tournament, so that an item
//! costs O(log packs) and not a scan.

use crate::base::keys::{ascending, index_of, load_of_descending};
use crate::base::tournament::{Key, Tournament};
use crate::compat::pack::items::{Packed, heaviest_first};
use crate::compat::pack::scratch::Scratch;

/// A running load, in the precision that a policy prescribes.
pub trait Running: Copy {
    /// Orders packs by load, then index.
    type Key: Key;
    const ZERO: Self;
    fn plus(self, load: f32) -> Self;
    fn key(self, pack: usize) -> Self::Key;
    /// The pack and the load of a key.
    fn of(key: Self::Key) -> (usize, Self);
    fn wide(self) -> f64;
}

impl Running for f32 {
    type Key = u64;
    const ZERO: f32 = 0.0;
    fn plus(self, load: f32) -> f32 {
        self + load
    }
    fn key(self, pack: usize) -> u64 {
        ascending(self, pack)
    }
    fn of(key: u64) -> (usize, f32) {
        (index_of(key), f32::from_bits((key >> 32) as u32))
    }
    fn wide(self) -> f64 {
        f64::from(self)
    }
}

impl Running for f64 {
    type Key = [u64; 2];
    const ZERO: f64 = 0.0;
    fn plus(self, load: f32) -> f64 {
        self + f64::from(load)
    }
    fn key(self, pack: usize) -> [u64; 2] {
        [self.to_bits(), pack as u64]
    }
    fn of([load, pack]: [u64; 2]) -> (usize, f64) {
        (pack as usize, f64::from_bits(load))
    }
    fn wide(self) -> f64 {
        self
    }
}

/// Packs with running loads of type `R`.
pub fn lpt<R: Running>(load: &[f32], packs: usize, packed: &mut Packed, scratch: &mut Scratch) {
    let Some(capacity) = load.len().checked_div(packs) else { return };
    let keys = scratch.keys.get_mut(..load.len()).unwrap_or_default();
    heaviest_first(load, keys, scratch.buffer);
    let held = scratch.held.get_mut(..packs).unwrap_or_default();
    held.fill(0);
    let mut lightest = Tournament::new(scratch.tree, packs, |pack| R::ZERO.key(pack));
    for &key in keys.iter() {
        let item = index_of(key);
        let (pack, sum) = R::of(lightest.best());
        let Some(held) = held.get_mut(pack) else { continue };
        if let (Some(to), Some(rank)) = (packed.pack.get_mut(item), packed.rank.get_mut(item)) {
            *to = pack as u32;
            *rank = *held;
        }
        *held += 1;
        let sum = sum.plus(load_of_descending(key));
        if (*held as usize) < capacity {
            lightest.set(pack, sum.key(pack));
            continue;
        }
        lightest.set(pack, R::Key::OUT);
        if let Some(running) = scratch.running.get_mut(pack) {
            *running = sum.wide();
        }
    }
}
