//! The calls of the net, a function a family: each draws a problem, makes the call and notes what came back.

use super::answers::Answer;
use crate::common::{Memory, evaluate_with};
use crate::problems::General;
use crate::problems::loads::{self, Rng};
use eplb::{
    Batch, Change, EPLB_MOVES_NONE, Flags, Forecast, ForecastMethod, GateConfig, GateLayer,
    GateState, GateTotal, GateVerdict, Lengths, Measured, Operation, Options, Placement,
    PlacementMut, Policy, Problem, Promises, QuotasMut, Recipe, Scope, Shape, Spec, Status,
    Tracker, TrackerConfig, TransferEvent, Transition, Windows,
};
use eplb::{FixUp, Packing, Refinement, Rule};

const SCOPES: [Scope; 3] = [Scope::Auto, Scope::Hierarchical, Scope::Global];

/// Plans with every map, and notes them, their metrics and what the other calls make of them.
fn plan(spec: &Spec, options: &Options, max_replicas: usize, answer: &mut Answer) {
    match try_plan(spec, options, max_replicas, answer) {
        Ok(()) => answer.word(0),
        Err(status) => answer.status(status),
    }
}

fn try_plan(
    spec: &Spec,
    options: &Options,
    max_replicas: usize,
    answer: &mut Answer,
) -> Result<(), Status> {
    let problem = Problem::new(spec)?;
    let shape = problem.shape();
    let (layers, experts, slots) =
        (shape.num_layers(), shape.num_logical_experts(), shape.num_physical_experts());
    let mut memory = Memory::new(&eplb::workspace(Operation::Plan, shape, options)?);
    let (mut expert, mut rank) = (vec![-7; layers * slots], vec![-7; layers * slots]);
    let mut count = vec![-7; layers * experts];
    let mut table = vec![-7; layers * experts * max_replicas];
    let maps = PlacementMut {
        physical_to_logical: &mut expert,
        replica_rank: Some(&mut rank),
        logical_count: Some(&mut count),
        logical_to_physical: (max_replicas > 0).then_some(&mut table),
        max_replicas,
    };
    let report = &mut |_: usize, metrics: &eplb::Metrics| answer.metrics(metrics);
    eplb::plan(&problem, options, memory.arena(), maps, Some(report))?;
    for map in [&expert, &rank, &count, &table] {
        answer.slots(map);
    }
    answer.word(eplb::digest(&expert));
    Ok(())
}

fn general(rng: &mut Rng) -> General {
    let (experts, gpus) = if rng.once_in(40) { (150, 30) } else { (24, 8) };
    General::random(rng, experts, gpus)
}

pub fn global(rng: &mut Rng, answer: &mut Answer) {
    let problem = general(rng);
    let options = Options { scope: Scope::Global, ..Options::default() };
    plan(&problem.spec(), &options, 0, answer);
}

fn some_options(rng: &mut Rng) -> Options<'static> {
    Options {
        scope: rng.pick(&SCOPES),
        effort: if rng.once_in(3) { rng.range(1, 5_000) as u32 } else { 0 },
        flags: rng.pick(&[
            Flags::NONE,
            Flags::NONE,
            Flags::NONE,
            Flags::EMPTY_SLOTS,
            Flags::DISPATCH,
        ]),
        ..Options::default()
    }
}

pub fn options(rng: &mut Rng, answer: &mut Answer) {
    let problem = general(rng);
    let options = some_options(rng);
    let max_replicas = if rng.once_in(2) { rng.range(1, 6) } else { 0 };
    plan(&problem.spec(), &options, max_replicas, answer);
}

/// Loads of several windows, of which some are much like the first.
fn draw_windows(rng: &mut Rng, problem: &General, windows: usize) -> Vec<f32> {
    let (layers, experts) = (problem.num_layers, problem.num_logical_experts);
    let mut load: Vec<f32> = (0..windows * layers).flat_map(|_| loads::any(rng, experts)).collect();
    if rng.once_in(3) {
        let first = load[..layers * experts].to_vec();
        for (load, first) in load.iter_mut().zip(first.iter().cycle()) {
            *load = first * (1.0 + rng.unit() as f32 / 4.0);
        }
    }
    load.iter_mut().for_each(|x| *x = if x.is_finite() { *x } else { f32::MAX });
    load
}

