//! From an old placement to a new one: planning within a budget of moves, renaming, repair.

mod assign;
mod board;
mod chain;
pub mod flags;
mod front;
mod incremental;
mod relabel;
mod repair;
mod ruler;
mod steps;

pub use front::{plan, workspace};
