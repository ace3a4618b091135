//! What would more slots, or other GPUs, bring? One plan for each cluster, on all windows, and on all but the one
//! that it is then measured in.

use std::time::Instant;

use eplb::{ForecastMethod, Options, Policy, Scope, Spec};

use super::args::SweepArgs;
use super::cluster::{Cluster, slots};
use super::error::Refused;
use super::figures::ratio;
use super::plan::{Summary, evaluate, place};
use super::progress::Progress;
use super::replay::Strategy;
use super::trace::Trace;

/// One cluster.
#[derive(Debug)]
pub struct Point {
    /// GPUs.
    pub gpus: u32,
    /// Slots of each.
    pub slots_per_gpu: u32,
    /// Slots of each beyond the fewest that hold every expert once.
    pub spare: u32,
    /// Mean balance over layers and windows, planned on all windows together.
    pub balance: f64,
    /// Mean balance of the windows when each is left out of its plan; `None` of a single window.
    pub unseen: Option<f64>,
    /// Mean of what no plan for a single window can exceed.
    pub bound: f64,
    /// Seconds to plan a layer.
    pub seconds: f64,
    /// Bytes of weights that a GPU holds.
    pub bytes: f64,
}

/// Every cluster that is asked for.
pub fn run(args: &SweepArgs, trace: &Trace) -> Result<Vec<Point>, Refused> {
    let progress = Progress::new("clusters", args.gpus.len() * args.spare.len());
    let mut points = Vec::new();
    for &gpus in &args.gpus {
        for &spare in &args.spare {
            progress.step();
            let experts = u32::try_from(trace.experts).unwrap_or(u32::MAX);
            let wanted = slots(experts, gpus).saturating_add(spare.saturating_mul(gpus));
            let (nodes, groups, scope) = (1, 1, Scope::Global);
            let cluster = Cluster { slots: wanted, gpus, nodes, groups, scope };
            points.push(point(args, trace, &cluster, spare)?);
        }
    }
    Ok(points)
}

fn point(args: &SweepArgs, trace: &Trace, cluster: &Cluster, spare: u32) -> Result<Point, Refused> {
    let options = Options { policy: args.policy, scope: cluster.scope, ..Options::default() };
    let start = Instant::now();
    let total = trace.total();
    let placement = place(&cluster.spec_together(trace, args.policy, &total), &options)?;
    let seconds = start.elapsed().as_secs_f64() / trace.layers.len() as f64;
    let spec = |window| cluster.spec(trace.experts, trace.window(window));
    let (mut seen, mut bound) = (0.0, 0.0);
    for window in 0..trace.windows.len() {
        let metrics = evaluate(&spec(window), cluster.scope, &placement)?;
        let bounds = metrics.iter().map(|layer| ratio(layer.mean_gpu_load, layer.bound));
        bound += bounds.sum::<f64>() / metrics.len() as f64;
        seen += Summary::of(&metrics).mean;
    }
    let windows = trace.windows.len() as f64;
    let slots_per_gpu = cluster.slots / cluster.gpus;
    let weights = trace.layers.len() as f64 * f64::from(slots_per_gpu);
    Ok(Point {
        gpus: cluster.gpus,
        slots_per_gpu,
        spare,
        balance: seen / windows,
        unseen: unseen(trace, cluster, args.policy, &spec)?,
        bound: bound / windows,
        seconds,
        bytes: weights * args.expert_mb * 1e6,
    })
}

/// Each window in turn is left out of the plan that it is measured with.
fn unseen<'t>(
    trace: &Trace,
    cluster: &Cluster,
    policy: Policy,
    spec: &impl Fn(usize) -> Spec<'t>,
) -> Result<Option<f64>, Refused> {
    let windows = trace.windows.len();
    if windows < 2 {
        return Ok(None);
    }
    let mut sum = 0.0;
    for unseen in 0..windows {
        let seen: Vec<usize> = (0..windows).filter(|&window| window != unseen).collect();
        let placement = strategy(policy).plan(trace, cluster, policy, &seen)?;
        sum += Summary::of(&evaluate(&spec(unseen), cluster.scope, &placement)?).mean;
    }
    Ok(Some(sum / windows as f64))
}

/// All windows, or where the policy plans a single load their mean.
fn strategy(policy: Policy) -> Strategy {
    match policy {
        Policy::Balanced => Strategy::Robust(usize::MAX),
        _ => Strategy::Forecast(ForecastMethod::Mean),
    }
}
