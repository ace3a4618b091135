//! What do moves bring? A rebalance for each window, from the placement in force, with so many moves.
//!
//! Each budget keeps a placement of its own along the trace. It begins with a plan for the first window; before
//! every further one it is planned again for that window, and measured in it.

use std::ops::Range;

use eplb::{Options, Policy, Status};

use super::cluster::Cluster;
use super::error::Refused;
use super::plan::{Summary, evaluate, place};
use super::progress::Progress;
use super::trace::Trace;

/// How many slots of a layer a rebalance may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Budget {
    /// None: the first plan stays.
    Stay,
    /// So many.
    Slots(u32),
    /// Any number, from the placement in force.
    Any,
    /// A plan from nothing, as if nothing were in force.
    Fresh,
}

impl Budget {
    /// In a few words.
    pub fn name(self) -> String {
        match self {
            Budget::Stay => "0 moves".to_string(),
            Budget::Slots(slots) => format!("at most {slots}"),
            Budget::Any => "no limit".to_string(),
            Budget::Fresh => "planned from nothing".to_string(),
        }
    }

    /// Those that are compared: an eighteenth and a sixth of the slots are 16 and 48 of 288.
    fn all(slots: u32) -> [Budget; 5] {
        let part = |of: u32| Budget::Slots((slots / of).max(1));
        [Budget::Stay, part(18), part(6), Budget::Any, Budget::Fresh]
    }
}

/// One rebalance.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// Balance in the window that it is for, mean over the layers.
    pub balance: f64,
    /// Slots of a layer whose expert is another, mean over the layers.
    pub moved: f64,
}

/// A budget along the trace.
#[derive(Debug)]
pub struct Walk {
    /// Which.
    pub budget: Budget,
    /// `None` when the policy does not plan from a placement in force.
    pub steps: Option<Vec<Step>>,
}

/// All budgets along a trace.
#[derive(Debug)]
pub struct Moves {
    /// The window of each step.
    pub steps: Range<usize>,
    /// Budget by budget.
    pub walks: Vec<Walk>,
}

impl Moves {
    /// Walks along `trace`; `None` when it has one window only.
    pub fn along(
        trace: &Trace,
        cluster: &Cluster,
        policy: Policy,
    ) -> Result<Option<Self>, Refused> {
        let steps = 1..trace.windows.len();
        if steps.is_empty() {
            return Ok(None);
        }
        let budgets = Budget::all(cluster.slots);
        let progress = Progress::new("rebalances", budgets.len() * steps.len());
        let walks = budgets.into_iter().map(|budget| {
            match walk(trace, cluster, policy, budget, &progress) {
                Ok(steps) => Ok(Walk { budget, steps: Some(steps) }),
                Err(refused) if refused.status == Status::UnsupportedPrevious => {
                    Ok(Walk { budget, steps: None })
                }
                Err(refused) => Err(refused),
            }
        });
        Ok(Some(Moves { walks: walks.collect::<Result<_, _>>()?, steps }))
    }
}

fn walk(
    trace: &Trace,
    cluster: &Cluster,
    policy: Policy,
    budget: Budget,
    progress: &Progress,
) -> Result<Vec<Step>, Refused> {
    let spec = |window| cluster.spec(trace.experts, trace.window(window));
    let from_nothing = Options { policy, scope: cluster.scope, ..Options::default() };
    let mut placement = place(&spec(0), &from_nothing)?;
    let rebalance = |window: usize| {
        progress.step();
        let max_moves = if let Budget::Slots(slots) = budget { slots } else { 0 };
        let options = Options { max_moves, previous: Some(&placement), ..from_nothing };
        let next = match budget {
            Budget::Stay => placement.clone(),
            Budget::Slots(_) | Budget::Any => place(&spec(window), &options)?,
            Budget::Fresh => place(&spec(window), &from_nothing)?,
        };
        let moved = placement.iter().zip(&next).filter(|(was, is)| was != is).count();
        placement = next;
        let metrics = evaluate(&spec(window), cluster.scope, &placement)?;
        let moved = moved as f64 / trace.layers.len() as f64;
        Ok(Step { balance: Summary::of(&metrics).mean, moved })
    };
    (1..trace.windows.len()).map(rebalance).collect()
}

impl Walk {
    /// Means over the steps.
    pub fn mean(&self) -> Option<Step> {
        let steps = self.steps.as_ref()?;
        let mean = |of: fn(&Step) -> f64| steps.iter().map(of).sum::<f64>() / steps.len() as f64;
        Some(Step { balance: mean(|step| step.balance), moved: mean(|step| step.moved) })
    }
}
