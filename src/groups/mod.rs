//! Which node each group of experts goes to. The planner asks, and so does the bound.

mod assignment;
mod polish;
mod search;
mod slots;
mod task;
#[cfg(test)]
#[allow(clippy::indexing_slicing)]
mod tests;

pub use crate::groups::assignment::Assignment;
pub use crate::groups::slots::Room;
