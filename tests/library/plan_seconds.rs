//! Plans in seconds: what they are worth on batches drawn from a window that they have not seen (tests/common/steps.rs),
//! against every placement of small layers, and against plans for tokens on problems of every kind.

use crate::common::{Memory, check, plan_limited, plan_measured};
use crate::loads::{self, Rng};
use crate::problems::General;
use crate::seconds::Small;
use crate::step_times::{COST, Windows};
use crate::trace::Trace;
use crate::unseen::normalise;
use eplb::{
    Batch, Cost, Flags, Operation, Options, Placement, QuotasMut, Scope, Shape, Spec, Split, Status,
};

/// What dispatch may make of a placement when GPUs change places, or of GPUs without experts.
const NOISE: f64 = 1.005;

/// The trace, each window of it of equally many tokens.
fn load_trace() -> Option<Trace> {
    let Some(path) = std::env::var_os("EPLB_TRACE") else {
        println!("EPLB_TRACE names no trace: nothing to judge");
        return None;
    };
    let mut trace = Trace::read(path.as_ref()).unwrap();
    trace.load.chunks_mut(trace.experts).for_each(normalise);
    Some(trace)
}

/// A copy that is read costs what it costs a GPU to read: with few tokens 288 slots are as fast as 256 where every GPU can
/// serve with 8 of its 9, and faster than either where tokens take time.
#[test]
fn on_the_trace() {
    let Some(trace) = load_trace() else { return };
    let (layers, experts) = (trace.layers.len(), trace.experts);
    let (seen, judged) = trace.load.split_at(7 * layers * experts);
    let windows = Windows { layers, experts, seen, judged };
    let [none, even, _, planned, _] = windows.row(288, 32, 4);
    assert!(planned < 110.3 && planned <= none.min(even) + 0.1);
    let [none, even, _, planned, empty] = windows.row(288, 32, 16);
    assert!((none - 110.4).abs() < 0.3 && (even - 121.5).abs() < 0.3);
    assert!(planned < 110.8 && empty < 110.8);
    let [none, even, dispatched, planned, _] = windows.row(288, 32, 64);
    assert!(planned < none.min(even) * 0.98 && planned < dispatched);
    let [_, _, dispatched, planned, _] = windows.row(288, 32, 1024);
    assert!(planned < 809.5 && planned < dispatched);
    let [none, even, _, planned, _] = windows.row(320, 64, 8);
    assert!(planned < even * 0.86 && planned < none + 0.1);
}

/// One placement for both is as fast in either as what is planned for it alone.
#[test]
fn for_prefill_and_decode_on_the_trace() {
    let Some(trace) = load_trace() else { return };
    let (layers, experts) = (trace.layers.len(), trace.experts);
    let (seen, judged) = trace.load.split_at(7 * layers * experts);
    let windows = Windows { layers, experts, seen, judged };
    let both = windows.plan((288, 32), &[4096, 16], Flags::NONE);
    let prefill = windows.plan((288, 32), &[4096], Flags::NONE);
    let [_, both_prefills] = windows.times(&both, 32, 4096);
    let [_, prefills] = windows.times(&prefill, 32, 4096);
    let [_, decodes] = windows.times(&both, 32, 16);
    println!(
        "both: prefill {both_prefills:.1} us, decode {decodes:.1}; prefill alone {prefills:.1}"
    );
    assert!(both_prefills < prefills * 1.01 && decodes < 111.0);
}

