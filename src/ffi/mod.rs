//! The C face: check, make slices, call, write back. The only unsafe code of the library.
//!
//! Item docs are written for the C reader: cbindgen copies them into `include/eplb.h` as they are.

#![allow(unsafe_code)]
// the docs are for C: [L][P] is a shape, not a link
#![allow(rustdoc::broken_intra_doc_links)]

mod memory;
#[cfg(standalone)]
mod panic;
mod read;
mod types;

pub use types::{eplb_options, eplb_placement, eplb_problem};

use crate::metrics::{self, Metrics, Report, eplb_metrics};
use crate::migrate;
use crate::placement::{
    self, Placement, PlacementMut, Promises, Violation, eplb_violation, map_lengths,
};
use crate::plan::policy::Policy;
use crate::plan::{Operation, Options};
use crate::problem::{Problem, Scope, Shape, Spec};
use crate::status::Status;
use core::ffi::{CStr, c_char, c_void};
use memory::Memory;
use read::{check_pointer, check_stride, read, write};

/// Version of this header: (major << 16) | (minor << 8) | patch.
pub const EPLB_VERSION: u32 = 0x0000_0100;

/// Says how much workspace an operation needs.
///
/// The size depends on the sizes of the problem, its topology and the options, not on num_layers and
/// not on the loads: load and window_weight may still be NULL. Ask once, keep the block, use it for any
/// number of calls; two calls at the same time need a block each. What the block holds before a call does
/// not matter, what it holds afterwards has no meaning.
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
/// With options.previous the plan starts from the placement in force. Slots that keep their expert keep their
/// place. EPLB_POLICY_BALANCED with a limit on moves: first the fewest moves that give every expert a slot on a
/// GPU that is alive (refused with EPLB_STATUS_INFEASIBLE when the limit does not allow them), then step by
/// step what brings most balance per slot; a slot that changes must bring 2^-20 of balance, and 0.99976 is
/// enough. Without a limit: the plan from nothing with GPUs (of the same slots and speed; in hierarchical scope
/// of the same node, and nodes) renamed so that the fewest slots change, or the placement in force where the
/// plan is no better. In both cases no layer is less balanced than it was on the GPUs that stay, and duplicates
/// of the placement in force may remain, but none is added. The other policies: their plan, renamed. A dead GPU
/// cannot be read from: EPLB_STATUS_SOURCE_LOST when an expert was on no other, unless
/// EPLB_FLAG_EXTERNAL_SOURCE is set. A leaving GPU can be read from, its slots become empty. All layers are
/// looked at before the first output is written.
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
    // SAFETY: the caller's promise, passed on. Slices are made of what `memory` has checked.
    answer(|| unsafe {
        let problem = read(problem)?;
        let options = read_options(options)?;
        let maps = read(placement)?;
        let mut memory = Memory::default();
        let shape = shape(&problem, &mut memory)?;
        let previous = memory.optional_input(options.previous, map_lengths(&shape, 0)?[0])?;
        let options = checked_options(&options, previous)?;
        let need = migrate::workspace(Operation::Plan, &shape, &options)?;
        let problem = loads(&problem, shape, &mut memory)?;

        let [slots, counts, table] = map_lengths(&shape, maps.max_replicas as usize)?;
        memory.output(maps.physical_to_logical, slots)?;
        memory.optional_output(maps.replica_rank, slots)?;
        memory.optional_output(maps.logical_count, counts)?;
        memory.optional_output(maps.logical_to_physical, table)?;
        note_metrics(&mut memory, per_layer, metrics_size, &shape, true)?;
        memory.workspace(workspace.cast(), workspace_size, &need)?;
        memory.check_overlap()?;

        let maps = PlacementMut {
            physical_to_logical: memory::output(maps.physical_to_logical, slots)
                .ok_or(Status::NullPointer)?,
            replica_rank: memory::output(maps.replica_rank, slots),
            logical_count: memory::output(maps.logical_count, counts),
            logical_to_physical: memory::output(maps.logical_to_physical, table),
            max_replicas: maps.max_replicas as usize,
        };
        let mut report = |layer: usize, metrics: &Metrics| {
            write(per_layer.cast::<u8>().add(layer * metrics_size), metrics_size, metrics);
        };
        let report: Option<Report> = if per_layer.is_null() { None } else { Some(&mut report) };
        migrate::plan(&problem, &options, memory::arena(workspace.cast(), &need), maps, report)
    })
}

