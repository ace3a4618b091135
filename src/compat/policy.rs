//! The policies: each a recipe on the one road, by a number pinned for ever.

use crate::compat::pack::{Packing, Refinement};
use crate::compat::replicate::Rule;
use crate::compat::replicate::fix_up::FixUp;
use crate::parts;
use crate::problem::{Problem, Scope};
use crate::status::Status;

/// How a plan is made. The numbers are pinned.
#[allow(non_camel_case_types)] // the C name; Rust code sees it as `eplb::Policy`
#[repr(u32)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum eplb_policy {
    /// The default: counts and packing decided together, near the optimum, on any topology. Never two replicas
    /// of an expert on one GPU; every slot is filled that can be without (else -1). Never worse than
    /// EPLB_POLICY_DEEPSEEK where that makes no duplicate. Honours gpu_slots, gpu_speed, gpu_node, gpu_state and
    /// max_replicas. With several windows: one placement whose mean balance over them, and over windows like
    /// them, is high, whatever DEEPSEEK would do with any of them. Source: docs/DESIGN.md. Expect a balance of
    /// 0.9995 at 9 slots a GPU, 0.999 at 4 or 5; at 2 or 3 what the loads allow. About O(P log P) a layer where a
    /// plan within 1/2048 of the bound is near at hand, at most O(effort) more; in hierarchical scope O(N effort).
    #[default]
    Balanced = 0,
    /// DeepSeek EPLB, bit for bit: groups onto nodes, D'Hondt replication, largest replica first to the
    /// least loaded GPU with room. May put replicas of an expert on one GPU. Source: deepseek-ai/EPLB,
    /// rebalance_experts. O(P log P) a layer. Expect a balance of about 0.99 at 9 slots a GPU, 0.98 at 4.
    Deepseek = 1,
    /// DEEPSEEK, then one replica moved if that lowers the peak (it never does), then at most two swaps,
    /// best of all pairs, between heaviest and lightest GPU. Source: docs/POLICIES.md, "Where they come from".
    /// Expect up to 0.003 more balance than DEEPSEEK. O(P log P) a layer.
    MultiSwap = 2,
    /// D'Hondt with the last tenth of the extra replicas by Sainte-Lague, the best move of two by two experts, at
    /// most two swaps of two by two items. Source: docs/POLICIES.md. On loads like DeepSeek-V3's expect what
    /// DEEPSEEK gives, within 0.002 from 4 slots a GPU on, less with fewer; on heavy tails up to 0.17 more.
    K2Hybrid = 3,
    /// K2_HYBRID with its move judged against the true second best. Source: docs/POLICIES.md.
    /// Expect what K2_HYBRID gives.
    HybridArgmax = 4,
    /// K2_HYBRID with the last tenth by the predicted peak and a guarded second move. Source:
    /// docs/POLICIES.md. Expect the plan of K2_HYBRID, slot by slot, nearly always.
    PeakAware = 5,
    /// Water-filling replication and packing that keeps replicas of an expert apart while it can. Source:
    /// docs/POLICIES.md. O(P log P) a layer, and O(G) for each replica beyond the GPUs with room.
    Waterfill = 6,
    /// WATERFILL, then the best move of two by two experts, and one swap between the heaviest GPU and one of the
    /// two lightest. Source: docs/POLICIES.md.
    WaterfillFixup = 7,
}

pub use eplb_policy as Policy;

impl Policy {
    /// Every policy.
    pub const ALL: [Policy; 8] = [
        Policy::Balanced,
        Policy::Deepseek,
        Policy::MultiSwap,
        Policy::K2Hybrid,
        Policy::HybridArgmax,
        Policy::PeakAware,
        Policy::Waterfill,
        Policy::WaterfillFixup,
    ];
}

impl TryFrom<u32> for Policy {
    type Error = Status;
    fn try_from(number: u32) -> Result<Self, Status> {
        Policy::ALL.into_iter().find(|&policy| policy as u32 == number).ok_or(Status::UnknownPolicy)
    }
}

