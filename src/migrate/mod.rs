//! From an old placement: what it takes to reach a new one, and whether that is worth it.

pub mod gate;
mod matching;
mod moves;
mod rounds;
mod sources;
pub mod transfers;

use crate::arena::Need;
use crate::plan::{self, Operation, Options};
use crate::problem::Shape;
use crate::status::Status;

/// What an operation needs of an arena, whatever the number of layers. O(G).
///
/// # Errors
/// What the operation would refuse for its shape and options.
pub fn workspace(operation: Operation, shape: &Shape, options: &Options) -> Result<Need, Status> {
    match operation {
        Operation::Transfers => transfers::need(shape),
        _ => plan::workspace(operation, shape, options),
    }
}
