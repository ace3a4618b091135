//! eplb_evaluate.

use crate::afresh::measured;
use crate::base::arena::Arena;
use crate::base::table::TableMut;
use crate::explain::content;
use crate::explain::placement::Slots;
use crate::explain::text::Text;
use crate::ffi::function::{Function, by_ref, function};
use crate::ffi::maps::{self, SLOTS};
use crate::ffi::memory::{Listen, Memory, Workspace};
use crate::ffi::start::{Given, Start};
use crate::ffi::structs::Rows;
use crate::ffi::types::{eplb_options, eplb_placement, eplb_problem};
use crate::options::operation::Operation;
use crate::placement::Placement;
use crate::problem::{Problem, Shape};
use crate::rebalance::mode::survive_of;
use crate::score::{self, How, Metrics, Report, eplb_metrics};
use crate::status::Status;
use core::ffi::c_void;

function! {
    /// Measures a placement with the loads of a problem: any placement, from this library or not. Slots on dead GPUs do
    /// not count; every expert needs a replica on a GPU that is not dead (else EPLB_STATUS_PLACEMENT_MISSING).
    ///
    /// options    only scope, split and flags matter.
    /// placement  only physical_to_logical is read, and physical_load where it is given: then the load of a slot is what
    ///            was measured, that of an expert the sum over its slots, and problem.load is not read, and may be NULL.
    /// per_layer  out: [L].
    ///
    /// O(L (P + E log E)); with EPLB_FLAG_DISPATCH the time of eplb_dispatch without sources more.
    pub unsafe extern "C" fn eplb_evaluate(
        problem: *const eplb_problem,
        options: *const eplb_options,
        workspace: *mut c_void,
        workspace_size: usize,
        placement: *const eplb_placement,
        per_layer: *mut eplb_metrics,
        metrics_size: usize,
    ) -> i32;
    EvaluateCall, eplb_explain_evaluate
}

/// What a placement is measured with.
#[allow(clippy::large_enum_variant)] // both are large, and there is one at a time
enum Loads<'a> {
    Experts(Problem<'a>),
    Slots(Shape<'a>, &'a [f32]),
}

/// A placement, and what it is measured with.
pub(crate) struct Measured<'a> {
    loads: Loads<'a>,
    slots: &'a [i32],
    how: How,
}

/// Reads them.
///
/// # Safety
/// As for [`eplb_evaluate`].
#[inline(always)] // what it makes is on the stack once
pub(crate) unsafe fn arrays<'a, H: Listen>(
    start: &Start<'a>,
    maps: &eplb_placement,
    memory: &mut Memory<H>,
) -> Result<Measured<'a>, Status> {
    // SAFETY: passed on.
    unsafe {
        let slots = maps::slots(SLOTS, maps, &start.shape, memory)?;
        let load = "placement.physical_load";
        let loads = match memory.optional_input(load, maps.physical_load, slots.len())? {
            Some(measured) => Loads::Slots(start.shape, measured),
            None => Loads::Experts(start.loads(memory)?),
        };
        Ok(Measured { loads, slots, how: measured(&start.options, survive_of(&start.options)) })
    }
}

impl Measured<'_> {
    /// Measures, and tells.
    fn measure(&self, arena: Arena, report: Report) -> Result<(), Status> {
        let (placement, how) = (&Placement::of(self.slots), &self.how);
        match &self.loads {
            Loads::Experts(problem) => score::evaluate_by(problem, how, arena, placement, report),
            Loads::Slots(shape, physical_load) => {
                let measured = &score::Measured { shape, physical_load };
                score::evaluate_measured_by(measured, how, arena, placement, report)
            }
        }
    }

    /// Says what is wrong with it.
    pub fn explain(&self, text: &mut Text) -> Result<(), Status> {
        let (shape, measured) = match &self.loads {
            Loads::Experts(problem) => (problem.shape(), None),
            Loads::Slots(shape, measured) => (shape, Some(*measured)),
        };
        content::check_evaluation(text, &Slots { name: SLOTS, shape, held: self.slots }, measured)
    }
}

/// A call of [`eplb_evaluate`] that has been checked.
pub(crate) struct Evaluation<'a> {
    measured: Measured<'a>,
    workspace: Workspace,
    per_layer: Rows<Metrics>,
}

impl Function for EvaluateCall {
    type Checked<'a> = Evaluation<'a>;
    const DEEP: bool = true;

    unsafe fn check<'a, H: Listen>(
        &self,
        memory: &mut Memory<H>,
    ) -> Result<Evaluation<'a>, Status> {
        // SAFETY: the caller's promise, passed on. Slices are made of what `memory` has checked.
        unsafe {
            let start = &Given::read(self.problem, self.options, memory)?.start(memory);
            let start = by_ref(start)?;
            let need = start.need(Operation::Evaluate, memory)?;
            let maps = memory.read("placement", self.placement)?;
            let measured = arrays(start, &maps, memory)?;
            let (names, layers) = (("per_layer", "metrics_size"), start.shape.num_layers());
            let per_layer = memory.rows(names, self.per_layer, self.metrics_size, layers, true)?;
            let workspace = memory.workspace(self.workspace, self.workspace_size, need)?;
            memory.check_overlap()?;
            Ok(Evaluation { measured, workspace, per_layer })
        }
    }

    unsafe fn run(&self, evaluation: &mut Evaluation) -> Result<(), Status> {
        let Evaluation { measured, workspace, per_layer } = evaluation;
        // SAFETY: the call has been checked.
        let arena = unsafe { workspace.arena() };
        measured.measure(arena, &mut |layer, metrics| per_layer.set(layer, *metrics))
    }

    /// Measures, and keeps nothing of it: what can be wrong with a placement is found before the first layer.
    unsafe fn explain(&self, evaluation: &mut Evaluation, text: &mut Text) -> Result<(), Status> {
        // SAFETY: the call has been checked.
        let arena = unsafe { evaluation.workspace.arena() };
        let found = evaluation.measured.measure(arena, &mut |_, _| {});
        found.inspect_err(|_| {
            let _same = evaluation.measured.explain(text);
        })
    }
}
