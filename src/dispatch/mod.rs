//! Dispatch: splits the tokens of a batch over the replicas of their experts so that the busiest GPU has the
//! least to do, in whole tokens, exactly, the same on every rank.
//!
//! The least largest time is a flow of tokens to replicas, found together with the set of GPUs that proves it
//! (`flow`); where the sources are known (`sources`), the cheapest such flow (`local`). Then quotas (`quotas`,
//! `source_quotas`) and a table (`route`).

mod batch;
mod choice;
mod flow;
mod level;
mod loads;
mod local;
mod quotas;
mod replicas;
mod route;
mod seconds;
mod solver;
mod source_quotas;
mod sources;
mod split;
mod step;
mod ways;

pub use crate::dispatch::batch::{Batch, Lengths, QuotasMut, SplitReport};
pub use crate::dispatch::batch::{Split, SplitKind, eplb_split};
pub(crate) use crate::dispatch::flow::Effort;
pub(crate) use crate::dispatch::level::{Level, time};
pub use crate::dispatch::loads::{split_loads, split_loads_need};
pub(crate) use crate::dispatch::local::Local;
pub(crate) use crate::dispatch::quotas::write_layer;
pub(crate) use crate::dispatch::replicas::{MOST_TOKENS, Replicas};
pub use crate::dispatch::route::route;
pub use crate::dispatch::split::{admit, dispatch, need};
pub(crate) use crate::dispatch::split::{check, sum_sources};
pub use crate::dispatch::step::{note_tokens, split_step, step_need};