pub fn windows(rng: &mut Rng, answer: &mut Answer) {
    let problem = general(rng);
    let windows = rng.range(2, 10);
    let load = draw_windows(rng, &problem, windows);
    let mut weight: Vec<f32> =
        (0..problem.num_layers * windows).map(|_| rng.pick(&[0.0, 1.0, 1.0, 0.5, 3.0])).collect();
    weight.chunks_mut(windows).for_each(|layer| layer[rng.below(windows)] = 1.0);
    let spec = Spec {
        num_windows: windows as u32,
        load: &load,
        window_weight: rng.once_in(2).then_some(&weight),
        ..problem.spec()
    };
    let max_replicas = if rng.once_in(4) { rng.range(1, 4) } else { 0 };
    plan(&spec, &some_options(rng), max_replicas, answer);
}

/// A placement in force: of any kind, or a good one that is spoilt here and there.
fn in_force(rng: &mut Rng, problem: &General) -> Vec<i32> {
    let slots = problem.slots.iter().sum::<u32>() as usize;
    let experts = problem.num_logical_experts;
    let spoilt = rng.range(1, 30);
    let mut old: Vec<i32> = (0..slots * problem.num_layers)
        .map(|slot| ((slot % slots) * experts / slots) as i32)
        .collect();
    for slot in &mut old {
        if rng.once_in(spoilt) {
            *slot = rng.below(experts + 2) as i32 - 2;
            *slot = (*slot).max(-1);
        }
    }
    old
}

pub fn previous(rng: &mut Rng, answer: &mut Answer) {
    let problem = general(rng);
    let windows = rng.pick(&[1, 1, 3]);
    let load = draw_windows(rng, &problem, windows);
    let old = in_force(rng, &problem);
    let flags = rng.pick(&[
        Flags::NONE,
        Flags::NONE,
        Flags::FILL_ONLY,
        Flags::EMPTY_SLOTS,
        Flags::SURVIVE_GPU,
        Flags::SURVIVE_NODE,
    ]);
    let options = Options {
        scope: rng.pick(&SCOPES),
        policy: if rng.once_in(8) { Policy::Deepseek } else { Policy::Balanced },
        effort: if rng.once_in(4) { rng.range(1, 2_000) as u32 } else { 0 },
        max_moves: rng.pick(&[0, 1, 3, 8, 40, EPLB_MOVES_NONE]),
        max_moves_per_gpu_pair: if rng.once_in(6) { rng.range(1, 3) as u32 } else { 0 },
        target: if rng.once_in(4) { rng.range(30_000, 65_536) as u32 } else { 0 },
        flags: flags | rng.pick(&[Flags::NONE, Flags::EXTERNAL_SOURCE, Flags::EXTERNAL_SOURCE]),
        previous: (!flags.contains(Flags::SURVIVE_GPU) || rng.once_in(2)).then_some(&old),
        ..Options::default()
    };
    let spec = Spec { num_windows: windows as u32, load: &load, ..problem.spec() };
    let max_replicas = if rng.once_in(4) { rng.range(1, 5) } else { 0 };
    plan(&spec, &options, max_replicas, answer);
}

/// A problem that every policy plans, but for what one policy may refuse.
fn even(rng: &mut Rng) -> General {
    let nodes = rng.range(1, 4);
    let (groups, size, gpus) = (nodes * rng.range(1, 4), rng.range(1, 8), nodes * rng.range(1, 6));
    let experts = groups * size;
    let each = experts.div_ceil(gpus) + rng.below(4);
    let layers = rng.range(1, 2);
    General {
        num_layers: layers,
        num_logical_experts: experts,
        num_groups: groups,
        num_nodes: nodes,
        slots: vec![each as u32; gpus],
        speed: None,
        node: None,
        state: None,
        load: (0..layers).flat_map(|_| loads::any(rng, experts)).collect(),
    }
}

pub fn policies(rng: &mut Rng, answer: &mut Answer) {
    let problem = even(rng);
    let scope = rng.pick(&SCOPES);
    let slots = problem.slots.iter().sum::<u32>() as usize;
    for policy in Policy::ALL {
        let width = slots + 1 - problem.num_logical_experts;
        plan(&problem.spec(), &Options { policy, scope, ..Options::default() }, width, answer);
    }
}

