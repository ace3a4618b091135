//! The C face: check, make slices, call, write back. The only unsafe code of the library.
//!
//! Item docs are written for the C reader: cbindgen copies them into `include/eplb.h` as they are.

#![allow(unsafe_code)]
// the docs are for C: [L][P] is a shape, not a link
#![allow(rustdoc::broken_intra_doc_links)]

mod call;
#[cfg(not(without = "dispatch"))]
mod dispatch;
#[cfg(not(without = "previous"))]
mod gate;
mod memory;
#[cfg(standalone)]
mod panic;
mod read;
#[cfg(not(without = "load"))]
mod tracker;
#[cfg(not(without = "previous"))]
mod transfers;
mod types;
#[cfg(not(without = "load"))]
mod windows;

#[cfg(not(without = "dispatch"))]
pub use dispatch::{eplb_batch, eplb_dispatch, eplb_quotas};
#[cfg(not(without = "previous"))]
pub use gate::eplb_gate;
#[cfg(not(without = "load"))]
pub use tracker::{
    eplb_tracker_close, eplb_tracker_config, eplb_tracker_init, eplb_tracker_observe,
    eplb_tracker_size, eplb_tracker_windows,
};
#[cfg(not(without = "previous"))]
pub use transfers::{eplb_transfer_list, eplb_transfers};
pub use types::{eplb_options, eplb_placement, eplb_problem};
#[cfg(not(without = "load"))]
pub use windows::{
    eplb_change, eplb_forecast, eplb_forecast_options, eplb_window_weights, eplb_windows,
};

use crate::arena::{Arena, Need};
use crate::metrics::{self, Report, eplb_metrics};
use crate::migrate;
use crate::placement::{
    self, Placement, PlacementMut, Promises, Violation, eplb_violation, map_lengths,
};
use crate::plan::policy::Policy;
use crate::plan::{Operation, Options};
use crate::problem::{Problem, Shape};
use crate::status::Status;
use call::{
    answer, checked_options, checked_shape, loads, note_metrics, read_options, reporter, shape,
};
use core::ffi::{CStr, c_char, c_void};
use memory::Memory;
use read::{check_pointer, check_stride, read, write};

/// Version of this header: (major << 16) | (minor << 8) | patch.
pub const EPLB_VERSION: u32 = 0x0000_0200;

/// Says how much workspace an operation needs.
///
/// The size depends on the sizes of the problem, its topology and the options, not on num_layers and
/// not on the loads: load and window_weight may still be NULL. Ask once, keep the block, use it for any
/// number of calls; two calls at the same time need a block each. What the block holds before a call does
/// not matter, what it holds afterwards has no meaning. The size is a multiple of the alignment. A call for which it
/// was asked refuses nothing that this function has accepted for shape and options.
///
/// operation  EPLB_OPERATION_*.
/// problem    the problem to come.
/// options    the options to come; NULL = all defaults.
/// size       out: bytes.
/// align      out: alignment in bytes, a power of two.
///
/// Returns EPLB_STATUS_OK; else the code with which the operation would refuse this shape and these
/// options, and *size and *align as they were. O(G); O(G^2) for BALANCED on nodes that are not contiguous.
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eplb_workspace(
    operation: u32,
    problem: *const eplb_problem,
    options: *const eplb_options,
    size: *mut usize,
    align: *mut usize,
) -> i32 {
    // SAFETY: the caller's promise, passed on.
    let query = || unsafe {
        let problem = read(problem)?;
        let options = read_options(options)?;
        check_pointer(size)?;
        check_pointer(align)?;
        let mut memory = Memory::default();
        let shape = shape(&problem, &mut memory)?;
        // the map of a previous placement is not looked at here, only whether there is one
        let previous = (!options.previous.is_null()).then_some(&[][..]);
        let options = checked_options(&options, previous)?;
        migrate::workspace(Operation::try_from(operation)?, &shape, &options)?.bytes()
    };
    match query() {
        Ok(bytes) => {
            // SAFETY: checked above.
            unsafe {
                size.write(bytes);
                align.write(8);
            }
            Status::Ok.code()
        }
        Err(status) => status.code(),
    }
}

