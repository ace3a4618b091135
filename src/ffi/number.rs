//! eplb_number.

use crate::ffi::call::{answer, shape};
use crate::ffi::memory::{self, Deaf, Listen, Memory};
use crate::ffi::types::{eplb_placement, eplb_problem};
use crate::placement::{self, Numbering, map_lengths};
use crate::problem::Shape;
use crate::status::Status;

/// Fills the other maps of a placement from physical_to_logical, which it leaves as it is: for engines that mask a
/// part of a placement, or move one.
///
/// The replicas of an expert are numbered in order of their slots, as EPLB_POLICY_BALANCED numbers them (the other
/// policies number as the programs that they reproduce; any order is a good one). Slots on dead GPUs do not count, as
/// in eplb_evaluate, whatever they hold: their replica_rank is -1, as that of an empty slot, and neither logical_count
/// nor logical_to_physical know them. GPUs that are leaving count. An expert without a replica has a logical_count of
/// 0. Of a plan of BALANCED these are the maps that eplb_plan has written.
///
/// problem    sizes, gpu_slots and gpu_state; load may be NULL, and nothing else matters.
/// placement  physical_to_logical in; the other maps out, each as far as it is not NULL: every element is written.
///            max_replicas is the width of logical_to_physical, and not looked at without it.
///
/// Returns EPLB_STATUS_OK, or a negative code with every map as it was: EPLB_STATUS_PLACEMENT_EXPERT when a slot, on
/// whichever GPU, holds neither -1 nor an expert; EPLB_STATUS_MAX_REPLICAS when an expert has more replicas than
/// logical_to_physical is wide. O(L (P + E max_replicas)) for up to 256 experts, and a walk over the slots more for
/// each further 256 that slots hold. No workspace.
///
/// # Safety
/// Pointers are NULL or point to as much memory as the struct fields say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eplb_number(
    problem: *const eplb_problem,
    placement: *mut eplb_placement,
) -> i32 {
    // SAFETY: the caller's promise, passed on. Slices are made of what has been checked.
    answer(|| unsafe {
        let checked = &checked_number(problem, placement, &mut Memory::<Deaf>::default());
        let Number { shape, slots, maps } = checked.as_ref().map_err(|status| *status)?;
        placement::number(shape, slots, maps.numbering(shape)?)
    })
}

/// A call of [`eplb_number`] whose arrays have been checked.
pub struct Number<'a> {
    pub shape: Shape<'a>,
    pub slots: &'a [i32],
    pub maps: OtherMaps,
}

/// The maps that are written. Without a table its width does not matter.
pub struct OtherMaps(eplb_placement);

/// Checks a call of [`eplb_number`], but for what the slots hold.
///
/// # Safety
/// As for [`eplb_number`].
pub unsafe fn checked_number<'a, H: Listen>(
    problem: *const eplb_problem,
    placement: *const eplb_placement,
    memory: &mut Memory<H>,
) -> Result<Number<'a>, Status> {
    // SAFETY: the caller's promise, passed on. Slices are made of what `memory` has checked.
    unsafe {
        let problem = memory.read("problem", problem)?;
        let mut maps = memory.read("placement", placement)?;
        let shape = shape(&problem, memory)?;
        if maps.logical_to_physical.is_null() {
            maps.max_replicas = 0;
        }
        memory.listener.about("placement.max_replicas");
        let [slots, counts, table] = map_lengths(&shape, maps.max_replicas as usize)?;
        let held =
            memory.input("placement.physical_to_logical", maps.physical_to_logical, slots)?;
        memory.optional_output("placement.replica_rank", maps.replica_rank, slots)?;
        memory.optional_output("placement.logical_count", maps.logical_count, counts)?;
        memory.optional_output("placement.logical_to_physical", maps.logical_to_physical, table)?;
        memory.check_overlap()?;
        Ok(Number { shape, slots: held, maps: OtherMaps(maps) })
    }
}

impl OtherMaps {
    /// # Safety
    /// [`checked_number`] has accepted them, for this shape.
    pub unsafe fn numbering<'a>(&self, shape: &Shape) -> Result<Numbering<'a>, Status> {
        let maps = &self.0;
        let [slots, counts, table] = map_lengths(shape, maps.max_replicas as usize)?;
        // SAFETY: noted with these lengths, and passed on.
        unsafe {
            Ok(Numbering {
                replica_rank: memory::output(maps.replica_rank, slots),
                logical_count: memory::output(maps.logical_count, counts),
                logical_to_physical: memory::output(maps.logical_to_physical, table),
                max_replicas: maps.max_replicas as usize,
            })
        }
    }
}
