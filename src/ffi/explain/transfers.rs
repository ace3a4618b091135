//! Explanations of transfers between two placements.

use crate::explain::{self, Transfers};
use crate::ffi::explain::Call;
use crate::ffi::explain::staged::Structs;
use crate::ffi::memory;
use crate::ffi::transfers::{Listing, TransfersCall, checked_transfers, eplb_transfer_list};
use crate::ffi::types::{eplb_options, eplb_placement, eplb_problem};
use crate::options::operation::Operation;
use crate::status::Status;
use crate::transfers::list::{transfers, unreported};
use core::ffi::{c_char, c_void};

/// Explains a call of eplb_transfers: see eplb_explain.
///
/// # Safety
/// As for eplb_explain.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eplb_explain_transfers(
    problem: *const eplb_problem,
    options: *const eplb_options,
    workspace: *mut c_void,
    workspace_size: usize,
    from: *const eplb_placement,
    to: *const eplb_placement,
    spare_buffers: u32,
    list: *const eplb_transfer_list,
    text: *mut c_char,
    size: usize,
) -> usize {
    let given = TransfersCall {
        problem,
        options,
        workspace,
        workspace_size,
        from,
        to,
        spare_buffers,
        list,
    };
    let mut call = Call::default();
    // SAFETY: the caller's promise, passed on.
    unsafe {
        let checked = checked_transfers(&given, &mut call.memory);
        let found = match &checked {
            Err(status) => Err(*status),
            Ok(listing) => call.check_list(listing, workspace),
        };
        if let (Err(status), true) = (found, call.text.is_empty()) {
            let structs = Structs { problem, options, placement: core::ptr::null() };
            call.say_staged(Operation::Transfers, structs, status);
        }
        call.tell(found, text, size)
    }
}

impl Call {
    /// # Safety
    /// The call has been checked with this workspace.
    unsafe fn check_list(
        &mut self,
        listing: &Listing,
        workspace: *mut c_void,
    ) -> Result<(), Status> {
        let Listing { shape, transition, capacity, need, .. } = listing;
        // SAFETY: passed on; one at a time.
        let arena = || unsafe { memory::arena(workspace.cast(), need) };
        // counted, and not yet held against the capacity
        match transfers(shape, transition, arena(), usize::MAX, &mut unreported) {
            Ok(totals) if totals.entries > *capacity => {
                explain::say_too_many(&mut self.text, *capacity, totals.entries);
                Err(Status::ListTooSmall)
            }
            Ok(_) => Ok(()),
            Err(status) => {
                let told = Transfers::of(shape, transition);
                told.say(&mut self.text, transition, arena(), status);
                Err(status)
            }
        }
    }
}
