//! Replicas for a batch: homes stay, spare slots get the copies that bring the largest time within a tolerance of the
//! least, by the fewest fetches; tokens over all of them as `dispatch` writes them.
//!
//! `layout` knows what each slot holds and how many tokens it gets; `reach` moves tokens along the copies there are;
//! `greedy` adds copies where tokens are stuck; `fetches` says who sends them; `replicate` is the call.

mod bound;
mod exact;
mod fetches;
mod greedy;
mod layer;
mod layout;
mod pack;
mod reach;
mod replicate;
mod request;

pub use crate::batch::replicate::{Widths, check, need, replicate, spare_slots};
pub use crate::batch::request::{
    Fetch, ReplicasMut, ReplicateLimit, ReplicateReport, Replicated, Request, eplb_fetch,
    eplb_replicated,
};