pub fn recipes(rng: &mut Rng, answer: &mut Answer) {
    let problem = even(rng);
    let recipe = Recipe {
        rule: rng.pick(&[
            Rule::DHondt,
            Rule::SainteLagueTail,
            Rule::PeakAwareTail,
            Rule::Waterfill,
        ]),
        fix_up: rng.pick(&[
            FixUp::None,
            FixUp::OneMove,
            FixUp::TopTwo,
            FixUp::TrueSecond,
            FixUp::GuardedSecond,
            FixUp::Recompute,
        ]),
        packing: rng.pick(&[Packing::Lpt, Packing::Diverse]),
        refinement: rng.pick(&[
            Refinement::None,
            Refinement::AllPairs,
            Refinement::KTwo,
            Refinement::MicroSwap,
        ]),
    };
    let options = Options { recipe: Some(recipe), scope: rng.pick(&SCOPES), ..Options::default() };
    plan(&problem.spec(), &options, 0, answer);
}

/// Sizes that are served.
pub fn served(rng: &mut Rng, answer: &mut Answer) {
    let shapes = [
        (256, 288, 32),
        (256, 288, 72),
        (256, 320, 64),
        (256, 288, 96),
        (256, 288, 144),
        (128, 160, 32),
        (384, 416, 32),
    ];
    let (experts, slots, gpus) = rng.pick(&shapes);
    let windows = rng.pick(&[1, 1, 1, 4]);
    let seed = rng.bits() >> 8;
    let load: Vec<f32> = (0..windows as u64)
        .flat_map(|w| {
            if seed.is_multiple_of(2) {
                loads::lognormal(experts, 1.0, seed + w)
            } else {
                loads::zipf(experts, 1.1, seed + w)
            }
        })
        .collect();
    let spec = Spec {
        num_windows: windows,
        num_layers: 1,
        num_logical_experts: experts as u32,
        num_physical_experts: slots,
        num_groups: 8,
        num_nodes: rng.pick(&[1, 2, 4]),
        num_gpus: gpus,
        load: &load,
        ..Spec::default()
    };
    let old: Vec<i32> = (0..slots as i32).map(|slot| slot % experts as i32).collect();
    let from_old = rng.once_in(3);
    let options = Options {
        scope: rng.pick(&SCOPES),
        previous: from_old.then_some(&old),
        max_moves: if from_old { rng.pick(&[0, 16, 48]) } else { 0 },
        ..Options::default()
    };
    plan(&spec, &options, 0, answer);
}

/// Any placement, measured as predicted and as it came, and checked.
pub fn measured(rng: &mut Rng, answer: &mut Answer) {
    let problem = general(rng);
    let slots = in_force(rng, &problem);
    let spec = problem.spec();
    let flags = rng.pick(&[Flags::NONE, Flags::DISPATCH]);
    match evaluate_with(&spec, &Placement::of(&slots), flags) {
        Ok(metrics) => metrics.iter().for_each(|metrics| answer.metrics(metrics)),
        Err(status) => answer.status(status),
    }
    let Ok(shape) = Shape::new(&spec) else { return };
    let physical: Vec<f32> = slots.iter().map(|_| rng.below(1_000) as f32).collect();
    let options = Options { flags, ..Options::default() };
    let Ok(need) = eplb::workspace(Operation::Evaluate, &shape, &options) else { return };
    let result = eplb::evaluate_measured(
        &Measured { shape: &shape, physical_load: &physical },
        rng.pick(&SCOPES),
        options.measures_dispatch(),
        Memory::new(&need).arena(),
        &Placement::of(&slots),
        &mut |_, metrics| answer.metrics(metrics),
    );
    answer.status(result.err().unwrap_or(Status::Ok));
    let need = eplb::workspace(Operation::Check, &shape, &Options::default()).unwrap();
    let promises =
        Promises { scope: rng.pick(&SCOPES), full: rng.once_in(2), distinct: rng.once_in(2) };
    match eplb::check(&shape, &promises, Memory::new(&need).arena(), &Placement::of(&slots)) {
        Ok(None) => answer.word(1),
        Ok(Some(found)) => {
            answer.slots(&[found.kind as i32, found.layer, found.slot, found.expert, found.gpu])
        }
        Err(status) => answer.status(status),
    }
}

pub fn dispatch(rng: &mut Rng, answer: &mut Answer) {
    let problem = general(rng);
    let slots = in_force(rng, &problem);
    let by_source = rng.once_in(2);
    if let Err(status) = try_dispatch(rng, &problem, &slots, by_source, answer) {
        answer.status(status);
    }
}

