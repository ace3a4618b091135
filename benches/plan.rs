//! Planning time per layer, as a ratio to "the sort": `sort_unstable` of the layer's P keys packed as
//! u64 (load bits << 32 | slot), in shuffled order, in the same run. `cargo bench` prints the table of
//! docs/BENCHMARKS.md; `cargo bench -- once CASE POLICY|sort N` runs one thing N times, for callgrind;
//! `cargo bench -- windows CASE EFFORT N` plans N layers of the trace on seven of its eight workloads;
//! `cargo bench -- previous CASE BUDGET N` plans N layers of it from a plan for another workload.
//!
//! Loads: the trace at EPLB_TRACE when set, else generated ones.

use eplb::{Arena, Need, Operation, Options, PlacementMut, Policy, Problem, Scope, Spec};
use rand::seq::SliceRandom;
use rand::{SeedableRng, rngs::StdRng};
use rand_distr::{Distribution, LogNormal};
use std::hint::black_box;
use std::time::Instant;

/// One row of the table: E -> P / G.
struct Case {
    name: &'static str,
    experts: usize,
    slots: usize,
    gpus: usize,
}

const CASES: [Case; 8] = [
    Case { name: "256-288-32", experts: 256, slots: 288, gpus: 32 },
    Case { name: "256-288-72", experts: 256, slots: 288, gpus: 72 },
    Case { name: "256-320-64", experts: 256, slots: 320, gpus: 64 },
    Case { name: "256-288-96", experts: 256, slots: 288, gpus: 96 },
    Case { name: "256-288-144", experts: 256, slots: 288, gpus: 144 },
    Case { name: "256-256-32", experts: 256, slots: 256, gpus: 32 },
    Case { name: "128-160-32", experts: 128, slots: 160, gpus: 32 },
    Case { name: "2048-2304-256", experts: 2048, slots: 2304, gpus: 256 },
];

const POLICIES: [(Policy, &str); 8] = [
    (Policy::Balanced, "balanced"),
    (Policy::Deepseek, "deepseek"),
    (Policy::MultiSwap, "multi_swap"),
    (Policy::K2Hybrid, "k2_hybrid"),
    (Policy::HybridArgmax, "hybrid_argmax"),
    (Policy::PeakAware, "peak_aware"),
    (Policy::Waterfill, "waterfill"),
    (Policy::WaterfillFixup, "waterfill_fixup"),
];

/// Layers that a case is measured on: those of the trace whose width fits, else generated.
fn layers(experts: usize) -> Vec<Vec<f32>> {
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
    let skew = LogNormal::new(0.0, 1.0).expect("a distribution");
    (0..58)
        .map(|_| (0..experts).map(|_| (skew.sample(&mut random) * 1e6_f64) as f32).collect())
        .collect()
}

/// The keys of the baseline for one layer.
fn sort_keys(load: &[f32], slots: usize, random: &mut StdRng) -> Vec<u64> {
    let mut keys: Vec<u64> = (0..slots)
        .map(|slot| (u64::from(load[slot % load.len()].to_bits()) << 32) | slot as u64)
        .collect();
    keys.shuffle(random);
    keys
}

/// A planner with its memory, for one layer at a time.
struct Planner {
    u64s: Vec<u64>,
    f64s: Vec<f64>,
    u32s: Vec<u32>,
    f32s: Vec<f32>,
    physical_to_logical: Vec<i32>,
    replica_rank: Vec<i32>,
    logical_count: Vec<i32>,
}

fn spec<'a>(case: &Case, load: &'a [f32]) -> Spec<'a> {
    Spec {
        num_layers: 1,
        num_logical_experts: case.experts as u32,
        num_physical_experts: case.slots as u32,
        num_gpus: case.gpus as u32,
        load,
        ..Spec::default()
    }
}

impl Planner {
    fn new(case: &Case, need: &Need) -> Self {
        Planner {
            u64s: vec![0; need.u64s],
            f64s: vec![0.0; need.f64s],
            u32s: vec![0; need.u32s],
            f32s: vec![0.0; need.f32s],
            physical_to_logical: vec![0; case.slots],
            replica_rank: vec![0; case.slots],
            logical_count: vec![0; case.experts],
        }
    }

