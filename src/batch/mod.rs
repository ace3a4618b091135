//! Replicas for a batch: homes stay, spare slots get the copies that bring the largest time within a tolerance of the
//! least, by the fewest fetches; tokens over all of them as `dispatch` writes them.
//!
//! `layout` knows what each slot holds and how many tokens it gets; `reach` moves tokens along the copies there are, and
//! where they are stuck `bound` says how few fetches could do, `pack` finds them, `greedy` where experts have several
//! homes, and `exact` tries all where the layer is small. `layer` has them work within a level, and looks for the least
//! level where the tolerance is out of reach. `senders` and `fetches` make the list; `replicate` is the call.

mod bound;
mod exact;
mod fetches;
mod greedy;
mod layer;
mod layout;
mod limits;
mod pack;
mod reach;
mod replicate;
mod request;
mod senders;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests;

pub use crate::batch::replicate::{Widths, check, need, replicate, spare_slots};
pub use crate::batch::request::{
    Fetch, ReplicasMut, ReplicateLimit, ReplicateReport, Replicated, Request, eplb_fetch,
    eplb_replicated,
};
