//! The seven seed policies, slow and obvious: the reference that the fast code is compared with.
//!
//! Written from the rules of docs/SPEC.md ("The policies, bit for bit") and the three documents that they come from, never from
//! the fast code, so that the two agree only when both are right. "SPEC" in a comment is docs/SPEC.md, with the name of a section;
//! "doc 000" is the document of that number (docs/POLICIES.md, "Where they come from"). Reads like the documents: vectors, stable
//! sorts, linear scans. A bad shape is a panic, since only tests call this.
//!
//! Loads are finite and not negative. f32 stays f32 where the documents' values are tensors; their Python floats are f64.
#![allow(dead_code, unused_imports)] // every test crate uses another part

pub mod brute;
pub mod dispatch;
pub mod judge;
pub mod load;
pub mod nearest;
pub mod orders;
pub mod pack;
pub mod replay;
pub mod replicate;

pub use pack::{Packing, Refinement};
pub use replicate::{FixUp, Rule};

/// One problem of one window: what to place and on what.
#[derive(Clone, Debug)]
pub struct Problem {
    pub num_layers: usize,
    pub num_logical_experts: usize,
    pub num_physical_experts: usize,
    pub num_groups: usize,
    pub num_nodes: usize,
    pub num_gpus: usize,
    /// `[L][E]` tokens.
    pub load: Vec<f32>,
}

/// The three maps, row-major (SPEC, "The road").
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// `[L][P]` logical expert in each slot.
    pub physical_to_logical: Vec<i32>,
    /// `[L][P]` which replica of its expert each slot holds, from 0.
    pub replica_rank: Vec<i32>,
    /// `[L][E]` replicas of each expert.
    pub logical_count: Vec<i32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    Deepseek,
    MultiSwap,
    K2Hybrid,
    HybridArgmax,
    PeakAware,
    Waterfill,
    WaterfillFixup,
}

impl Policy {
    pub const ALL: [Policy; 7] = [
        Policy::Deepseek,
        Policy::MultiSwap,
        Policy::K2Hybrid,
        Policy::HybridArgmax,
        Policy::PeakAware,
        Policy::Waterfill,
        Policy::WaterfillFixup,
    ];
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Hierarchical when K is a multiple of N, else global (SPEC, "Scope").
    Auto,
    Hierarchical,
    Global,
}

/// What a policy is made of; every combination can be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recipe {
    pub rule: Rule,
    pub fix_up: FixUp,
    pub packing: Packing,
    pub refinement: Refinement,
}

/// The table of presets (SPEC, "Recipes").
pub fn recipe(policy: Policy) -> Recipe {
    let (rule, fix_up, packing, refinement) = match policy {
        Policy::Deepseek => (Rule::DHondt, FixUp::None, Packing::Lpt, Refinement::None),
        Policy::MultiSwap => (Rule::DHondt, FixUp::OneMove, Packing::Lpt, Refinement::AllPairs),
        Policy::K2Hybrid => (Rule::SainteLagueTail, FixUp::TopTwo, Packing::Lpt, Refinement::KTwo),
        Policy::HybridArgmax => (
            Rule::SainteLagueTail,
            FixUp::TrueSecond,
            Packing::Lpt,
            Refinement::KTwo, // SPEC, "Recipes"
        ),
        Policy::PeakAware => (
            Rule::PeakAwareTail,
            FixUp::GuardedSecond,
            Packing::Lpt,
            Refinement::KTwo, // SPEC, "Recipes"
        ),
        Policy::Waterfill => (Rule::Waterfill, FixUp::None, Packing::Diverse, Refinement::None),
        Policy::WaterfillFixup => {
            (Rule::Waterfill, FixUp::Recompute, Packing::Diverse, Refinement::MicroSwap)
        }
    };
    Recipe { rule, fix_up, packing, refinement }
}

/// Plans every layer by a policy.
pub fn plan(policy: Policy, scope: Scope, problem: &Problem) -> Plan {
    plan_recipe(recipe(policy), scope, problem)
}

/// Plans every layer by any recipe.
pub fn plan_recipe(recipe: Recipe, scope: Scope, problem: &Problem) -> Plan {
    let hierarchical = match scope {
        Scope::Auto => {
            assert!(problem.num_nodes > 0, "a size is zero");
            problem.num_groups.is_multiple_of(problem.num_nodes)
        }
        Scope::Hierarchical => true,
        Scope::Global => false,
    };
    // Global is the same road with one group and one node (SPEC, "Scope").
    let mut problem = problem.clone();
    if !hierarchical {
        problem.num_groups = 1;
        problem.num_nodes = 1;
    }
    check(&problem);

    let mut plan = Plan::default();
    for load in problem.load.chunks(problem.num_logical_experts) {
        let layer = plan_layer(recipe, load, &problem);
        plan.physical_to_logical.extend(layer.physical_to_logical);
        plan.replica_rank.extend(layer.replica_rank);
        plan.logical_count.extend(layer.logical_count);
    }
    plan
}