/// The same of loads that are drawn, a little different in each window.
#[test]
fn on_drawn_loads() {
    let (layers, experts, gpus) = (4, 128, 16);
    let window = |window: u64| {
        (0..layers as u64).flat_map(move |layer| {
            let base = loads::lognormal(experts, 0.8, layer);
            let noise = loads::lognormal(experts, 0.2, 100 + layer * 8 + window);
            base.into_iter().zip(noise).map(|(base, noise)| base * noise)
        })
    };
    let mut load: Vec<f32> = (0..4).flat_map(window).collect();
    load.chunks_mut(experts).for_each(normalise);
    let (seen, judged) = load.split_at(3 * layers * experts);
    let windows = Windows { layers, experts, seen, judged };
    for tokens in [4, 16, 64, 1024] {
        let [none, even, dispatched, planned, empty] = windows.row(144, gpus, tokens);
        assert!(planned <= none.min(dispatched) * 1.002, "{tokens}");
        assert!(empty <= none.min(even) * 1.01, "{tokens}");
    }
    let both = windows.plan((144, gpus), &[4096, 16], Flags::NONE);
    let [[_, prefill], [_, decode]] = [4096, 16].map(|tokens| windows.times(&both, gpus, tokens));
    let for_prefill = windows.plan((144, gpus), &[4096], Flags::NONE);
    assert!(prefill < windows.times(&for_prefill, gpus, 4096)[1] * 1.01);
    let for_decode = windows.plan((144, gpus), &[16], Flags::NONE);
    assert!(decode < windows.times(&for_decode, gpus, 16)[1] * 1.01);
}

/// Seconds of a step whose experts have these tokens, dispatched; infinite where one has no replica.
pub fn step(spec: &Spec, slots: &[i32], tokens: &[u32]) -> f64 {
    let shape = Shape::new(&Spec { num_windows: 1, num_layers: 1, step_tokens: None, ..*spec });
    let shape = shape.unwrap();
    let need = eplb::workspace(Operation::Dispatch, &shape, &Options::default()).unwrap();
    let mut quota = vec![0; slots.len()];
    let out = QuotasMut { quota: &mut quota, route_end: None, route_slot: None, max_replicas: 0 };
    let batch = Batch { tokens, by_source: false, effort: 0 };
    let mut split = Split::default();
    let report = &mut |_: usize, found: &Split| split = *found;
    let placement = &Placement::of(slots);
    match eplb::dispatch(&shape, Memory::new(&need).arena(), placement, &batch, out, Some(report)) {
        Ok(()) => split.largest_time,
        Err(Status::DispatchNoReplica) => f64::INFINITY,
        Err(status) => panic!("{status:?}"),
    }
}

/// Whole tokens of a mean step, one at least where there are any.
pub fn mean_step(load: &[f32], step: Option<f32>) -> Vec<u32> {
    let total: f64 = load.iter().map(|&load| f64::from(load)).sum();
    let scale = step.map_or(1.0, |step| if total > 0.0 { f64::from(step) / total } else { 1.0 });
    let tokens =
        |load: f64| if load > 0.0 { ((load * scale + 0.5) as u32).clamp(1, 1 << 30) } else { 0 };
    load.iter().map(|&load| tokens(load.into())).collect()
}

/// In one window, against every placement: what no single change makes better under dispatch is nearly always the best.
#[test]
fn small_layers_are_near_the_optimum() {
    for alike in [true, false] {
        let (mut cases, mut best, mut worse, mut sum) = (0, 0, 0, 0.0);
        for case in 0..loads::times(300, 10_000) {
            let rng = &mut Rng(loads::seed(case));
            let (experts, gpus) = (rng.range(1, 4), rng.range(1, 3));
            let mut small = Small::random(rng, experts, gpus, 1);
            if alike {
                small.speed.fill(1.0);
            }
            let Some(ratio) = ratio_to_optimum(&small, rng) else { continue };
            assert!(ratio > 0.97 && (ratio < 1.5 || !alike), "{small:?}: {ratio}");
            cases += 1;
            best += u32::from(ratio < 1.0001);
            worse += u32::from(ratio > 1.05);
            sum += ratio;
        }
        let [best, worse] = [best, worse].map(|count| f64::from(count) / f64::from(cases));
        let mean = sum / f64::from(cases);
        println!("{cases} layers, optimum {best:.4}, above 5 % {worse:.4}, mean {mean:.4}");
        assert!(best > 0.99 && worse < 0.005 && mean < 1.001);
    }
}

