//! The flags of options that concern placements in force and what they must survive.

/// flags: an expert that no GPU can be read for may be loaded from outside (host memory, disk). Without it a
/// problem in which the last copy of an expert is lost is refused.
pub const EPLB_FLAG_EXTERNAL_SOURCE: u32 = 1;
/// flags: every expert on at least two GPUs that are alive, so that any one may die. EPLB_POLICY_BALANCED only.
pub const EPLB_FLAG_SURVIVE_GPU: u32 = 2;
/// flags: every expert on at least two nodes, so that any one may die. EPLB_POLICY_BALANCED in global scope only.
pub const EPLB_FLAG_SURVIVE_NODE: u32 = 4;
