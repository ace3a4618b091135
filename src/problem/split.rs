//! How the engine splits the tokens of an expert over its replicas.

use crate::status::Status;

/// split: each replica of an expert gets load / count.
pub const EPLB_SPLIT_EVEN: u32 = 0;
/// split: the tokens of a GPU go to the replicas on itself if there are any, else to those on its node, else to all;
/// evenly. Each GPU that is alive sends the same share of every expert's tokens. As SGLang's static dispatch, which
/// prefers the first of several on a node.
pub const EPLB_SPLIT_NEAREST: u32 = 1;

/// How the engine splits the tokens of an expert over its replicas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum StaticSplit {
    /// Each replica gets load / count.
    #[default]
    Even = EPLB_SPLIT_EVEN as isize,
    /// The tokens of a GPU go to the replicas on itself if there are any, else to those on its node, else to all;
    /// evenly. Each GPU that is alive sends the same share of every expert's tokens.
    Nearest = EPLB_SPLIT_NEAREST as isize,
}

impl TryFrom<u32> for StaticSplit {
    type Error = Status;
    fn try_from(number: u32) -> Result<Self, Status> {
        match number {
            EPLB_SPLIT_EVEN => Ok(StaticSplit::Even),
            EPLB_SPLIT_NEAREST => Ok(StaticSplit::Nearest),
            _ => Err(Status::UnknownSplit),
        }
    }
}
