//! The limits of a plan from a placement.

/// What every expert must be on two of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survive {
    Nothing,
    Gpu,
    Node,
}

/// Limits of a plan from a placement.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Slots that may differ.
    pub moves: u32,
    /// From one GPU to another; 0 = no limit.
    pub per_pair: u32,
    /// Replicas of an expert.
    pub most_replicas: u32,
    pub survive: Survive,
    /// Only slots that are empty in the placement in force may change.
    pub fill_only: bool,
}

impl Limits {
    /// Places that each expert must be on.
    pub fn places(&self) -> usize {
        if self.survive == Survive::Nothing { 1 } else { 2 }
    }
}
