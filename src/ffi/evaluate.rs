//! eplb_evaluate.

use crate::base::arena::Need;
use crate::ffi::call::{answer, checked_shape, loads, note_metrics, reporter};
use crate::ffi::memory::{self, Listen, Memory};
use crate::ffi::plan::PlanCall;
use crate::ffi::types::{eplb_options, eplb_placement, eplb_problem};
use crate::options::Options;
use crate::options::operation::Operation;
use crate::placement::{Placement, map_lengths};
use crate::plan;
use crate::problem::{Problem, Shape};
use crate::score::{self, Measured, eplb_metrics};
use crate::status::Status;
use core::ffi::c_void;

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
        let call = PlanCall {
            problem,
            options,
            workspace,
            workspace_size,
            placement,
            per_layer,
            metrics_size,
        };
        let checked = &memory::unheard(|memory| checked_evaluation(&call, memory));
        let Evaluation { loads, options, slots, need } =
            checked.as_ref().map_err(|status| *status)?;
        let arena = memory::arena(workspace.cast(), need);
        let report = &mut reporter(per_layer, metrics_size);
        let (scope, placement) = (options.scope, Placement::of(slots));
        let dispatch = options.judges_dispatch();
        match loads {
            Loads::Experts(problem) => {
                score::evaluate(problem, scope, dispatch, arena, &placement, report)
            }
            Loads::Slots(shape, physical_load) => {
                let measured = &Measured { shape, physical_load };
                score::evaluate_measured(measured, scope, dispatch, arena, &placement, report)
            }
        }
    })
}

/// A call of [`eplb_evaluate`] that has been checked.
pub struct Evaluation<'a> {
    pub loads: Loads<'a>,
    pub options: Options<'a>,
    pub slots: &'a [i32],
    pub need: Need,
}

/// What a placement is measured with.
#[allow(clippy::large_enum_variant)] // both are large, and there is one at a time
pub enum Loads<'a> {
    Experts(Problem<'a>),
    Slots(Shape<'a>, &'a [f32]),
}

/// Checks a call of [`eplb_evaluate`].
///
/// # Safety
/// As for [`eplb_evaluate`].
pub unsafe fn checked_evaluation<'a, H: Listen>(
    call: &PlanCall,
    memory: &mut Memory<H>,
) -> Result<Evaluation<'a>, Status> {
    // SAFETY: the caller's promise, passed on. Slices are made of what `memory` has checked.
    unsafe {
        let operation = Operation::Evaluate;
        let problem = memory.read("problem", call.problem)?;
        let sizes = &checked_shape(operation, &problem, call.options, memory);
        let (shape, options) = sizes.as_ref().map_err(|status| *status)?;
        let need = plan::workspace(operation, shape, options)?;
        let maps = memory.read("placement", call.placement)?;
        let count = map_lengths(shape, 0)?[0];
        let slots =
            memory.input("placement.physical_to_logical", maps.physical_to_logical, count)?;
        let measured =
            memory.optional_input("placement.physical_load", maps.physical_load, count)?;
        let loads = match measured {
            Some(measured) => Loads::Slots(*shape, measured),
            None => Loads::Experts(loads(&problem, shape, memory)?),
        };
        note_metrics(memory, call.per_layer, call.metrics_size, shape, false)?;
        memory.workspace(call.workspace.cast(), call.workspace_size, &need)?;
        memory.check_overlap()?;
        Ok(Evaluation { loads, options: *options, slots, need })
    }
}
