//! The flags of options: the bits as C has them, and as a type; and a limit on moves that is none. One list: a new flag
//! is a constant, a name below it, a row of [`Flags::ALL`], and a name in include/eplb.hpp.

use crate::status::Status;
use core::ops::{BitAnd, BitOr, BitOrAssign};

/// max_moves: nothing changes but what must: an expert that is nowhere any more, or not where it is to survive, gets
/// a slot, and all else stays. A mask of dead GPUs without a move.
pub const EPLB_MOVES_NONE: u32 = u32::MAX;

/// flags: an expert that no GPU can be read for may be loaded from outside (host memory, disk). Without it a
/// problem in which the last copy of an expert is lost is refused.
pub const EPLB_FLAG_EXTERNAL_SOURCE: u32 = 1;
/// flags: every expert on at least two GPUs that are alive, so that any one may die. EPLB_POLICY_BALANCED only.
pub const EPLB_FLAG_SURVIVE_GPU: u32 = 2;
/// flags: every expert on at least two nodes, so that any one may die. EPLB_POLICY_BALANCED in global scope only.
pub const EPLB_FLAG_SURVIVE_NODE: u32 = 4;
/// flags: a slot of a GPU that is alive may stay empty where that is better. Without it EPLB_POLICY_BALANCED fills
/// every slot that it can: all but those that only a duplicate, or more than max_replicas, could fill. The other
/// policies leave none empty.
pub const EPLB_FLAG_EMPTY_SLOTS: u32 = 16;
/// flags, with previous: only slots that are empty there may change; experts keep the slots that they have. For home
/// experts that do not move. EPLB_POLICY_BALANCED only.
pub const EPLB_FLAG_FILL_ONLY: u32 = 32;
/// flags: the metrics also say how balanced the placement is when tokens are split over replicas as
/// eplb_dispatch does: dispatch_balance, dispatch_bound; with problem.cost how long it takes, too.
pub const EPLB_FLAG_DISPATCH: u32 = 8;

/// Flags of [`Options`](crate::options::Options), or-ed: `Flags::SURVIVE_GPU | Flags::EXTERNAL_SOURCE`. The default is none.
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
    /// A slot of a GPU that is alive may stay empty where that is better.
    pub const EMPTY_SLOTS: Flags = Flags(EPLB_FLAG_EMPTY_SLOTS);
    /// Only slots that are empty in `previous` may change.
    pub const FILL_ONLY: Flags = Flags(EPLB_FLAG_FILL_ONLY);

    /// Every flag with its C name, lowest bit first.
    pub const ALL: [(Flags, &'static str); 6] = [
        (Flags::EXTERNAL_SOURCE, "EPLB_FLAG_EXTERNAL_SOURCE"),
        (Flags::SURVIVE_GPU, "EPLB_FLAG_SURVIVE_GPU"),
        (Flags::SURVIVE_NODE, "EPLB_FLAG_SURVIVE_NODE"),
        (Flags::DISPATCH, "EPLB_FLAG_DISPATCH"),
        (Flags::EMPTY_SLOTS, "EPLB_FLAG_EMPTY_SLOTS"),
        (Flags::FILL_ONLY, "EPLB_FLAG_FILL_ONLY"),
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
