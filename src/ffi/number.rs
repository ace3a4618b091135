//! eplb_number.

use crate::ffi::function::answer;
use crate::ffi::maps::{self, SLOTS, Written};
use crate::ffi::memory::{Deaf, Listen, Memory};
use crate::ffi::start::read_shape;
use crate::ffi::types::{eplb_placement, eplb_problem};
use crate::placement;
use crate::problem::Shape;
use crate::status::Status;

/// Fills the other maps of a placement from physical_to_logical, which it leaves as it is: for engines that mask a
/// part of a placement, or move one. Of a plan of EPLB_POLICY_BALANCED these are the maps that eplb_plan has written.
///
/// problem    only sizes, gpu_slots and gpu_state matter; load may be NULL.
/// placement  physical_to_logical in; the other maps out, as far as they are not NULL. max_replicas is the width of
///            logical_to_physical, and not looked at without it.
///
/// The replicas of an expert are numbered in order of their slots (the compatibility policies number as the programs
/// that they reproduce). A slot on a dead GPU is as an empty one, whatever it holds; GPUs that are leaving count. An
/// expert without a replica has a logical_count of 0. EPLB_STATUS_PLACEMENT_EXPERT also for dead GPUs;
/// EPLB_STATUS_MAX_REPLICAS when an expert has more replicas than the table is wide. O(L (P + E max_replicas)) for up
/// to 256 experts, and a walk over the slots more for each further 256. No workspace.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eplb_number(
    problem: *const eplb_problem,
    placement: *mut eplb_placement,
) -> i32 {
    // SAFETY: the caller's promise, passed on. Slices are made of what has been checked.
    answer(|| unsafe {
        let (shape, slots, others) = &unheard(problem, placement)?;
        placement::number(shape, slots, others.slices())
    })
}

/// A frame of its own, off the stack while the maps are written.
///
/// # Safety
/// As for [`eplb_number`].
#[inline(never)]
unsafe fn unheard<'a>(
    problem: *const eplb_problem,
    placement: *const eplb_placement,
) -> Result<(Shape<'a>, &'a [i32], Written), Status> {
    let memory = &mut Memory::<Deaf>::default();
    // SAFETY: the caller's promise, passed on.
    unsafe {
        let problem = memory.read("problem", problem)?;
        let maps = memory.read("placement", placement)?;
        let shape = read_shape(&problem, memory)?;
        let (slots, others) = arrays(&shape, maps, memory)?;
        memory.check_overlap()?;
        Ok((shape, slots, others))
    }
}

/// The slots that are read, and the maps that are written. Without a table its width does not matter.
///
/// # Safety
/// As for [`eplb_number`].
pub(crate) unsafe fn arrays<'a, H: Listen>(
    shape: &Shape,
    mut maps: eplb_placement,
    memory: &mut Memory<H>,
) -> Result<(&'a [i32], Written), Status> {
    // SAFETY: passed on.
    unsafe {
        if maps.logical_to_physical.is_null() {
            maps.max_replicas = 0;
        }
        let slots = maps::slots(SLOTS, &maps, shape, memory)?;
        Ok((slots, Written::note(maps, shape, memory)?))
    }
}
