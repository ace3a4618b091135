//! The flags of options: the bits as C has them, and as a type. One list: a new flag is a constant, a name below it,
//! a row of [`Flags::ALL`], and a name in include/eplb.hpp.

use crate::status::Status;
use core::ops::{BitAnd, BitOr, BitOrAssign};

/// flags: an expert that no GPU can be read for may be loaded from outside (host memory, disk). Without it a
/// problem in which the last copy of an expert is lost is refused.
pub const EPLB_FLAG_EXTERNAL_SOURCE: u32 = 1;
/// flags: every expert on at least two GPUs that are alive, so that any one may die. EPLB_POLICY_BALANCED only.
pub const EPLB_FLAG_SURVIVE_GPU: u32 = 2;
/// flags: every expert on at least two nodes, so that any one may die. EPLB_POLICY_BALANCED in global scope only.
pub const EPLB_FLAG_SURVIVE_NODE: u32 = 4;
/// flags: the metrics also say how balanced the placement is when tokens are split over replicas as
/// eplb_dispatch does: dispatch_balance, dispatch_bound.
pub const EPLB_FLAG_DISPATCH: u32 = 8;

/// Flags of [`Options`](super::Options), or-ed: `Flags::SURVIVE_GPU | Flags::EXTERNAL_SOURCE`. The default is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags(u32);

impl Flags {
    /// No flag.
    pub const NONE: Flags = Flags(0);
    /// An expert that no GPU can be read for may be loaded from outside (host memory, disk).
    pub const EXTERNAL_SOURCE: Flags = Flags(EPLB_FLAG_EXTERNAL_SOURCE);
    /// Every expert on at least two GPUs that are alive.
    pub const SURVIVE_GPU: Flags = Flags(EPLB_FLAG_SURVIVE_GPU);
    /// Every expert on at least two nodes.
    pub const SURVIVE_NODE: Flags = Flags(EPLB_FLAG_SURVIVE_NODE);
    /// The metrics also say what dispatch makes of the placement.
    pub const DISPATCH: Flags = Flags(EPLB_FLAG_DISPATCH);

    /// Every flag with its C name, lowest bit first.
    pub const ALL: [(Flags, &'static str); 4] = [
        (Flags::EXTERNAL_SOURCE, "EPLB_FLAG_EXTERNAL_SOURCE"),
        (Flags::SURVIVE_GPU, "EPLB_FLAG_SURVIVE_GPU"),
        (Flags::SURVIVE_NODE, "EPLB_FLAG_SURVIVE_NODE"),
        (Flags::DISPATCH, "EPLB_FLAG_DISPATCH"),
    ];

    /// The bits as C has them.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Whether every flag of `others` is set; so it is when there is none.
    pub const fn contains(self, others: Flags) -> bool {
        self.0 & others.0 == others.0
    }

    /// The same as `|`, for constants.
    pub const fn or(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }
}

impl BitOr for Flags {
    type Output = Flags;
    fn bitor(self, other: Flags) -> Flags {
        self.or(other)
    }
}

impl BitOrAssign for Flags {
    fn bitor_assign(&mut self, other: Flags) {
        *self = *self | other;
    }
}

impl BitAnd for Flags {
    type Output = Flags;
    fn bitand(self, other: Flags) -> Flags {
        Flags(self.0 & other.0)
    }
}

impl TryFrom<u32> for Flags {
    type Error = Status;
    fn try_from(bits: u32) -> Result<Self, Status> {
        let known = Flags::ALL.into_iter().fold(Flags::NONE, |known, (flag, _)| known | flag);
        if bits & !known.0 == 0 { Ok(Flags(bits)) } else { Err(Status::UnknownFlag) }
    }
}
