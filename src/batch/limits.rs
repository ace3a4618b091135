//! What a request limits, with its defaults filled in.

use crate::batch::request::Request;

/// Of a layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// What a fetch costs the GPU that receives it.
    pub fetch_tokens: u64,
    /// What a copy that is fetched gets at least: one.
    pub least_tokens: u64,
    /// Fetches into and out of a GPU.
    pub fetches_in: u32,
    pub fetches_out: u32,
    /// Replicas of an expert.
    pub replicas: u32,
}

impl Limits {
    /// Those of a request whose routing table, if one is wanted, is so wide.
    pub fn new(request: &Request, width: Option<usize>) -> Self {
        let no_limit = |most: u32| if most == 0 { u32::MAX } else { most };
        Limits {
            fetch_tokens: u64::from(request.fetch_tokens),
            least_tokens: u64::from(request.least_tokens.max(1)),
            fetches_in: no_limit(request.max_fetches_in),
            fetches_out: no_limit(request.max_fetches_out),
            replicas: width.map_or(u32::MAX, |width| width.min(u32::MAX as usize) as u32),
        }
    }
}
