//! The operations that a workspace is asked for.

use crate::status::Status;

/// What a workspace is asked for.
#[allow(non_camel_case_types)] // the C name; Rust code sees it as `eplb::Operation`
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum eplb_operation {
    /// eplb_plan.
    Plan = 0,
    /// eplb_evaluate.
    Evaluate = 1,
    /// eplb_check.
    Check = 2,
    /// eplb_transfers.
    Transfers = 3,
    /// eplb_dispatch.
    Dispatch = 4,
    /// eplb_plan with options.previous, whether or not the options at hand have it: what a planning loop allocates
    /// once.
    Rebalance = 5,
    /// eplb_number, which needs no workspace: for eplb_explain.
    Number = 6,
    /// eplb_digest, likewise.
    Digest = 7,
    /// eplb_replicate.
    Replicate = 8,
}

pub use eplb_operation as Operation;

impl TryFrom<u32> for Operation {
    type Error = Status;
    fn try_from(number: u32) -> Result<Self, Status> {
        use Operation::{
            Check, Digest, Dispatch, Evaluate, Number, Plan, Rebalance, Replicate, Transfers,
        };
        [Plan, Evaluate, Check, Transfers, Dispatch, Rebalance, Number, Digest, Replicate]
            .into_iter()
            .find(|&operation| operation as u32 == number)
            .ok_or(Status::UnknownOperation)
    }
}
