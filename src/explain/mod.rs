//! Why a call is refused: one sentence that names the argument, the place in it and what to do.
//!
//! Pointers, sizes of structs and numbers of C are explained where they are read, in `ffi`. Nothing here decides. The
//! checks of the other rooms say which status a call has, and what is here looks for the place with the predicates that
//! they use; where it finds none, which would be a fault of ours, the text of the status is what remains. No memory but
//! the caller's is needed: what the checks count in a workspace is counted a few experts at a time. A sentence ends
//! with its status as a number, so that a log line has both.

pub(crate) mod admission;
mod call;
pub(crate) mod content;
pub(crate) mod dispatch;
mod float;
pub(crate) mod gate;
pub(crate) mod load;
pub(crate) mod placement;
pub(crate) mod previous;
pub(crate) mod promise;
pub(crate) mod replicate;
pub(crate) mod shape;
pub(crate) mod text;
pub(crate) mod tracker;
pub(crate) mod transfers;
pub(crate) mod windows;

pub use crate::explain::call::{Refusal, explain};
