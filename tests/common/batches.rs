//! Batches of real loads, and homes for them: for the bars of tests/library/batch and the tables of benches/batch.
//!
//! A batch: every token draws 8 different experts by the loads of a layer (tests/common/steps.rs). Homes: an expert each
//! once, in order, or as BALANCED places them, planned on other windows; then spare slots.
#![allow(dead_code)] // each test crate uses its part

use eplb::{Options, Replicated, Request, Scope, Spec};

use super::common::plan_limited;
use super::loads::Rng;
use super::replicate::{Replicas, Replicator};
use super::steps;
use super::trace::Trace;
use super::unseen::normalise;

/// Loads: windows to plan on, and one that batches are drawn from.
pub struct Loads {
    pub layers: usize,
    pub experts: usize,
    pub windows: Vec<Vec<f32>>,
    pub last: Vec<f32>,
}

impl Loads {
    /// Of `[W][L][E]` one window is kept for batches; every window counts alike.
    pub fn new(trace: &Trace, kept: usize) -> Self {
        let (layers, experts) = (trace.layers.len(), trace.experts);
        let mut load = trace.load.clone();
        load.chunks_mut(experts).for_each(normalise);
        let mut windows: Vec<Vec<f32>> =
            load.chunks(layers * experts).map(<[f32]>::to_vec).collect();
        let last = windows.remove(kept);
        Loads { layers, experts, windows, last }
    }

    fn spec(&self, slots: usize, gpus: usize) -> Spec<'static> {
        Spec {
            num_layers: self.layers as u32,
            num_logical_experts: self.experts as u32,
            num_physical_experts: slots as u32,
            num_gpus: gpus as u32,
            ..Spec::default()
        }
    }

    /// `[L][E]` experts in order.
    pub fn contiguous(&self) -> Vec<i32> {
        (0..self.layers).flat_map(|_| 0..self.experts as i32).collect()
    }

    /// `[L][E]` by BALANCED, on these windows.
    pub fn balanced(&self, gpus: usize, windows: &[Vec<f32>]) -> Vec<i32> {
        let load = windows.concat();
        let spec = self.spec(self.experts, gpus);
        let spec = Spec { num_windows: windows.len() as u32, load: &load, ..spec };
        let options = Options { scope: Scope::Global, ..Options::default() };
        plan_limited(&spec, &options, 0).expect("a plan")
    }

    /// `[L][E]` tokens of each expert, of so many tokens a GPU; another batch for every seed.
    pub fn batch(&self, gpus: usize, tokens: usize, seed: u64) -> Vec<u32> {
        let layers = self.last.chunks(self.experts).enumerate();
        let drawn = layers.map(|(layer, load)| {
            let mut rng = Rng(seed.wrapping_mul(1000).wrapping_add(layer as u64));
            steps::batch(&mut rng, load, tokens * gpus)
        });
        drawn.collect::<Vec<_>>().concat()
    }

    /// Answers a batch from homes with `spare` slots more on each GPU.
    pub fn answer(&self, gpus: usize, home: &[i32], spare: usize, request: &Request) -> Replicas {
        let spec = self.spec(self.experts + spare * gpus, gpus);
        let mut replicator = Replicator::new(&spec, 0).expect("a shape");
        let home = with_spare(home, self.experts / gpus, spare);
        replicator.run(&home, request, 0).expect("an answer")
    }
}

/// Empty slots after those of each GPU.
pub fn with_spare(home: &[i32], each: usize, spare: usize) -> Vec<i32> {
    home.chunks(each).flat_map(|slots| [slots, &vec![-1; spare]].concat()).collect()
}

/// Means over layers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Means {
    /// Mean time / largest time: the mean, and the least.
    pub balance: f64,
    pub worst_balance: f64,
    pub fetches: f64,
    pub fetches_bound: f64,
    /// Part of the tokens that leave home.
    pub moved: f64,
    /// Layers whose largest time is above the tolerance.
    pub above: usize,
}

impl Means {
    pub fn of(reports: &[Replicated], tolerance: u32) -> Self {
        let mean = |of: &dyn Fn(&Replicated) -> f64| {
            reports.iter().map(of).sum::<f64>() / reports.len() as f64
        };
        let allowed = 1.0 + f64::from(tolerance) / 1024.0;
        let above = |report: &&Replicated| report.largest_time > report.bound * allowed;
        Means {
            balance: mean(&|report| report.balance),
            worst_balance: reports.iter().map(|report| report.balance).fold(1.0, f64::min),
            fetches: mean(&|report| f64::from(report.fetches)),
            fetches_bound: mean(&|report| f64::from(report.fetches_bound)),
            moved: mean(&|report| report.leaving_home as f64 / report.tokens as f64),
            above: reports.iter().filter(above).count(),
        }
    }
}
