//! Random problems: the fast code against the slow reference, and what must hold for any problem.

use crate::common::{check, evaluate, plan};
use crate::problems::{Random, compatible};
use crate::reference;
use eplb::{Options, Placement, Policy, Promises, Scope, Spec};
use proptest::prelude::*;
use proptest::test_runner::Config;

const POLICIES: [(Policy, reference::Policy); 7] = [
    (Policy::Deepseek, reference::Policy::Deepseek),
    (Policy::MultiSwap, reference::Policy::MultiSwap),
    (Policy::K2Hybrid, reference::Policy::K2Hybrid),
    (Policy::HybridArgmax, reference::Policy::HybridArgmax),
    (Policy::PeakAware, reference::Policy::PeakAware),
    (Policy::Waterfill, reference::Policy::Waterfill),
    (Policy::WaterfillFixup, reference::Policy::WaterfillFixup),
];

/// Every rule with every fix-up, packing and refinement, ours and the reference's.
fn recipes() -> impl Strategy<Value = (eplb::Recipe, reference::Recipe)> {
    use eplb::{FixUp, Packing, Refinement, Rule};
    macro_rules! pairs {
        ($type:ident: $($name:ident)*) => {
            prop::sample::select(vec![$(($type::$name, reference::$type::$name)),*])
        };
    }
    (
        pairs!(Rule: DHondt SainteLagueTail PeakAwareTail Waterfill),
        pairs!(FixUp: None OneMove TopTwo TrueSecond GuardedSecond Recompute),
        pairs!(Packing: Lpt Diverse),
        pairs!(Refinement: None AllPairs KTwo MicroSwap),
    )
        .prop_map(|(rule, fix_up, packing, refinement)| {
            (
                eplb::Recipe {
                    rule: rule.0,
                    fix_up: fix_up.0,
                    packing: packing.0,
                    refinement: refinement.0,
                },
                reference::Recipe {
                    rule: rule.1,
                    fix_up: fix_up.1,
                    packing: packing.1,
                    refinement: refinement.1,
                },
            )
        })
}

fn slow(recipe: reference::Recipe, scope: Scope, random: &Random) -> reference::Plan {
    let scope = match scope {
        Scope::Auto => reference::Scope::Auto,
        Scope::Hierarchical => reference::Scope::Hierarchical,
        Scope::Global => reference::Scope::Global,
    };
    let problem = reference::Problem {
        num_layers: random.num_layers,
        num_logical_experts: random.num_logical_experts,
        num_physical_experts: random.num_physical_experts,
        num_groups: random.num_groups,
        num_nodes: random.num_nodes,
        num_gpus: random.num_gpus,
        load: random.load.clone(),
    };
    reference::plan_recipe(recipe, scope, &problem)
}

fn compare_with_reference(random: &Random, scope: Scope) -> Result<(), TestCaseError> {
    for (policy, slow_policy) in POLICIES {
        let options = Options { policy, scope, ..Options::default() };
        let fast = plan(&random.spec(), &options).unwrap();
        let slow = slow(reference::recipe(slow_policy), scope, random);
        prop_assert_eq!(&fast.physical_to_logical, &slow.physical_to_logical, "{:?}", policy);
        prop_assert_eq!(&fast.replica_rank, &slow.replica_rank, "{:?}", policy);
        prop_assert_eq!(&fast.logical_count, &slow.logical_count, "{:?}", policy);
        let promises = Promises { scope, full: true, distinct: false };
        prop_assert_eq!(check(&random.spec(), &promises, &fast.placement()).unwrap(), None);
    }
    Ok(())
}

proptest! {
    #![proptest_config(Config { cases: 10_000, ..Config::default() })]

    #[test]
    fn plans_equal_the_reference(random in compatible(24)) {
        compare_with_reference(&random, Scope::Auto)?;
    }
}

proptest! {
    #![proptest_config(Config { cases: 10_000, ..Config::default() })]

    /// The recipes that no preset names, too.
    #[test]
    fn composed_plans_equal_the_reference(
        random in compatible(12),
        (recipe, slow_recipe) in recipes(),
    ) {
        let options = Options { recipe: Some(recipe), ..Options::default() };
        let fast = plan(&random.spec(), &options).unwrap();
        let slow = slow(slow_recipe, Scope::Auto, &random);
        prop_assert_eq!(&fast.physical_to_logical, &slow.physical_to_logical, "{:?}", recipe);
        prop_assert_eq!(&fast.replica_rank, &slow.replica_rank, "{:?}", recipe);
        prop_assert_eq!(&fast.logical_count, &slow.logical_count, "{:?}", recipe);
    }
}