/// Measures a placement with the loads of a problem: any placement, from this library or not.
///
/// Only physical_to_logical is read. Slots on dead GPUs do not count; every expert needs a replica on
/// a GPU that is not dead.
///
/// problem, options  as for eplb_plan; of the options only the scope matters.
/// workspace         as eplb_workspace(EPLB_OPERATION_EVALUATE) says.
/// placement         in: what to measure.
/// per_layer         out: [L] metrics.
/// metrics_size      sizeof(eplb_metrics).
///
/// Returns EPLB_STATUS_OK, or a negative code with per_layer as it was. O(L (P + E log E)).
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
    // SAFETY: the caller's promise, passed on. Slices are made of what `memory` has checked.
    answer(|| unsafe {
        let problem = read(problem)?;
        let options = read_options(options)?;
        let maps = read(placement)?;
        let mut memory = Memory::default();
        let shape = shape(&problem, &mut memory)?;
        let options = checked_options(&options, None)?;
        let need = migrate::workspace(Operation::Evaluate, &shape, &options)?;
        let problem = loads(&problem, shape, &mut memory)?;
        let slots = memory.input(maps.physical_to_logical, map_lengths(&shape, 0)?[0])?;
        note_metrics(&mut memory, per_layer, metrics_size, &shape, false)?;
        memory.workspace(workspace.cast(), workspace_size, &need)?;
        memory.check_overlap()?;

        let arena = memory::arena(workspace.cast(), &need);
        metrics::evaluate(
            &problem,
            options.scope,
            arena,
            &Placement::of(slots),
            &mut |layer, metrics| {
                write(per_layer.cast::<u8>().add(layer * metrics_size), metrics_size, metrics);
            },
        )
    })
}

/// Checks that a placement keeps its promises: every slot holds an expert or -1, none on a GPU that is
/// not alive, every expert present, the other maps (those not NULL) consistent with
/// physical_to_logical; in hierarchical scope, groups on one node; for EPLB_POLICY_BALANCED no expert
/// twice on a GPU; for the others no slot empty.
///
/// problem, options  as for eplb_plan; load may be NULL. Of the options, policy and scope matter.
/// workspace         as eplb_workspace(EPLB_OPERATION_CHECK) says.
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

/// Runs the body of a function and turns its result into a code.
fn answer(body: impl FnOnce() -> Result<(), Status>) -> i32 {
    body().err().unwrap_or(Status::Ok).code()
}

/// The caller's options, or the defaults.
///
/// # Safety
/// As [`read()`].
unsafe fn read_options(options: *const eplb_options) -> Result<eplb_options, Status> {
    if options.is_null() {
        return Ok(eplb_options {
            struct_size: size_of::<eplb_options>() as u32,
            policy: 0,
            scope: 0,
            effort: 0,
            max_moves: 0,
            max_moves_per_gpu_pair: 0,
            flags: 0,
            reserved: 0,
            previous: core::ptr::null(),
        });
    }
    // SAFETY: passed on.
    unsafe { read(options) }
}

/// Numbers to enums.
fn checked_options<'a>(
    options: &eplb_options,
    previous: Option<&'a [i32]>,
) -> Result<Options<'a>, Status> {
    if options.reserved != 0 {
        return Err(Status::ReservedNotZero);
    }
    // EPLB_FLAG_*, the one of dispatch included
    if options.flags & !15 != 0 {
        return Err(Status::UnknownFlag);
    }
    Ok(Options {
        policy: Policy::try_from(options.policy)?,
        recipe: None,
        scope: Scope::try_from(options.scope)?,
        effort: options.effort,
        max_moves: options.max_moves,
        max_moves_per_gpu_pair: options.max_moves_per_gpu_pair,
        flags: options.flags,
        previous,
    })
}

/// Sizes and topology.
///
/// # Safety
/// The arrays of the topology are NULL or hold G elements for `'a`.
unsafe fn shape<'a>(problem: &eplb_problem, memory: &mut Memory) -> Result<Shape<'a>, Status> {
    let gpus = problem.num_gpus as usize;
    // SAFETY: passed on.
    let spec = unsafe {
        Spec {
            num_windows: problem.num_windows,
            num_layers: problem.num_layers,
            num_logical_experts: problem.num_logical_experts,
            num_physical_experts: problem.num_physical_experts,
            num_groups: problem.num_groups,
            num_nodes: problem.num_nodes,
            num_gpus: problem.num_gpus,
            load_window_stride: problem.load_window_stride,
            load: &[],
            window_weight: None,
            gpu_speed: memory.optional_input(problem.gpu_speed, gpus)?,
            gpu_slots: memory.optional_input(problem.gpu_slots, gpus)?,
            gpu_node: memory.optional_input(problem.gpu_node, gpus)?,
            gpu_state: memory.optional_input(problem.gpu_state, gpus)?,
        }
    };
    Shape::new(&spec)
}

/// The problem with its loads.
///
/// # Safety
/// load and window_weight are NULL or hold what the shape says for `'a`.
unsafe fn loads<'a>(
    problem: &eplb_problem,
    shape: Shape<'a>,
    memory: &mut Memory,
) -> Result<Problem<'a>, Status> {
    let weights = shape.num_layers() * shape.num_windows();
    // SAFETY: passed on.
    let (load, weight) = unsafe {
        (
            memory.input(problem.load, shape.load_len())?,
            memory.optional_input(problem.window_weight, weights)?,
        )
    };
    Problem::with_shape(shape, load, weight)
}

/// Notes the array of metrics.
fn note_metrics(
    memory: &mut Memory,
    per_layer: *mut eplb_metrics,
    metrics_size: usize,
    shape: &Shape,
    optional: bool,
) -> Result<(), Status> {
    if optional && per_layer.is_null() {
        return Ok(());
    }
    check_pointer(per_layer)?;
    check_stride(metrics_size, size_of::<Metrics>())?;
    let bytes = shape.num_layers().checked_mul(metrics_size).ok_or(Status::ShapeTooLarge)?;
    memory.output(per_layer.cast::<u8>(), bytes)
}
