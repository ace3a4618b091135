//! A planner with its memory, and the sort that it is measured against.

use std::hint::black_box;

use eplb::{Arena, Need, Operation, Options, PlacementMut, Problem, Spec};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use super::cases::Case;

/// The keys of the baseline for one layer.
pub fn sort_keys(load: &[f32], slots: usize, random: &mut StdRng) -> Vec<u64> {
    let mut keys: Vec<u64> = (0..slots)
        .map(|slot| (u64::from(load[slot % load.len()].to_bits()) << 32) | slot as u64)
        .collect();
    keys.shuffle(random);
    keys
}

/// A planner with its memory, for one layer at a time.
pub struct Planner {
    u64s: Vec<u64>,
    f64s: Vec<f64>,
    u32s: Vec<u32>,
    f32s: Vec<f32>,
    pub physical_to_logical: Vec<i32>,
    replica_rank: Vec<i32>,
    logical_count: Vec<i32>,
}

pub fn spec<'a>(case: &Case, load: &'a [f32]) -> Spec<'a> {
    Spec {
        num_layers: 1,
        num_logical_experts: case.experts as u32,
        num_physical_experts: case.slots as u32,
        num_groups: case.groups as u32,
        num_nodes: case.nodes as u32,
        num_gpus: case.gpus as u32,
        load,
        ..Spec::default()
    }
}

impl Planner {
    pub fn new(case: &Case, need: &Need) -> Self {
        Planner {
            u64s: vec![0; need.u64s],
            f64s: vec![0.0; need.f64s],
            u32s: vec![0; need.u32s],
            f32s: vec![0.0; need.f32s],
            physical_to_logical: vec![0; case.slots],
            replica_rank: vec![0; case.slots],
            logical_count: vec![0; case.experts],
        }
    }

    pub fn plan(&mut self, case: &Case, load: &[f32], options: &Options) {
        self.plan_spec(&spec(case, load), options, None);
    }

    pub fn plan_spec(&mut self, spec: &Spec, options: &Options, metrics: Option<eplb::Report>) {
        let problem = Problem::new(spec).expect("a problem");
        let arena = Arena::new(&mut self.u64s, &mut self.f64s, &mut self.u32s, &mut self.f32s);
        let maps = PlacementMut {
            physical_to_logical: &mut self.physical_to_logical,
            replica_rank: Some(&mut self.replica_rank),
            logical_count: Some(&mut self.logical_count),
            logical_to_physical: None,
            max_replicas: 0,
        };
        eplb::plan(&problem, options, arena, maps, metrics).expect("a plan");
        black_box(&self.physical_to_logical);
    }
}

pub fn need(operation: Operation, spec: &Spec, options: &Options) -> Need {
    let problem = Problem::new(spec).expect("a problem");
    eplb::workspace(operation, problem.shape(), options).expect("a size")
}

pub fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}