/// Plans every layer of a problem.
///
/// problem           what to plan for.
/// options           how; NULL = all defaults.
/// workspace         scratch, of the size and alignment that eplb_workspace(EPLB_OPERATION_PLAN) says.
/// workspace_size    its bytes.
/// placement         out: every element of every array that is not NULL is written.
/// per_layer         out: [L] metrics of the plan; NULL = not wanted.
/// metrics_size      sizeof(eplb_metrics); not looked at when per_layer is NULL.
///
/// EPLB_POLICY_BALANCED fills every slot of every GPU that is alive, but for those that only a duplicate, more than
/// max_replicas, or more moves than allowed could fill: these are -1. EPLB_FLAG_EMPTY_SLOTS lets it leave a slot empty
/// where that is better.
///
/// With options.previous the plan starts from the placement in force. Slots that keep their expert keep their place.
/// EPLB_POLICY_BALANCED, in this order and as far as max_moves goes: the fewest moves that give every expert a slot on
/// a GPU that is alive (EPLB_STATUS_INFEASIBLE when the limit does not allow them); copies into empty slots; then step
/// by step what brings most balance per slot, where a slot that changes must bring 2^-20 of balance, and 0.99976 is
/// enough. With EPLB_MOVES_NONE only the first. With EPLB_FLAG_FILL_ONLY slots that hold an expert keep it. Without a
/// limit: the plan from nothing with GPUs (of the same slots and speed; in hierarchical scope of the same node, and
/// nodes) renamed so that the fewest slots change, or the placement in force where the plan is no better. A layer is
/// not less balanced than it was on the GPUs that stay, unless it had empty slots; duplicates of the placement in force
/// may remain, but none is added. The other policies: their plan, renamed. A dead GPU cannot be read from:
/// EPLB_STATUS_SOURCE_LOST when an expert was on no other, unless EPLB_FLAG_EXTERNAL_SOURCE is set. A leaving GPU can
/// be read from, its slots become empty. All layers are looked at before the first output is written.
///
/// Returns EPLB_STATUS_OK, or a negative code with every output as it was. The result is a function of
/// problem and options alone: the same bytes on every machine, in every build. Time per layer: see the
/// policy; and O(P + E log E) more for the metrics. No allocation, no lock, no global: any number of
/// threads may plan at once, a workspace each.
///
/// # Safety
/// Pointers are NULL or point to as much memory as the struct fields say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eplb_plan(
    problem: *const eplb_problem,
    options: *const eplb_options,
    workspace: *mut c_void,
    workspace_size: usize,
    placement: *const eplb_placement,
    per_layer: *mut eplb_metrics,
    metrics_size: usize,
) -> i32 {
    // SAFETY: the caller's promise, passed on. The arena is made of what has been checked.
    answer(|| unsafe {
        let mut checked = checked_plan(
            problem,
            options,
            workspace,
            workspace_size,
            placement,
            per_layer,
            metrics_size,
        );
        // by reference: a copy would be on the stack all the while
        let Plan { problem, options, maps, arena } = checked.as_mut().map_err(|status| *status)?;
        let mut report = reporter(per_layer, metrics_size);
        let report: Option<Report> = if per_layer.is_null() { None } else { Some(&mut report) };
        migrate::plan_into(problem, options, arena, maps, report)
    })
}

/// A call of [`eplb_plan`] that has been checked.
struct Plan<'a> {
    problem: Problem<'a>,
    options: Options<'a>,
    maps: PlacementMut<'a>,
    arena: Arena<'a>,
}

