//! What the functions of the C face share: from what the caller gave to what the core takes.

use crate::compat::policy::Policy;
use crate::ffi::memory::{Listen, Memory};
use crate::ffi::read::write;
use crate::ffi::types::{eplb_options, eplb_problem};
use crate::options::Options;
use crate::options::flags::Flags;
use crate::options::operation::Operation;
use crate::placement::map_lengths;
use crate::problem::{Problem, Scope, Shape, Spec};
use crate::score::{Metrics, eplb_metrics};
use crate::status::Status;

/// Runs the body of a function and turns its result into a code.
pub fn answer(body: impl FnOnce() -> Result<(), Status>) -> i32 {
    body().err().unwrap_or(Status::Ok).code()
}

/// The caller's options, or the defaults.
///
/// # Safety
/// As [`Memory::read`].
pub unsafe fn read_options<H: Listen>(
    options: *const eplb_options,
    memory: &mut Memory<H>,
) -> Result<eplb_options, Status> {
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
    unsafe { memory.read("options", options) }
}

/// Numbers to enums.
pub fn checked_options<'a, H: Listen>(
    options: &eplb_options,
    previous: Option<&'a [i32]>,
    memory: &mut Memory<H>,
) -> Result<Options<'a>, Status> {
    memory.listener.about("options.reserved");
    if options.reserved != 0 {
        return Err(Status::ReservedNotZero);
    }
    let flags = Flags::try_from(options.flags)?;
    Ok(Options {
        policy: Policy::try_from(options.policy)?,
        recipe: None,
        scope: Scope::try_from(options.scope)?,
        effort: options.effort,
        max_moves: options.max_moves,
        max_moves_per_gpu_pair: options.max_moves_per_gpu_pair,
        flags,
        previous,
    })
}

/// Sizes and topology, as the caller gives them. The loads are empty: how long they are follows from the rest.
///
/// # Safety
/// The arrays of the topology are NULL or hold G elements for `'a`.
pub unsafe fn spec<'a, H: Listen>(
    problem: &eplb_problem,
    memory: &mut Memory<H>,
) -> Result<Spec<'a>, Status> {
    let gpus = problem.num_gpus as usize;
    // SAFETY: passed on.
    unsafe {
        Ok(Spec {
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
            gpu_speed: memory.optional_input("problem.gpu_speed", problem.gpu_speed, gpus)?,
            gpu_slots: memory.optional_input("problem.gpu_slots", problem.gpu_slots, gpus)?,
            gpu_node: memory.optional_input("problem.gpu_node", problem.gpu_node, gpus)?,
            gpu_state: memory.optional_input("problem.gpu_state", problem.gpu_state, gpus)?,
        })
    }
}

/// Sizes and topology, checked.
///
/// # Safety
/// As [`spec`].
pub unsafe fn shape<'a, H: Listen>(
    problem: &eplb_problem,
    memory: &mut Memory<H>,
) -> Result<Shape<'a>, Status> {
    // SAFETY: passed on.
    Shape::new(&unsafe { spec(problem, memory)? })
}

/// `load` and `window_weight`.
///
/// # Safety
/// They are NULL or hold what the shape says for `'a`.
pub unsafe fn load_arrays<'a, H: Listen>(
    problem: &eplb_problem,
    shape: &Shape,
    memory: &mut Memory<H>,
) -> Result<(&'a [f32], Option<&'a [f32]>), Status> {
    let weights = shape.num_layers() * shape.num_windows();
    // SAFETY: passed on.
    unsafe {
        Ok((
            memory.input("problem.load", problem.load, shape.load_len())?,
            memory.optional_input("problem.window_weight", problem.window_weight, weights)?,
        ))
    }
}

/// The problem with its loads.
///
/// # Safety
/// As [`load_arrays`].
#[inline(never)] // its scratch is off the stack in what follows
pub unsafe fn loads<'a, H: Listen>(
    problem: &eplb_problem,
    shape: &Shape<'a>,
    memory: &mut Memory<H>,
) -> Result<Problem<'a>, Status> {
    // SAFETY: passed on.
    let (load, weight) = unsafe { load_arrays(problem, shape, memory)? };
    Problem::with_shape(*shape, load, weight)
}

/// Sizes, topology and options. Only planning looks at a previous placement.
///
/// # Safety
/// Pointers are NULL or point to what the struct fields say, for `'a`.
#[inline(never)] // its scratch is off the stack in what follows
pub unsafe fn checked_shape<'a, H: Listen>(
    operation: Operation,
    problem: &eplb_problem,
    options: *const eplb_options,
    memory: &mut Memory<H>,
) -> Result<(Shape<'a>, Options<'a>), Status> {
    // SAFETY: passed on.
    unsafe {
        let options = read_options(options, memory)?;
        let shape = shape(problem, memory)?;
        let previous = match operation {
            Operation::Plan => {
                let slots = map_lengths(&shape, 0)?[0];
                memory.optional_input("options.previous", options.previous, slots)?
            }
            _ => None,
        };
        let options = checked_options(&options, previous, memory)?;
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
pub fn note_metrics<H: Listen>(
    memory: &mut Memory<H>,
    per_layer: *mut eplb_metrics,
    metrics_size: usize,
    shape: &Shape,
    optional: bool,
) -> Result<(), Status> {
    if optional && per_layer.is_null() {
        return Ok(());
    }
    memory.pointer("per_layer", per_layer)?;
    memory.stride("metrics_size", metrics_size, size_of::<Metrics>())?;
    let bytes = shape.num_layers().checked_mul(metrics_size).ok_or(Status::ShapeTooLarge)?;
    memory.output("per_layer", per_layer.cast::<u8>(), bytes)
}
