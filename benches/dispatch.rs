//! Time of a dispatch per layer, as a ratio to "the sort" (benches/plan). `cargo bench --bench dispatch`
//! prints the table of docs/BENCHMARKS.md as CSV; behind `--`, `once CASE quotas|sources|speeds|seconds|sort N` runs one
//! thing N times, for callgrind.
//!
//! Batches of 4,096 tokens x 8 experts, drawn from the layers of the trace at EPLB_TRACE when set, else from
//! generated ones; the placement was planned by DEEPSEEK for another layer's loads mixed with its own, so that
//! the even split is as far off as after a change of workload.

use eplb::{
    Arena, Batch, Cost, Lengths, Operation, Options, Placement, PlacementMut, Policy, Problem,
    QuotasMut, Scope, Shape, Spec, Split, SplitKind,
};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng, rngs::StdRng};
use rand_distr::{Distribution, LogNormal};
use std::hint::black_box;
use std::time::Instant;

const TOKENS: usize = 4096 * 8;

/// One row of the table: E -> P / G, N nodes of 8 GPUs.
struct Case {
    name: &'static str,
    experts: usize,
    slots: usize,
    gpus: usize,
}

const CASES: [Case; 7] = [
    Case { name: "256-288-32", experts: 256, slots: 288, gpus: 32 },
    Case { name: "256-288-72", experts: 256, slots: 288, gpus: 72 },
    Case { name: "256-320-64", experts: 256, slots: 320, gpus: 64 },
    Case { name: "256-288-144", experts: 256, slots: 288, gpus: 144 },
    Case { name: "256-512-64", experts: 256, slots: 512, gpus: 64 },
    Case { name: "128-160-32", experts: 128, slots: 160, gpus: 32 },
    Case { name: "2048-2304-256", experts: 2048, slots: 2304, gpus: 256 },
];

const KINDS: [&str; 4] = ["quotas", "speeds", "sources", "seconds"];

/// In seconds: H200, fp8, at 64 tokens a GPU and 8 experts each, where some replicas pay and others do not.
const COST: Cost = Cost {
    token_seconds: 0.0945e-6,
    expert_seconds: 11.5e-6,
    layer_seconds: 18e-6,
    struct_size: size_of::<Cost>() as u32,
    reserved: 0,
};
const FEW_TOKENS: usize = 64 * 8;

/// What a dispatch is given.
struct Layer {
    slots: Vec<i32>,
    tokens: Vec<u32>,
    few: Vec<u32>,
    by_source: Vec<u32>,
    keys: Vec<u64>,
}

/// Loads of layers that follow one another: those of the trace whose width fits, else generated with drift.
fn loads(experts: usize) -> Vec<Vec<f32>> {
    if let Some(path) = std::env::var_os("EPLB_TRACE") {
        let mut reader = csv::Reader::from_path(path).expect("the trace opens");
        let rows = reader.records().map(|row| {
            let row = row.expect("a row");
            row.iter().skip(2).map(|n| n.parse().expect("a number")).collect()
        });
        let rows: Vec<Vec<f32>> = rows.filter(|row: &Vec<f32>| row.len() == experts).collect();
        if !rows.is_empty() {
            return rows;
        }
    }
    let mut random = StdRng::seed_from_u64(7);
    let skew = LogNormal::new(0.0, 0.7).expect("a distribution");
    let lasting: Vec<Vec<f64>> =
        (0..58).map(|_| (0..experts).map(|_| skew.sample(&mut random) * 1e6).collect()).collect();
    let rows = (0..8 * 58).map(|i| {
        lasting[i % 58].iter().map(|l| (l * skew.sample(&mut random).powf(0.7)) as f32).collect()
    });
    rows.collect()
}

fn spec<'a>(case: &Case, load: &'a [f32], speed: Option<&'a [f32]>) -> Spec<'a> {
    Spec {
        num_layers: 1,
        num_logical_experts: case.experts as u32,
        num_physical_experts: case.slots as u32,
        num_nodes: (case.gpus / 8) as u32,
        num_gpus: case.gpus as u32,
        gpu_speed: speed,
        load,
        ..Spec::default()
    }
}

/// Draws a batch: each token's expert by the loads, its source at random.
fn layer(case: &Case, load: &[f32], other: &[f32], random: &mut StdRng) -> Layer {
    let total: f64 = load.iter().map(|&load| f64::from(load)).sum();
    let mut ends = load.to_vec();
    let mut sum = 0.0;
    ends.iter_mut().for_each(|end| {
        sum += f64::from(*end) / total;
        *end = sum as f32;
    });
    let mut tokens = vec![0; case.experts];
    let mut by_source = vec![0; case.experts * case.gpus];
    let draw = |random: &mut StdRng| {
        let at: f32 = random.random();
        ends.partition_point(|&end| end <= at).min(case.experts - 1)
    };
    for _ in 0..TOKENS {
        let expert = draw(random);
        tokens[expert] += 1;
        by_source[random.random_range(0..case.gpus) * case.experts + expert] += 1;
    }
    let planned: Vec<f32> = load.iter().zip(other).map(|(a, b)| a + b).collect();
    let problem = Problem::new(&spec(case, &planned, None)).expect("a problem");
    let options = Options { policy: Policy::Deepseek, scope: Scope::Global, ..Options::default() };
    let need = eplb::workspace(Operation::Plan, problem.shape(), &options).expect("a size");
    let (mut u64s, mut f64s) = (vec![0; need.u64s], vec![0.0; need.f64s]);
    let (mut u32s, mut f32s) = (vec![0; need.u32s], vec![0.0; need.f32s]);
    let mut slots = vec![0; case.slots];
    let maps = PlacementMut {
        physical_to_logical: &mut slots,
        replica_rank: None,
        logical_count: None,
        logical_to_physical: None,
        max_replicas: 0,
    };
    let arena = Arena::new(&mut u64s, &mut f64s, &mut u32s, &mut f32s);
    eplb::plan(&problem, &options, arena, maps, None).expect("a plan");
    let key = |slot: usize| (u64::from(load[slot % load.len()].to_bits()) << 32) | slot as u64;
    let mut keys: Vec<u64> = (0..case.slots).map(key).collect();
    keys.shuffle(random);
    let mut few = vec![0; case.experts];
    (0..case.gpus * FEW_TOKENS).for_each(|_| few[draw(random)] += 1);
    Layer { slots, tokens, few, by_source, keys }
}

