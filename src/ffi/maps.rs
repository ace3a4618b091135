//! The maps of a placement in the caller's arrays.

use crate::ffi::memory::{self, Listen, Memory};
use crate::ffi::types::eplb_placement;
use crate::placement::{Numbering, Placement, map_lengths};
use crate::problem::Shape;
use crate::status::Status;

/// The names of the maps in most functions.
pub const SLOTS: &str = "placement.physical_to_logical";
const RANK: &str = "placement.replica_rank";
const COUNT: &str = "placement.logical_count";
const TABLE: &str = "placement.logical_to_physical";

/// `physical_to_logical`, under this name.
///
/// # Safety
/// It is NULL or holds what the shape says for `'a`.
pub unsafe fn slots<'a, H: Listen>(
    name: &'static str,
    maps: &eplb_placement,
    shape: &Shape,
    memory: &mut Memory<H>,
) -> Result<&'a [i32], Status> {
    let [slots, ..] = map_lengths(shape, 0)?;
    // SAFETY: passed on.
    unsafe { memory.input(name, maps.physical_to_logical, slots) }
}

/// All maps that are given, to be read.
///
/// # Safety
/// They are NULL or hold what the shape says for `'a`.
pub unsafe fn all<'a, H: Listen>(
    maps: &eplb_placement,
    shape: &Shape,
    memory: &mut Memory<H>,
) -> Result<Placement<'a>, Status> {
    let width = maps.max_replicas as usize;
    let [slots, counts, table] = memory.fits(TABLE, map_lengths(shape, width).ok())?;
    // SAFETY: passed on.
    unsafe {
        Ok(Placement {
            physical_to_logical: memory.input(SLOTS, maps.physical_to_logical, slots)?,
            replica_rank: memory.optional_input(RANK, maps.replica_rank, slots)?,
            logical_count: memory.optional_input(COUNT, maps.logical_count, counts)?,
            logical_to_physical: memory.optional_input(TABLE, maps.logical_to_physical, table)?,
            max_replicas: width,
        })
    }
}

/// Maps beside `physical_to_logical` that are written, and the lengths of all.
pub struct Written {
    maps: eplb_placement,
    lengths: [usize; 3],
}

impl Written {
    /// Notes those that are wanted.
    pub fn note<H: Listen>(
        maps: eplb_placement,
        shape: &Shape,
        memory: &mut Memory<H>,
    ) -> Result<Self, Status> {
        let lengths = map_lengths(shape, maps.max_replicas as usize).ok();
        let lengths = memory.fits(TABLE, lengths)?;
        let [slots, counts, table] = lengths;
        memory.optional_output(RANK, maps.replica_rank, slots)?;
        memory.optional_output(COUNT, maps.logical_count, counts)?;
        memory.optional_output(TABLE, maps.logical_to_physical, table)?;
        Ok(Written { maps, lengths })
    }

    /// Whether there is a table of slots, and how wide it is.
    pub fn table(&self) -> (bool, usize) {
        (!self.maps.logical_to_physical.is_null(), self.maps.max_replicas as usize)
    }

    /// # Safety
    /// [`Memory::check_overlap`] has accepted what was noted.
    pub unsafe fn slices<'a>(&self) -> Numbering<'a> {
        let (maps, [slots, counts, table]) = (&self.maps, self.lengths);
        // SAFETY: noted with these lengths, and passed on.
        unsafe {
            Numbering {
                replica_rank: memory::output(maps.replica_rank, slots),
                logical_count: memory::output(maps.logical_count, counts),
                logical_to_physical: memory::output(maps.logical_to_physical, table),
                max_replicas: maps.max_replicas as usize,
            }
        }
    }

    /// The same for `physical_to_logical`, where it has been noted as an output.
    ///
    /// # Safety
    /// As [`Written::slices`].
    pub unsafe fn slots<'a>(&self) -> Option<&'a mut [i32]> {
        let [slots, ..] = self.lengths;
        // SAFETY: noted with this length, and passed on.
        unsafe { memory::output(self.maps.physical_to_logical, slots) }
    }
}
