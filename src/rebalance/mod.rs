//! From the placement in force: within limits, renamed, or repaired alone.

pub mod board;
pub mod chain;
pub mod excess;
pub mod fill;
pub mod front;
pub mod hungarian;
pub mod incremental;
pub mod mode;
pub mod refused;
pub mod rename;
pub mod repair;
pub mod ruler;
pub mod steps;
