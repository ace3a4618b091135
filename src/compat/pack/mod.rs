//! Which pack each item goes to: replicas onto GPUs, groups onto nodes.
//!
//! Every pack takes the same number of items. A packing knows loads, and of what expert an item is a
//! replica; a refinement then swaps items between a heavy and a light pack.

pub mod diverse;
pub mod items;
pub mod lpt;
pub mod micro_swap;
pub mod scratch;
pub mod two_swaps;

use crate::compat::pack::items::{Items, Packed};
use crate::compat::pack::scratch::Scratch;

/// How items are packed. Largest item first, lowest index first among equals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// To the pack with room and the least load, lowest index first among equals; running loads are f32.
    /// R. Graham 1969, with capacity.
    Lpt,
    /// To the pack with room that has the fewest replicas of the same expert, then the least load, then
    /// the fewest items, lowest index first; running loads are f64. Groups, which have no replicas, go
    /// onto nodes by LPT with f64 loads, and unrefined.
    Diverse,
}

/// What is swapped after the packing, where a pack has more than one item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refinement {
    /// Nothing.
    None,
    /// At most two swaps between heaviest and lightest pack, each the best over all pairs of items.
    AllPairs,
    /// The same over the two heaviest items of the one and the two lightest of the other.
    KTwo,
    /// One swap of the heaviest pack with one of the two lightest: the one that lowers the peak most.
    MicroSwap,
}

/// Packs groups onto nodes, `load.len() / nodes` each. O(n log n).
#[inline(never)]
pub fn onto_nodes(
    packing: Packing,
    refinement: Refinement,
    load: &[f32],
    nodes: usize,
    packed: &mut Packed,
    scratch: &mut Scratch,
) {
    if one_each(load, nodes, packed) {
        return;
    }
    match packing {
        Packing::Lpt => {
            lpt::lpt::<f32>(load, nodes, packed, scratch);
            refine(refinement, load, nodes, packed, scratch);
        }
        Packing::Diverse => lpt::lpt::<f64>(load, nodes, packed, scratch),
    }
}

/// Packs replicas onto GPUs, `items.load.len() / gpus` each. O(n log n) without surplus replicas: an
/// expert with more replicas than GPUs costs Diverse O(GPUs) for each that is too many.
#[inline(never)]
pub fn onto_gpus(
    packing: Packing,
    refinement: Refinement,
    items: Items,
    gpus: usize,
    packed: &mut Packed,
    scratch: &mut Scratch,
) {
    if one_each(items.load, gpus, packed) {
        return;
    }
    match packing {
        Packing::Lpt => lpt::lpt::<f32>(items.load, gpus, packed, scratch),
        Packing::Diverse => diverse::diverse(items, gpus, packed, scratch),
    }
    refine(refinement, items.load, gpus, packed, scratch);
}

/// With one item a pack, item i goes to pack i unsorted.
fn one_each(load: &[f32], packs: usize, packed: &mut Packed) -> bool {
    if load.len() > packs {
        return false;
    }
    for (i, pack) in packed.pack.iter_mut().enumerate() {
        *pack = i as u32;
    }
    packed.rank.fill(0);
    true
}

fn refine(
    refinement: Refinement,
    load: &[f32],
    packs: usize,
    packed: &mut Packed,
    scratch: &mut Scratch,
) {
    match refinement {
        Refinement::None => {}
        Refinement::AllPairs => {
            two_swaps::two_swaps(two_swaps::all_pairs, load, packs, packed, scratch);
        }
        Refinement::KTwo => two_swaps::two_swaps(two_swaps::k_two, load, packs, packed, scratch),
        Refinement::MicroSwap => micro_swap::micro_swap(load, packs, packed, scratch),
    }
}
