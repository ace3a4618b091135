//! The flags of options that concern placements in force and what they must survive, and a limit that is none.

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
/// flags, with previous: only slots that are empty there may change; experts keep the slots that they have. For home
/// experts that do not move. EPLB_POLICY_BALANCED only.
pub const EPLB_FLAG_FILL_ONLY: u32 = 32;