    fn plan(&mut self, case: &Case, load: &[f32], options: &Options) {
        self.plan_spec(&spec(case, load), options);
    }

    fn plan_spec(&mut self, spec: &Spec, options: &Options) {
        let problem = Problem::new(spec).expect("a problem");
        let arena = Arena::new(&mut self.u64s, &mut self.f64s, &mut self.u32s, &mut self.f32s);
        let maps = PlacementMut {
            physical_to_logical: &mut self.physical_to_logical,
            replica_rank: Some(&mut self.replica_rank),
            logical_count: Some(&mut self.logical_count),
            logical_to_physical: None,
            max_replicas: 0,
        };
        eplb::plan(&problem, options, arena, maps, None).expect("a plan");
        black_box(&self.physical_to_logical);
    }
}

fn need(case: &Case, load: &[f32], options: &Options) -> Need {
    let problem = Problem::new(&spec(case, load)).expect("a problem");
    eplb::workspace(Operation::Plan, problem.shape(), options).expect("a size")
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
    if let [windows, case, effort, times] = arguments.as_slice()
        && windows == "windows"
    {
        let number = |text: &String| text.parse().expect("a number");
        return run_windows(case, number(effort), number(times) as usize);
    }
    if let [previous, case, budget, times] = arguments.as_slice()
        && previous == "previous"
    {
        let number = |text: &String| text.parse().expect("a number");
        return run_previous(case, number(budget), number(times) as usize);
    }
    println!(
        "| case | policy | median us a layer | x the sort (median) | x (mean) | workspace KiB |"
    );
    println!("|---|---|---|---|---|---|");
    for case in &CASES {
        let layers = layers(case.experts);
        for (policy, name) in POLICIES {
            let options = Options { policy, scope: Scope::Global, ..Options::default() };
            measure(case, &layers, name, &options);
        }
    }
}

/// Sort and plan take turns on every layer, so that noise meets both alike, and all layers pass before
/// the first comes again, shuffled anew, so that no branch is learnt by heart. A layer's figure is the
/// median of its repetitions.
fn measure(case: &Case, layers: &[Vec<f32>], name: &str, options: &Options) {
    const REPETITIONS: usize = 9;
    let mut random = StdRng::seed_from_u64(11);
    let need = need(case, &layers[0], options);
    let mut planner = Planner::new(case, &need);
    let mut plans = vec![Vec::new(); layers.len()];
    let mut sorts = plans.clone();
    for _ in 0..REPETITIONS {
        for (load, (plans, sorts)) in layers.iter().zip(plans.iter_mut().zip(&mut sorts)) {
            let mut keys = sort_keys(load, case.slots, &mut random);
            let start = Instant::now();
            black_box(&mut keys).sort_unstable();
            sorts.push(start.elapsed().as_secs_f64() * 1e6);
            black_box(keys);
            let start = Instant::now();
            planner.plan(case, load, options);
            plans.push(start.elapsed().as_secs_f64() * 1e6);
        }
    }
    let plans: Vec<f64> = plans.into_iter().map(median).collect();
    let sorts: Vec<f64> = sorts.into_iter().map(median).collect();
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
    let (plan_mean, sort_mean) = (mean(&plans), mean(&sorts));
    let (plan, sort) = (median(plans), median(sorts));
    println!(
        "| {} | {name} | {plan:.2} | {:.2} | {:.2} | {:.1} |",
        case.name,
        plan / sort,
        plan_mean / sort_mean,
        need.bytes().expect("a size") as f64 / 1024.0
    );
}

/// Runs one thing on the first layers again and again: under callgrind, the difference between two
/// counts of N is what N more cost.
fn run_once(case: &str, what: &str, times: usize) {
    let case = CASES.iter().find(|c| c.name == case).expect("a case");
    let layers = layers(case.experts);
    let mut random = StdRng::seed_from_u64(11);
    let keys: Vec<Vec<u64>> =
        layers.iter().map(|load| sort_keys(load, case.slots, &mut random)).collect();
    let mut sorted = keys[0].clone();
    let policy = POLICIES.iter().find(|(_, name)| *name == what).map(|(policy, _)| *policy);
    let options =
        Options { policy: policy.unwrap_or_default(), scope: Scope::Global, ..Options::default() };
    let mut planner = policy.map(|_| Planner::new(case, &need(case, &layers[0], &options)));
    for i in 0..times {
        match &mut planner {
            Some(planner) => planner.plan(case, &layers[i % layers.len()], &options),
            None => {
                sorted.copy_from_slice(&keys[i % keys.len()]);
                sorted.sort_unstable();
                black_box(&sorted);
            }
        }
    }
}