/// Seconds of a plan over the least of all placements; none where there is no plan.
fn ratio_to_optimum(small: &Small, rng: &mut Rng) -> Option<f64> {
    let tokens = mean_step(&small.load, small.tokens.as_ref().map(|tokens| tokens[0]));
    let flags = rng.pick(&[Flags::NONE, Flags::EMPTY_SLOTS]);
    let options = Options { scope: Scope::Global, flags, ..Options::default() };
    let spec = small.spec();
    let plan = plan_limited(&spec, &options, 0).ok()?;
    let mut least = f64::INFINITY;
    small.placements(&mut |held| {
        least = least.min(step(&spec, &small.slots_of(held), &tokens));
    });
    let found = step(&spec, &plan, &tokens);
    Some(if least > 0.0 { found / least } else { 1.0 })
}

/// Where experts in use cost nothing a plan is that for tokens, whatever a token costs.
#[test]
fn with_a_cost_of_tokens_alone_plans_are_those_for_tokens() {
    for case in 0..loads::times(200, 2_000) {
        let rng = &mut Rng(loads::seed(case));
        let general = General::random(rng, 24, 8);
        let spec = general.spec();
        let flags = rng.pick(&[Flags::NONE, Flags::EMPTY_SLOTS, Flags::SURVIVE_GPU]);
        let options = Options { flags, ..Options::default() };
        let without = plan_limited(&spec, &options, 0);
        let cost = Cost { expert_seconds: 0.0, ..COST };
        let step_tokens: &[f32] = &[1e3];
        let with = Spec { cost: Some(cost), step_tokens: Some(step_tokens), ..spec };
        assert_eq!(plan_limited(&with, &options, 0), without, "{general:?}");
        let Ok(previous) = without else { continue };
        let options = Options { previous: Some(&previous), max_moves: 3, ..Options::default() };
        assert_eq!(plan_limited(&with, &options, 0), plan_limited(&spec, &options, 0));
    }
}

/// GPUs, groups and loads of every kind: a plan in seconds keeps what plans keep, and is no slower than the one for
/// tokens.
#[test]
fn plans_of_every_kind_are_no_slower_than_those_for_tokens() {
    for case in 0..loads::times(400, 10_000) {
        let rng = &mut Rng(loads::seed(case));
        let general = General::random(rng, 40, 10);
        let step_tokens = [rng.pick(&[1.0, 40.0, 300.0, 4e3, 1e6])];
        let flags = rng.pick(&[Flags::NONE, Flags::EMPTY_SLOTS, Flags::SURVIVE_GPU]);
        let options = Options { flags, ..Options::default() };
        // with empty slots, too, as fast as without
        let filled = Options {
            flags: if flags == Flags::EMPTY_SLOTS { Flags::NONE } else { flags },
            ..options
        };
        let tokens = general.spec();
        let spec = Spec { cost: Some(COST), step_tokens: Some(&step_tokens), ..tokens };
        let (plan, without) = (plan_limited(&spec, &options, 0), plan_limited(&tokens, &filled, 0));
        let (Ok(plan), Ok(without)) = (&plan, &without) else {
            assert_eq!(plan, without);
            continue;
        };
        let promises = options.promises();
        assert_eq!(check(&spec, &promises, &Placement::of(plan)), Ok(None), "{general:?}");
        let slots = spec.num_physical_experts as usize;
        for layer in 0..general.num_layers {
            let batch = mean_step(general.layer(layer), Some(step_tokens[0]));
            let [now, before] =
                [plan, without].map(|plan| step(&spec, &plan[layer * slots..][..slots], &batch));
            // where survival binds it is made again for both
            assert!(
                flags == Flags::SURVIVE_GPU || now <= before * NOISE,
                "{case} {now} {before} {flags:?} {step_tokens:?} {general:?}"
            );
        }
    }
}

