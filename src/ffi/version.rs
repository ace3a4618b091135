//! The version, and the texts of the codes.

use crate::status::Status;
use core::ffi::{CStr, c_char};

/// Version of this header: (major << 16) | (minor << 8) | patch.
pub const EPLB_VERSION: u32 = 0x0000_0200;

/// The text of a status: what is wrong and what to change. Static, in English, never NULL. eplb_explain says more.
#[unsafe(no_mangle)]
pub extern "C" fn eplb_status_string(status: i32) -> *const c_char {
    const UNKNOWN: &CStr = c"unknown status code";
    let known = Status::ALL.into_iter().find(|known| known.code() == status);
    known.map_or(UNKNOWN, Status::text).as_ptr()
}

/// The version of the library, for EPLB_VERSION. The same major version (before 1.0: the same minor version) means
/// that library and header fit.
#[unsafe(no_mangle)]
pub extern "C" fn eplb_version() -> u32 {
    EPLB_VERSION
}