/// Checks a call of [`eplb_plan`]. A function of its own, so that what only checking needs is off the stack
/// while planning is on it.
///
/// # Safety
/// As for [`eplb_plan`].
#[inline(never)]
unsafe fn checked_plan<'a>(
    problem: *const eplb_problem,
    options: *const eplb_options,
    workspace: *mut c_void,
    workspace_size: usize,
    placement: *const eplb_placement,
    per_layer: *mut eplb_metrics,
    metrics_size: usize,
) -> Result<Plan<'a>, Status> {
    // SAFETY: the caller's promise, passed on. Slices are made of what `memory` has checked.
    unsafe {
        let mut memory = Memory::default();
        let operation = Operation::Plan;
        let problem = read(problem)?;
        let maps = read(placement)?;
        let sizes = &checked_shape(operation, &problem, options, &mut memory);
        let (shape, options) = sizes.as_ref().map_err(|status| *status)?;
        // what the shape rules out is said before what the loads do: as eplb_workspace says it
        let need = &migrate::workspace(operation, shape, options)?;
        need.bytes()?;
        let problem = &loads(&problem, shape, &mut memory);
        let problem = problem.as_ref().map_err(|status| *status)?;

        let [slots, counts, table] = map_lengths(problem.shape(), maps.max_replicas as usize)?;
        memory.output(maps.physical_to_logical, slots)?;
        memory.optional_output(maps.replica_rank, slots)?;
        memory.optional_output(maps.logical_count, counts)?;
        memory.optional_output(maps.logical_to_physical, table)?;
        note_metrics(&mut memory, per_layer, metrics_size, problem.shape(), true)?;
        memory.workspace(workspace.cast(), workspace_size, need)?;
        memory.check_overlap()?;

        let maps = PlacementMut {
            physical_to_logical: memory::output(maps.physical_to_logical, slots)
                .ok_or(Status::NullPointer)?,
            replica_rank: memory::output(maps.replica_rank, slots),
            logical_count: memory::output(maps.logical_count, counts),
            logical_to_physical: memory::output(maps.logical_to_physical, table),
            max_replicas: maps.max_replicas as usize,
        };
        let arena = memory::arena(workspace.cast(), need);
        Ok(Plan { problem: *problem, options: *options, maps, arena })
    }
}

/// Measures a placement with the loads of a problem: any placement, from this library or not.
///
/// Of the maps only physical_to_logical is read. Slots on dead GPUs do not count; every expert needs a
/// replica on a GPU that is not dead. With placement.physical_load the load of a slot is what was measured,
/// and that of an expert the sum over its slots; problem.load is then not read, and may be NULL.
///
/// problem, options  as for eplb_plan; of the options only scope and flags matter.
/// workspace         as eplb_workspace(EPLB_OPERATION_EVALUATE) says.
/// workspace_size    its bytes.
/// placement         in: what to measure.
/// per_layer         out: [L] metrics.
/// metrics_size      sizeof(eplb_metrics).
///
/// Returns EPLB_STATUS_OK, or a negative code with per_layer as it was. O(L (P + E log E)); with
/// EPLB_FLAG_DISPATCH the time of eplb_dispatch without sources more.
///
/// # Safety
/// Pointers are NULL or point to as much memory as the struct fields say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eplb_evaluate(
    problem: *const eplb_problem,
    options: *const eplb_options,
    workspace: *mut c_void,
    workspace_size: usize,
    placement: *const eplb_placement,
    per_layer: *mut eplb_metrics,
    metrics_size: usize,
) -> i32 {
    // SAFETY: the caller's promise, passed on. The arena is made of what has been checked.
    answer(|| unsafe {
        let checked = &checked_evaluation(
            problem,
            options,
            workspace,
            workspace_size,
            placement,
            per_layer,
            metrics_size,
        );
        let Evaluation { loads, options, slots, need } =
            checked.as_ref().map_err(|status| *status)?;
        let arena = memory::arena(workspace.cast(), need);
        let report = &mut reporter(per_layer, metrics_size);
        let (scope, placement) = (options.scope, Placement::of(slots));
        let dispatch = options.judges_dispatch();
        match loads {
            Loads::Experts(problem) => {
                metrics::evaluate(problem, scope, dispatch, arena, &placement, report)
            }
            Loads::Slots(shape, measured) => metrics::evaluate_measured(
                shape, scope, dispatch, arena, &placement, measured, report,
            ),
        }
    })
}

/// A call of [`eplb_evaluate`] that has been checked.
struct Evaluation<'a> {
    loads: Loads<'a>,
    options: Options<'a>,
    slots: &'a [i32],
    need: Need,
}

/// What a placement is measured with.
#[allow(clippy::large_enum_variant)] // both are large, and there is one at a time
enum Loads<'a> {
    Experts(Problem<'a>),
    Slots(Shape<'a>, &'a [f32]),
}

