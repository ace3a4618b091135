//! Replicas for a batch.

mod exhaustive;
mod flow;
mod instance;
