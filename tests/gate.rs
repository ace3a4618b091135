//! The gate: prices by hand, noise that moves nothing, a first plan that is taken, one rebalance for one change.

mod common;
#[allow(dead_code)] // the demo uses more of it
#[path = "../examples/demo/generate.rs"]
mod generate;
#[allow(dead_code)]
#[path = "../examples/demo/trace.rs"]
mod trace;

use common::{evaluate, plan};
use eplb::{
    GateConfig, GateLayer, GateState, GateTotal, GateVerdict, Metrics, Options, Placement, Scope,
    Spec, gate,
};
use rand::{SeedableRng, rngs::StdRng};
use rand_distr::{Distribution, Poisson};

const MIB: f64 = 1024.0 * 1024.0;

/// 24 MiB an expert, 50 GB/s a GPU, 50 ms a step, 3,000 steps to the next rebalance.
fn config(gpus: usize) -> GateConfig {
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
struct Model {
    layers: usize,
    experts: usize,
    slots: usize,
    gpus: usize,
}

impl Model {
    fn spec<'a>(&self, load: &'a [f32]) -> Spec<'a> {
        Spec {
            num_layers: self.layers as u32,
            num_logical_experts: self.experts as u32,
            num_physical_experts: self.slots as u32,
            num_gpus: self.gpus as u32,
            load,
            ..Spec::default()
        }
    }

    fn plan(&self, load: &[f32]) -> Vec<i32> {
        let options = Options { scope: Scope::Global, ..Options::default() };
        plan(&self.spec(load), &options).unwrap().physical_to_logical
    }

    fn measure(&self, load: &[f32], slots: &[i32]) -> Vec<Metrics> {
        evaluate(&self.spec(load), &Placement::of(slots)).unwrap()
    }

    /// What comes before the gate: both placements on the same loads, and what moves.
    fn layers(&self, load: &[f32], now: &[i32], after: &[i32]) -> Vec<GateLayer> {
        let (each, old) = (self.slots / self.gpus, self.measure(load, now));
        let new = self.measure(load, after);
        (0..self.layers)
            .map(|layer| {
                let slots = layer * self.slots..(layer + 1) * self.slots;
                let (now, after) = (&now[slots.clone()], &after[slots]);
                // experts that a GPU does not have yet
                let received = now.chunks(each).zip(after.chunks(each)).map(|(now, after)| {
                    after.iter().filter(|expert| !now.contains(expert)).count() as u32
                });
                let received: Vec<u32> = received.collect();
                let load = &load[layer * self.experts..][..self.experts];
                GateLayer {
                    mean: old[layer].mean_gpu_load,
                    now: old[layer].max_gpu_load,
                    after: new[layer].max_gpu_load,
                    tokens: load.iter().map(|&load| f64::from(load)).sum(),
                    moved: received.iter().sum(),
                    rounds: received.into_iter().max().unwrap(),
                    ..GateLayer::default()
                }
            })
            .collect()
    }
}

fn decide(
    config: &GateConfig,
    layers: &[GateLayer],
    states: &mut [GateState],
) -> (GateTotal, Vec<GateVerdict>) {
    let mut verdicts = vec![GateVerdict::default(); layers.len()];
    let total = gate(config, layers, states, &mut verdicts).unwrap();
    (total, verdicts)
}

#[test]
fn one_change_causes_one_rebalance() {
    let Some(trace) = std::env::var_os("EPLB_TRACE") else { return };
    let folder = std::path::Path::new(&trace).parent().unwrap().to_owned();
    let read = |name: &str| trace::Trace::read(&folder.join(name)).unwrap();
    let (a, b) = (read("qwen15_moe_bookcorpus.csv"), read("qwen15_moe_wikitext.csv"));
    let model = Model { layers: a.layers.len(), experts: a.experts, slots: 72, gpus: 12 };
    let size = model.layers * model.experts;
    let windows: Vec<&[f32]> = a.load.chunks(size).chain(b.load.chunks(size)).collect();
    let sum = |from: usize, to: usize| -> Vec<f32> {
        (0..size).map(|i| windows[from..to].iter().map(|w| w[i]).sum()).collect()
    };
    let mut now: Vec<i32> = (0..model.layers * model.slots)
        .map(|i| ((i % model.slots) % model.experts) as i32)
        .collect();
    for look in [1, 2, 3, 4] {
        now = (0..model.layers * model.slots)
            .map(|i| ((i % model.slots) % model.experts) as i32)
            .collect();
        for insample in [false] {
            let mut states = vec![GateState::default(); model.layers];
            let mut moved = Vec::new();
            for t in 1..windows.len() {
                let from = t.saturating_sub(look);
                let plan = model.plan(&sum(from, t));
                let score = if insample { sum(from, t) } else { windows[t].to_vec() };
                let layers = model.layers(&score, &now, &plan);
                let (total, verdicts) = decide(&config(model.gpus), &layers, &mut states);
                for (layer, verdict) in verdicts.iter().enumerate() {
                    if verdict.move_layer == 1 {
                        let slots = layer * model.slots..(layer + 1) * model.slots;
                        now[slots.clone()].copy_from_slice(&plan[slots]);
                    }
                }
                if t > 18 && t < 24 || total.evidence > 0.05 {
                    println!("  {t} {:.4}", total.evidence);
                }
                if total.moved_layers > 0 {
                    moved.push((
                        t,
                        total.moved_layers,
                        total.gain_seconds as f32,
                        total.cost_seconds as f32,
                    ));
                }
            }
            println!("look {look} insample {insample}: {moved:?}");
        }
    }
}
