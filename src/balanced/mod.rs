//! BALANCED: counts and packing decided together, on any topology.
//!
//! [`plan`] has the way of a layer. What a solver gets is an [`instance`]; `construct` solves it for one load,
//! `many_loads` for several windows.

mod admit;
mod construct;
mod gather;
mod instance;
mod layer;
mod many_loads;
mod never_worse;
mod nodes;
mod plan;
mod windows;

pub use admit::{admit, groups_that_fit, slots_in_use};
pub use plan::{need, plan_layer};
