//! The expected plans of the compatibility policies, slot by slot.

use crate::common::{check, plan, spec_of, vectors};
use eplb::{Options, Policy, Promises, Scope, Spec, Status};

const POLICIES: [(Policy, &str); 7] = [
    (Policy::Deepseek, "deepseek"),
    (Policy::MultiSwap, "multi_swap"),
    (Policy::K2Hybrid, "k2_hybrid"),
    (Policy::HybridArgmax, "hybrid_argmax"),
    (Policy::PeakAware, "peak_aware"),
    (Policy::Waterfill, "waterfill"),
    (Policy::WaterfillFixup, "waterfill_fixup"),
];

#[test]
fn every_case_of_every_policy_is_identical() {
    for (policy, file) in POLICIES {
        let path = format!("{}/vectors/{file}.txt", env!("CARGO_MANIFEST_DIR"));
        let cases = vectors::read(&path).unwrap();
        assert_eq!(cases.len(), 147, "{file}");
        for case in &cases {
            let spec = spec_of(case);
            let options = Options { policy, ..Options::default() };
            let plan = plan(&spec, &options).unwrap();
            let name = &case.name;
            assert_eq!(plan.physical_to_logical, case.physical_to_logical, "{file} {name}");
            assert_eq!(plan.replica_rank, case.replica_rank, "{file} {name}");
            assert_eq!(plan.logical_count, case.logical_count, "{file} {name}");

            let promises = Promises { scope: Scope::Auto, full: true, distinct: false };
            let violation = check(&spec, &promises, &plan.placement()).unwrap();
            assert_eq!(violation, None, "{file} {name}");
        }
    }
}

/// FIELD case A: the README of DeepSeek EPLB.
#[test]
fn the_published_example_is_identical() {
    let load = [
        90., 132., 40., 61., 104., 165., 39., 4., 73., 56., 183., 86., //
        20., 107., 104., 64., 19., 197., 187., 157., 172., 86., 16., 27.,
    ];
    let spec = Spec {
        num_layers: 2,
        num_logical_experts: 12,
        num_physical_experts: 16,
        num_groups: 4,
        num_nodes: 2,
        num_gpus: 8,
        load: &load,
        ..Spec::default()
    };
    let options = Options { policy: Policy::Deepseek, ..Options::default() };
    let plan = plan(&spec, &options).unwrap();
    assert_eq!(
        plan.physical_to_logical,
        [
            5, 6, 5, 7, 8, 4, 3, 4, 10, 9, 10, 2, 0, 1, 11, 1, //
            7, 10, 6, 8, 6, 11, 8, 9, 2, 4, 5, 1, 5, 0, 3, 1
        ]
    );
}

/// FIELD case G.
#[test]
fn seven_slots_on_four_gpus_are_refused() {
    let load = [1.0; 4];
    let spec = Spec {
        num_layers: 1,
        num_logical_experts: 4,
        num_physical_experts: 7,
        num_gpus: 4,
        load: &load,
        ..Spec::default()
    };
    let options = Options { policy: Policy::Deepseek, ..Options::default() };
    assert_eq!(plan(&spec, &options), Err(Status::SlotsNotDivisible));
}
