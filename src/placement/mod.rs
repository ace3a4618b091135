//! The maps of a placement, and a digest for ranks to compare.

mod check;
mod ledger;
mod number;

pub use crate::placement::check::{Promises, Violation, ViolationKind, check, eplb_violation};
pub(crate) use crate::placement::check::{check_slowly, need};
pub use crate::placement::number::{Numbering, number};

use crate::base::arena::{Arena, Carve, addressable};
use crate::problem::Shape;
use crate::problem::topology::Topology;
use crate::status::Status;

/// The maps that a plan writes, row-major; `None` for those not wanted.
#[derive(Debug)]
pub struct PlacementMut<'a> {
    /// `[L][P]` expert of each slot, -1 when empty.
    pub physical_to_logical: &'a mut [i32],
    /// `[L][P]` which replica of its expert a slot holds, -1 when empty.
    pub replica_rank: Option<&'a mut [i32]>,
    /// `[L][E]` replicas of each expert.
    pub logical_count: Option<&'a mut [i32]>,
    /// `[L][E][max_replicas]` slots of each expert in order of their rank, padded with -1.
    pub logical_to_physical: Option<&'a mut [i32]>,
    /// Width of `logical_to_physical`.
    pub max_replicas: usize,
}

/// One layer of a [`PlacementMut`].
#[derive(Debug)]
pub struct LayerMaps<'a> {
    /// `[P]`.
    pub physical_to_logical: &'a mut [i32],
    /// `[P]` or empty.
    pub replica_rank: &'a mut [i32],
    /// `[E]` or empty.
    pub logical_count: &'a mut [i32],
    /// `[E][max_replicas]` or empty.
    pub logical_to_physical: &'a mut [i32],
    /// Width of `logical_to_physical`.
    pub max_replicas: usize,
}

impl PlacementMut<'_> {
    /// Checks the lengths of the maps against the shape.
    ///
    /// # Errors
    /// [`Status::ArrayLength`], [`Status::ShapeTooLarge`].
    pub fn check_lengths(&self, shape: &Shape) -> Result<(), Status> {
        Placement::from(self).check_lengths(shape)
    }

    /// `[P]` of one layer.
    pub fn slots(&self, shape: &Shape, layer: usize) -> &[i32] {
        row(Some(self.physical_to_logical), layer, shape.num_physical_experts())
    }

    /// The same, to be written.
    pub fn slots_mut(&mut self, shape: &Shape, layer: usize) -> &mut [i32] {
        row_mut(Some(self.physical_to_logical), layer, shape.num_physical_experts())
    }

    /// Fills the other maps of a layer from physical_to_logical: the replicas of an expert are numbered in
    /// order of their slots. O(P + E max_replicas); `arena` holds a u32 for each expert.
    #[inline(never)]
    pub fn number(&mut self, shape: &Shape, layer: usize, arena: &mut Arena) {
        let count = arena.rest().u32s(shape.num_logical_experts());
        self.layer(shape, layer).number(count);
    }

    /// The maps of one layer.
    pub fn layer(&mut self, shape: &Shape, layer: usize) -> LayerMaps<'_> {
        let (experts, slots) = (shape.num_logical_experts(), shape.num_physical_experts());
        LayerMaps {
            physical_to_logical: row_mut(Some(self.physical_to_logical), layer, slots),
            replica_rank: row_mut(self.replica_rank.as_deref_mut(), layer, slots),
            logical_count: row_mut(self.logical_count.as_deref_mut(), layer, experts),
            logical_to_physical: row_mut(
                self.logical_to_physical.as_deref_mut(),
                layer,
                experts * self.max_replicas,
            ),
            max_replicas: self.max_replicas,
        }
    }
}

/// The maps of a placement, to be read: as [`PlacementMut`].
#[derive(Clone, Copy, Debug)]
pub struct Placement<'a> {
    /// `[L][P]`.
    pub physical_to_logical: &'a [i32],
    /// `[L][P]`.
    pub replica_rank: Option<&'a [i32]>,
    /// `[L][E]`.
    pub logical_count: Option<&'a [i32]>,
    /// `[L][E][max_replicas]`.
    pub logical_to_physical: Option<&'a [i32]>,
    /// Width of `logical_to_physical`.
    pub max_replicas: usize,
}

impl<'a> Placement<'a> {
    /// A placement of which only the first map is known.
    pub fn of(physical_to_logical: &'a [i32]) -> Self {
        Placement {
            physical_to_logical,
            replica_rank: None,
            logical_count: None,
            logical_to_physical: None,
            max_replicas: 0,
        }
    }

