//! What a caller may ask of a plan.

pub mod flags;
pub mod operation;

use crate::compat::policy::{Policy, Recipe};
use crate::options::flags::Flags;
use crate::placement::Promises;
use crate::problem::{Scope, StaticSplit};
use crate::status::Status;

/// A target of a balance of 1.
pub const TARGET_ONE: u32 = 65_536;

/// Refuses a target above a balance of 1.
pub fn check_target(target: u32) -> Result<(), Status> {
    if target > TARGET_ONE { Err(Status::Target) } else { Ok(()) }
}

/// How to plan. The default is policy BALANCED, scope AUTO, from nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'a> {
    /// Which policy.
    pub policy: Policy,
    /// A recipe of one's own in place of the policy's; planned as the compatibility policies are.
    pub recipe: Option<Recipe>,
    /// Which hierarchy.
    pub scope: Scope,
    /// Bound on the candidates that `BALANCED` looks at for a row, 0 = 200,000; docs/SPEC.md says what a unit is,
    /// and what nodes and windows have. The compatibility policies do a fixed amount of work and accept any.
    pub effort: u32,
    /// With `previous`: slots that may change per layer; 0 = no limit, `EPLB_MOVES_NONE` = only what must. Without:
    /// `Status::MovesWithoutPrevious`, here and for the next two.
    pub max_moves: u32,
    /// With `previous`: slots that may change per layer from one GPU to another; 0 = no limit.
    pub max_moves_per_gpu_pair: u32,
    /// With `previous`, `BALANCED` only: the balance, in 1/65536, at which a layer is left as it is; fewest moves
    /// first. 0 = as good as it gets; above 65,536: `Status::Target`.
    pub target: u32,
    /// How the engine splits the tokens of an expert over its replicas; planned for by `BALANCED` alone, else
    /// `Status::UnsupportedSplit`.
    pub split: StaticSplit,
    /// What else is asked for.
    pub flags: Flags,
    /// `[L][P]` placement in force, -1 = empty, or `None`: plan from nothing.
    pub previous: Option<&'a [i32]>,
}

impl Options<'_> {
    /// Whether the metrics are to say what dispatch makes of the placement.
    pub fn measures_dispatch(&self) -> bool {
        self.flags.contains(Flags::DISPATCH)
    }

    /// Whether `BALANCED` plans.
    pub(crate) fn is_balanced(&self) -> bool {
        self.recipe.is_none() && self.policy == Policy::Balanced
    }

    /// What a plan made with these options keeps.
    pub fn promises(&self) -> Promises {
        let balanced = self.is_balanced();
        Promises { scope: self.scope, full: !balanced, distinct: balanced }
    }
}
