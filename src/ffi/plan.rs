//! eplb_workspace and eplb_plan.

use crate::base::arena::{Arena, Need};
use crate::base::table::TableMut;
use crate::explain::text::Text;
use crate::explain::{content, previous};
use crate::ffi::function::{Function, answer, by_ref, function};
use crate::ffi::maps::{SLOTS, Written};
use crate::ffi::memory::{Deaf, Listen, Memory};
use crate::ffi::start::{Given, Start};
use crate::ffi::structs::Rows;
use crate::ffi::types::{eplb_options, eplb_placement, eplb_problem};
use crate::options::Options;
use crate::options::operation::Operation;
use crate::placement::{Numbering, PlacementMut, map_lengths};
use crate::plan;
use crate::problem::{Problem, Shape};
use crate::rebalance::refusals;
use crate::score::{Metrics, Report, eplb_metrics};
use crate::status::Status;
use core::ffi::c_void;

/// Says how much workspace an operation needs. Ask once, keep the block, use it for any number of calls; two calls at
/// the same time need a block each. What is in it before a call does not matter, what is in it afterwards means
/// nothing.
///
/// operation  EPLB_OPERATION_*.
/// problem    the problem to come; only sizes and topology matter, not num_layers; load may be NULL.
/// options    the options to come.
/// size       out: bytes, a multiple of *align.
/// align      out: alignment in bytes, a power of two.
///
/// Refuses what the operation refuses of this shape and these options; that then accepts the shape and options accepted
/// here. O(G); O(G^2) for BALANCED on nodes that are not contiguous.
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
        let memory = &mut Memory::<Deaf>::default();
        let given = Given::read(problem, options, memory)?;
        memory.pointer("size", size)?;
        memory.pointer("align", align)?;
        let start = &given.start(memory);
        size.write(by_ref(start)?.need(operation, memory)?.bytes()?);
        align.write(8);
        Ok(())
    })
}

function! {
    /// Plans every layer of a problem. The result is a function of problem and options alone.
    ///
    /// placement  out: the plan, in every array that is not NULL.
    /// per_layer  out: [L] metrics of the plan; NULL: not wanted.
    ///
    /// EPLB_POLICY_BALANCED fills every slot of every GPU that is alive, but for those that only a duplicate, more than
    /// max_replicas, or more moves than allowed could fill: these are -1, and those that EPLB_FLAG_EMPTY_SLOTS or a
    /// target leaves empty.
    ///
    /// With options.previous the plan starts from the placement in force, and slots that keep their expert keep their
    /// place. EPLB_POLICY_BALANCED, in this order and as far as max_moves goes: the fewest moves that give every expert
    /// a slot on a GPU that is alive (EPLB_STATUS_INFEASIBLE when the limit does not allow them); groups that are on
    /// several nodes together (not with EPLB_MOVES_NONE); copies into empty slots; then the steps that relieve the
    /// busiest GPUs most for each slot that changes, until none is left, the effort is spent, or the balance is
    /// 0.99976. Without a limit: the plan from nothing with GPUs (of the same slots and speed; in hierarchical scope of
    /// the same node, and nodes) renamed so that the fewest slots change, or the placement in force where the plan is
    /// no better, or what such steps make of that where it comes to more. With options.target only the first of these
    /// has to be done, and the rest as far as it takes. A layer that kept the rules, its groups whole, and had no empty
    /// slot is not less balanced than it was on the GPUs that stay; duplicates may remain, but none is added.
    /// docs/SPEC.md: which rule wins over which.
    /// The other policies: their plan, renamed. EPLB_STATUS_SOURCE_LOST: an expert was on dead GPUs alone, which cannot
    /// be read from, and EPLB_FLAG_EXTERNAL_SOURCE is not set.
    ///
    /// With problem.cost, where experts cost time, the balance meant is that of times when a mean step of each window is
    /// split as eplb_dispatch does, and every plan is searched as from a placement: workspace and stack are those of
    /// that, and of eplb_dispatch; effort 0 is 400 for each slot. Of a small layer, W P (E + P) up to
    /// 1,000 (or effort / P), every change of a slot and every swap of two is measured, too.
    ///
    /// Time of a layer: see the policy, and O(P + E log E) for the metrics. Within limits a step takes O(P S W) at
    /// most, for S slots a GPU; effort bounds their sum, and without it the steps go on as long as they help.
    pub unsafe extern "C" fn eplb_plan(
        problem: *const eplb_problem,
        options: *const eplb_options,
        workspace: *mut c_void,
        workspace_size: usize,
        placement: *mut eplb_placement,
        per_layer: *mut eplb_metrics,
        metrics_size: usize,
    ) -> i32;
    PlanCall, eplb_explain_plan
}