/// Plans layers on all windows of the trace but one, and sorts in between.
fn run_windows(case: &str, effort: u32, times: usize) {
    const WINDOWS: usize = 8;
    let case = CASES.iter().find(|c| c.name == case).expect("a case");
    let rows = layers(case.experts);
    let each = rows.len() / WINDOWS;
    let options = Options { effort, scope: Scope::Global, ..Options::default() };
    let mut random = StdRng::seed_from_u64(11);
    let (mut plans, mut sorts) = (Vec::new(), Vec::new());
    let mut planner: Option<Planner> = None;
    for i in 0..times {
        let (out, layer) = (i % WINDOWS, i * 7 % each);
        let kept = (0..WINDOWS).filter(|&window| window != out);
        let load: Vec<f32> = kept.flat_map(|window| rows[window * each + layer].clone()).collect();
        let spec = Spec { num_windows: WINDOWS as u32 - 1, ..spec(case, &load) };
        let planner = planner.get_or_insert_with(|| {
            let problem = Problem::new(&spec).expect("a problem");
            let need = eplb::workspace(Operation::Plan, problem.shape(), &options);
            Planner::new(case, &need.expect("a size"))
        });
        let mut keys = sort_keys(&rows[layer], case.slots, &mut random);
        let start = Instant::now();
        black_box(&mut keys).sort_unstable();
        sorts.push(start.elapsed().as_secs_f64() * 1e6);
        let start = Instant::now();
        planner.plan_spec(&spec, &options);
        plans.push(start.elapsed().as_secs_f64() * 1e6);
    }
    if times > 0 {
        let (plan, sort) = (median(plans), median(sorts));
        println!("{} effort {effort}: {plan:.1} us, {:.1} x the sort", case.name, plan / sort);
    }
}

/// Plans layers of one workload from the plan for another, and sorts in between: all pairs of workloads in
/// turn. The old plans are made before, once each: with N = 0 nothing else is done.
fn run_previous(case: &str, budget: u32, times: usize) {
    const WINDOWS: usize = 8;
    let case = CASES.iter().find(|c| c.name == case).expect("a case");
    let rows = layers(case.experts);
    let each = rows.len() / WINDOWS;
    let free = Options { scope: Scope::Global, ..Options::default() };
    let mut planner = Planner::new(case, &need(case, &rows[0], &free));
    let plan = |load: &Vec<f32>| {
        planner.plan(case, load, &free);
        planner.physical_to_logical.clone()
    };
    let old: Vec<Vec<i32>> = rows.iter().map(plan).collect();
    let options = |previous| Options { previous: Some(previous), max_moves: budget, ..free };
    let mut planner = Planner::new(case, &need(case, &rows[0], &options(&old[0])));
    let mut random = StdRng::seed_from_u64(11);
    let (mut plans, mut sorts) = (Vec::new(), Vec::new());
    for i in 0..times {
        let (from, by, layer) = (i % WINDOWS, 1 + i / WINDOWS % (WINDOWS - 1), i * 7 % each);
        let (from, to) = (from * each + layer, (from + by) % WINDOWS * each + layer);
        let mut keys = sort_keys(&rows[to], case.slots, &mut random);
        let start = Instant::now();
        black_box(&mut keys).sort_unstable();
        sorts.push(start.elapsed().as_secs_f64() * 1e6);
        let options = options(&old[from]);
        let start = Instant::now();
        planner.plan(case, &rows[to], &options);
        plans.push(start.elapsed().as_secs_f64() * 1e6);
    }
    if times > 0 {
        let (plan, sort) = (median(plans), median(sorts));
        println!("{} budget {budget}: {plan:.1} us, {:.1} x the sort", case.name, plan / sort);
    }
}
