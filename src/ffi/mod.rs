//! The C face: check, make slices, call, write back. The only unsafe code of the library.
//!
//! Docs of what is public are written for the C reader: the header is made of them. What every function asks of its
//! caller is said there once: pointers are NULL or point to as much memory as the docs say, aligned or not.

#![allow(unsafe_code)]
// said above, for all
#![allow(clippy::missing_safety_doc)]
// the docs are for C: [L][P] is a shape, not a link
#![allow(rustdoc::broken_intra_doc_links)]

mod function;
mod maps;
mod memory;
#[cfg(standalone)]
mod panic;
mod start;
mod structs;

mod check;
#[cfg(not(without = "dispatch"))]
mod dispatch;
mod evaluate;
#[cfg(not(without = "explain"))]
mod explain;
#[cfg(not(without = "previous"))]
mod gate;
mod number;
mod plan;
#[cfg(not(without = "dispatch"))]
mod replicate;
#[cfg(not(without = "load"))]
mod tracker;
#[cfg(not(without = "previous"))]
mod transfers;
mod types;
mod version;
#[cfg(not(without = "load"))]
mod windows;

pub use crate::ffi::check::*;
#[cfg(not(without = "dispatch"))]
pub use crate::ffi::dispatch::*;
pub use crate::ffi::evaluate::*;
#[cfg(not(without = "explain"))]
pub use crate::ffi::explain::*;
#[cfg(not(without = "previous"))]
pub use crate::ffi::gate::*;
pub use crate::ffi::number::*;
pub use crate::ffi::plan::*;
#[cfg(not(without = "dispatch"))]
pub use crate::ffi::replicate::*;
#[cfg(not(without = "load"))]
pub use crate::ffi::tracker::*;
#[cfg(not(without = "previous"))]
pub use crate::ffi::transfers::*;
pub use crate::ffi::types::*;
pub use crate::ffi::version::*;
#[cfg(not(without = "load"))]
pub use crate::ffi::windows::*;
