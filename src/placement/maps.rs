//! The maps of a placement, as a plan writes them and as they are read.

use crate::base::arena::addressable;
use crate::base::cells::{row, row_mut};
use crate::problem::Shape;
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
        row(self.physical_to_logical, layer, shape.num_physical_experts())
    }

    /// The same, to be written.
    pub fn slots_mut(&mut self, shape: &Shape, layer: usize) -> &mut [i32] {
        row_mut(self.physical_to_logical, layer, shape.num_physical_experts())
    }

    /// The maps of one layer.
    pub fn layer(&mut self, shape: &Shape, layer: usize) -> LayerMaps<'_> {
        let (experts, slots) = (shape.num_logical_experts(), shape.num_physical_experts());
        LayerMaps {
            physical_to_logical: row_mut(self.physical_to_logical, layer, slots),
            replica_rank: given_mut(&mut self.replica_rank, layer, slots),
            logical_count: given_mut(&mut self.logical_count, layer, experts),
            logical_to_physical: given_mut(
                &mut self.logical_to_physical,
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
        row(self.physical_to_logical, layer, shape.num_physical_experts())
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

/// Row `index` of a map of rows of `len`; empty when the map is not there.
pub fn given(map: Option<&[i32]>, index: usize, len: usize) -> &[i32] {
    row(map.unwrap_or_default(), index, len)
}

/// The same, to be written.
pub fn given_mut<'m>(map: &'m mut Option<&mut [i32]>, index: usize, len: usize) -> &'m mut [i32] {
    row_mut(map.as_deref_mut().unwrap_or_default(), index, len)
}