/// Checks a call of [`eplb_evaluate`]; apart, as [`checked_plan`] is.
///
/// # Safety
/// As for [`eplb_evaluate`].
#[inline(never)]
unsafe fn checked_evaluation<'a>(
    problem: *const eplb_problem,
    options: *const eplb_options,
    workspace: *mut c_void,
    workspace_size: usize,
    placement: *const eplb_placement,
    per_layer: *mut eplb_metrics,
    metrics_size: usize,
) -> Result<Evaluation<'a>, Status> {
    // SAFETY: the caller's promise, passed on. Slices are made of what `memory` has checked.
    unsafe {
        let mut memory = Memory::default();
        let operation = Operation::Evaluate;
        let problem = read(problem)?;
        let sizes = &checked_shape(operation, &problem, options, &mut memory);
        let (shape, options) = sizes.as_ref().map_err(|status| *status)?;
        let need = migrate::workspace(operation, shape, options)?;
        let maps = read(placement)?;
        let count = map_lengths(shape, 0)?[0];
        let slots = memory.input(maps.physical_to_logical, count)?;
        let measured = memory.optional_input(maps.physical_load, count)?;
        let loads = match measured {
            Some(measured) => Loads::Slots(*shape, measured),
            None => Loads::Experts(loads(&problem, shape, &mut memory)?),
        };
        note_metrics(&mut memory, per_layer, metrics_size, shape, false)?;
        memory.workspace(workspace.cast(), workspace_size, &need)?;
        memory.check_overlap()?;
        Ok(Evaluation { loads, options: *options, slots, need })
    }
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
) -> i32 {
    // SAFETY: the caller's promise, passed on. Slices are made of what `memory` has checked.
    answer(|| unsafe {
        let problem = read(problem)?;
        let options = read_options(options)?;
        let maps = read(placement)?;
        let first_size = match check_pointer(first) {
            Ok(()) => first.cast::<u32>().read() as usize,
            Err(Status::NullPointer) => size_of::<Violation>(),
            Err(status) => return Err(status),
        };
        check_stride(first_size, size_of::<Violation>())?;
        let mut memory = Memory::default();
        let shape = shape(&problem, &mut memory)?;
        let options = checked_options(&options, None)?;
        let need = migrate::workspace(Operation::Check, &shape, &options)?;
        let [slots, counts, table] = map_lengths(&shape, maps.max_replicas as usize)?;
        let maps = Placement {
            physical_to_logical: memory.input(maps.physical_to_logical, slots)?,
            replica_rank: memory.optional_input(maps.replica_rank, slots)?,
            logical_count: memory.optional_input(maps.logical_count, counts)?,
            logical_to_physical: memory.optional_input(maps.logical_to_physical, table)?,
            max_replicas: maps.max_replicas as usize,
        };
        memory.optional_output(first.cast::<u8>(), first_size)?;
        memory.workspace(workspace.cast(), workspace_size, &need)?;
        memory.check_overlap()?;

        let balanced = options.policy == Policy::Balanced;
        let promises = Promises { scope: options.scope, full: !balanced, distinct: balanced };
        let arena = memory::arena(workspace.cast(), &need);
        let found = placement::check(&shape, &promises, arena, &maps)?;
        if !first.is_null() {
            let violation =
                Violation { struct_size: first_size as u32, ..found.unwrap_or(Violation::NONE) };
            write(first.cast(), first_size, &violation);
        }
        if found.is_some() { Err(Status::PlacementInvalid) } else { Ok(()) }
    })
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
    // SAFETY: the caller's promise, passed on. Slices are made of what `memory` has checked.
    answer(|| unsafe {
        let problem = read(problem)?;
        let maps = read(placement)?;
        check_pointer(digest)?;
        let mut memory = Memory::default();
        let slots =
            (problem.num_layers as usize).checked_mul(problem.num_physical_experts as usize);
        let slots = slots.ok_or(Status::ShapeTooLarge)?;
        if slots == 0 {
            return Err(Status::ShapeZero);
        }
        let slots = memory.input(maps.physical_to_logical, slots)?;
        memory.output(digest, 1)?;
        memory.check_overlap()?;
        digest.write(placement::digest(slots));
        Ok(())
    })
}

/// The text of a status code: what is wrong and what to change. Static, in English, never NULL.
#[unsafe(no_mangle)]
pub extern "C" fn eplb_status_string(status: i32) -> *const c_char {
    const UNKNOWN: &CStr = c"unknown status code";
    let known = Status::ALL.into_iter().find(|known| known.code() == status);
    known.map_or(UNKNOWN, Status::text).as_ptr()
}

/// The version of the library, to be compared with EPLB_VERSION of the header. The same major version
/// (before 1.0: the same minor version) means that the two fit.
#[unsafe(no_mangle)]
pub extern "C" fn eplb_version() -> u32 {
    EPLB_VERSION
}