/// A call of [`eplb_plan`] that has been checked.
pub(crate) struct Plan<'a> {
    problem: Problem<'a>,
    options: Options<'a>,
    maps: PlacementMut<'a>,
    arena: Arena<'a>,
    per_layer: Rows<Metrics>,
}

impl Function for PlanCall {
    type Checked<'a> = Plan<'a>;
    const DEEP: bool = true;

    unsafe fn check<'a, H: Listen>(&self, memory: &mut Memory<H>) -> Result<Plan<'a>, Status> {
        // SAFETY: the caller's promise, passed on. Slices are made of what `memory` has checked.
        unsafe {
            let problem = memory.read("problem", self.problem)?;
            let maps = memory.read("placement", self.placement)?;
            let options = memory.read_or_default("options", self.options)?;
            let start = &Given { problem, options }.start(memory);
            let start = by_ref(start)?;
            let need = start.need(Operation::Plan, memory)?;
            self.arrays(start, &maps, need, memory)
        }
    }

    unsafe fn run(&self, plan: &mut Plan) -> Result<(), Status> {
        let Plan { problem, options, maps, arena, per_layer } = plan;
        let wanted = per_layer.are_wanted();
        let mut report = |layer: usize, metrics: &Metrics| per_layer.set(layer, *metrics);
        let report: Option<Report> = if wanted { Some(&mut report) } else { None };
        plan::plan_into(problem, options, arena, maps, report)
    }

    unsafe fn explain(&self, plan: &mut Plan, text: &mut Text) -> Result<(), Status> {
        let Plan { problem, options, maps, arena, .. } = plan;
        plan::check(problem, options, arena, maps).inspect_err(|&status| {
            let (table, width) = (maps.logical_to_physical.is_some(), maps.max_replicas);
            let told = content::check_plan(text, problem, options, table, width);
            if told != Err(status) {
                *text = Text::default();
            }
            if status == Status::Infeasible {
                let layer = refusals::beyond_repair(problem, options, width, arena.rest());
                previous::say_repair(text, options, layer);
            }
        })
    }
}

impl PlanCall {
    /// The arrays of a call whose problem and options are good.
    ///
    /// # Safety
    /// As for [`eplb_plan`].
    #[inline(never)] // what it takes and what `Given::start` takes are not on the stack together
    unsafe fn arrays<'a, H: Listen>(
        &self,
        start: &Start<'a>,
        maps: &eplb_placement,
        need: Need,
        memory: &mut Memory<H>,
    ) -> Result<Plan<'a>, Status> {
        // SAFETY: passed on. Slices are made of what `memory` has checked.
        unsafe {
            let previous = start.previous(memory)?;
            let problem = &start.loads(memory);
            let problem = by_ref(problem)?;
            let maps = note_maps(maps, &start.shape, memory)?;
            let layers = start.shape.num_layers();
            let names = ("per_layer", "metrics_size");
            let per_layer =
                memory.optional_rows(names, self.per_layer, self.metrics_size, layers)?;
            let workspace = memory.workspace(self.workspace, self.workspace_size, need)?;
            memory.check_overlap()?;
            let physical_to_logical = maps.slots().ok_or(Status::NullPointer)?;
            let Numbering { replica_rank, logical_count, logical_to_physical, max_replicas } =
                maps.slices();
            let maps = PlacementMut {
                physical_to_logical,
                replica_rank,
                logical_count,
                logical_to_physical,
                max_replicas,
            };
            let options = Options { previous, ..start.options };
            Ok(Plan { problem: *problem, options, maps, arena: workspace.arena(), per_layer })
        }
    }
}

/// Notes the maps that a plan is written into.
pub(crate) fn note_maps<H: Listen>(
    maps: &eplb_placement,
    shape: &Shape,
    memory: &mut Memory<H>,
) -> Result<Written, Status> {
    let [slots, ..] = map_lengths(shape, 0)?;
    memory.output(SLOTS, maps.physical_to_logical, slots)?;
    Written::note(*maps, shape, memory)
}
