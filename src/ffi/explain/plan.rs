//! Explanations of what stands in a problem, in options, in a placement; and of plans.

use crate::explain::{self, Text};
use crate::ffi::explain::Call;
use crate::ffi::explain::staged::Structs;
use crate::ffi::plan::{Plan, PlanCall, checked_plan};
use crate::ffi::types::{eplb_options, eplb_placement, eplb_problem};
use crate::options::Options;
use crate::options::operation::Operation;
use crate::plan;
use crate::rebalance::refusals;
use crate::score::eplb_metrics;
use crate::status::Status;
use core::ffi::{c_char, c_void};

/// Says in a sentence why a call is refused: which argument, which place in it, and what to do. For instance:
/// problem.load[window 2][layer 3][expert 17] is NaN: loads are finite and at least 0 (status -40).
///
/// This function looks at what stands in problem, options and placement, for any function that takes them, and asks
/// the checks of that function. For the other arguments, and for what takes a workspace to find out, there is one for
/// each function, eplb_explain_X: the arguments of eplb_X as they were given, then text and size. Those use the
/// workspace as eplb_X does, and leave every output as it is. Of an output the address and the size matter.
///
/// operation  EPLB_OPERATION_*: which function.
/// problem    as it was given.
/// options    as they were given; NULL = all defaults.
/// placement  as it was given: of eplb_transfers the new one. NULL: eplb_workspace(operation, problem, options) is
///            explained.
/// text       out: the sentence, ASCII, as much of it as fits, and a NUL. NULL: not wanted.
/// size       bytes of text; 0: not wanted.
///
/// Returns the length of the whole sentence, without the NUL, as snprintf does: below 400. It ends with the status as
/// a number; a call with which nothing is wrong is said to be so, with status 0. O(W L E + L P (P + E / 64)), up to
/// 8 KB of stack. No allocation, no global, nothing linked in a program that does not call it.
///
/// # Safety
/// Pointers are NULL or point to as much memory as the struct fields say; text has size bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eplb_explain(
    operation: u32,
    problem: *const eplb_problem,
    options: *const eplb_options,
    placement: *const eplb_placement,
    text: *mut c_char,
    size: usize,
) -> usize {
    let mut call = Call::default();
    // SAFETY: the caller's promise, passed on.
    unsafe {
        let found = match Operation::try_from(operation) {
            Ok(operation) => call.check(operation, &Structs { problem, options, placement }),
            Err(status) => {
                call.text.say(
                    "operation is %: use one of EPLB_OPERATION_*, 0 to 7",
                    &[operation.into()],
                );
                Err(status)
            }
        };
        call.tell(found, text, size)
    }
}

/// Explains a call of eplb_plan: see eplb_explain.
///
/// # Safety
/// As for eplb_explain.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eplb_explain_plan(
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
        let found = call.check_plan(&given);
        call.tell(found, text, size)
    }
}

impl Call {
    /// # Safety
    /// As for [`eplb_explain_plan`].
    unsafe fn check_plan(&mut self, given: &PlanCall) -> Result<(), Status> {
        // SAFETY: passed on.
        unsafe {
            let mut checked = checked_plan(given, &mut self.memory);
            let found = match &mut checked {
                Err(status) => Err(*status),
                Ok(Plan { problem, options, maps, arena }) => {
                    plan::check(problem, options, arena, maps)
                }
            };
            let Err(status) = found else { return Ok(()) };
            self.say_staged(Operation::Plan, given.structs(), status);
            if let (Status::Infeasible, Ok(plan)) = (status, &mut checked) {
                let Plan { problem, options, maps, arena } = plan;
                let repair =
                    refusals::beyond_repair(problem, options, maps.max_replicas, arena.rest());
                say_repair(&mut self.text, options, repair);
            }
            Err(status)
        }
    }

    /// Says what stands in the three structs, where that is what the call is refused for.
    ///
    /// # Safety
    /// As for [`eplb_explain`].
    pub(super) unsafe fn say_staged(
        &mut self,
        operation: Operation,
        given: Structs,
        status: Status,
    ) {
        let mut staged = Call::default();
        // SAFETY: passed on.
        if unsafe { staged.check(operation, &given) } == Err(status) {
            self.text = staged.text;
        }
    }
}

/// With a workspace the number of moves is known exactly.
fn say_repair(text: &mut Text, options: &Options, repair: Option<(usize, Option<u32>)>) {
    match repair {
        Some((layer, Some(needed))) => {
            *text = Text::new();
            explain::say_moves(text, options.max_moves, layer, needed);
        }
        Some((layer, None)) if text.is_empty() => explain::say_beyond_repair(text, options, layer),
        _ => {}
    }
}

impl PlanCall {
    /// The structs of the call.
    pub(super) fn structs(&self) -> Structs {
        let PlanCall { problem, options, placement, .. } = *self;
        Structs { problem, options, placement }
    }
}
