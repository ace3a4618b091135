//! The score: how balanced a placement is, and how far from the best that any placement could be.
//!
//! Load of a GPU = f64 sum over its slots, in ascending order, of load / count, or of load * part for the nearest
//! split. Time = load / speed. Balance = (total load / total speed) / largest time; 1.0 is perfect, and what all zero
//! gives. Over several windows: the weighted means.

mod evaluate;
mod how;
mod measure;
mod metrics;
mod seconds;

pub use crate::score::evaluate::{Measured, evaluate, evaluate_measured};
pub use crate::score::evaluate::{admit, largest_load, need, need_measured, report_layer};
pub use crate::score::evaluate::{evaluate_by, evaluate_measured_by};
pub use crate::score::how::How;
pub use crate::score::measure::Layer;
pub use crate::score::metrics::{Metrics, Report, eplb_metrics};