proptest! {
    #![proptest_config(Config { cases: 500, ..Config::default() })]

    #[test]
    fn large_plans_equal_the_reference(random in compatible(300)) {
        compare_with_reference(&random, Scope::Global)?;
    }

    /// Metrics, by the ruler written twice.
    #[test]
    fn metrics_equal_the_reference(random in compatible(24)) {
        let spec = random.spec();
        let options = Options { policy: Policy::Deepseek, ..Options::default() };
        let plan = plan(&spec, &options).unwrap();
        prop_assert_eq!(&evaluate(&spec, &plan.placement()).unwrap(), &plan.metrics);
        let topology = reference::judge::Topology::uniform(
            random.num_physical_experts, random.num_nodes, random.num_gpus);
        let layers = plan.physical_to_logical.chunks(random.num_physical_experts)
            .zip(random.load.chunks(random.num_logical_experts));
        for ((slots, load), metrics) in layers.zip(&plan.metrics) {
            let slow = reference::judge::judge(slots, load, &topology);
            let near = |a: f64, b: f64| (a - b).abs() <= 1e-12 * b.abs();
            prop_assert_eq!(slow.max, metrics.max_gpu_load);
            prop_assert!(near(slow.mean, metrics.mean_gpu_load));
            prop_assert!(near(slow.balance, metrics.balance));
            if random.num_gpus % random.num_nodes == 0 {
                prop_assert!(near(slow.node_balance, metrics.node_balance));
            }
            prop_assert!(near(slow.physical_expert_balance, metrics.expert_balance));
            prop_assert_eq!(slow.duplicates as u32, metrics.duplicates);
            prop_assert!(metrics.bound <= metrics.max_gpu_load);
            prop_assert!(metrics.gap >= 0.0);
            prop_assert!(metrics.balance <= 1.0 + 1e-12);
        }
    }

    /// Loads scaled by a power of two give the same plan: every operation scales exactly.
    #[test]
    fn scaled_loads_give_the_same_plan(random in compatible(24), power in -20..20_i32) {
        let options = Options { policy: Policy::Deepseek, ..Options::default() };
        let scaled: Vec<f32> = random.load.iter().map(|x| x * 2_f32.powi(power)).collect();
        let plan_scaled = plan(&Spec { load: &scaled, ..random.spec() }, &options).unwrap();
        let plan = plan(&random.spec(), &options).unwrap();
        prop_assert_eq!(plan.physical_to_logical, plan_scaled.physical_to_logical);
    }

    /// A slice of layers is a problem of its own with the same answer.
    #[test]
    fn layers_do_not_know_of_each_other(random in compatible(24)) {
        let options = Options { policy: Policy::Deepseek, ..Options::default() };
        let whole = plan(&random.spec(), &options).unwrap();
        let rows = random.load.chunks(random.num_logical_experts);
        let alone: Vec<i32> = rows.flat_map(|load| {
            plan(&Spec { num_layers: 1, load, ..random.spec() }, &options)
                .unwrap().physical_to_logical
        }).collect();
        prop_assert_eq!(whole.physical_to_logical, alone);
    }

    /// No placement beats the bound: neither a plan nor experts thrown anywhere.
    #[test]
    fn the_bound_holds_for_thrown_experts(
        random in compatible(12),
        thrown in prop::collection::vec(any::<prop::sample::Index>(), 1..400),
    ) {
        let spec = Spec { num_layers: 1, ..random.spec() };
        let experts = random.num_logical_experts;
        let mut slots: Vec<i32> = (0..random.num_physical_experts)
            .map(|slot| {
                let throw = thrown[slot % thrown.len()];
                if slot < experts { slot as i32 } else { throw.index(experts) as i32 }
            })
            .collect();
        for (slot, throw) in thrown.iter().enumerate().take(slots.len()) {
            let other = throw.index(slots.len());
            slots.swap(slot, other);
        }
        let metrics = evaluate(&spec, &Placement::of(&slots)).unwrap();
        prop_assert!(metrics[0].bound <= metrics[0].max_gpu_load);
        // whatever placement it is reported with, it holds for one that keeps all promises
        let planned = plan(&spec, &Options::default()).unwrap().metrics;
        prop_assert!(metrics[0].bound <= planned[0].max_gpu_load * (1.0 + 1e-12));
    }
}
