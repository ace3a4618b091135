//! The maps of a placement: their numbering and their check, and a digest for ranks to compare.

mod check;
mod digest;
mod ledger;
mod maps;
mod nearest;
mod number;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests;
mod walk;

pub use crate::placement::check::{Promises, Violation, ViolationKind, check, eplb_violation};
pub(crate) use crate::placement::check::{check_slowly, need};
pub use crate::placement::digest::digest;
pub use crate::placement::maps::{LayerMaps, Placement, PlacementMut, map_lengths};
pub(crate) use crate::placement::nearest::Parts;
pub use crate::placement::number::{Numbering, number};
pub(crate) use crate::placement::walk::{by_gpu, each_slot, is_entry};
