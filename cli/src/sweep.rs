//! What would more slots, or other GPUs, bring? One plan for each cluster, on all windows, and on all but those that it
//! is then measured in.

use std::time::Instant;

use eplb::{ForecastMethod, Options, Policy, Scope};

use super::cluster::{Cluster, slots};
use super::costs::Costs;
use super::error::Refused;
use super::figures::{busiest, ratio};
use super::plan::{Summary, evaluate, place};
use super::progress::Progress;
use super::replay::Strategy;
use super::trace::Trace;

/// Plans of a cluster on which windows are left out, at most: of more windows, several are left out at once.
const MOST_FOLDS: usize = 8;

/// The clusters that are compared.
#[derive(Clone, Copy, Debug)]
pub struct Sweep<'a> {
    /// Numbers of GPUs.
    pub gpus: &'a [u32],
    /// Slots of a GPU beyond the fewest that hold every expert once.
    pub spare: &'a [u32],
    /// How to plan.
    pub policy: Policy,
    /// What it costs.
    pub costs: &'a Costs,
}

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
    /// Windows that their plan has not seen; `None` of a single window.
    pub unseen: Option<Unseen>,
    /// The same of DEEPSEEK, where it plans this cluster.
    pub deepseek: Option<Unseen>,
    /// Mean of what no plan for a single window can exceed.
    pub bound: f64,
    /// Load of the busiest GPUs of all layers, mean over the windows: unseen, or where there is one window only, seen.
    pub busiest: f64,
    /// Seconds that they take.
    pub seconds: Option<f64>,
    /// Seconds to plan a layer.
    pub planning: f64,
    /// Bytes of weights that a GPU holds.
    pub bytes: f64,
}

/// Means over windows that their plan has not seen.
#[derive(Clone, Copy, Debug)]
pub struct Unseen {
    /// Balance.
    pub balance: f64,
    /// Load of the busiest GPUs of all layers.
    pub busiest: f64,
}

impl Sweep<'_> {
    /// Every cluster, as far as it can be planned.
    pub fn possible(&self, trace: &Trace) -> Vec<Point> {
        self.clusters(trace).filter_map(Result::ok).collect()
    }

    /// Every cluster that is asked for.
    pub fn run(&self, trace: &Trace) -> Result<Vec<Point>, Refused> {
        self.clusters(trace).collect()
    }

    fn clusters(&self, trace: &Trace) -> impl Iterator<Item = Result<Point, Refused>> {
        let progress = Progress::new("clusters", self.gpus.len() * self.spare.len());
        let experts = u32::try_from(trace.experts).unwrap_or(u32::MAX);
        let all = self.gpus.iter().flat_map(|&gpus| self.spare.iter().map(move |&s| (gpus, s)));
        all.map(move |(gpus, spare)| {
            progress.step();
            let wanted = slots(experts, gpus).saturating_add(spare.saturating_mul(gpus));
            let (nodes, groups, scope) = (1, 1, Scope::Global);
            let cluster = Cluster { slots: wanted, gpus, nodes, groups, scope };
            self.point(trace, &cluster, spare)
        })
    }

    fn point(&self, trace: &Trace, cluster: &Cluster, spare: u32) -> Result<Point, Refused> {
        let options = Options { policy: self.policy, scope: cluster.scope, ..Options::default() };
        let start = Instant::now();
        let total = trace.total();
        let placement = place(&cluster.spec_together(trace, self.policy, &total), &options)?;
        let planning = start.elapsed().as_secs_f64() / trace.layers.len() as f64;
        let windows = trace.windows.len() as f64;
        let (mut seen, mut bound, mut busy) = (0.0, 0.0, 0.0);
        for window in 0..trace.windows.len() {
            let spec = cluster.spec(trace.experts, trace.window(window));
            let metrics = evaluate(&spec, cluster.scope, &placement)?;
            let bounds = metrics.iter().map(|layer| ratio(layer.mean_gpu_load, layer.bound));
            bound += bounds.sum::<f64>() / metrics.len() as f64 / windows;
            seen += Summary::of(&metrics).mean / windows;
            busy += busiest(&metrics) / windows;
        }
        let unseen = unseen(trace, cluster, self.policy)?;
        let busiest = unseen.map_or(busy, |unseen| unseen.busiest);
        let slots_per_gpu = cluster.slots / cluster.gpus;
        Ok(Point {
            gpus: cluster.gpus,
            slots_per_gpu,
            spare,
            balance: seen,
            unseen,
            deepseek: self::unseen(trace, cluster, Policy::Deepseek).unwrap_or(None),
            bound,
            busiest,
            seconds: self.costs.seconds(busiest),
            planning,
            bytes: self.costs.bytes(trace.layers.len() as f64 * f64::from(slots_per_gpu)),
        })
    }
}

/// Each window is measured with a plan that it is left out of.
fn unseen(trace: &Trace, cluster: &Cluster, policy: Policy) -> Result<Option<Unseen>, Refused> {
    let windows = trace.windows.len();
    if windows < 2 {
        return Ok(None);
    }
    let (mut balance, mut busy) = (0.0, 0.0);
    let folds = windows.min(MOST_FOLDS);
    for fold in 0..folds {
        // neighbours in time are left out together: they are alike
        let left_out = fold * windows / folds..(fold + 1) * windows / folds;
        let seen: Vec<usize> = (0..windows).filter(|window| !left_out.contains(window)).collect();
        let placement = strategy(policy).plan(trace, cluster, policy, &seen)?;
        for window in left_out {
            let spec = cluster.spec(trace.experts, trace.window(window));
            let metrics = evaluate(&spec, cluster.scope, &placement)?;
            balance += Summary::of(&metrics).mean / windows as f64;
            busy += busiest(&metrics) / windows as f64;
        }
    }
    Ok(Some(Unseen { balance, busiest: busy }))
}

/// All windows, or where the policy plans a single load their mean.
fn strategy(policy: Policy) -> Strategy {
    match policy {
        Policy::Balanced => Strategy::Robust(usize::MAX),
        _ => Strategy::Forecast(ForecastMethod::Mean),
    }
}
