//! What the tests share: a planner that owns its memory, on top of the Rust face.
#![allow(dead_code)] // each test crate uses its part

pub mod vectors;

use eplb::{
    Arena, Flags, Metrics, Need, Operation, Options, Placement, PlacementMut, Problem, Promises,
    Scope, Shape, Spec, Status, Violation,
};

/// Memory of a workspace.
#[derive(Default)]
pub struct Memory {
    pub u64s: Vec<u64>,
    pub f64s: Vec<f64>,
    pub u32s: Vec<u32>,
    pub f32s: Vec<f32>,
}

impl Memory {
    /// As much as `need` says, full of what no result may depend on.
    pub fn new(need: &Need) -> Self {
        Memory {
            u64s: vec![0xa5a5_a5a5_a5a5_a5a5; need.u64s],
            f64s: vec![f64::NAN; need.f64s],
            u32s: vec![0x5a5a_5a5a; need.u32s],
            f32s: vec![f32::NAN; need.f32s],
        }
    }

    pub fn arena(&mut self) -> Arena<'_> {
        Arena::new(&mut self.u64s, &mut self.f64s, &mut self.u32s, &mut self.f32s)
    }
}

/// All maps of a plan, and its metrics.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub physical_to_logical: Vec<i32>,
    pub replica_rank: Vec<i32>,
    pub logical_count: Vec<i32>,
    pub logical_to_physical: Vec<i32>,
    pub max_replicas: usize,
    pub metrics: Vec<Metrics>,
}

impl Plan {
    pub fn placement(&self) -> Placement<'_> {
        Placement {
            physical_to_logical: &self.physical_to_logical,
            replica_rank: Some(&self.replica_rank),
            logical_count: Some(&self.logical_count),
            logical_to_physical: Some(&self.logical_to_physical),
            max_replicas: self.max_replicas,
        }
    }
}

/// Plans with every map and the metrics asked for.
pub fn plan(spec: &Spec, options: &Options) -> Result<Plan, Status> {
    let problem = Problem::new(spec)?;
    let shape = problem.shape();
    let (layers, experts, slots) =
        (shape.num_layers(), shape.num_logical_experts(), shape.num_physical_experts());
    let need = eplb::workspace(Operation::Plan, shape, options)?;
    let max_replicas = (slots + 1).saturating_sub(experts).max(1);
    let mut plan = Plan {
        physical_to_logical: vec![-7; layers * slots],
        replica_rank: vec![-7; layers * slots],
        logical_count: vec![-7; layers * experts],
        logical_to_physical: vec![-7; layers * experts * max_replicas],
        max_replicas,
        metrics: Vec::new(),
    };
    let maps = PlacementMut {
        physical_to_logical: &mut plan.physical_to_logical,
        replica_rank: Some(&mut plan.replica_rank),
        logical_count: Some(&mut plan.logical_count),
        logical_to_physical: Some(&mut plan.logical_to_physical),
        max_replicas,
    };
    let metrics = &mut plan.metrics;
    let mut memory = Memory::new(&need);
    eplb::plan(&problem, options, memory.arena(), maps, Some(&mut |_, m| metrics.push(*m)))?;
    Ok(plan)
}

/// Plans with a limit on replicas, 0 = none.
pub fn plan_limited(
    spec: &Spec,
    options: &Options,
    max_replicas: usize,
) -> Result<Vec<i32>, Status> {
    plan_measured(spec, options, max_replicas).map(|(slots, _)| slots)
}

/// The same with the metrics of the layers.
pub fn plan_measured(
    spec: &Spec,
    options: &Options,
    max_replicas: usize,
) -> Result<(Vec<i32>, Vec<Metrics>), Status> {
    let problem = Problem::new(spec)?;
    let shape = problem.shape();
    let mut memory = Memory::new(&eplb::workspace(Operation::Plan, shape, options)?);
    let mut slots = vec![-7; shape.num_layers() * shape.num_physical_experts()];
    let maps = PlacementMut {
        physical_to_logical: &mut slots,
        replica_rank: None,
        logical_count: None,
        logical_to_physical: None,
        max_replicas,
    };
    let mut metrics = Vec::new();
    let report = &mut |_: usize, m: &Metrics| metrics.push(*m);
    eplb::plan(&problem, options, memory.arena(), maps, Some(report))?;
    Ok((slots, metrics))
}

/// Measures a placement.
pub fn evaluate(spec: &Spec, placement: &Placement) -> Result<Vec<Metrics>, Status> {
    evaluate_with(spec, placement, Flags::NONE)
}

/// Measures a placement, with flags.
pub fn evaluate_with(
    spec: &Spec,
    placement: &Placement,
    flags: Flags,
) -> Result<Vec<Metrics>, Status> {
    let problem = Problem::new(spec)?;
    let options = Options { flags, ..Options::default() };
    let need = eplb::workspace(Operation::Evaluate, problem.shape(), &options)?;
    let mut metrics = Vec::new();
    let mut memory = Memory::new(&need);
    let (dispatch, arena) = (options.measures_dispatch(), memory.arena());
    let report = &mut |_: usize, m: &Metrics| metrics.push(*m);
    eplb::evaluate(&problem, Scope::Auto, dispatch, arena, placement, report)?;
    Ok(metrics)
}

/// Checks a placement.
pub fn check(
    spec: &Spec,
    promises: &Promises,
    placement: &Placement,
) -> Result<Option<Violation>, Status> {
    let shape = Shape::new(spec)?;
    let need = eplb::workspace(Operation::Check, &shape, &Options::default())?;
    eplb::check(&shape, promises, Memory::new(&need).arena(), placement)
}

/// The spec of a case of the vectors.
pub fn spec_of(case: &vectors::Case) -> Spec<'_> {
    Spec {
        num_layers: case.shape.num_layers as u32,
        num_logical_experts: case.shape.num_logical_experts as u32,
        num_physical_experts: case.shape.num_physical_experts as u32,
        num_groups: case.shape.num_groups as u32,
        num_nodes: case.shape.num_nodes as u32,
        num_gpus: case.shape.num_gpus as u32,
        load: &case.load,
        ..Spec::default()
    }
}
