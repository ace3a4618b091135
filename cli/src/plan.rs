//! Planning, and the placement to compare with. All arithmetic on balance is the library's.

use std::time::{Duration, Instant};

use eplb::{
    Arena, Metrics, Need, Operation, Options, Placement, PlacementMut, Policy, Problem, Scope,
    Spec, Status,
};

use super::cluster::Cluster;
use super::error::Refused;
use super::trace::Trace;

/// A plan is timed this often, and the fastest is quoted.
const REPEATS: u32 = 5;

/// A placement of one window, and how good it is for it.
#[derive(Debug)]
pub struct Planned {
    /// `[L][P]` expert of each slot.
    pub placement: Vec<i32>,
    /// `[L]`.
    pub metrics: Vec<Metrics>,
    /// Time of the call that planned all layers.
    pub time: Duration,
}

/// A policy and what it made of every window.
#[derive(Debug)]
pub struct Run {
    /// Which policy.
    pub policy: Policy,
    /// `[W]`.
    pub windows: Vec<Planned>,
}

/// Plans each window of `trace` on its own loads.
pub fn run(trace: &Trace, cluster: &Cluster, policy: Policy) -> Result<Run, Refused> {
    let windows = (0..trace.windows.len())
        .map(|window| plan(cluster, trace.experts, trace.window(window), policy))
        .collect::<Result<_, _>>()?;
    Ok(Run { policy, windows })
}

/// Plans all layers of `load` in one call, with every map but logical_to_physical.
pub fn plan(
    cluster: &Cluster,
    experts: usize,
    load: &[f32],
    policy: Policy,
) -> Result<Planned, Refused> {
    let spec = cluster.spec(experts, load);
    let options = Options { policy, scope: cluster.scope, ..Options::default() };
    let planned = timed(&spec, &options);
    let (placement, time) = planned.map_err(|status| no_plan(status, &spec, &options))?;
    let metrics = evaluate(&spec, cluster.scope, &placement)?;
    Ok(Planned { placement, metrics, time })
}

/// The plan, and the least time that it took.
fn timed(spec: &Spec, options: &Options) -> Result<(Vec<i32>, Duration), Status> {
    let problem = Problem::new(spec)?;
    let mut memory = Memory::new(eplb::workspace(Operation::Plan, problem.shape(), options)?);
    let slots = problem.shape().num_layers() * problem.shape().num_physical_experts();
    let mut placement = vec![0; slots];
    let mut rank = vec![0; slots];
    let mut count = vec![0; spec.load.len()];
    let mut time = Duration::MAX;
    for _ in 0..REPEATS {
        let maps = PlacementMut {
            physical_to_logical: &mut placement,
            replica_rank: Some(&mut rank),
            logical_count: Some(&mut count),
            logical_to_physical: None,
            max_replicas: 0,
        };
        let start = Instant::now();
        eplb::plan(&problem, options, memory.arena(), maps, None)?;
        time = time.min(start.elapsed());
    }
    Ok((placement, time))
}

/// Why there is no plan.
fn no_plan(status: Status, spec: &Spec, options: &Options) -> Refused {
    let slots = u64::from(spec.num_layers) * u64::from(spec.num_physical_experts);
    let placement = vec![0; usize::try_from(slots).unwrap_or(0)];
    Refused::of(status, Operation::Plan, spec, options, &placement)
}

/// Plans once, whatever `spec` and `options` hold; `[L][P]`.
pub fn place(spec: &Spec, options: &Options) -> Result<Vec<i32>, Refused> {
    placed(spec, options).map_err(|status| no_plan(status, spec, options))
}

fn placed(spec: &Spec, options: &Options) -> Result<Vec<i32>, Status> {
    let problem = Problem::new(spec)?;
    let mut memory = Memory::new(eplb::workspace(Operation::Plan, problem.shape(), options)?);
    let mut placement =
        vec![0; problem.shape().num_layers() * problem.shape().num_physical_experts()];
    let maps = PlacementMut {
        physical_to_logical: &mut placement,
        replica_rank: None,
        logical_count: None,
        logical_to_physical: None,
        max_replicas: 0,
    };
    eplb::plan(&problem, options, memory.arena(), maps, None)?;
    Ok(placement)
}