fn layers(case: &Case) -> Vec<Layer> {
    let loads = loads(case.experts);
    let mut random = StdRng::seed_from_u64(3);
    let next = |i: usize| &loads[(i + 58) % loads.len()];
    (0..loads.len()).map(|i| layer(case, &loads[i], next(i), &mut random)).collect()
}

/// A dispatcher with its memory.
struct Dispatcher<'a> {
    shape: Shape<'a>,
    kind: &'static str,
    u64s: Vec<u64>,
    f64s: Vec<f64>,
    u32s: Vec<u32>,
    quota: Vec<u32>,
}

impl<'a> Dispatcher<'a> {
    fn new(case: &Case, kind: &'static str, speed: &'a [f32]) -> Self {
        let speed = (kind == "speeds").then_some(speed);
        let cost = (kind == "seconds").then_some(COST);
        let shape = Shape::new(&Spec { cost, ..spec(case, &[], speed) }).expect("a shape");
        let by_source = kind == "sources";
        let need = eplb::workspace(Operation::Dispatch, &shape, &Options::default());
        let need = need.expect("a size");
        Dispatcher {
            shape,
            kind,
            u64s: vec![0; need.u64s],
            f64s: vec![0.0; need.f64s],
            u32s: vec![0; need.u32s],
            quota: vec![0; Lengths::new(&shape, by_source, 0).expect("lengths").quota],
        }
    }

    fn run(&mut self, layer: &Layer) -> Split {
        let mut split = Split::default();
        let out = QuotasMut {
            quota: &mut self.quota,
            route_end: None,
            route_slot: None,
            max_replicas: 0,
        };
        let tokens = match self.kind {
            "seconds" => &layer.few,
            "sources" => &layer.by_source,
            _ => &layer.tokens,
        };
        let batch = Batch { tokens, by_source: self.kind == "sources", effort: 0 };
        let arena = Arena::new(&mut self.u64s, &mut self.f64s, &mut self.u32s, &mut []);
        let placement = Placement::of(&layer.slots);
        let report = &mut |_: usize, found: &Split| split = *found;
        eplb::dispatch(&self.shape, arena, &placement, &batch, out, Some(report)).expect("a split");
        black_box(&self.quota);
        split
    }

    fn kib(&self) -> f64 {
        (self.u64s.len() * 8 + self.f64s.len() * 8 + self.u32s.len() * 4) as f64 / 1024.0
    }
}

fn speeds(case: &Case) -> Vec<f32> {
    (0..case.gpus).map(|gpu| [1.0, 0.9, 0.75, 1.1][gpu % 4]).collect()
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    if let [once, case, what, times] = arguments.as_slice()
        && once == "once"
    {
        return run_once(case, what, times.parse().expect("a number"));
    }
    println!("case,what,us,x,x_largest,kib");
    for case in &CASES {
        let layers = layers(case);
        let speed = speeds(case);
        for kind in KINDS {
            measure(case, kind, &layers, Dispatcher::new(case, kind, &speed));
        }
    }
}

/// Sort and dispatch take turns on every layer, and all layers pass before the first comes again.
fn measure(case: &Case, kind: &str, layers: &[Layer], mut dispatcher: Dispatcher) {
    const REPETITIONS: usize = 5;
    let mut times = vec![Vec::new(); layers.len()];
    let mut sorts = times.clone();
    for _ in 0..REPETITIONS {
        for (layer, (times, sorts)) in layers.iter().zip(times.iter_mut().zip(&mut sorts)) {
            let mut keys = layer.keys.clone();
            let start = Instant::now();
            black_box(&mut keys).sort_unstable();
            sorts.push(start.elapsed().as_secs_f64() * 1e6);
            black_box(keys);
            let start = Instant::now();
            let split = dispatcher.run(layer);
            times.push(start.elapsed().as_secs_f64() * 1e6);
            assert_ne!(split.kind, SplitKind::Even);
        }
    }
    let times: Vec<f64> = times.into_iter().map(median).collect();
    let largest = times.iter().copied().fold(0.0, f64::max);
    let time = median(times);
    let sort = median(sorts.into_iter().map(median).collect());
    println!(
        "{},{kind},{time:.2},{:.2},{:.2},{:.1}",
        case.name,
        time / sort,
        largest / sort,
        dispatcher.kib()
    );
}

/// Runs one thing on the first layers again and again: under callgrind, the difference between two counts of N
/// is what N more cost.
fn run_once(case: &str, what: &str, times: usize) {
    let case = CASES.iter().find(|c| c.name == case).expect("a case");
    let layers = layers(case);
    let speed = speeds(case);
    let mut sorted = layers[0].keys.clone();
    let kind = KINDS.into_iter().find(|kind| *kind == what).unwrap_or(KINDS[0]);
    let mut dispatcher = Dispatcher::new(case, kind, &speed);
    for i in 0..times {
        let layer = &layers[i % layers.len()];
        if what == "sort" {
            sorted.copy_from_slice(&layer.keys);
            sorted.sort_unstable();
            black_box(&sorted);
        } else {
            dispatcher.run(layer);
        }
    }
}
