//! Replicas for a batch: every answer is checked by counting, those to small layers against an exhaustive search.
//!
//! EPLB_LONG=1 takes ten times the instances, EPLB_SEED=n others.

mod call;
mod checker;
mod exhaustive;
mod flow;
mod instance;
mod moonep;
mod properties;
mod real_loads;
mod small;
