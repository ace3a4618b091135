//! The gate: prices by hand, noise that moves nothing, a first plan that is taken, one rebalance for one change.

use crate::common::{evaluate, plan};
use crate::generate;
use crate::trace;
use eplb::{
    Cost, Flags, GateConfig, GateLayer, GateState, GateTotal, GateVerdict, Metrics, Options,
    Placement, Scope, Spec, gate,
};
use rand::{SeedableRng, rngs::StdRng};
use rand_distr::{Distribution, Poisson};

const MIB: f64 = 1024.0 * 1024.0;

/// 24 MiB an expert, 50 GB/s a GPU, 50 ms a step, 3,000 steps to the next rebalance.
pub fn config(gpus: usize) -> GateConfig {
    GateConfig {
        num_gpus: gpus as u32,
        step_seconds: 0.050,
        steps: 3000.0,
        steps_since: 3000.0,
        bytes_per_expert: 24.0 * MIB,
        gpu_bandwidth: 50e9,
        ..GateConfig::default()
    }
}

/// The machine of a replay.
#[derive(Clone)]
pub struct Model {
    pub layers: usize,
    pub experts: usize,
    pub slots: usize,
    pub gpus: usize,
    /// What a step takes, and of how many tokens of a layer it is; then layers are told in seconds.
    pub cost: Option<(Cost, [f32; 1])>,
    pub flags: Flags,
}

impl Model {
    fn spec<'a>(&'a self, load: &'a [f32]) -> Spec<'a> {
        Spec {
            num_layers: self.layers as u32,
            num_logical_experts: self.experts as u32,
            num_physical_experts: self.slots as u32,
            num_gpus: self.gpus as u32,
            load,
            cost: self.cost.map(|(cost, _)| cost),
            step_tokens: self.cost.as_ref().map(|(_, tokens)| &tokens[..]),
            ..Spec::default()
        }
    }

    pub fn new(layers: usize, experts: usize, slots: usize, gpus: usize) -> Self {
        Model { layers, experts, slots, gpus, cost: None, flags: Flags::NONE }
    }

    pub fn plan(&self, load: &[f32]) -> Vec<i32> {
        let options = Options { scope: Scope::Global, flags: self.flags, ..Options::default() };
        plan(&self.spec(load), &options).unwrap().physical_to_logical
    }

    pub fn measure(&self, load: &[f32], slots: &[i32]) -> Vec<Metrics> {
        evaluate(&self.spec(load), &Placement::of(slots)).unwrap()
    }

    /// What comes before the gate: both placements on the same loads, and what moves.
    pub fn layers(&self, load: &[f32], now: &[i32], after: &[i32]) -> Vec<GateLayer> {
        let (each, old) = (self.slots / self.gpus, self.measure(load, now));
        let new = self.measure(load, after);
        (0..self.layers)
            .map(|layer| {
                let slots = layer * self.slots..(layer + 1) * self.slots;
                let (now, after) = (&now[slots.clone()], &after[slots]);
                // experts that a GPU does not have yet
                let received = now.chunks(each).zip(after.chunks(each)).map(|(now, after)| {
                    after.iter().filter(|&expert| *expert >= 0 && !now.contains(expert)).count()
                        as u32
                });
                let received: Vec<u32> = received.collect();
                let load = &load[layer * self.experts..][..self.experts];
                let (old, new) = (&old[layer], &new[layer]);
                let [mean, now, after] = match self.cost {
                    None => [old.mean_gpu_load, old.max_gpu_load, new.max_gpu_load],
                    Some(_) => [old.mean_gpu_seconds, old.max_gpu_seconds, new.max_gpu_seconds],
                };
                GateLayer {
                    mean,
                    now,
                    after,
                    tokens: load.iter().map(|&load| f64::from(load)).sum(),
                    moved: received.iter().sum(),
                    rounds: received.into_iter().max().unwrap(),
                    ..GateLayer::default()
                }
            })
            .collect()
    }
}

pub fn decide(
    config: &GateConfig,
    layers: &[GateLayer],
    states: &mut [GateState],
) -> (GateTotal, Vec<GateVerdict>) {
    let mut verdicts = vec![GateVerdict::default(); layers.len()];
    let total = gate(config, layers, states, &mut verdicts).unwrap();
    (total, verdicts)
}

pub fn samples(load: &[f32], random: &mut StdRng) -> Vec<f32> {
    load.iter().map(|&load| Poisson::new(f64::from(load)).unwrap().sample(random) as f32).collect()
}

