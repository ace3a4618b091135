//! Whether a new placement is worth the move: seconds gained against seconds paid, layer by layer.
//!
//! The model, in words. A step waits in every layer for the busiest GPU. Where its seconds are known, so is what a
//! placement saves; else a layer's part of the step is in proportion to (busiest GPU / mean), and shrinks with the
//! busiest GPU. What is gained until the next
//! rebalance is that saving times the steps. What is paid is the time in which the links carry the layer's
//! experts. Loads are counts, so part of what the busiest GPU has above the mean is chance; that part is not
//! counted as a gain. And a layer that moved has to earn what it paid before it moves again.

mod decide;
mod prices;
mod records;
mod refusals;

pub use decide::{decide, gate};
pub use records::{EPLB_GATE_SECONDS, GateConfig, GateLayer, GateState, GateTotal, GateVerdict};
pub use records::{eplb_gate_config, eplb_gate_layer, eplb_gate_state};
pub use records::{eplb_gate_total, eplb_gate_verdict};
pub use refusals::{MOST_LAYERS, Obstacle, amount, check};
