//! What would it have brought? Plans on windows that were seen, scored on one that was not.
//!
//! A strategy is what a plan is made for: a forecast, one load made of the windows; or the windows themselves,
//! all of them, the last three, or those since the load last changed.

use std::ops::Range;

use eplb::{
    Change, Forecast, ForecastMethod, Options, Policy, Spec, Status, Windows, WindowsShape,
    forecast, window_weights,
};

use super::args::Order;
use super::cluster::Cluster;
use super::error::{Error, Refused};
use super::figures::busiest;
use super::plan::{Summary, evaluate, place};
use super::progress::Progress;
use super::trace::Trace;

/// What a plan is made for.
#[derive(Clone, Copy, Debug)]
pub enum Strategy {
    /// One load.
    Forecast(ForecastMethod),
    /// The last windows, at most so many.
    Robust(usize),
    /// The windows, as `eplb::window_weights` weighs them.
    SinceChange,
}

use ForecastMethod::{HalfLife, Last, Mean, MeanPlusSigma};
use Strategy::{Robust, SinceChange};

const IN_TIME: [Strategy; 7] = [
    Strategy::Forecast(Last),
    Strategy::Forecast(Mean),
    Strategy::Forecast(HalfLife),
    Strategy::Forecast(MeanPlusSigma),
    Robust(3),
    Robust(usize::MAX),
    SinceChange,
];
/// Those that do not depend on an order, and the one that must not mistake the order for a change.
const UNORDERED: [Strategy; 4] =
    [Strategy::Forecast(Mean), Strategy::Forecast(MeanPlusSigma), Robust(usize::MAX), SinceChange];

impl Strategy {
    /// In a few words; half-life and sigma are `Forecast::default`'s.
    pub fn name(self) -> String {
        match self {
            Strategy::Forecast(Last) => "last window".to_string(),
            Strategy::Forecast(Mean) => "mean".to_string(),
            Strategy::Forecast(HalfLife) => "half-life 1".to_string(),
            Strategy::Forecast(MeanPlusSigma) => "mean + 1 sigma".to_string(),
            Robust(usize::MAX) => "robust".to_string(),
            Robust(windows) => format!("robust, last {windows}"),
            SinceChange => "robust, since change".to_string(),
        }
    }
}

/// A strategy along the trace.
#[derive(Debug)]
pub struct Outcome {
    /// Which.
    pub strategy: Strategy,
    /// Mean balance over the layers in each step; `None` when the policy does not plan several windows.
    pub balance: Option<Vec<f64>>,
    /// Load of the busiest GPUs of all layers, mean over the steps.
    pub busiest: f64,
}

/// All strategies along a trace.
#[derive(Debug)]
pub struct Replay {
    /// What was planned with.
    pub policy: Policy,
    /// How.
    pub order: Order,
    /// Windows that a plan has seen at most.
    pub seen: usize,
    /// The unseen window of each step.
    pub steps: Range<usize>,
    /// Stretches of steps that belong together, with what to call them.
    pub phases: Vec<(String, Range<usize>)>,
    /// Strategy by strategy.
    pub outcomes: Vec<Outcome>,
    /// DEEPSEEK's plans for the mean of the same windows, where it has any: what is to be beaten.
    pub deepseek: Option<Outcome>,
}

impl Replay {
    /// In order of time where there are windows enough for it, else each in turn; nothing of one window.
    pub fn order(trace: &Trace, windows: usize) -> Option<Order> {
        match trace.windows.len() {
            0 | 1 => None,
            all if all > windows => Some(Order::Time),
            _ => Some(Order::LeaveOneOut),
        }
    }

    /// Replays `trace`, with plans on `windows` windows where they are in order of time.
    pub fn run(
        trace: &Trace,
        cluster: &Cluster,
        policy: Policy,
        order: Order,
        windows: usize,
    ) -> Result<Self, Error> {
        let all = trace.windows.len();
        let (strategies, seen, steps) = match order {
            Order::Time => (&IN_TIME[..], windows, windows..all),
            Order::LeaveOneOut => (&UNORDERED[..], all.saturating_sub(1), 0..all),
        };
        if seen == 0 || steps.is_empty() {
            return Err(Error::Impossible(format!(
                "{}: {all} windows are too few for this replay",
                trace.source
            )));
        }
        let progress = Progress::new("replay", (strategies.len() + 1) * steps.len());
        let along = |policy: Policy, strategy: Strategy| -> Result<Outcome, Refused> {
            let (mut balance, mut busy) = (Vec::new(), 0.0);
            for unseen in steps.clone() {
                progress.step();
                let seen: Vec<usize> = match order {
                    Order::Time => (unseen - windows..unseen).collect(),
                    Order::LeaveOneOut => (0..all).filter(|&w| w != unseen).collect(),
                };
                let placement = strategy.plan(trace, cluster, policy, &seen)?;
                let spec = cluster.spec(trace.experts, trace.window(unseen));
                let metrics = evaluate(&spec, cluster.scope, &placement)?;
                balance.push(Summary::of(&metrics).mean);
                busy += busiest(&metrics) / steps.len() as f64;
            }
            Ok(Outcome { strategy, balance: Some(balance), busiest: busy })
        };
        let of = |&strategy: &Strategy| match along(policy, strategy) {
            Err(refused) if refused.status == Status::UnsupportedWindows => {
                Ok(Outcome { strategy, balance: None, busiest: 0.0 })
            }
            outcome => outcome,
        };
        let outcomes = strategies.iter().map(of).collect::<Result<_, Refused>>()?;
        // what it refuses cannot be beaten
        let deepseek = along(Policy::Deepseek, Strategy::Forecast(Mean)).ok();
        let phases = match order {
            Order::Time => phases(trace, windows),
            Order::LeaveOneOut => Vec::new(),
        };
        Ok(Replay { policy, order, seen, steps, phases, outcomes, deepseek })
    }
}

