//! The C face: check, make slices, call, write back. The only unsafe code of the library.
//!
//! Item docs are written for the C reader: cbindgen copies them into `include/eplb.h` as they are, functions in the
//! order of the modules below.

#![allow(unsafe_code)]
// the docs are for C: [L][P] is a shape, not a link
#![allow(rustdoc::broken_intra_doc_links)]

mod call;
mod memory;
#[cfg(standalone)]
mod panic;
mod read;
mod rows;
mod types;

mod plan;

mod evaluate;

mod check;

mod number;

#[cfg(not(without = "load"))]
mod tracker;

#[cfg(not(without = "load"))]
mod windows;

#[cfg(not(without = "previous"))]
mod transfers;

#[cfg(not(without = "previous"))]
mod gate;

#[cfg(not(without = "dispatch"))]
mod dispatch;

#[cfg(not(without = "explain"))]
mod explain;

pub use crate::ffi::check::{eplb_check, eplb_digest};
#[cfg(not(without = "dispatch"))]
pub use crate::ffi::dispatch::{eplb_batch, eplb_dispatch, eplb_quotas};
pub use crate::ffi::evaluate::eplb_evaluate;
#[cfg(not(any(without = "explain", without = "dispatch")))]
pub use crate::ffi::explain::eplb_explain_dispatch;
#[cfg(not(without = "explain"))]
pub use crate::ffi::explain::{
    eplb_explain, eplb_explain_check, eplb_explain_evaluate, eplb_explain_plan,
};
#[cfg(not(any(without = "explain", without = "load")))]
pub use crate::ffi::explain::{
    eplb_explain_forecast, eplb_explain_tracker_close, eplb_explain_tracker_init,
    eplb_explain_tracker_observe, eplb_explain_tracker_windows, eplb_explain_window_weights,
};
#[cfg(not(any(without = "explain", without = "previous")))]
pub use crate::ffi::explain::{eplb_explain_gate, eplb_explain_transfers};
#[cfg(not(without = "previous"))]
pub use crate::ffi::gate::eplb_gate;
pub use crate::ffi::number::eplb_number;
pub use crate::ffi::plan::{eplb_plan, eplb_workspace};
#[cfg(not(without = "load"))]
pub use crate::ffi::tracker::{
    eplb_tracker_close, eplb_tracker_config, eplb_tracker_init, eplb_tracker_observe,
    eplb_tracker_size, eplb_tracker_windows,
};
#[cfg(not(without = "previous"))]
pub use crate::ffi::transfers::{eplb_transfer_list, eplb_transfer_totals, eplb_transfers};
pub use crate::ffi::types::{eplb_options, eplb_placement, eplb_problem};
#[cfg(not(without = "load"))]
pub use crate::ffi::windows::{
    eplb_change, eplb_forecast, eplb_forecast_options, eplb_window_weights, eplb_windows,
};

use crate::status::Status;
use core::ffi::{CStr, c_char};

/// Version of this header: (major << 16) | (minor << 8) | patch.
pub const EPLB_VERSION: u32 = 0x0000_0200;

/// The text of a status code: what is wrong and what to change. Static, in English, never NULL.
#[unsafe(no_mangle)]
pub extern "C" fn eplb_status_string(status: i32) -> *const c_char {
    const UNKNOWN: &CStr = c"unknown status code";
    let known = Status::ALL.into_iter().find(|known| known.code() == status);
    known.map_or(UNKNOWN, Status::text).as_ptr()
}

/// The version of the library, to be compared with EPLB_VERSION of the header. The same major version
/// (before 1.0: the same minor version) means that the two fit.
#[unsafe(no_mangle)]
pub extern "C" fn eplb_version() -> u32 {
    EPLB_VERSION
}
