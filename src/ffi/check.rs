//! eplb_check and eplb_digest: what is asked of a placement.

use crate::base::arena::Need;
use crate::ffi::call::{answer, checked_options, read_options, shape};
use crate::ffi::memory::{self, Listen, Memory};
use crate::ffi::read::write;
use crate::ffi::types::{eplb_options, eplb_placement, eplb_problem};
use crate::options::operation::Operation;
use crate::placement::{self, Placement, Promises, Violation, eplb_violation, map_lengths};
use crate::plan;
use crate::problem::Shape;
use crate::status::Status;
use core::ffi::c_void;

/// The arguments of eplb_check.
#[derive(Clone, Copy)]
pub struct CheckCall {
    pub problem: *const eplb_problem,
    pub options: *const eplb_options,
    pub workspace: *mut c_void,
    pub workspace_size: usize,
    pub placement: *const eplb_placement,
    pub first: *mut eplb_violation,
    pub first_size: usize,
}

/// Checks that a placement keeps its promises: every slot holds an expert or -1, none on a GPU that is
/// not alive, every expert present, the other maps (those not NULL) consistent with
/// physical_to_logical; in hierarchical scope, groups on one node; for EPLB_POLICY_BALANCED no expert
/// twice on a GPU; for the others no slot empty.
///
/// problem, options  as for eplb_plan; load may be NULL. Of the options, policy and scope matter.
/// workspace         as eplb_workspace(EPLB_OPERATION_CHECK) says.
/// workspace_size    its bytes.
/// placement         in: what to check.
/// first             out: the first broken promise, kind EPLB_VIOLATION_KIND_NONE when there is none; NULL = not wanted.
/// first_size        sizeof(eplb_violation); not looked at when first is NULL.
///
/// Returns EPLB_STATUS_OK; EPLB_STATUS_PLACEMENT_INVALID with *first filled in; another code with *first as
/// it was. O(L (P + E max_replicas)).
///
/// # Safety
/// Pointers are NULL or point to as much memory as the struct fields say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eplb_check(
    problem: *const eplb_problem,
    options: *const eplb_options,
    workspace: *mut c_void,
    workspace_size: usize,
    placement: *const eplb_placement,
    first: *mut eplb_violation,
    first_size: usize,
) -> i32 {
    // SAFETY: the caller's promise, passed on. The arena is made of what has been checked.
    answer(|| unsafe {
        let call =
            CheckCall { problem, options, workspace, workspace_size, placement, first, first_size };
        let checked = &checked_check(&call, &mut Memory::<memory::Deaf>::default());
        let Check { shape, promises, maps, need } = checked.as_ref().map_err(|status| *status)?;
        let arena = memory::arena(workspace.cast(), need);
        let found = placement::check(shape, promises, arena, maps)?;
        if !first.is_null() {
            write(first.cast(), first_size, &found.unwrap_or(Violation::NONE));
        }
        if found.is_some() { Err(Status::PlacementInvalid) } else { Ok(()) }
    })
}

/// A call of [`eplb_check`] that has been checked.
pub struct Check<'a> {
    pub shape: Shape<'a>,
    pub promises: Promises,
    pub maps: Placement<'a>,
    pub need: Need,
}

/// Checks a call of [`eplb_check`], but for the promises.
///
/// # Safety
/// As for [`eplb_check`].
pub unsafe fn checked_check<'a, H: Listen>(
    call: &CheckCall,
    memory: &mut Memory<H>,
) -> Result<Check<'a>, Status> {
    // SAFETY: the caller's promise, passed on. Slices are made of what `memory` has checked.
    unsafe {
        let problem = memory.read("problem", call.problem)?;
        let options = read_options(call.options, memory)?;
        let maps = memory.read("placement", call.placement)?;
        let shape = shape(&problem, memory)?;
        let options = checked_options(&options, None, memory)?;
        let need = plan::workspace(Operation::Check, &shape, &options)?;
        let maps = input_maps(&maps, &shape, memory)?;
        if !call.first.is_null() {
            memory.pointer("first", call.first)?;
            memory.stride("first_size", call.first_size, size_of::<Violation>())?;
            memory.output("first", call.first.cast::<u8>(), call.first_size)?;
        }
        memory.workspace(call.workspace.cast(), call.workspace_size, &need)?;
        memory.check_overlap()?;
        Ok(Check { shape, promises: options.promises(), maps, need })
    }
}

/// The maps of a placement that are given.
///
/// # Safety
/// They are NULL or hold what the shape says for `'a`.
pub unsafe fn input_maps<'a, H: Listen>(
    maps: &eplb_placement,
    shape: &Shape,
    memory: &mut Memory<H>,
) -> Result<Placement<'a>, Status> {
    let width = maps.max_replicas as usize;
    memory.listener.about("placement.logical_to_physical");
    let [slots, counts, table] = map_lengths(shape, width)?;
    // SAFETY: passed on.
    unsafe {
        let first = "placement.physical_to_logical";
        Ok(Placement {
            physical_to_logical: memory.input(first, maps.physical_to_logical, slots)?,
            replica_rank: memory.optional_input(
                "placement.replica_rank",
                maps.replica_rank,
                slots,
            )?,
            logical_count: memory.optional_input(
                "placement.logical_count",
                maps.logical_count,
                counts,
            )?,
            logical_to_physical: memory.optional_input(
                "placement.logical_to_physical",
                maps.logical_to_physical,
                table,
            )?,
            max_replicas: width,
        })
    }
}

/// Digests physical_to_logical into 64 bits that ranks can compare to see whether they hold the same
/// plan; the same on every machine. Not cryptographic.
///
/// problem    only num_layers and num_physical_experts are looked at.
/// placement  in: only physical_to_logical is read.
/// digest     out.
///
/// Returns EPLB_STATUS_OK, or a negative code with *digest as it was. O(L P), no workspace.
///
/// # Safety
/// Pointers are NULL or point to as much memory as the struct fields say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eplb_digest(
    problem: *const eplb_problem,
    placement: *const eplb_placement,
    digest: *mut u64,
) -> i32 {
    // SAFETY: the caller's promise, passed on; written to where checked.
    answer(|| unsafe {
        let memory = &mut Memory::<memory::Deaf>::default();
        memory.pointer("digest", digest)?;
        let slots = checked_digest(problem, placement, memory)?;
        memory.output("digest", digest, 1)?;
        memory.check_overlap()?;
        digest.write(placement::digest(slots));
        Ok(())
    })
}

/// Checks a call of [`eplb_digest`], but for where the digest goes.
///
/// # Safety
/// As for [`eplb_digest`].
pub unsafe fn checked_digest<'a, H: Listen>(
    problem: *const eplb_problem,
    placement: *const eplb_placement,
    memory: &mut Memory<H>,
) -> Result<&'a [i32], Status> {
    // SAFETY: the caller's promise, passed on. Slices are made of what `memory` has checked.
    unsafe {
        let problem = memory.read("problem", problem)?;
        let maps = memory.read("placement", placement)?;
        let layers = problem.num_layers as usize;
        memory.listener.about("placement.physical_to_logical");
        let slots = layers.checked_mul(problem.num_physical_experts as usize);
        let slots = slots.ok_or(Status::ShapeTooLarge)?;
        if slots == 0 {
            return Err(Status::ShapeZero);
        }
        memory.input("placement.physical_to_logical", maps.physical_to_logical, slots)
    }
}
