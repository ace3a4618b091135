//! Expert placement for Mixture-of-Experts serving: how many replicas each expert gets and which GPU
//! each sits on, so that the busiest GPU is as little above the mean as possible.
//!
//! `no_std`, allocation-free, without panics; the same bytes on every machine. The C face is
//! `include/eplb.h`, made from [`ffi`]. The layers, bottom to top; imports go one way:
//!
//! 0. `status`, `parts`: codes, pinned for ever; what a build may leave out
//! 1. `order`, `arena`, `topology`: sorts and heaps; the workspace; the GPUs
//! 2. `problem`, `placement`: the validated input; the maps, their check and digest
//! 3. `metrics`, `load`, `dispatch`: the ruler and the lower bound; the load tracker, change detection, forecasts;
//!    tokens over replicas
//! 4. [`replicate`], [`pack`]: how many replicas; which GPU
//! 5. `plan`: whole placements
//! 6. `migrate`: from an old placement to a new one
//! 7. `explain`: why a call is refused, in words
//! 8. [`fixed`], [`ffi`]: the planner that owns its arrays; the C face, the only unsafe code

#![no_std]
// what explains a part that is left out is then code that nothing reaches, as the part is
#![cfg_attr(
    any(without = "previous", without = "dispatch", without = "load", without = "explain"),
    allow(dead_code, unused_imports)
)]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::unreachable,
    clippy::todo,
    clippy::unimplemented,
    clippy::indexing_slicing
)]

mod arena;
mod dispatch;
mod explain;
mod load;
mod metrics;
mod migrate;
mod order;
mod parts;
mod placement;
mod plan;
mod problem;
mod status;
mod topology;

pub mod ffi;
pub mod fixed;
pub mod pack;
pub mod replicate;

pub use arena::{Arena, Carve, Need};
pub use dispatch::{Batch, Lengths, QuotasMut, Split, SplitKind, SplitReport, dispatch, route};
pub use explain::{Refusal, explain};
pub use load::change::{Change, MAX_JUDGED_WINDOWS, window_weights};
pub use load::forecast::{Forecast, ForecastMethod, forecast};
pub use load::saved::{TrackerConfig, TrackerNeed};
pub use load::tracker::Tracker;
pub use load::windows::{Windows, WindowsShape};
pub use metrics::{Metrics, Report, evaluate, evaluate_measured};
pub use migrate::gate::{GateConfig, GateLayer, GateState, GateTotal, GateVerdict, gate};
pub use migrate::transfers::{Transfer, TransferEvent, TransferTotals, Transition, transfers};
pub use migrate::{plan, workspace};
pub use placement::{
    Numbering, Placement, PlacementMut, Promises, Violation, ViolationKind, check, digest, number,
};
pub use plan::flags::{EPLB_MOVES_NONE, Flags};
pub use plan::policy::{Policy, Recipe};
pub use plan::{Operation, Options};
pub use problem::{Problem, Scope, Shape, Spec};
pub use status::Status;
pub use topology::{EPLB_GPU_ALIVE, EPLB_GPU_DEAD, EPLB_GPU_LEAVING, Topology};

/// The Rust of the documents: compiled and run by `cargo test`.
#[cfg(doctest)]
mod documents {
    #[doc = include_str!("../README.md")]
    mod readme {}
    #[doc = include_str!("../docs/POLICIES.md")]
    mod policies {}
    #[doc = include_str!("../docs/guides/rust.md")]
    mod guide {}
}
