//! Which pack each item goes to: replicas onto GPUs, groups onto nodes.
//!
//! Every pack takes the same number of items. A packing knows loads, and of what expert an item is a
//! replica; a refinement then swaps items between a heavy and a light pack.

pub mod diverse;
pub mod lpt;
pub mod micro_swap;
pub mod two_swaps;

use crate::base::arena::Carve;
use crate::base::keys::sort_buffer;
use crate::base::tournament::Tournament;

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

/// Where the items of a row go.
#[derive(Debug)]
pub struct Packed<'a> {
    /// Pack of each item.
    pub pack: &'a mut [u32],
    /// Its position in the pack.
    pub rank: &'a mut [u32],
}

/// The items of a row.
#[derive(Clone, Copy, Debug)]
pub struct Items<'a> {
    /// Load of each, finite and not negative.
    pub load: &'a [f32],
    /// Expert of which each is a replica, below the number of items. Not looked at by LPT.
    pub expert: &'a [u32],
}

/// Scratch of the packers.
#[derive(Debug)]
pub struct Scratch<'a> {
    /// `[items]` sort keys, then lists of members.
    keys: &'a mut [u64],
    /// `[items]` the other half of a sort, and its tables.
    buffer: &'a mut [u64],
    /// Tournament over the packs.
    tree: &'a mut [u64],
    /// `[packs]` items in each pack.
    held: &'a mut [u32],
    /// `[packs]` load of each pack as the packer added it up.
    running: &'a mut [f64],
    diverse: diverse::Scratch<'a>,
}

impl<'a> Scratch<'a> {
    /// Takes the scratch for up to `items` in up to `packs`.
    #[inline(always)]
    pub fn carve(arena: &mut impl Carve<'a>, packing: Packing, items: usize, packs: usize) -> Self {
        let diverse = if packing == Packing::Diverse { (items, packs) } else { (0, 0) };
        Scratch {
            keys: arena.u64s(items),
            buffer: arena.u64s(sort_buffer(items)),
            // the wide tournament has two words a node
            tree: arena.u64s(Tournament::<[u64; 2]>::nodes(packs).saturating_mul(2)),
            held: arena.u32s(packs),
            running: arena.f64s(packs),
            diverse: diverse::Scratch::carve(arena, diverse.0, diverse.1),
        }
    }
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

/// The items of a pack, in ascending order.
fn members<'p>(pack: &'p [u32], of: usize) -> impl Iterator<Item = usize> + Clone + 'p {
    pack.iter().enumerate().filter(move |&(_, &pack)| pack as usize == of).map(|(item, _)| item)
}
