//! Explanations of dispatch.

use crate::explain::{self, Slots};
use crate::ffi::dispatch::{Dispatch, DispatchCall, checked_dispatch, eplb_batch, eplb_quotas};
use crate::ffi::explain::Call;
use crate::ffi::explain::staged::Structs;
use crate::ffi::memory;
use crate::ffi::types::{eplb_options, eplb_placement, eplb_problem};
use crate::options::operation::Operation;
use crate::status::Status;
use core::ffi::{c_char, c_void};

/// Explains a call of eplb_dispatch: see eplb_explain.
///
/// # Safety
/// As for eplb_explain.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eplb_explain_dispatch(
    problem: *const eplb_problem,
    options: *const eplb_options,
    workspace: *mut c_void,
    workspace_size: usize,
    placement: *const eplb_placement,
    batch: *const eplb_batch,
    out: *const eplb_quotas,
    text: *mut c_char,
    size: usize,
) -> usize {
    let given = DispatchCall { problem, options, workspace, workspace_size, placement, batch, out };
    let mut call = Call::default();
    // SAFETY: the caller's promise, passed on.
    unsafe {
        let checked = checked_dispatch(&given, &mut call.memory);
        let found = match &checked {
            Err(status) => Err(*status),
            Ok(dispatch) => call.check_split(dispatch, workspace),
        };
        if let (Err(status), true) = (found, call.text.is_empty()) {
            call.say_batch(&given, status);
        }
        call.tell(found, text, size)
    }
}

impl Call {
    /// # Safety
    /// The call has been checked with this workspace.
    unsafe fn check_split(
        &mut self,
        dispatch: &Dispatch,
        workspace: *mut c_void,
    ) -> Result<(), Status> {
        let Dispatch { shape, placement, batch, out, max_replicas, need, .. } = dispatch;
        // SAFETY: passed on.
        let arena = unsafe { memory::arena(workspace.cast(), need) };
        let table = !out.route_end.is_null() || !out.route_slot.is_null();
        let width = table.then_some(*max_replicas);
        crate::dispatch::check(shape, arena, placement, batch, width).inspect_err(|&status| {
            let held = placement.physical_to_logical;
            let slots = Slots { name: "placement.physical_to_logical", shape, held };
            let told = explain::Dispatch { slots, batch: *batch, max_replicas: width };
            told.say(&mut self.text, status);
        })
    }

    /// What is wrong before the batch is looked at, or with its form.
    ///
    /// # Safety
    /// As for [`eplb_explain_dispatch`].
    unsafe fn say_batch(&mut self, given: &DispatchCall, status: Status) {
        let DispatchCall { problem, options, .. } = *given;
        // SAFETY: passed on; where the status is of sources, both structs have been read.
        unsafe {
            if status == Status::DispatchSources {
                let mut again = Call::default();
                let sizes = again.memory.read("problem", problem);
                let batch = again.memory.read("batch", given.batch);
                if let (Ok(problem), Ok(batch)) = (sizes, batch) {
                    self.text.say(
                        "batch.num_sources is %: 0 for tokens [L][E], or problem.num_gpus, %, for \
                         tokens [L][G][E]",
                        &[batch.num_sources.into(), problem.num_gpus.into()],
                    );
                }
            } else {
                let structs = Structs { problem, options, placement: core::ptr::null() };
                self.say_staged(Operation::Dispatch, structs, status);
            }
        }
    }
}
