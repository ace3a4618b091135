//! The gate in seconds: the difference of two step times, no more than is sure, and what a gate in loads does not see.

use crate::gate::{Model, config, decide, samples};
use crate::loads::{Rng, times};
use crate::trace::Trace;
use eplb::{
    Cost, EPLB_GATE_SECONDS, Flags, GateConfig, GateLayer, GateState, GateVerdict, Status, gate,
};
use rand::{SeedableRng, rngs::StdRng};

const MICROSECOND: f64 = 1e-6;

/// Of DeepSeek's shape on an H200 in fp8.
const COST: Cost = Cost {
    struct_size: 0,
    reserved: 0,
    token_seconds: 0.0945 * MICROSECOND,
    expert_seconds: 11.5 * MICROSECOND,
    layer_seconds: 18.0 * MICROSECOND,
};

/// No guess of what a step takes.
fn in_seconds(gpus: usize) -> GateConfig {
    GateConfig { flags: EPLB_GATE_SECONDS, step_seconds: 0.0, ..config(gpus) }
}

fn any_layer(rng: &mut Rng) -> GateLayer {
    let mean = (20.0 + 200.0 * rng.unit()) * MICROSECOND;
    let now = mean * (1.0 + rng.unit().powi(4));
    GateLayer {
        mean,
        now,
        after: now * (0.6 + 0.5 * rng.unit()),
        tokens: rng.pick(&[0.0, 3e3, 1e5, 1e9]),
        moved: rng.below(60) as u32,
        rounds: rng.below(9) as u32,
        ..GateLayer::default()
    }
}

/// Seconds that a step of the layer gets shorter, as the contract has it.
fn saved(config: &GateConfig, layer: &GateLayer) -> f64 {
    let gpus = f64::from(config.num_gpus);
    let quarter = 0.25 * 2_f64.ln();
    let ln = (gpus.ln() / quarter - 1e-9).ceil() * quarter;
    let chance = if layer.tokens > 0.0 {
        let busiest = layer.tokens / gpus * layer.now / layer.mean;
        layer.now * ((2.0 * ln).sqrt() + 3.0) / busiest.sqrt()
    } else {
        0.0
    };
    (layer.now - chance.min(layer.now - layer.mean) - layer.after).max(0.0)
}

#[test]
fn a_gain_is_the_difference_of_two_step_times() {
    for case in 0..times(300, 3000) {
        let rng = &mut Rng(case as u64);
        let layers: Vec<GateLayer> = (0..rng.range(1, 9)).map(|_| any_layer(rng)).collect();
        let config = in_seconds(rng.range(2, 100));
        let mut states = vec![GateState::default(); layers.len()];
        let (total, verdicts) = decide(&config, &layers, &mut states);
        let step: f64 = layers.iter().map(|layer| layer.now).sum();
        let (mut evidence, mut moves) = (0.0, 0.0);
        for (layer, verdict) in layers.iter().zip(&verdicts) {
            let saved = saved(&config, layer);
            assert!((verdict.gain_seconds - 3000.0 * saved).abs() <= 1e-9 * 3000.0 * layer.now);
            if layer.moved > 0 && saved > 0.0 && 3000.0 * saved >= 2.0 * verdict.cost_seconds {
                evidence += saved / step;
                moves += 1.0;
            }
        }
        assert!((total.evidence - evidence).abs() < 1e-9);
        if (evidence - 0.2).abs() > 1e-9 {
            let expected = if evidence > 0.2 { moves } else { 0.0 };
            assert_eq!(f64::from(total.moved_layers), expected);
        }
    }
}

/// Loads with as many tokens in every layer; step times in proportion to them.
#[test]
fn where_time_is_tokens_both_gates_agree() {
    let cost = Cost { expert_seconds: 0.0, layer_seconds: 0.0, ..COST };
    let mut moved = [0, 0];
    for case in 0..times(60, 600) {
        let rng = &mut Rng(case as u64);
        let (gpus, each) = (rng.range(2, 16), rng.range(2, 5));
        let loads = Model::new(rng.range(1, 5), gpus * each - rng.below(gpus), gpus * each, gpus);
        let seconds = Model { cost: Some((cost, [4096.0])), ..loads.clone() };
        let mut load: Vec<f32> = Vec::new();
        for _ in 0..loads.layers {
            let layer = (0..loads.experts).map(|_| (1.0 + 3e3 * rng.unit().powi(3)) as f32);
            load.extend(layer);
        }
        let now = loads.plan(&vec![1.0; load.len()]);
        let after = loads.plan(&load);
        let told = [loads.layers(&load, &now, &after), seconds.layers(&load, &now, &after)];
        let step_seconds = told[1].iter().map(|layer| layer.now).sum();
        let config = GateConfig { evidence: rng.pick(&[0.0, 0.02]), ..in_seconds(gpus) };
        let configs = [GateConfig { flags: 0, step_seconds, ..config }, config];
        let mut states = vec![GateState::default(); load.len() / loads.experts];
        let by_loads = decide(&configs[0], &told[0], &mut states.clone());
        let by_seconds = decide(&configs[1], &told[1], &mut states);
        for (one, other) in by_loads.1.iter().zip(&by_seconds.1) {
            let off = (one.gain_seconds - other.gain_seconds).abs();
            assert!(off <= 1e-6 * 3000.0 * step_seconds, "{one:?} {other:?}");
            assert_eq!([one.move_layer, one.order], [other.move_layer, other.order]);
        }
        moved[usize::from(by_seconds.0.moved_layers > 0)] += 1;
    }
    assert!(moved.iter().all(|&cases| cases > 0), "{moved:?}");
}