/// What a policy does at each station of the road.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recipe {
    /// How many replicas.
    pub rule: Rule,
    /// What is mended of that.
    pub fix_up: FixUp,
    /// Which GPU.
    pub packing: Packing,
    /// What is swapped after that.
    pub refinement: Refinement,
}

/// The recipe of a compatibility policy; `None` for the others.
pub fn recipe(policy: Policy) -> Option<Recipe> {
    use FixUp::{GuardedSecond, OneMove, Recompute, TopTwo, TrueSecond};
    use Packing::{Diverse, Lpt};
    use Refinement::{AllPairs, KTwo, MicroSwap};
    use Rule::{DHondt, PeakAwareTail, SainteLagueTail, Waterfill};
    let (rule, fix_up, packing, refinement) = match policy {
        Policy::Balanced => return None,
        Policy::Deepseek => (DHondt, FixUp::None, Lpt, Refinement::None),
        Policy::MultiSwap => (DHondt, OneMove, Lpt, AllPairs),
        Policy::K2Hybrid => (SainteLagueTail, TopTwo, Lpt, KTwo),
        Policy::HybridArgmax => (SainteLagueTail, TrueSecond, Lpt, KTwo),
        Policy::PeakAware => (PeakAwareTail, GuardedSecond, Lpt, KTwo),
        Policy::Waterfill => (Waterfill, FixUp::None, Diverse, Refinement::None),
        Policy::WaterfillFixup => (Waterfill, Recompute, Diverse, MicroSwap),
    };
    Some(Recipe { rule, fix_up, packing, refinement })
}

/// Refuses what a recipe cannot honour, rather than to plan past it.
///
/// # Errors
/// The `Unsupported*` codes of the build, of the topology and of windows, [`Status::TooFewSlots`], the
/// `*NotDivisible` codes.
pub fn admit(problem: &crate::problem::Shape, scope: Scope) -> Result<(), Status> {
    if !parts::COMPAT {
        return Err(Status::UnsupportedPolicy);
    }
    if problem.num_windows() > 1 {
        return Err(Status::UnsupportedWindows);
    }
    admit_window(problem, scope)
}

/// The same of one window of several.
///
/// # Errors
/// As [`admit`], but for the windows.
pub fn admit_window(problem: &crate::problem::Shape, scope: Scope) -> Result<(), Status> {
    let topology = problem.topology();
    let experts = problem.num_logical_experts();
    let groups = problem.num_groups();
    let divides = |a: usize, b: usize| b.checked_rem(a) == Some(0);
    let hierarchical = problem.is_hierarchical(scope);
    if !topology.equal_speeds() {
        return Err(Status::UnsupportedSpeed);
    }
    if !topology.equal_slots() {
        return Err(Status::UnsupportedSlots);
    }
    if !topology.all_alive() {
        return Err(Status::UnsupportedState);
    }
    if topology.num_slots() < experts {
        return Err(Status::TooFewSlots);
    }
    if !hierarchical {
        return Ok(());
    }
    if !divides(topology.num_nodes(), groups) {
        return Err(Status::GroupsNotDivisible);
    }
    if !divides(groups, experts) {
        return Err(Status::ExpertsNotDivisible);
    }
    if !divides(topology.num_nodes(), topology.num_gpus()) {
        return Err(Status::GpusNotDivisible);
    }
    if !topology.contiguous_nodes() {
        return Err(Status::UnsupportedNodes);
    }
    Ok(())
}

/// Loads up to here cannot overflow f32 sums: 2^126 / E.
pub fn load_limit(experts: usize) -> f32 {
    const LIMIT: f32 = f32::from_bits(0x7e80_0000); // 2^126
    LIMIT / experts as f32
}

/// Refuses loads whose f32 sums could overflow.
///
/// # Errors
/// [`Status::LoadTooLarge`].
pub fn admit_loads(problem: &Problem) -> Result<(), Status> {
    let limit = load_limit(problem.shape().num_logical_experts());
    if problem.loads().largest() > limit { Err(Status::LoadTooLarge) } else { Ok(()) }
}