/// The placement fits the true loads; every window is a sample of them, and the candidate is planned on the
/// very window that it is scored on, which is the hardest case. Tokens: 400 an expert.
#[test]
fn noise_moves_nothing() {
    let windows = if cfg!(debug_assertions) { 60 } else { 1000 };
    let model = Model::new(4, 256, 288, 32);
    let size = model.layers * model.experts;
    for skew in [0.0, 1.0] {
        let load: Vec<f32> =
            (0..size).map(|i| 400.0 / (1.0 + skew * (i % 37) as f32 / 8.0)).collect();
        let now = model.plan(&load);
        let mut random = StdRng::seed_from_u64(3);
        let mut states = vec![GateState::default(); model.layers];
        for _ in 0..windows {
            let window = samples(&load, &mut random);
            let candidate = model.plan(&window);
            let layers = model.layers(&window, &now, &candidate);
            assert!(layers.iter().all(|layer| layer.now > 1.01 * layer.after));
            let (total, _) = decide(&config(model.gpus), &layers, &mut states);
            assert_eq!(total.moved_layers, 0, "{layers:?}");
        }
    }
}

#[test]
fn the_first_plan_is_taken() {
    let trace = match std::env::var_os("EPLB_TRACE") {
        Some(path) => trace::Trace::read(path.as_ref()).unwrap(),
        None => generate::deepseek_v3(1),
    };
    let model = Model::new(trace.layers.len(), trace.experts, 288, 32);
    let contiguous: Vec<i32> = (0..model.layers * model.slots)
        .map(|i| ((i % model.slots) % model.experts) as i32)
        .collect();
    for load in trace.load.chunks(model.layers * model.experts) {
        let layers = model.layers(load, &contiguous, &model.plan(load));
        let mut states = vec![GateState::default(); model.layers];
        let (total, verdicts) = decide(&config(model.gpus), &layers, &mut states);
        assert_eq!(total.moved_layers as usize, model.layers);
        assert!(total.gain_seconds > 0.3 * 150.0 && total.cost_seconds < 1.0);
        // by net gain per byte
        let rate = |layer: usize| {
            let verdict: &GateVerdict = &verdicts[layer];
            (verdict.gain_seconds - verdict.cost_seconds) / f64::from(layers[layer].moved)
        };
        let mut order: Vec<usize> = (0..model.layers).collect();
        order.sort_by_key(|&layer| verdicts[layer].order);
        assert!(order.windows(2).all(|pair| rate(pair[0]) >= rate(pair[1])));
    }
}

/// 20 windows of one text, then 20 of another: planned on the window before, scored on the newest. The first
/// plan is taken, and one more after the change. The files lie beside the one that EPLB_TRACE names.
#[test]
fn one_change_causes_one_rebalance() {
    let Some(path) = std::env::var_os("EPLB_TRACE") else { return };
    let folder = std::path::Path::new(&path).parent().unwrap();
    let read = |name: &str| trace::Trace::read(&folder.join(name));
    let (Ok(a), Ok(b)) = (read("qwen15_moe_bookcorpus.csv"), read("qwen15_moe_wikitext.csv"))
    else {
        return;
    };
    let model = Model::new(a.layers.len(), a.experts, 72, 12);
    let size = model.layers * model.experts;
    let windows: Vec<&[f32]> = a.load.chunks(size).chain(b.load.chunks(size)).collect();
    let mut now: Vec<i32> = (0..model.layers * model.slots)
        .map(|i| ((i % model.slots) % model.experts) as i32)
        .collect();
    let mut states = vec![GateState::default(); model.layers];
    let mut moved = Vec::new();
    for (t, pair) in windows.windows(2).enumerate() {
        let candidate = model.plan(pair[0]);
        let layers = model.layers(pair[1], &now, &candidate);
        let (total, verdicts) = decide(&config(model.gpus), &layers, &mut states);
        for (layer, _) in verdicts.iter().enumerate().filter(|(_, v)| v.move_layer == 1) {
            let slots = layer * model.slots..(layer + 1) * model.slots;
            now[slots.clone()].copy_from_slice(&candidate[slots]);
        }
        if total.moved_layers > 0 {
            println!("window {}: {total:?}", t + 1);
            moved.push(t + 1);
        }
    }
    // window 20 is the first of the second text, 21 the first that a plan for it can be scored on
    assert_eq!(moved, [1, 21]);
}
