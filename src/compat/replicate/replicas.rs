//! What a rule writes: the replicas of one row.

/// The replicas of one row: which expert each physical expert is, and its rank.
#[derive(Debug)]
pub struct Replicas<'a> {
    /// `[P']` expert of each physical expert.
    pub expert: &'a mut [u32],
    /// `[P']` its rank among the replicas of the expert.
    pub rank: &'a mut [u32],
    /// `[E']` replicas of each expert.
    pub count: &'a mut [u32],
}