    /// Checks the lengths of the maps against the shape.
    ///
    /// # Errors
    /// [`Status::ArrayLength`], [`Status::ShapeTooLarge`].
    pub fn check_lengths(&self, shape: &Shape) -> Result<(), Status> {
        let [slots, counts, table] = map_lengths(shape, self.max_replicas)?;
        let wrong = |map: Option<&[i32]>, len| map.is_some_and(|map| map.len() != len);
        if self.physical_to_logical.len() != slots
            || wrong(self.replica_rank, slots)
            || wrong(self.logical_count, counts)
            || wrong(self.logical_to_physical, table)
        {
            return Err(Status::ArrayLength);
        }
        Ok(())
    }

    /// The expert of each slot of one layer.
    pub fn layer(&self, shape: &Shape, layer: usize) -> &'a [i32] {
        row(Some(self.physical_to_logical), layer, shape.num_physical_experts())
    }
}

impl<'a> From<&'a PlacementMut<'_>> for Placement<'a> {
    fn from(maps: &'a PlacementMut<'_>) -> Self {
        Placement {
            physical_to_logical: maps.physical_to_logical,
            replica_rank: maps.replica_rank.as_deref(),
            logical_count: maps.logical_count.as_deref(),
            logical_to_physical: maps.logical_to_physical.as_deref(),
            max_replicas: maps.max_replicas,
        }
    }
}

/// Elements of the maps by slot, the map by expert, and the table of slots by expert.
///
/// # Errors
/// [`Status::ShapeTooLarge`] when the table does not fit the address space.
pub fn map_lengths(shape: &Shape, max_replicas: usize) -> Result<[usize; 3], Status> {
    let counts = shape.num_layers() * shape.num_logical_experts();
    let table = addressable(counts.checked_mul(max_replicas))?;
    Ok([shape.num_layers() * shape.num_physical_experts(), counts, table])
}

/// Whether a slot may hold this: an expert, or -1 for none.
pub(crate) fn is_entry(entry: i32, experts: usize) -> bool {
    entry == -1 || usize::try_from(entry).is_ok_and(|expert| expert < experts)
}

/// Calls `visit` with every slot of a layer, its GPU and what it holds, in ascending order of slots.
pub(crate) fn each_slot<E>(
    topology: &Topology,
    slots: &[i32],
    mut visit: impl FnMut(usize, usize, i32) -> Result<(), E>,
) -> Result<(), E> {
    let mut slots = slots.iter().enumerate();
    for gpu in 0..topology.num_gpus() {
        for (slot, &entry) in slots.by_ref().take(topology.slots(gpu)) {
            visit(slot, gpu, entry)?;
        }
    }
    Ok(())
}

/// Row `index` of a map of rows of `len`; empty when the map is not there.
fn row(map: Option<&[i32]>, index: usize, len: usize) -> &[i32] {
    map.and_then(|map| map.get(index * len..)).and_then(|tail| tail.get(..len)).unwrap_or_default()
}

fn row_mut(map: Option<&mut [i32]>, index: usize, len: usize) -> &mut [i32] {
    map.and_then(|map| map.get_mut(index * len..))
        .and_then(|tail| tail.get_mut(..len))
        .unwrap_or_default()
}

impl<'a> LayerMaps<'a> {
    /// A layer of which only the first map is wanted.
    pub fn of(physical_to_logical: &'a mut [i32]) -> Self {
        LayerMaps {
            physical_to_logical,
            replica_rank: &mut [],
            logical_count: &mut [],
            logical_to_physical: &mut [],
            max_replicas: 0,
        }
    }

    /// As [`PlacementMut::number`]; `count` holds `[E]`.
    fn number(&mut self, count: &mut [u32]) {
        count.fill(0);
        self.logical_to_physical.fill(-1);
        let mut ranks = self.replica_rank.iter_mut();
        for (slot, &expert) in self.physical_to_logical.iter().enumerate() {
            let count = count.get_mut(expert as usize);
            if let Some(rank) = ranks.next() {
                *rank = count.as_deref().map_or(-1, |&count| count as i32);
            }
            let Some(count) = count else { continue };
            let place = expert as usize * self.max_replicas + *count as usize;
            if let Some(entry) = self.logical_to_physical.get_mut(place) {
                *entry = slot as i32;
            }
            *count += 1;
        }
        for (entry, &count) in self.logical_count.iter_mut().zip(count.iter()) {
            *entry = count as i32;
        }
    }
}

/// A 64-bit digest of physical_to_logical, for ranks to compare; the same on every machine.
///
/// FNV-1a over the entries as 32-bit words, then the finaliser of splitmix64 to spread it over all
/// bits. Not cryptographic. O(n).
pub fn digest(physical_to_logical: &[i32]) -> u64 {
    let words = physical_to_logical.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, &entry| {
        (hash ^ u64::from(entry as u32)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let mixed = (words ^ (words >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