/// How good `placement` is for the loads of `spec`, layer by layer.
pub fn evaluate(spec: &Spec, scope: Scope, placement: &[i32]) -> Result<Vec<Metrics>, Refused> {
    let options = Options { scope, ..Options::default() };
    measured(spec, &options, placement)
        .map_err(|status| Refused::of(status, Operation::Evaluate, spec, &options, placement))
}

fn measured(spec: &Spec, options: &Options, placement: &[i32]) -> Result<Vec<Metrics>, Status> {
    let problem = Problem::new(spec)?;
    let mut memory = Memory::new(eplb::workspace(Operation::Evaluate, problem.shape(), options)?);
    let mut metrics = Vec::with_capacity(problem.shape().num_layers());
    let report: eplb::Report = &mut |_, layer| metrics.push(*layer);
    let placement = Placement::of(placement);
    eplb::evaluate(&problem, options.scope, false, memory.arena(), &placement, report)?;
    Ok(metrics)
}

/// Experts laid out in order without replicas: GPU g holds `g * E / G` to `(g + 1) * E / G`, rounded
/// down, so that where E is not a multiple of G the larger GPUs are spread evenly among the others.
#[derive(Debug)]
pub struct Contiguous {
    /// `[G]` experts on each GPU.
    pub slots: Vec<u32>,
    /// `[L][E]`.
    pub placement: Vec<i32>,
    /// `[W][L]`.
    pub metrics: Vec<Vec<Metrics>>,
}

impl Contiguous {
    /// Lays out the experts of `trace` and measures every window.
    pub fn new(trace: &Trace, cluster: &Cluster) -> Result<Self, Refused> {
        let (experts, gpus) = (trace.experts as u64, u64::from(cluster.gpus));
        let first = |gpu: u64| (gpu * experts).checked_div(gpus).unwrap_or(0);
        let slots: Vec<u32> = (0..gpus).map(|gpu| (first(gpu + 1) - first(gpu)) as u32).collect();
        let placement: Vec<i32> =
            trace.layers.iter().flat_map(|_| 0..trace.experts as i32).collect();
        let metrics = (0..trace.windows.len())
            .map(|window| {
                let spec = cluster.spec(trace.experts, trace.window(window));
                let num_physical_experts = spec.num_logical_experts;
                let spec = Spec { num_physical_experts, gpu_slots: Some(&slots), ..spec };
                evaluate(&spec, cluster.scope, &placement)
            })
            .collect::<Result<_, _>>()?;
        Ok(Contiguous { slots, placement, metrics })
    }
}

/// Means and extremes of the metrics of many layers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Summary {
    /// Mean balance over GPUs.
    pub mean: f64,
    /// Worst balance over GPUs.
    pub worst: f64,
    /// Mean balance over nodes.
    pub node: f64,
    /// Mean gap to the bound.
    pub gap: f64,
    /// All replicas that share a GPU with another of their expert.
    pub duplicates: u32,
}

impl Summary {
    /// Of at least one layer.
    pub fn of<'m>(layers: impl IntoIterator<Item = &'m Metrics>) -> Self {
        let (mut sum, mut n) = (Summary { worst: 1.0, ..Summary::default() }, 0.0);
        for layer in layers {
            n += 1.0;
            sum.mean += layer.balance;
            sum.worst = sum.worst.min(layer.balance);
            sum.node += layer.node_balance;
            sum.gap += layer.gap;
            sum.duplicates += layer.duplicates;
        }
        Summary { mean: sum.mean / n, node: sum.node / n, gap: sum.gap / n, ..sum }
    }
}

/// The memory behind an arena.
pub struct Memory {
    u64s: Vec<u64>,
    f64s: Vec<f64>,
    u32s: Vec<u32>,
    f32s: Vec<f32>,
}

impl Memory {
    /// Enough for `need`.
    pub fn new(need: Need) -> Self {
        Memory {
            u64s: vec![0; need.u64s],
            f64s: vec![0.0; need.f64s],
            u32s: vec![0; need.u32s],
            f32s: vec![0.0; need.f32s],
        }
    }

    /// All of it.
    pub fn arena(&mut self) -> Arena<'_> {
        Arena::new(&mut self.u64s, &mut self.f64s, &mut self.u32s, &mut self.f32s)
    }
}