fn try_dispatch(
    rng: &mut Rng,
    problem: &General,
    slots: &[i32],
    by_source: bool,
    answer: &mut Answer,
) -> Result<(), Status> {
    let shape = Shape::new(&problem.spec())?;
    let max_replicas = shape.topology().num_gpus();
    let lengths = Lengths::new(&shape, by_source, max_replicas)?;
    let most = rng.range(1, 500);
    let experts = problem.num_logical_experts;
    let tokens: Vec<u32> = (0..lengths.tokens)
        .map(|at| {
            let held = slots.contains(&((at % experts) as i32));
            let source = at / experts % shape.topology().num_gpus();
            let sends = !by_source || shape.topology().serves(source);
            if held && sends && !rng.once_in(4) { rng.below(most) as u32 } else { 0 }
        })
        .collect();
    let mut quota = vec![u32::MAX; lengths.quota];
    let mut route_end = vec![u32::MAX; lengths.route_end];
    let mut route_slot = vec![-7; lengths.route_slot];
    let quotas = QuotasMut {
        quota: &mut quota,
        route_end: Some(&mut route_end),
        route_slot: Some(&mut route_slot),
        max_replicas,
    };
    let effort = if rng.once_in(4) { rng.range(1, 200) as u32 } else { 0 };
    let need = eplb::workspace(Operation::Dispatch, &shape, &Options::default())?;
    eplb::dispatch(
        &shape,
        Memory::new(&need).arena(),
        &Placement::of(slots),
        &Batch { tokens: &tokens, by_source, effort },
        quotas,
        Some(&mut |_, split| answer.split(split)),
    )?;
    answer.words(quota.iter().chain(&route_end).map(|&x| x.into()));
    answer.slots(&route_slot);
    Ok(())
}

fn amount(rng: &mut Rng) -> f64 {
    if rng.once_in(8) { 0.0 } else { rng.unit() * 10_f64.powi(rng.range(0, 6) as i32 - 3) }
}

pub fn gate(rng: &mut Rng, answer: &mut Answer) {
    let layers = rng.range(1, 8);
    let config = GateConfig {
        num_gpus: rng.range(1, 100) as u32,
        step_seconds: 0.01 + amount(rng), // some configs can move nothing even so, and are refused
        steps: 10.0 + amount(rng) * 1000.0,
        steps_since: amount(rng) * 1000.0,
        bytes_per_expert: amount(rng) * 1e7,
        gpu_bandwidth: 1e9 + amount(rng) * 1e9,
        node_bandwidth: amount(rng) * 1e9,
        fixed_seconds: amount(rng) / 100.0,
        certainty: amount(rng),
        payback: amount(rng),
        evidence: amount(rng),
        max_cost_seconds: amount(rng),
        ..GateConfig::default()
    };
    let mut states = vec![GateState::default(); layers];
    for _ in 0..3 {
        let calls: Vec<GateLayer> = (0..layers)
            .map(|_| {
                let mean = 1.0 + amount(rng);
                GateLayer {
                    mean,
                    now: mean * (1.0 + rng.unit()),
                    after: mean * (1.0 + rng.unit() / 4.0),
                    tokens: amount(rng) * 1e6,
                    moved: rng.below(60) as u32,
                    rounds: rng.below(12) as u32,
                    node_rounds: rng.below(12) as u32,
                    ..GateLayer::default()
                }
            })
            .collect();
        let mut verdicts = vec![GateVerdict::default(); layers];
        let total = match eplb::gate(&config, &calls, &mut states, &mut verdicts) {
            Ok(total) => total,
            Err(status) => {
                answer.status(status);
                GateTotal::default()
            }
        };
        for (v, s) in verdicts.iter().zip(&states) {
            answer.words([v.gain_seconds, v.cost_seconds, v.debt_seconds].map(f64::to_bits));
            answer.words([v.move_layer, v.order].map(u64::from));
            answer.words([s.debt_seconds, s.seconds_per_step, s.evidence].map(f64::to_bits));
        }
        answer.words(
            [total.gain_seconds, total.cost_seconds, total.bytes, total.evidence].map(f64::to_bits),
        );
        answer.word(total.moved_layers.into());
    }
}

