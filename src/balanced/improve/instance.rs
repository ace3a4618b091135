//! What the search is given.

use crate::balanced::improve::lanes::Lanes;

/// Experts on the GPUs of a node, or on all.
#[derive(Clone, Copy)]
pub struct Instance<'a, const N: usize> {
    pub experts: usize,
    /// By expert, as many blocks as the windows take: its share in each window; 1 is what a GPU of mean speed would
    /// have if all were even. Neither negative nor subnormal.
    pub loads: &'a [Lanes<N>],
    /// How much further out than it is a window is searched with: w + beyond * (w - mean). What comes will not be among
    /// what was.
    pub beyond: f32,
    /// By window, of which there is one at least: weight, above 0, the largest being 1.
    pub weight: &'a [f32],
    /// By GPU: slots; speed, above 0; and the mean speed of all that share the load.
    pub slots: &'a [u32],
    pub speed: &'a [f32],
    pub mean_speed: f64,
    /// Units of effort: one is two pairs of slots looked at, or an eighth of a change scored in eight windows.
    pub effort: u64,
}

/// How far to go. Each does what those before it do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub enum Goal {
    /// Every expert is where it must be.
    Repaired,
    /// Every slot that can be filled holds an expert, unless slots may be empty.
    Filled,
    /// No step is left that makes it better.
    Balanced,
}

/// What a search came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Slots that newly differ from the placement in force; 0 where moves are not limited.
    pub moved: u32,
    /// Whether the balance is what is enough.
    pub is_enough: bool,
}
