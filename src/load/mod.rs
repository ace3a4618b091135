//! From token counts to what a plan is made for: counters into windows, windows into weights or into loads.
//!
//! - [`tracker`] counts the tokens of each step and keeps the last windows of them in a ring, in plain memory
//!   that can be saved and restored ([`saved`]).
//! - [`change`] finds the windows that are from before an abrupt change, and should no longer count.
//! - [`forecast`] makes one load matrix of the windows, for who plans on a single one.
//!
//! All of them speak of windows as [`windows::Windows`]: `[W][L][E]` in ring order, the oldest told.

pub mod change;
pub mod forecast;
pub mod saved;
pub mod tracker;
pub mod windows;