/// From a placement in force: within the limit, no slower than it, and without a limit as fast as from nothing.
#[test]
fn from_a_placement_of_every_kind() {
    let (mut cases, mut slower) = (0, 0);
    for case in 0..loads::times(300, 5_000) {
        let rng = &mut Rng(loads::seed(case));
        let general = General { num_layers: 1, ..General::random(rng, 40, 10) };
        let (experts, gpus) = (general.num_logical_experts, general.slots.len());
        let step_tokens = [rng.pick(&[1.0, 40.0, 300.0, 4e3, 1e6])];
        let load = &general.load[..experts];
        let now =
            Spec { load, cost: Some(COST), step_tokens: Some(&step_tokens), ..general.spec() };
        let before = loads::any(rng, experts);
        let scope = rng.pick(&[Scope::Auto, Scope::Global]);
        let nothing = Options { scope, ..Options::default() };
        // GPUs may have died since
        let then = Spec { load: &before, cost: None, gpu_state: None, ..now };
        let Ok(previous) = plan_limited(&then, &nothing, 0) else { continue };
        let moves = rng.pick(&[0, 1, 2, 5, 10, 1000]);
        let flags = Flags::EXTERNAL_SOURCE;
        let limited = Options { previous: Some(&previous), max_moves: moves, flags, ..nothing };
        let (plan, fresh) =
            match (plan_measured(&now, &limited, 0), plan_limited(&now, &nothing, 0)) {
                (Ok(plan), Ok(fresh)) => (plan, fresh),
                (plan, _) => {
                    assert!(
                        matches!(
                            plan.map(|_| ()).unwrap_err(),
                            Status::Infeasible | Status::TooFewSlots | Status::ExpertsNotDivisible
                        ),
                        "{general:?}"
                    );
                    continue;
                }
            };
        let (plan, moved) = (&plan.0, plan.1[0].moved_slots);
        assert!(moves == 0 || moved <= moves, "{case}: {moved} of {moves} moves");
        let kept = check(&now, &limited.promises(), &Placement::of(plan));
        assert!(moves > 0 || kept == Ok(None), "{case} {kept:?}");
        let batch = mean_step(load, Some(step_tokens[0]));
        let time = |plan: &[i32]| step(&now, plan, &batch);
        let alive = (0..gpus).all(|gpu| general.alive(gpu));
        let rival = match moves {
            0 => &fresh,
            _ if alive && !previous.contains(&-1) => &previous,
            _ => continue,
        };
        let ratio = time(plan) / time(rival);
        assert!(ratio < 1.15, "{case} {moves} {general:?} {ratio}");
        cases += 1;
        slower += u32::from(ratio > NOISE);
    }
    println!("{slower} of {cases} are slower");
    assert!(slower * 100 <= cases);
}

/// From the plan for tokens: every move counts.
#[test]
fn within_limits_on_the_trace() {
    let Some(trace) = load_trace() else { return };
    let (layers, experts) = (trace.layers.len(), trace.experts);
    let (seen, judged) = trace.load.split_at(7 * layers * experts);
    let windows = Windows { layers, experts, seen, judged };
    let previous = windows.plan((288, 32), &[], Flags::NONE);
    let mut last = windows.times(&previous, 32, 16)[1];
    for moves in [8, 16, 48, 96, 0] {
        let spec_tokens = [(16 * 32 * 8) as f32; 7];
        let spec = Spec {
            num_windows: 7,
            num_layers: layers as u32,
            num_logical_experts: experts as u32,
            num_physical_experts: 288,
            num_gpus: 32,
            load: seen,
            cost: Some(COST),
            step_tokens: Some(&spec_tokens),
            ..Spec::default()
        };
        let options = Options {
            scope: Scope::Global,
            max_moves: moves,
            previous: Some(&previous),
            ..Options::default()
        };
        let (plan, found) = plan_measured(&spec, &options, 0).unwrap();
        let moved: f64 = found.iter().map(|m| f64::from(m.moved_slots)).sum();
        let time = windows.times(&plan, 32, 16)[1];
        println!("{moves} moves ({:.1} made): {time:.1} us", moved / layers as f64);
        assert!(time <= last * 1.001);
        last = time;
    }
}
