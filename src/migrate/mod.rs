//! From an old placement to a new one: planning within a budget of moves, renaming, repair; the transfers that
//! it takes to get there, and whether that is worth it.

mod assign;
mod board;
mod chain;
mod course;
mod excess;
mod fill;
mod front;
pub mod gate;
mod incremental;
mod matching;
mod moves;
mod refused;
mod relabel;
mod repair;
mod rounds;
mod ruler;
mod sources;
mod steps;
pub mod table;
pub mod transfers;

pub(crate) use course::{Course, Mode, admit, from_nothing, places_for_two, survive_of};
pub(crate) use front::plan_into;
pub use front::{plan, workspace};
pub(crate) use refused::{beyond_repair, check_maps, check_plan};
pub(crate) use steps::{Limits, Survive};