impl Outcome {
    /// Mean over the steps; of one that is not planned, nothing.
    pub fn mean(&self) -> Option<f64> {
        let balance = self.balance.as_ref()?;
        Some(balance.iter().sum::<f64>() / balance.len() as f64)
    }
}

impl Replay {
    /// What is to be compared with DEEPSEEK: the windows since the load changed, or for a policy that plans a single
    /// load their mean.
    pub fn recipe(&self) -> Option<&Outcome> {
        let of = |wanted: fn(&Strategy) -> bool| {
            let served = |o: &&Outcome| wanted(&o.strategy) && o.balance.is_some();
            self.outcomes.iter().find(served)
        };
        of(|s| matches!(s, SinceChange)).or_else(|| of(|s| matches!(s, Strategy::Forecast(Mean))))
    }

    /// What a plan has seen, in words.
    pub fn seen(&self) -> String {
        match self.order {
            Order::Time => format!("the {} windows before", self.seen),
            Order::LeaveOneOut => format!("the other {} windows", self.seen),
        }
    }
}

impl Strategy {
    /// The placement `[L][P]` that it makes of the windows `seen`, the oldest first.
    pub fn plan(
        self,
        trace: &Trace,
        cluster: &Cluster,
        policy: Policy,
        seen: &[usize],
    ) -> Result<Vec<i32>, Refused> {
        let seen = match self {
            Robust(windows) => &seen[seen.len().saturating_sub(windows)..],
            _ => seen,
        };
        let (layers, experts) = (trace.layers.len(), trace.experts);
        let load: Vec<f32> = seen.iter().flat_map(|&w| trace.window(w)).copied().collect();
        let sizes = [seen.len(), layers, experts].map(|n| u32::try_from(n).unwrap_or(u32::MAX));
        let options = Options { policy, scope: cluster.scope, ..Options::default() };
        let windows = Windows::new(WindowsShape::new(sizes, 0, 0)?, &load, None)?;
        match self {
            Strategy::Forecast(method) => {
                let mut one = vec![0.0; layers * experts];
                forecast(&windows, &Forecast { method, ..Forecast::default() }, &mut one)?;
                place(&cluster.spec(experts, &one), &options)
            }
            Robust(_) | SinceChange => {
                let mut weight = vec![1.0; layers * seen.len()];
                if matches!(self, SinceChange) {
                    window_weights(&windows, &Change::default(), &mut weight, None)?;
                }
                let one = cluster.spec(experts, trace.window(seen[0]));
                let window_weight = Some(weight.as_slice());
                let spec = Spec { num_windows: sizes[0], load: &load, window_weight, ..one };
                place(&spec, &options)
            }
        }
    }
}

/// Each of the joined traces: the first window, which nobody could foresee, those while plans are still on
/// windows from before, and the rest.
fn phases(trace: &Trace, windows: usize) -> Vec<(String, Range<usize>)> {
    let mut phases = Vec::new();
    let mut start = 0;
    for (part, &len) in trace.parts.iter().enumerate() {
        let end = start + len;
        let settled = (start + windows).min(end);
        if part > 0 {
            phases.push(("new".to_string(), start..start + 1));
            phases.push(("after".to_string(), start + 1..settled));
        }
        phases.push(("settled".to_string(), settled..end));
        start = end;
    }
    phases.retain(|(_, steps)| steps.start >= windows && !steps.is_empty());
    phases
}

/// The mean over some of the steps.
pub fn mean(balance: &[f64], steps: &Range<usize>, of: &Range<usize>) -> f64 {
    let some = &balance[of.start - steps.start..of.end - steps.start];
    some.iter().sum::<f64>() / some.len() as f64
}
