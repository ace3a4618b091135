//! Explanations of what is asked of a placement.

use crate::ffi::check::{Check, CheckCall, checked_check};
use crate::ffi::evaluate::{Evaluation, Loads, checked_evaluation};
use crate::ffi::explain::Call;
use crate::ffi::explain::staged::Structs;
use crate::ffi::memory;
use crate::ffi::plan::PlanCall;
use crate::ffi::types::{eplb_options, eplb_placement, eplb_problem};
use crate::options::operation::Operation;
use crate::placement::{self, Placement, eplb_violation};
use crate::score::{self, Measured, Report, eplb_metrics};
use crate::status::Status;
use core::ffi::{c_char, c_void};

/// Explains a call of eplb_evaluate: see eplb_explain.
///
/// # Safety
/// As for eplb_explain.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eplb_explain_evaluate(
    problem: *const eplb_problem,
    options: *const eplb_options,
    workspace: *mut c_void,
    workspace_size: usize,
    placement: *const eplb_placement,
    per_layer: *mut eplb_metrics,
    metrics_size: usize,
    text: *mut c_char,
    size: usize,
) -> usize {
    let given = PlanCall {
        problem,
        options,
        workspace,
        workspace_size,
        placement,
        per_layer,
        metrics_size,
    };
    let mut call = Call::default();
    // SAFETY: the caller's promise, passed on.
    unsafe {
        let checked = checked_evaluation(&given, &mut call.memory);
        let found = checked.and_then(|evaluation| measure(&evaluation, workspace));
        if let Err(status) = found {
            call.say_staged(Operation::Evaluate, given.structs(), status);
        }
        call.tell(found, text, size)
    }
}

/// Measures, and keeps nothing of it: what can be wrong with a placement is found before the first layer.
///
/// # Safety
/// The call has been checked with this workspace.
unsafe fn measure(evaluation: &Evaluation, workspace: *mut c_void) -> Result<(), Status> {
    let Evaluation { loads, options, slots, need } = evaluation;
    // SAFETY: passed on.
    let arena = unsafe { memory::arena(workspace.cast(), need) };
    let (scope, placement) = (options.scope, Placement::of(slots));
    let dispatch = options.judges_dispatch();
    let report: Report = &mut |_, _| {};
    match loads {
        Loads::Experts(problem) => {
            score::evaluate(problem, scope, dispatch, arena, &placement, report)
        }
        Loads::Slots(shape, physical_load) => {
            let measured = &Measured { shape, physical_load };
            score::evaluate_measured(measured, scope, dispatch, arena, &placement, report)
        }
    }
}

/// Explains a call of eplb_check: see eplb_explain.
///
/// # Safety
/// As for eplb_explain.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eplb_explain_check(
    problem: *const eplb_problem,
    options: *const eplb_options,
    workspace: *mut c_void,
    workspace_size: usize,
    placement: *const eplb_placement,
    first: *mut eplb_violation,
    first_size: usize,
    text: *mut c_char,
    size: usize,
) -> usize {
    let given =
        CheckCall { problem, options, workspace, workspace_size, placement, first, first_size };
    let mut call = Call::default();
    // SAFETY: the caller's promise, passed on.
    unsafe {
        let checked = checked_check(&given, &mut call.memory);
        let found = checked.and_then(|Check { shape, promises, maps, need }| {
            let arena = memory::arena(workspace.cast(), &need);
            match placement::check(&shape, &promises, arena, &maps)? {
                None => Ok(()),
                Some(_) => Err(Status::PlacementInvalid),
            }
        });
        if let Err(status) = found {
            let structs = Structs { problem, options, placement };
            call.say_staged(Operation::Check, structs, status);
        }
        call.tell(found, text, size)
    }
}
