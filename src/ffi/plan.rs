//! eplb_workspace and eplb_plan.

use crate::base::arena::Arena;
use crate::ffi::call::{
    answer, checked_options, checked_shape, loads, note_metrics, read_options, reporter, shape,
};
use crate::ffi::memory::{self, Listen, Memory};
use crate::ffi::types::{eplb_options, eplb_placement, eplb_problem};
use crate::options::Options;
use crate::options::operation::Operation;
use crate::placement::{PlacementMut, map_lengths};
use crate::plan;
use crate::problem::{Problem, Shape};
use crate::score::{Report, eplb_metrics};
use crate::status::Status;
use core::ffi::c_void;

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
    // SAFETY: the caller's promise, passed on; written to where checked.
    answer(|| unsafe {
        let operation = Operation::try_from(operation)?;
        let memory = &mut Memory::<memory::Deaf>::default();
        let problem = memory.read("problem", problem)?;
        let options = read_options(options, memory)?;
        memory.pointer("size", size)?;
        memory.pointer("align", align)?;
        let shape = shape(&problem, memory)?;
        // the map of a previous placement is not looked at here, only whether there is one
        let previous = (!options.previous.is_null()).then_some(&[][..]);
        let options = checked_options(&options, previous, memory)?;
        let need = plan::workspace(operation, &shape, &options)?;
        size.write(need.bytes()?);
        align.write(8);
        Ok(())
    })
}

/// The arguments of eplb_plan and eplb_evaluate.
#[derive(Clone, Copy)]
pub struct PlanCall {
    pub problem: *const eplb_problem,
    pub options: *const eplb_options,
    pub workspace: *mut c_void,
    pub workspace_size: usize,
    pub placement: *const eplb_placement,
    pub per_layer: *mut eplb_metrics,
    pub metrics_size: usize,
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
    placement: *mut eplb_placement,
    per_layer: *mut eplb_metrics,
    metrics_size: usize,
) -> i32 {
    // SAFETY: the caller's promise, passed on. The arena is made of what has been checked.
    answer(|| unsafe {
        let call = PlanCall {
            problem,
            options,
            workspace,
            workspace_size,
            placement,
            per_layer,
            metrics_size,
        };
        let mut checked = memory::unheard(|memory| checked_plan(&call, memory));
        // by reference: a copy would be on the stack all the while
        let Plan { problem, options, maps, arena } = checked.as_mut().map_err(|status| *status)?;
        let mut report = reporter(per_layer, metrics_size);
        let report: Option<Report> = if per_layer.is_null() { None } else { Some(&mut report) };
        plan::plan_into(problem, options, arena, maps, report)
    })
}

/// A call of [`eplb_plan`] that has been checked.
pub struct Plan<'a> {
    pub problem: Problem<'a>,
    pub options: Options<'a>,
    pub maps: PlacementMut<'a>,
    pub arena: Arena<'a>,
}

/// Checks a call of [`eplb_plan`].
///
/// # Safety
/// As for [`eplb_plan`].
pub unsafe fn checked_plan<'a, H: Listen>(
    call: &PlanCall,
    memory: &mut Memory<H>,
) -> Result<Plan<'a>, Status> {
    // SAFETY: the caller's promise, passed on. Slices are made of what `memory` has checked.
    unsafe {
        let operation = Operation::Plan;
        let problem = memory.read("problem", call.problem)?;
        let maps = memory.read("placement", call.placement)?;
        let sizes = &checked_shape(operation, &problem, call.options, memory);
        let (shape, options) = sizes.as_ref().map_err(|status| *status)?;
        // what the shape rules out is said before what the loads do: as eplb_workspace says it
        let need = &plan::workspace(operation, shape, options)?;
        memory.listener.about("workspace");
        need.bytes()?;
        let problem = &loads(&problem, shape, memory);
        let problem = problem.as_ref().map_err(|status| *status)?;

        let maps = note_maps(&maps, problem.shape(), memory)?;
        note_metrics(memory, call.per_layer, call.metrics_size, problem.shape(), true)?;
        memory.workspace(call.workspace.cast(), call.workspace_size, need)?;
        memory.check_overlap()?;
        let maps = maps.slices().ok_or(Status::NullPointer)?;
        let arena = memory::arena(call.workspace.cast(), need);
        Ok(Plan { problem: *problem, options: *options, maps, arena })
    }
}

/// The maps of a placement that will be written, and their lengths.
pub struct Maps {
    given: eplb_placement,
    lengths: [usize; 3],
}

pub fn note_maps<H: Listen>(
    given: &eplb_placement,
    shape: &Shape,
    memory: &mut Memory<H>,
) -> Result<Maps, Status> {
    memory.listener.about("placement.logical_to_physical");
    let lengths = map_lengths(shape, given.max_replicas as usize)?;
    let [slots, counts, table] = lengths;
    memory.output("placement.physical_to_logical", given.physical_to_logical, slots)?;
    memory.optional_output("placement.replica_rank", given.replica_rank, slots)?;
    memory.optional_output("placement.logical_count", given.logical_count, counts)?;
    memory.optional_output("placement.logical_to_physical", given.logical_to_physical, table)?;
    Ok(Maps { given: *given, lengths })
}

impl Maps {
    /// # Safety
    /// [`Memory::check_overlap`] has accepted what was noted.
    unsafe fn slices<'a>(&self) -> Option<PlacementMut<'a>> {
        let (given, [slots, counts, table]) = (&self.given, self.lengths);
        // SAFETY: noted with these lengths, and passed on.
        unsafe {
            Some(PlacementMut {
                physical_to_logical: memory::output(given.physical_to_logical, slots)?,
                replica_rank: memory::output(given.replica_rank, slots),
                logical_count: memory::output(given.logical_count, counts),
                logical_to_physical: memory::output(given.logical_to_physical, table),
                max_replicas: given.max_replicas as usize,
            })
        }
    }
}