/// What must be refused (SPEC, "Scope"), with one group and one node when the scope is global.
fn check(problem: &Problem) {
    let (e, p) = (problem.num_logical_experts, problem.num_physical_experts);
    let (k, n, g) = (problem.num_groups, problem.num_nodes, problem.num_gpus);
    assert!(e > 0 && g > 0 && k > 0 && n > 0, "a size is zero");
    assert!(p.is_multiple_of(g), "P is not a multiple of G");
    assert!(p >= e, "P < E");
    assert!(e.is_multiple_of(k), "E is not a multiple of K");
    assert!(k.is_multiple_of(n), "K is not a multiple of N");
    assert!(g.is_multiple_of(n), "G is not a multiple of N");
    assert_eq!(problem.load.len(), problem.num_layers * e, "loads");
    assert!(problem.load.iter().all(|x| x.is_finite() && *x >= 0.0));
}

fn plan_layer(recipe: Recipe, load: &[f32], problem: &Problem) -> Plan {
    let nodes = problem.num_nodes;
    let gpus_per_node = problem.num_gpus / nodes;
    let experts_per_node = problem.num_logical_experts / nodes;
    let slots_per_node = problem.num_physical_experts / nodes;
    let slots_per_gpu = problem.num_physical_experts / problem.num_gpus;

    let mut plan = Plan {
        physical_to_logical: vec![-1; problem.num_physical_experts],
        replica_rank: vec![-1; problem.num_physical_experts],
        logical_count: vec![0; problem.num_logical_experts],
    };
    let order = meta_logical_order(recipe, load, problem);
    for (node, experts) in order.chunks(experts_per_node).enumerate() {
        // Step 2 (SPEC, "The road"): the row's experts, counted 0.. in meta-logical order, become physical experts.
        let row_load: Vec<f32> = experts.iter().map(|&e| load[e]).collect();
        let row = replicate::replicate(recipe.rule, recipe.fix_up, &row_load, slots_per_node);
        let replica_load: Vec<f32> =
            row.expert.iter().map(|&e| row_load[e] / row.count[e] as f32).collect();

        // Step 3 (SPEC, "The road"): which slot each physical expert goes to.
        let packs = pack::onto_gpus(
            recipe.packing,
            recipe.refinement,
            &replica_load,
            &row.expert,
            gpus_per_node,
        );
        for i in 0..slots_per_node {
            let slot = node * slots_per_node + packs.pack[i] * slots_per_gpu + packs.rank[i];
            assert_eq!(plan.physical_to_logical[slot], -1, "slot filled twice");
            plan.physical_to_logical[slot] = experts[row.expert[i]] as i32;
            plan.replica_rank[slot] = row.rank[i] as i32;
        }
        for (&expert, &count) in experts.iter().zip(&row.count) {
            plan.logical_count[expert] = count as i32;
        }
    }
    plan
}

/// Step 1 (SPEC, "The road"): the experts node by node, inside a node group by group, inside a group by id.
fn meta_logical_order(recipe: Recipe, load: &[f32], problem: &Problem) -> Vec<usize> {
    let group_size = problem.num_logical_experts / problem.num_groups;
    let groups_per_node = problem.num_groups / problem.num_nodes;
    let group_load: Vec<f32> =
        load.chunks(group_size).map(|group| group.iter().fold(0.0, |sum, x| sum + x)).collect();
    let packs = pack::onto_nodes(recipe.packing, recipe.refinement, &group_load, problem.num_nodes);

    let mut order = Vec::new();
    for node in 0..problem.num_nodes {
        for rank in 0..groups_per_node {
            let group = (0..problem.num_groups)
                .find(|&group| packs.pack[group] == node && packs.rank[group] == rank)
                .unwrap();
            order.extend(group * group_size..(group + 1) * group_size);
        }
    }
    order
}

// The ties of every rule: the lowest index (SPEC, "Ties").

/// Index of the first largest value.
pub(crate) fn first_largest<T: PartialOrd>(values: &[T]) -> usize {
    let mut best = 0;
    for i in 1..values.len() {
        if values[i] > values[best] {
            best = i;
        }
    }
    best
}

/// Index of the first smallest value.
pub(crate) fn first_smallest<T: PartialOrd>(values: &[T]) -> usize {
    let mut best = 0;
    for i in 1..values.len() {
        if values[i] < values[best] {
            best = i;
        }
    }
    best
}

/// Indices by ascending value, stable.
pub(crate) fn ascending<T: PartialOrd>(values: &[T]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].partial_cmp(&values[b]).unwrap());
    order
}

/// Indices by descending value, stable.
pub(crate) fn descending<T: PartialOrd>(values: &[T]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[b].partial_cmp(&values[a]).unwrap());
    order
}
