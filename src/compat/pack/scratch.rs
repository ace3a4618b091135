//! Scratch of the packers.

use crate::base::arena::Carve;
use crate::base::keys::sort_buffer;
use crate::base::tournament::Tournament;

/// Scratch of the packers.
#[derive(Debug)]
pub struct Scratch<'a> {
    /// `[items]` sort keys, then lists of members.
    pub keys: &'a mut [u64],
    /// `[items]` the other half of a sort, and its tables.
    pub buffer: &'a mut [u64],
    /// Tournament over the packs.
    pub tree: &'a mut [u64],
    /// `[packs]` items in each pack.
    pub held: &'a mut [u32],
    /// `[packs]` load of each pack as the packer added it up.
    pub running: &'a mut [f64],
    pub diverse: Diverse<'a>,
}

impl<'a> Scratch<'a> {
    /// Takes the scratch for up to `items` in up to `packs`, with or without what diverse packing needs.
    #[inline(always)]
    pub fn carve(arena: &mut impl Carve<'a>, diverse: bool, items: usize, packs: usize) -> Self {
        let diverse = if diverse { (items, packs) } else { (0, 0) };
        Scratch {
            keys: arena.u64s(items),
            buffer: arena.u64s(sort_buffer(items)),
            // the wide tournament has two words a node
            tree: arena.u64s(Tournament::<[u64; 2]>::nodes(packs).saturating_mul(2)),
            held: arena.u32s(packs),
            running: arena.f64s(packs),
            diverse: Diverse::carve(arena, diverse.0, diverse.1),
        }
    }
}

/// What diverse packing needs beside the scratch of all packers.
#[derive(Debug)]
pub struct Diverse<'a> {
    /// `[experts]`, at most as many as items: the item of each packed last.
    pub last: &'a mut [u32],
    /// `[items]` the item of the same expert packed before.
    pub before: &'a mut [u32],
    /// `[packs]` replicas of the present expert.
    pub same: &'a mut [u32],
}

impl<'a> Diverse<'a> {
    #[inline(always)]
    fn carve(arena: &mut impl Carve<'a>, items: usize, packs: usize) -> Self {
        Diverse { last: arena.u32s(items), before: arena.u32s(items), same: arena.u32s(packs) }
    }
}
