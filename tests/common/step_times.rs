//! What a step takes on a window that a plan has not seen, by the judge of tests/common/steps.rs: for the floors of
//! tests/library/plan_seconds.rs and the table that benches/seconds.rs measures.

use eplb::{Batch, Cost, Flags, Operation, Options, Placement, QuotasMut, Scope, Shape, Spec};

use super::common::{Memory, plan_limited};
use super::loads::Rng;
use super::steps;

/// Microseconds, as the judge has them.
pub const COST: Cost = Cost {
    struct_size: 0,
    reserved: 0,
    token_seconds: 0.0945,
    expert_seconds: 11.5,
    layer_seconds: 18.0,
};

/// Windows of which the last is not seen by a plan.
pub struct Windows<'a> {
    pub layers: usize,
    pub experts: usize,
    pub seen: &'a [f32],
    pub judged: &'a [f32],
}

impl Windows<'_> {
    /// Plans for so many tokens a GPU in the windows, in turn: in tokens where there are none.
    pub fn plan(&self, (slots, gpus): (usize, usize), tokens: &[usize], flags: Flags) -> Vec<i32> {
        let windows = self.seen.len() / self.layers / self.experts;
        let turns = tokens.iter().cycle().take(windows);
        let step: Vec<f32> = turns.map(|tokens| (tokens * gpus * 8) as f32).collect();
        let cost = (!tokens.is_empty()).then_some(COST);
        let spec = Spec {
            num_windows: windows as u32,
            num_layers: self.layers as u32,
            num_logical_experts: self.experts as u32,
            num_physical_experts: slots as u32,
            num_gpus: gpus as u32,
            load: self.seen,
            cost,
            step_tokens: cost.map(|_| &step[..]),
            ..Spec::default()
        };
        let options = Options { scope: Scope::Global, flags, ..Options::default() };
        plan_limited(&spec, &options, 0).unwrap()
    }

    /// Mean microseconds of a step of so many tokens a GPU in the window that was not seen: split evenly, dispatched.
    pub fn times(&self, plan: &[i32], gpus: usize, tokens: usize) -> [f64; 2] {
        let mut sum = [0.0; 2];
        let slots = plan.len() / self.layers;
        let layers = self.judged.chunks(self.experts).zip(plan.chunks(slots));
        for (layer, (load, slots)) in layers.enumerate() {
            let rng = &mut Rng(layer as u64);
            let batch = steps::batch(rng, load, tokens * gpus);
            sum[0] += steps::time(&steps::even(rng, slots, &batch), gpus);
            sum[1] += steps::time(&dispatched(slots, gpus, &batch), gpus);
        }
        sum.map(|sum| sum / self.layers as f64)
    }

    /// No copies and the plan for tokens, split evenly; the same dispatched; the plan in seconds, dispatched, and with
    /// empty slots, split evenly.
    pub fn row(&self, slots: usize, gpus: usize, tokens: usize) -> [f64; 5] {
        let times = |plan: &[i32]| self.times(plan, gpus, tokens);
        let [none, _] = times(&self.plan((self.experts, gpus), &[], Flags::NONE));
        let [even, dispatched] = times(&self.plan((slots, gpus), &[], Flags::NONE));
        let [_, planned] = times(&self.plan((slots, gpus), &[tokens], Flags::NONE));
        let [empty, _] = times(&self.plan((slots, gpus), &[tokens], Flags::EMPTY_SLOTS));
        eprintln!(
            "EP{gpus}, {tokens} tokens a GPU: no copies {none:.1} us, plan for tokens {even:.1}, dispatched \
            {dispatched:.1}, in seconds {planned:.1}, empty slots split evenly {empty:.1}"
        );
        [none, even, dispatched, planned, empty]
    }
}

/// Tokens of each slot as eplb_dispatch splits them.
fn dispatched(slots: &[i32], gpus: usize, batch: &[u32]) -> Vec<u32> {
    let spec = Spec {
        num_layers: 1,
        num_logical_experts: batch.len() as u32,
        num_physical_experts: slots.len() as u32,
        num_gpus: gpus as u32,
        cost: Some(COST),
        ..Spec::default()
    };
    let shape = Shape::new(&spec).unwrap();
    let need = eplb::workspace(Operation::Dispatch, &shape, &Options::default()).unwrap();
    let mut quota = vec![0; slots.len()];
    let out = QuotasMut { quota: &mut quota, route_end: None, route_slot: None, max_replicas: 0 };
    let batch = Batch { tokens: batch, by_source: false, effort: 0 };
    let mut memory = Memory::new(&need);
    eplb::dispatch(&shape, memory.arena(), &Placement::of(slots), &batch, out, None).unwrap();
    quota
}
