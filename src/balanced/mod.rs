//! BALANCED: counts and packing decided together, on any topology.
//!
//! [`plan`] has the way of a layer. What a solver gets is an [`instance`]; `one_load` solves it by `construct`
//! and the search, `many_windows` for several windows; `improve` is the search. `nodes` has groups of them,
//! `never_worse` DEEPSEEK beside.

mod admit;
mod construct;
mod fewer_slots;
mod gather;
pub mod improve;
mod instance;
pub mod layer;
mod many_windows;
mod never_worse;
mod nodes;
mod one_load;
mod plan;
pub mod windows;

pub use admit::{admit, groups_that_fit, slots_in_use};
pub use gather::BEYOND as FROM_NOTHING;
pub use plan::{need, plan_layer};
