//! What the functions of the C face share: from what the caller gave to what the core takes.

use super::memory::Memory;
use super::read::{check_pointer, check_stride, read, write};
use super::types::{eplb_options, eplb_problem};
use crate::metrics::{Metrics, eplb_metrics};
use crate::migrate::flags::{
    EPLB_FLAG_EXTERNAL_SOURCE, EPLB_FLAG_FILL_ONLY, EPLB_FLAG_SURVIVE_GPU, EPLB_FLAG_SURVIVE_NODE,
};
use crate::placement::map_lengths;
use crate::plan::policy::Policy;
use crate::plan::{EPLB_FLAG_DISPATCH, EPLB_FLAG_EMPTY_SLOTS, Operation, Options};
use crate::problem::{Problem, Scope, Shape, Spec};
use crate::status::Status;

/// Runs the body of a function and turns its result into a code.
pub fn answer(body: impl FnOnce() -> Result<(), Status>) -> i32 {
    body().err().unwrap_or(Status::Ok).code()
}

/// The caller's options, or the defaults.
///
/// # Safety
/// As [`read()`].
pub unsafe fn read_options(options: *const eplb_options) -> Result<eplb_options, Status> {
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

/// Every flag that exists.
const FLAGS: u32 = EPLB_FLAG_EXTERNAL_SOURCE
    | EPLB_FLAG_SURVIVE_GPU
    | EPLB_FLAG_SURVIVE_NODE
    | EPLB_FLAG_DISPATCH
    | EPLB_FLAG_EMPTY_SLOTS
    | EPLB_FLAG_FILL_ONLY;

/// Numbers to enums.
pub fn checked_options<'a>(
    options: &eplb_options,
    previous: Option<&'a [i32]>,
) -> Result<Options<'a>, Status> {
    if options.reserved != 0 {
        return Err(Status::ReservedNotZero);
    }
    if options.flags & !FLAGS != 0 {
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
pub unsafe fn shape<'a>(problem: &eplb_problem, memory: &mut Memory) -> Result<Shape<'a>, Status> {
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
#[inline(never)] // apart, as `checked_plan` is
pub unsafe fn loads<'a>(
    problem: &eplb_problem,
    shape: &Shape<'a>,
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
    Problem::with_shape(*shape, load, weight)
}

/// Sizes, topology and options. Only planning looks at a previous placement.
///
/// # Safety
/// Pointers are NULL or point to what the struct fields say, for `'a`.
#[inline(never)] // apart, as `checked_plan` is
pub unsafe fn checked_shape<'a>(
    operation: Operation,
    problem: &eplb_problem,
    options: *const eplb_options,
    memory: &mut Memory,
) -> Result<(Shape<'a>, Options<'a>), Status> {
    // SAFETY: passed on.
    unsafe {
        let options = read_options(options)?;
        let shape = shape(problem, memory)?;
        let previous = match operation {
            Operation::Plan => {
                memory.optional_input(options.previous, map_lengths(&shape, 0)?[0])?
            }
            _ => None,
        };
        let options = checked_options(&options, previous)?;
        Ok((shape, options))
    }
}

/// Writes the metrics of a layer into the caller's array, which has been checked.
///
/// # Safety
/// [`note_metrics`] and [`Memory::check_overlap`] have accepted the array, or it is NULL and the result is
/// never called.
pub unsafe fn reporter(
    per_layer: *mut eplb_metrics,
    metrics_size: usize,
) -> impl FnMut(usize, &Metrics) {
    move |layer, metrics| {
        // SAFETY: the array has a place of `metrics_size` bytes for every layer.
        unsafe { write(per_layer.cast::<u8>().add(layer * metrics_size), metrics_size, metrics) }
    }
}

/// Notes the array of metrics.
pub fn note_metrics(
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
