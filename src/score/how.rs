//! How a placement is measured.

use crate::bound::lower::Kept;
use crate::problem::{Scope, StaticSplit};

/// How to measure.
#[derive(Clone, Copy, Debug)]
pub struct How {
    /// Whether the bound is that of groups.
    pub scope: Scope,
    /// How tokens are split over replicas.
    pub split: StaticSplit,
    /// Whether what dispatch makes of it is measured, too.
    pub dispatch: bool,
    /// What the placements keep that the bound is of.
    pub kept: Kept,
}
