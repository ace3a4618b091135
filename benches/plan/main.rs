//! Planning time per layer, as a ratio to "the sort": `sort_unstable` of the layer's P keys packed as
//! u64 (load bits << 32 | slot), in shuffled order, in the same run; and the balance that it buys.
//! `cargo bench --bench plan` prints the table of docs/BENCHMARKS.md as CSV; behind `--`
//! `loads` prints the loads of its cases, for benches/versus,
//! `once CASE POLICY|sort N` runs one thing N times, for callgrind,
//! `windows CASE EFFORT N` plans N layers of the trace on seven of its eight workloads,
//! `previous CASE BUDGET N` plans N layers of it from a plan for another workload.
//!
//! Loads: the trace at EPLB_TRACE when set, else generated ones.

mod cases;
#[allow(dead_code)] // the demo uses more of it
#[path = "../../cli/src/generate.rs"]
mod generate;
#[path = "../../tests/common/loads.rs"]
mod loads;
mod modes;
mod planner;
#[allow(dead_code)]
#[path = "../../cli/src/trace.rs"]
mod trace;

use std::hint::black_box;
use std::time::Instant;

use eplb::{Metrics, Operation, Options};
use rand::{SeedableRng, rngs::StdRng};

use cases::{CASES, Case, POLICIES, layers};
use planner::{Planner, mean, median, need, sort_keys, spec};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let number = |text: &str| text.parse().expect("a number");
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => table(),
        ["loads"] => cases::print_loads(),
        ["once", case, what, times] => modes::once(case, what, number(times)),
        ["windows", case, effort, times] => {
            modes::windows(case, number(effort) as u32, number(times));
        }
        ["previous", case, budget, times] => {
            modes::previous(case, number(budget) as u32, number(times));
        }
        _ => panic!("see the head of benches/plan/main.rs"),
    }
}

fn table() {
    println!(
        "case,policy,us,x,x_low,x_high,x_mean,x_largest,workspace,workspace_evaluate,workspace_check,\
         balance,worst,gap,gap_largest,duplicates,contiguous,layers"
    );
    for case in &CASES {
        let layers = layers(case);
        for (policy, name) in POLICIES {
            let options = case.options(policy);
            let need = |operation| need(operation, &spec(case, &layers[0]), &options);
            let mut planner = Planner::new(case, &need(Operation::Plan));
            let time = Time::of(case, &layers, &mut planner, &options);
            let quality = Quality::of(case, &layers, &mut planner, &options);
            let bytes = [Operation::Plan, Operation::Evaluate, Operation::Check]
                .map(|operation| need(operation).bytes().expect("a size").to_string());
            let bytes = bytes.join(",");
            println!("{},{name},{time},{bytes},{quality},{}", case.name, layers.len());
        }
    }
}

/// One run over all layers.
struct Run {
    us: f64,
    x: f64,
    x_mean: f64,
    x_largest: f64,
}

impl Run {
    /// Sort and plan take turns on every layer, so that noise meets both alike, and all layers pass before
    /// the first comes again, shuffled anew, so that no branch is learnt by heart. A layer's figure is the
    /// median of its repetitions.
    fn new(case: &Case, layers: &[Vec<f32>], planner: &mut Planner, options: &Options) -> Self {
        const REPETITIONS: usize = 5;
        let mut random = StdRng::seed_from_u64(11);
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
        let (x_mean, largest) =
            (mean(&plans) / mean(&sorts), plans.iter().copied().fold(0.0, f64::max));
        let (us, sort) = (median(plans), median(sorts));
        Run { us, x: us / sort, x_mean, x_largest: largest / sort }
    }
}

/// Several runs: the median of each figure, and the range of the ratio.
struct Time(Vec<Run>);

impl Time {
    fn of(case: &Case, layers: &[Vec<f32>], planner: &mut Planner, options: &Options) -> Self {
        const RUNS: usize = 9;
        Time((0..RUNS).map(|_| Run::new(case, layers, planner, options)).collect())
    }
}

impl std::fmt::Display for Time {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let all = |figure: fn(&Run) -> f64| self.0.iter().map(figure);
        let median = |figure| median(all(figure).collect());
        let (low, high) =
            (all(|run| run.x).fold(f64::INFINITY, f64::min), all(|run| run.x).fold(0.0, f64::max));
        let [us, x, x_mean] = [median(|run| run.us), median(|run| run.x), median(|run| run.x_mean)];
        write!(
            f,
            "{us:.3},{x:.3},{low:.3},{high:.3},{x_mean:.3},{:.2}",
            median(|run| run.x_largest)
        )
    }
}

/// How good the plans are.
struct Quality {
    metrics: Vec<Metrics>,
    /// Balance of the experts in order, without replicas.
    contiguous: f64,
}

impl Quality {
    fn of(case: &Case, layers: &[Vec<f32>], planner: &mut Planner, options: &Options) -> Self {
        let mut metrics = Vec::new();
        for load in layers {
            let report: eplb::Report = &mut |_, layer| metrics.push(*layer);
            planner.plan_spec(&spec(case, load), options, Some(report));
        }
        let contiguous =
            mean(&layers.iter().map(|load| contiguous(load, case.gpus)).collect::<Vec<_>>());
        Quality { metrics, contiguous }
    }
}

impl std::fmt::Display for Quality {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let all = |figure: fn(&Metrics) -> f64| self.metrics.iter().map(figure).collect::<Vec<_>>();
        let worst = all(|m| m.balance).into_iter().fold(1.0, f64::min);
        let largest = all(|m| m.gap).into_iter().fold(0.0, f64::max);
        let duplicates: u32 = self.metrics.iter().map(|m| m.duplicates).sum();
        let [balance, gap] = [mean(&all(|m| m.balance)), mean(&all(|m| m.gap))];
        write!(
            f,
            "{balance:.7},{worst:.7},{gap:.7},{largest:.7},{duplicates},{:.7}",
            self.contiguous
        )
    }
}

/// Balance of `load` in order: GPU g holds the experts from g E / G to (g + 1) E / G, rounded down.
fn contiguous(load: &[f32], gpus: usize) -> f64 {
    let first = |gpu: usize| gpu * load.len() / gpus;
    let sum = |load: &[f32]| load.iter().map(|&load| f64::from(load)).sum::<f64>();
    let largest = (0..gpus).map(|gpu| sum(&load[first(gpu)..first(gpu + 1)])).fold(0.0, f64::max);
    sum(load) / gpus as f64 / largest
}
