//! What moves from one plan to the next, and what they buy: for the floors of tests/library/migrate.rs and the tables that
//! benches/quality.rs measures.

use eplb::{Options, Policy, Scope, Spec};

use super::common::{Plan, plan};
use super::trace::Trace;

pub fn spec(load: &[f32], experts: usize, slots: usize, gpus: usize) -> Spec<'_> {
    Spec {
        num_layers: (load.len() / experts) as u32,
        num_logical_experts: experts as u32,
        num_physical_experts: slots as u32,
        num_gpus: gpus as u32,
        load,
        ..Spec::default()
    }
}

pub fn global(policy: Policy) -> Options<'static> {
    Options { policy, scope: Scope::Global, ..Options::default() }
}

pub fn mean(plan: &Plan, of: impl Fn(&eplb::Metrics) -> f64) -> f64 {
    plan.metrics.iter().map(of).sum::<f64>() / plan.metrics.len() as f64
}

/// Slots that differ, the slots of a GPU being interchangeable: what a move is.
pub fn moved(old: &[i32], new: &[i32], first: &[usize]) -> usize {
    let mut sum = 0;
    for range in first.windows(2) {
        let mut left = old[range[0]..range[1]].to_vec();
        for expert in &new[range[0]..range[1]] {
            match left.iter().position(|other| other == expert) {
                Some(at) => drop(left.swap_remove(at)),
                None => sum += 1,
            }
        }
    }
    sum
}

pub fn even(slots: usize, gpus: usize) -> Vec<usize> {
    (0..=gpus).map(|gpu| gpu * slots / gpus).collect()
}

/// Plans of every window, and all ordered pairs of them.
pub struct Pairs<'t> {
    trace: &'t Trace,
    shape: (usize, usize),
    policy: Policy,
    plans: Vec<Plan>,
}

impl<'t> Pairs<'t> {
    pub fn new(trace: &'t Trace, shape: (usize, usize), policy: Policy) -> Self {
        let of = |window| Pairs::plan(trace, shape, window, &global(policy));
        let plans = (0..trace.windows.len()).map(of).collect();
        Pairs { trace, shape, policy, plans }
    }

    fn plan(trace: &Trace, (slots, gpus): (usize, usize), window: usize, how: &Options) -> Plan {
        plan(&spec(trace.window(window), trace.experts, slots, gpus), how).unwrap()
    }

    /// Means over the pairs of a plan and another window.
    fn mean<const N: usize>(&self, of: impl Fn(&Plan, usize) -> [f64; N]) -> [f64; N] {
        let (mut sums, mut count) = ([0.0; N], 0.0);
        for (a, old) in self.plans.iter().enumerate() {
            for b in (0..self.plans.len()).filter(|&b| a != b) {
                sums.iter_mut().zip(of(old, b)).for_each(|(sum, figure)| *sum += figure);
                count += 1.0;
            }
        }
        sums.map(|sum| sum / count)
    }

    /// Mean balance and slots moved when the plan of one window is changed for another, within a budget of slots a
    /// layer where the policy knows one (0: none).
    pub fn changed(&self, budget: u32) -> (f64, f64) {
        let change = |old: &Plan, window| {
            let previous = Some(&old.physical_to_logical[..]);
            let options = Options { max_moves: budget, previous, ..global(self.policy) };
            let new = Pairs::plan(self.trace, self.shape, window, &options);
            let within =
                |m: &eplb::Metrics| budget == 0 || m.moved_slots <= budget && m.duplicates == 0;
            assert!(new.metrics.iter().all(within));
            new
        };
        let of_plan =
            |new: Plan| [mean(&new, |m| m.balance), mean(&new, |m| f64::from(m.moved_slots))];
        let [balance, slots] = self.mean(|old, window| of_plan(change(old, window)));
        (balance, slots)
    }

    /// Mean slots moved from the plan of one window to that of another.
    pub fn apart(&self) -> f64 {
        let (slots, gpus) = self.shape;
        let [apart] = self.mean(|old, window| {
            let rows = |plan: &Plan| {
                plan.physical_to_logical.chunks(slots).map(<[i32]>::to_vec).collect::<Vec<_>>()
            };
            let (old, new) = (rows(old), rows(&self.plans[window]));
            let first = even(slots, gpus);
            let sum: usize = old.iter().zip(&new).map(|(old, new)| moved(old, new, &first)).sum();
            [sum as f64 / old.len() as f64]
        });
        apart
    }
}
