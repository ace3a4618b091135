//! The other maps of a placement from its first: of a plan that has just been made, and for engines that mask a part
//! of a placement, or move one.
//!
//! The latter have no memory but their maps, so experts are counted some hundred at a time, on the stack.

use crate::base::arena::{Arena, Carve};
use crate::base::cells::{put, row};
use crate::placement::maps::{Placement, PlacementMut, given_mut};
use crate::placement::walk::{each_slot, is_entry};
use crate::problem::Shape;
use crate::status::Status;
use core::convert::Infallible;

/// Experts that are counted in one walk over the slots: all of most models.
const BLOCK: usize = 256;

/// The maps that [`number`] writes; `None` for those not wanted.
#[derive(Debug, Default)]
pub struct Numbering<'a> {
    /// `[L][P]` which replica of its expert a slot holds; -1 where it holds none, or on a dead GPU.
    pub replica_rank: Option<&'a mut [i32]>,
    /// `[L][E]` replicas of each expert on GPUs that are not dead.
    pub logical_count: Option<&'a mut [i32]>,
    /// `[L][E][max_replicas]` their slots in order, padded with -1.
    pub logical_to_physical: Option<&'a mut [i32]>,
    /// Width of `logical_to_physical`.
    pub max_replicas: usize,
}

/// Numbers the replicas of each expert in order of their slots, as BALANCED does, and lists them. Slots on dead GPUs do
/// not count, as in `evaluate`: to number a placement after a GPU has died, give the states. An expert without a
/// replica has a count of 0. O(P + E max_replicas) a layer for up to 256 experts, and a walk over the slots more for
/// each further 256 that slots hold.
///
/// # Errors
/// [`Status::ArrayLength`]; [`Status::PlacementExpert`] when a slot, on whichever GPU, holds neither -1 nor an expert;
/// [`Status::MaxReplicas`] when the table is wanted and an expert has more replicas than it is wide. Nothing is
/// written then.
pub fn number(shape: &Shape, physical_to_logical: &[i32], maps: Numbering) -> Result<(), Status> {
    maps.check(shape, physical_to_logical)?;
    fill(shape, physical_to_logical, maps);
    Ok(())
}

/// Writes the maps, which have been checked.
#[inline(never)] // counts are on the stack once
fn fill(shape: &Shape, physical_to_logical: &[i32], mut maps: Numbering) {
    let mut count = [0; BLOCK];
    for layer in 0..shape.num_layers() {
        let held = row(physical_to_logical, layer, shape.num_physical_experts());
        maps.fill_layer(shape, layer, held, &mut count);
    }
}

impl PlacementMut<'_> {
    /// Fills the other maps of a layer from physical_to_logical: the replicas of an expert are numbered in
    /// order of their slots. O(P + E max_replicas); `arena` holds a u32 for each expert.
    #[inline(never)]
    pub fn number(&mut self, shape: &Shape, layer: usize, arena: &mut Arena) {
        let mut maps = Numbering {
            replica_rank: self.replica_rank.as_deref_mut(),
            logical_count: self.logical_count.as_deref_mut(),
            logical_to_physical: self.logical_to_physical.as_deref_mut(),
            max_replicas: self.max_replicas,
        };
        let held = row(self.physical_to_logical, layer, shape.num_physical_experts());
        maps.fill_layer(shape, layer, held, arena.rest().u32s(shape.num_logical_experts()));
    }
}

impl Numbering<'_> {
    /// All that can be wrong with a call of [`number`].
    #[inline(never)] // counts are on the stack once
    pub(crate) fn check(&self, shape: &Shape, physical_to_logical: &[i32]) -> Result<(), Status> {
        let maps = Placement {
            physical_to_logical,
            replica_rank: self.replica_rank.as_deref(),
            logical_count: self.logical_count.as_deref(),
            logical_to_physical: self.logical_to_physical.as_deref(),
            max_replicas: self.max_replicas,
        };
        maps.check_lengths(shape)?;
        let experts = shape.num_logical_experts();
        if !physical_to_logical.iter().all(|&entry| is_entry(entry, experts)) {
            return Err(Status::PlacementExpert);
        }
        if maps.logical_to_physical.is_none() {
            return Ok(());
        }
        let mut count = [0; BLOCK];
        for layer in 0..shape.num_layers() {
            let (held, mut first) = (maps.layer(shape, layer), 0);
            while first < experts {
                first = count_block(&mut count, shape, held, first, |_, _, _| {});
                if count.iter().any(|&count| count as usize > self.max_replicas) {
                    return Err(Status::MaxReplicas);
                }
            }
        }
        Ok(())
    }

    /// Writes the maps of a layer, which holds experts and -1. `count` holds as many as are counted at a time.
    fn fill_layer(&mut self, shape: &Shape, layer: usize, held: &[i32], count: &mut [u32]) {
        let (experts, width) = (shape.num_logical_experts(), self.max_replicas);
        let ranks = given_mut(&mut self.replica_rank, layer, held.len());
        let counts = given_mut(&mut self.logical_count, layer, experts);
        let table = given_mut(&mut self.logical_to_physical, layer, experts * width);
        ranks.fill(-1);
        table.fill(-1);
        counts.fill(0);
        let mut first = 0;
        while first < experts {
            let next = count_block(count, shape, held, first, |slot, expert, rank| {
                put(ranks, slot, rank as i32);
                put(table, expert * width + rank as usize, slot as i32);
            });
            for (place, &count) in counts.iter_mut().skip(first).zip(&*count) {
                *place = count as i32;
            }
            first = next;
        }
    }
}

/// Counts the replicas of the experts from `first` on; tells of each its slot, its expert and its number. Answers the
/// lowest expert beyond them that a slot holds; `usize::MAX` when there is none.
fn count_block(
    count: &mut [u32],
    shape: &Shape,
    held: &[i32],
    first: usize,
    mut tell: impl FnMut(usize, usize, u32),
) -> usize {
    let mut next = usize::MAX;
    count.fill(0);
    let Ok(()) = each_slot(shape.topology(), held, |slot, gpu, entry| {
        let Ok(expert) = usize::try_from(entry) else { return Ok(()) };
        match count.get_mut(expert.wrapping_sub(first)) {
            Some(count) if shape.topology().serves(gpu) => {
                tell(slot, expert, *count);
                *count += 1;
            }
            None if expert > first => next = next.min(expert),
            _ => {}
        }
        Ok::<(), Infallible>(())
    });
    next
}
