//! What no placement of a layer can be better than.

pub mod lower;
pub mod water_level;
pub mod weights;
