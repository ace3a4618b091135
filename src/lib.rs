//! Expert placement for Mixture-of-Experts serving: how many replicas each expert gets and which GPU
//! each sits on, so that the busiest GPU is as little above the mean as possible.
//!
//! `no_std`, allocation-free, without panics; the same bytes on every machine. The C face is `include/eplb.h`, made
//! from [`ffi`]. The rooms, bottom to top; imports go one way, and which room serves which C function:
//!
//! | room | what is in it | C |
//! |---|---|---|
//! | `status`, `parts` | codes, pinned for ever; what a build may leave out | `eplb_status_string` |
//! | `base` | cells of slices, keys and sorts, tournaments, the arena | |
//! | `problem` | what a call is about, validated: sizes, loads, GPUs | |
//! | `placement` | the maps, their numbering, check and digest | `eplb_check`, `eplb_number`, `eplb_digest` |
//! | `groups` | which node each group of experts goes to | |
//! | `bound` | what no placement can be better than | |
//! | `dispatch` | tokens over replicas | `eplb_dispatch` |
//! | `compat` | the policies of other programs, bit for bit | |
//! | `load` | the tracker, windows, change, forecasts | `eplb_tracker_*`, `eplb_window_weights`, `eplb_forecast` |
//! | `score` | how balanced a placement is | `eplb_evaluate` |
//! | `batch` | replicas for a batch | |
//! | `options` | what a caller may ask of a plan | |
//! | `balanced` | BALANCED, from nothing | |
//! | `transfers`, `gate` | from one placement to another; whether that pays | `eplb_transfers`, `eplb_gate` |
//! | `afresh`, `rebalance`, `plan` | from nothing; from a placement; the one door of both | `eplb_plan`, `eplb_workspace` |
//! | `explain` | why a call is refused, in words | `eplb_explain*` |
//! | [`fixed`], [`ffi`] | the planner that owns its arrays; the C face, the only unsafe code | |

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

mod afresh;
mod balanced;
mod base;
mod batch;
mod bound;
mod compat;
mod dispatch;
mod explain;
mod gate;
mod groups;
mod load;
mod options;
mod parts;
mod placement;
mod plan;
mod problem;
mod rebalance;
mod score;
mod status;
mod transfers;

pub mod ffi;
pub mod fixed;

pub use crate::base::arena::{Arena, Carve, Need};
pub use crate::batch::{
    Fetch, ReplicasMut, ReplicateLimit, ReplicateReport, Replicated, Request, replicate,
};
pub use crate::compat::pack::{Packing, Refinement};
pub use crate::compat::policy::{Policy, Recipe};
pub use crate::compat::replicate::Rule;
pub use crate::compat::replicate::fix_up::FixUp;
pub use crate::dispatch::{
    Batch, Lengths, QuotasMut, Split, SplitKind, SplitReport, dispatch, route,
};
pub use crate::explain::{Refusal, explain};
pub use crate::gate::{
    EPLB_GATE_SECONDS, GateConfig, GateLayer, GateState, GateTotal, GateVerdict, gate,
};
pub use crate::load::change::{Change, MAX_JUDGED_WINDOWS, window_weights};
pub use crate::load::forecast::{Forecast, ForecastMethod, forecast};
pub use crate::load::saved::{TrackerConfig, TrackerNeed};
pub use crate::load::tracker::Tracker;
pub use crate::load::windows::{Windows, WindowsShape};
pub use crate::options::Options;
pub use crate::options::flags::{EPLB_MOVES_NONE, Flags};
pub use crate::options::operation::Operation;
pub use crate::placement::{
    Numbering, Placement, PlacementMut, Promises, Violation, ViolationKind, check, digest, number,
};
pub use crate::plan::{evaluate_as, plan, workspace};
pub use crate::problem::split::{EPLB_SPLIT_EVEN, EPLB_SPLIT_NEAREST};
pub use crate::problem::topology::{EPLB_GPU_ALIVE, EPLB_GPU_DEAD, EPLB_GPU_LEAVING, Topology};
pub use crate::problem::{Cost, Problem, Scope, Shape, Spec, StaticSplit};
pub use crate::score::{Measured, Metrics, Report, evaluate, evaluate_measured};
pub use crate::status::Status;
pub use crate::transfers::list::{Transfer, TransferEvent, TransferTotals, Transition, transfers};

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