#[test]
fn layers_in_another_order_are_judged_alike() {
    for case in 0..times(100, 1000) {
        let rng = &mut Rng(case as u64);
        let layers: Vec<GateLayer> = (0..8).map(|_| any_layer(rng)).collect();
        let mut order: Vec<usize> = (0..8).collect();
        rng.shuffle(&mut order);
        let other: Vec<GateLayer> = order.iter().map(|&layer| layers[layer]).collect();
        let config = GateConfig { evidence: 0.05, ..in_seconds(32) };
        let (total, one) = decide(&config, &layers, &mut [GateState::default(); 8]);
        let (same, two) = decide(&config, &other, &mut [GateState::default(); 8]);
        assert_eq!([total.moved_layers, total.moved], [same.moved_layers, same.moved]);
        for (&layer, two) in order.iter().zip(&two) {
            let one: &GateVerdict = &one[layer];
            assert!((one.gain_seconds - two.gain_seconds).abs() <= 1e-12 * one.gain_seconds);
            assert_eq!([one.move_layer, one.order], [two.move_layer, two.order]);
        }
    }
}

#[test]
fn all_three_are_seconds_or_none_is() {
    let whole = GateLayer { mean: 2.0, now: 3.0, after: 2.5, ..GateLayer::default() };
    let run = |config: &GateConfig, layer: GateLayer| {
        let mut verdicts = [GateVerdict::default()];
        gate(config, &[layer], &mut [GateState::default()], &mut verdicts).map(|_| ())
    };
    for layer in [
        GateLayer { mean: 0.0, ..whole },
        GateLayer { now: 0.0, ..whole },
        GateLayer { after: 0.0, ..whole },
        GateLayer { after: 1.0, ..GateLayer::default() },
    ] {
        assert_eq!(run(&in_seconds(8), layer), Err(Status::GateLoad));
        assert_eq!(run(&config(8), layer), Ok(()));
    }
    assert_eq!(run(&in_seconds(8), whole), Ok(()));
    assert_eq!(run(&in_seconds(8), GateLayer::default()), Ok(()));
    let unknown = GateConfig { flags: 3, ..config(8) };
    assert_eq!(run(&unknown, whole), Err(Status::UnknownFlag));
}

/// As in loads: the placement fits the true loads, every window is a sample of them, and the candidate is planned on
/// the very window that it is scored on. From steps that only read weights to steps that only calculate.
#[test]
fn noise_moves_nothing_in_seconds() {
    let load: Vec<f32> = (0..4 * 256).map(|i| 400.0 / (1.0 + (i % 37) as f32 / 8.0)).collect();
    for tokens in [1024.0, 4096.0, 32_768.0, 1_048_576.0] {
        for flags in [Flags::NONE, Flags::EMPTY_SLOTS] {
            let model =
                Model { cost: Some((COST, [tokens])), flags, ..Model::new(4, 256, 288, 32) };
            let now = model.plan(&load);
            let mut random = StdRng::seed_from_u64(3);
            let mut states = vec![GateState::default(); model.layers];
            for _ in 0..times(20, 500) {
                let window = samples(&load, &mut random);
                let layers = model.layers(&window, &now, &model.plan(&window));
                let (total, _) = decide(&in_seconds(model.gpus), &layers, &mut states);
                assert_eq!(total.moved_layers, 0, "{layers:?}");
            }
        }
    }
}

/// 16 tokens a GPU: copies that balance tokens cost time. A gate in loads takes them, one in seconds goes back.
#[test]
fn copies_that_cost_time_are_no_gain() {
    let Some(path) = std::env::var_os("EPLB_TRACE") else { return };
    let trace = Trace::read(path.as_ref()).unwrap();
    let loads = Model::new(trace.layers.len(), trace.experts, 288, 32);
    let cost = Some((COST, [16.0 * 32.0 * 8.0]));
    let seconds = Model { cost, flags: Flags::EMPTY_SLOTS, ..loads.clone() };
    let windows: Vec<&[f32]> = trace.load.chunks(loads.layers * loads.experts).collect();
    let (balanced, lean) = (loads.plan(windows[0]), seconds.plan(windows[0]));
    let moves = |config: &GateConfig, model: &Model, now: &[i32], after: &[i32]| {
        let mut states = vec![GateState::default(); model.layers];
        let layers = model.layers(windows[1], now, after);
        let config = GateConfig { evidence: 0.02, ..*config };
        let (total, _) = decide(&config, &layers, &mut states);
        total.moved_layers as usize
    };
    assert!(moves(&config(32), &loads, &lean, &balanced) > loads.layers * 9 / 10);
    assert_eq!(moves(&in_seconds(32), &seconds, &lean, &balanced), 0);
    assert!(moves(&in_seconds(32), &seconds, &balanced, &lean) > loads.layers * 9 / 10);
}
