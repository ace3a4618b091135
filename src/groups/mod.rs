//! Which node each group of experts goes to. The planner asks, and so does the bound.

pub mod nodes;
pub mod polish;
pub mod room;
pub mod search;
