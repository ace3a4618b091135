//! What everything stands on: cells of slices, keys and sorts, tournaments, the arena.

pub mod arena;
pub mod cells;
pub mod keys;
pub mod table;
pub mod tournament;
pub mod used;