/// The tracker, then window weights and forecasts of what it holds.
pub fn load(rng: &mut Rng, answer: &mut Answer) {
    let config = TrackerConfig {
        num_windows: rng.range(1, 9) as u32,
        num_layers: rng.range(1, 3) as u32,
        num_logical_experts: rng.range(1, 20) as u32,
        steps_per_window: rng.below(3) as u32,
    };
    let need = config.need().unwrap();
    let (mut words, mut ring) = (vec![1; need.words], vec![f32::NAN; need.floats]);
    let mut tracker = Tracker::init(config, &mut words, &mut ring).unwrap();
    let (layers, experts) = (config.num_layers, config.num_logical_experts as usize);
    for step in 0..rng.range(5, 40) {
        let scale = if step > 20 { 3000 } else { 300 };
        let counts: Vec<u32> =
            (0..experts).map(|e| rng.below(scale * (1 + (e + step / 12) % 5)) as u32).collect();
        let result = if rng.once_in(3) {
            let row: Vec<i32> = (0..experts).map(|e| ((e * 7) % experts) as i32).collect();
            tracker.observe(step as u32 % layers, &counts, Some(&row))
        } else {
            tracker.observe(step as u32 % layers, &counts, None)
        };
        answer.status(result.err().unwrap_or(Status::Ok));
        if rng.once_in(6) {
            answer.status(tracker.close().err().unwrap_or(Status::Ok));
        }
    }
    answer.word(tracker.closed());
    match tracker.windows() {
        Err(status) => answer.status(status),
        Ok(found) => weigh_and_forecast(rng, &found, answer),
    }
    words.iter().for_each(|&word| answer.word(word.into()));
}

fn weigh_and_forecast(rng: &mut Rng, found: &Windows, answer: &mut Answer) {
    let shape = found.shape();
    let (windows, layers) = (shape.num_windows(), shape.num_layers());
    answer.floats(found.load());
    let mut weight = vec![-1.0; windows * layers];
    let mut counted = vec![7; layers];
    let change =
        Change { each_layer: rng.once_in(2), before: rng.pick(&[0.0, 0.25]), ..Change::default() };
    let result = eplb::window_weights(found, &change, &mut weight, Some(&mut counted));
    answer.status(result.err().unwrap_or(Status::Ok));
    answer.floats(&weight);
    answer.words(counted.iter().map(|&x| x.into()));
    let methods = [
        ForecastMethod::Last,
        ForecastMethod::Mean,
        ForecastMethod::HalfLife,
        ForecastMethod::MeanPlusSigma,
    ];
    for method in methods {
        let how =
            Forecast { method, half_life: 0.5 + rng.unit() as f32, sigmas: rng.unit() as f32 };
        let mut load = vec![-1.0; layers * shape.num_logical_experts()];
        let result = eplb::forecast(found, &how, &mut load);
        answer.status(result.err().unwrap_or(Status::Ok));
        answer.floats(&load);
    }
}

/// From any placement to a plan: the list, its layers, its totals.
pub fn transfers(rng: &mut Rng, answer: &mut Answer) {
    let problem = general(rng);
    let old = in_force(rng, &problem);
    let spec = problem.spec();
    let Ok(plan) = crate::common::plan(&spec, &Options::default()) else { return };
    let transition = Transition {
        from: Placement::of(&old),
        to: Placement::of(&plan.physical_to_logical),
        spare_buffers: rng.below(3) as u32,
        flags: if rng.once_in(2) { Flags::EXTERNAL_SOURCE } else { Flags::NONE },
    };
    let Ok(shape) = Shape::new(&spec) else { return };
    let need = eplb::workspace(Operation::Transfers, &shape, &Options::default()).unwrap();
    let report = &mut |event: TransferEvent| match event {
        TransferEvent::Transfer(_, entry) => {
            let eplb::Transfer { layer, expert, source_gpu, source_slot, .. } = *entry;
            answer.slots(&[layer, expert, source_gpu, source_slot]);
            answer.slots(&[entry.destination_gpu, entry.destination_slot]);
            answer.words([entry.round, entry.commit].map(u64::from));
        }
        TransferEvent::Layer { layer, end, moved, rounds } => {
            answer.words([layer, end, moved, rounds as usize].map(|x| x as u64));
        }
    };
    let memory = &mut Memory::new(&need);
    match eplb::transfers(&shape, &transition, memory.arena(), usize::MAX, report) {
        Ok(totals) => {
            answer.words([totals.entries, totals.moved, totals.moved_layers].map(|x| x as u64));
        }
        Err(status) => answer.status(status),
    }
}
