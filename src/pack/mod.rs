//! Which pack each item goes to: replicas onto GPUs, groups onto nodes.
//!
//! Every pack takes the same number of items. A packer knows loads only, not what the items are.

mod lpt;

use crate::arena::Arena;
use crate::order::Tournament;

/// How items are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// Largest item first, to the pack with room and the least load, lowest index first among equals.
    /// Running loads are f32, added in the order of placement. R. Graham 1969, with capacity.
    Lpt,
}

/// Where the items of a row go.
#[derive(Debug)]
pub struct Packed<'a> {
    /// Pack of each item.
    pub pack: &'a mut [u32],
    /// Its position in the pack.
    pub rank: &'a mut [u32],
}

/// Scratch of the packers.
#[derive(Debug)]
pub struct Scratch<'a> {
    /// `[items]` sort keys.
    keys: &'a mut [u64],
    /// `[items]` the other half of the merges.
    buffer: &'a mut [u64],
    /// Tournament over the packs.
    tree: &'a mut [u64],
    /// `[packs]` items in each pack.
    held: &'a mut [u32],
}

impl<'a> Scratch<'a> {
    /// Takes the scratch for up to `items` in up to `packs`.
    pub fn carve(arena: &mut Arena<'a>, items: usize, packs: usize) -> Self {
        Scratch {
            keys: arena.u64s.take(items),
            buffer: arena.u64s.take(items),
            tree: arena.u64s.take(Tournament::nodes(packs)),
            held: arena.u32s.take(packs),
        }
    }
}

/// Packs the items of `load` into `packs` packs of `load.len() / packs` items each.
/// With one item a pack, item i goes to pack i unsorted. O(n log n).
pub fn pack(
    packing: Packing,
    load: &[f32],
    packs: usize,
    packed: &mut Packed,
    scratch: &mut Scratch,
) {
    if load.len() <= packs {
        for (i, (pack, rank)) in packed.pack.iter_mut().zip(packed.rank.iter_mut()).enumerate() {
            *pack = i as u32;
            *rank = 0;
        }
        return;
    }
    match packing {
        Packing::Lpt => lpt::lpt(load, packs, packed, scratch),
    }
}
