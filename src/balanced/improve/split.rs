//! What the search knows of tokens that go to the nearest replica.

/// What GPUs that send to the nearest have in common.
#[derive(Clone, Copy, Debug)]
pub struct Nearest<'a> {
    /// By node: the part of all tokens that its GPUs send; empty where tokens are split evenly.
    pub sent: &'a [f32],
    /// What one GPU sends.
    pub one: f32,
    /// Replicas that can be on a node each, or on one.
    pub few: u32,
}

impl Nearest<'_> {
    /// Tokens are split evenly.
    pub const EVEN: Nearest<'static> = Nearest { sent: &[], one: 0.0, few: 0 };
}

/// By slot: the part of its expert's tokens; replicas of it on the same node. By expert: what nodes with a replica
/// send. By node: scratch.
pub struct Parts<'a> {
    pub part: &'a mut [f32],
    pub near: &'a mut [u32],
    pub covered: &'a mut [f32],
    pub on: &'a mut [u32],
}
