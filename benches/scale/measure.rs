//! Every operation, timed against the sort.

use super::case::{Case, Layer, Memory, Planner, WINDOWS, bytes, need};
use eplb::{
    Batch, Flags, Metrics, Operation, Options, Placement, Policy, Problem, QuotasMut, Scope, Shape,
    Spec, Split, SplitKind, TransferEvent, Transition,
};
use rand::seq::SliceRandom;
use rand::{SeedableRng, rngs::StdRng};
use std::hint::black_box;
use std::time::Instant;

const SECONDS: f64 = 2.0; // after which an operation is not repeated again
const REPETITIONS: usize = 7;

pub fn evaluate(spec: &Spec, scope: Scope, memory: &mut Memory, slots: &[i32]) -> Metrics {
    let problem = Problem::new(spec).expect("a problem");
    let mut found = Metrics::default();
    let report = &mut |_: usize, metrics: &Metrics| found = *metrics;
    eplb::evaluate(&problem, scope, false, memory.arena(), &Placement::of(slots), report)
        .expect("metrics");
    found
}

/// What a call did, in words beside the balance.
#[derive(Default)]
pub struct Result {
    pub balance: f64,
    pub gap: f64,
    pub note: String,
}

/// Times and results of an operation over the layers of a case.
#[derive(Default)]
pub struct Row {
    pub time: f64, // us, median layer
    pub largest: f64,
    pub sort: f64,
    pub balance: f64, // mean
    pub gap: f64,     // largest
    pub note: String,
}

pub fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Microseconds of a call. From a millisecond on those of this thread alone, where the system says so: others run
/// on a shared machine meanwhile.
pub fn timed(action: impl FnOnce()) -> f64 {
    let before = of_this_thread();
    let start = Instant::now();
    action();
    let wall = start.elapsed().as_secs_f64() * 1e6;
    if wall < 1e3 {
        return wall;
    }
    let after = of_this_thread();
    before.zip(after).map_or(wall, |(before, after)| (after - before).min(wall))
}

/// Microseconds that this thread has run, as Linux counts them whenever it lets go of the processor.
pub fn of_this_thread() -> Option<f64> {
    std::thread::yield_now();
    let line = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    line.split(' ').next()?.parse::<f64>().ok().map(|nanoseconds| nanoseconds / 1e3)
}

/// Sort and operation take turns on every layer, and all layers pass before the first comes again, shuffled anew.
/// A layer's figure is the least of its repetitions: calls of milliseconds meet others on a shared machine.
/// `run` does it once, `judge` says afterwards what came of it.
pub fn measure<T>(
    layers: &[Layer],
    state: &mut T,
    run: impl Fn(&mut T, &Layer),
    judge: impl Fn(&mut T, &Layer) -> Result,
) -> Row {
    let mut times = vec![Vec::new(); layers.len()];
    let mut sorts = times.clone();
    let mut results: Vec<Result> = Vec::new();
    let mut random = StdRng::seed_from_u64(11);
    let start = Instant::now();
    for turn in 0..REPETITIONS {
        for (at, layer) in layers.iter().enumerate() {
            if turn > 0 && start.elapsed().as_secs_f64() > SECONDS {
                break;
            }
            let mut keys = layer.keys.clone();
            keys.shuffle(&mut random);
            sorts[at].push(timed(|| black_box(&mut keys).sort_unstable()));
            black_box(keys);
            times[at].push(timed(|| run(state, layer)));
            if turn == 0 {
                results.push(judge(state, layer));
            }
        }
    }
    let least = |times: Vec<f64>| times.into_iter().fold(f64::INFINITY, f64::min);
    let times: Vec<f64> = times.into_iter().map(least).collect();
    Row {
        largest: times.iter().copied().fold(0.0, f64::max),
        time: median(times),
        sort: median(sorts.into_iter().map(least).collect()),
        balance: results.iter().map(|r| r.balance).sum::<f64>() / results.len() as f64,
        gap: results.iter().map(|r| r.gap).fold(0.0, f64::max),
        note: results.pop().map(|r| r.note).unwrap_or_default(),
    }
}

/// Which plan of a case.
#[derive(Clone, Copy)]
pub struct Plan {
    pub policy: Policy,
    pub scope: Scope,
    pub windows: usize,
    pub mean: bool, // planned on the mean of the windows, scored on each
    pub previous: bool,
    pub budget: u32,
    pub effort: u32,
}

pub const GLOBAL: Plan = Plan {
    policy: Policy::Balanced,
    scope: Scope::Global,
    windows: 1,
    mean: false,
    previous: false,
    budget: 0,
    effort: 0,
};

impl Plan {
    pub fn options<'a>(&self, layer: &'a Layer) -> Options<'a> {
        Options {
            policy: self.policy,
            scope: self.scope,
            effort: self.effort,
            max_moves: self.budget,
            previous: self.previous.then_some(&layer.old),
            ..Options::default()
        }
    }

    pub fn spec<'a>(&self, case: &Case, layer: &'a Layer) -> Spec<'a> {
        if self.mean { case.spec(&layer.mean) } else { self.scored(case, layer) }
    }

    pub fn scored<'a>(&self, case: &Case, layer: &'a Layer) -> Spec<'a> {
        let load = &layer.load[..self.windows * case.experts];
        Spec { num_windows: self.windows as u32, ..case.spec(load) }
    }

    pub fn bytes(&self, case: &Case, layer: &Layer) -> usize {
        bytes(need(Operation::Plan, &self.spec(case, layer), &self.options(layer)))
    }

    pub fn measure(&self, case: &Case, layers: &[Layer]) -> Row {
        let first = &layers[0];
        let mut planner = Planner::new(case, &self.spec(case, first), &self.options(first));
        let run = |planner: &mut Planner, layer: &Layer| {
            planner.plan(&self.spec(case, layer), &self.options(layer));
        };
        let judge = |planner: &mut Planner, layer: &Layer| {
            let spec = self.scored(case, layer);
            let options = Options { scope: self.scope, ..Options::default() };
            let mut memory = Memory::new(need(Operation::Evaluate, &spec, &options));
            let found = evaluate(&spec, self.scope, &mut memory, &planner.slots);
            let moved = planner.slots.iter().zip(&layer.old).filter(|(new, old)| new != old);
            let note = if self.previous {
                format!("{} slots change", moved.count())
            } else {
                String::new()
            };
            Result { balance: found.balance, gap: found.gap, note }
        };
        measure(layers, &mut planner, run, judge)
    }
}

pub fn plans(case: &Case) -> [(&'static str, Plan); 9] {
    let hierarchical = Plan { scope: Scope::Hierarchical, ..GLOBAL };
    let previous = Plan { previous: true, ..GLOBAL };
    [
        ("DEEPSEEK", Plan { policy: Policy::Deepseek, ..GLOBAL }),
        ("DEEPSEEK, nodes", Plan { policy: Policy::Deepseek, ..hierarchical }),
        ("BALANCED", GLOBAL),
        ("BALANCED, nodes", hierarchical),
        ("BALANCED, budget P / 6", Plan { budget: case.budget(), ..previous }),
        ("BALANCED, renamed", previous),
        ("BALANCED, 8 windows", Plan { windows: WINDOWS, ..GLOBAL }),
        ("8 windows, budget P / 6", Plan { windows: WINDOWS, budget: case.budget(), ..previous }),
        (
            "mean of 8, budget P / 6",
            Plan { windows: WINDOWS, mean: true, budget: case.budget(), ..previous },
        ),
    ]
}

pub fn of_evaluate(case: &Case, layers: &[Layer]) -> (Row, usize) {
    let spec = case.spec(&[]);
    let size = need(Operation::Evaluate, &spec, &Options::default());
    let run = |memory: &mut Memory, layer: &Layer| {
        let spec = case.spec(layer.window(case, 0));
        black_box(evaluate(&spec, Scope::Global, memory, &layer.old));
    };
    let judge = |memory: &mut Memory, layer: &Layer| {
        let spec = case.spec(layer.window(case, 0));
        let found = evaluate(&spec, Scope::Global, memory, &layer.old);
        Result { balance: found.balance, gap: found.gap, note: String::new() }
    };
    (measure(layers, &mut Memory::new(size), run, judge), bytes(size))
}

/// The list from the old plan to the one for the newest window, with one spare buffer.
pub fn of_transfers(case: &Case, layers: &[Layer], plan: Plan) -> (Row, usize) {
    let size = need(Operation::Transfers, &case.spec(&[]), &plan.options(&layers[0]));
    let mut planner = Planner::new(case, &plan.spec(case, &layers[0]), &plan.options(&layers[0]));
    let plan_of = |layer: &Layer| {
        planner.plan(&plan.spec(case, layer), &plan.options(layer));
        planner.slots.clone()
    };
    let new: Vec<Vec<i32>> = layers.iter().map(plan_of).collect();
    let list = |memory: &mut Memory, layer: &Layer| {
        let at = layers.iter().position(|other| std::ptr::eq(other, layer)).unwrap_or_default();
        let spec = case.spec(&[]);
        let shape = Shape::new(&spec).expect("a shape");
        let transition = Transition {
            from: Placement::of(&layer.old),
            to: Placement::of(&new[at]),
            spare_buffers: 1,
            flags: Flags::NONE,
        };
        let report = &mut |event: TransferEvent| {
            black_box(&event);
        };
        eplb::transfers(&shape, &transition, memory.arena(), 2 * case.slots, report)
            .expect("a list")
    };
    let run = |memory: &mut Memory, layer: &Layer| {
        black_box(list(memory, layer));
    };
    let judge = |memory: &mut Memory, layer: &Layer| {
        let totals = list(memory, layer);
        let note = format!("{} transfers, {} rounds", totals.moved, totals.rounds);
        Result { balance: 0.0, gap: 0.0, note }
    };
    (measure(layers, &mut Memory::new(size), run, judge), bytes(size))
}

pub fn of_dispatch(case: &Case, layers: &[Layer], sources: bool, effort: u32) -> (Row, usize) {
    let size = need(Operation::Dispatch, &case.spec(&[]), &Options::default());
    let width = case.slots * if sources { case.gpus } else { 1 };
    let mut state = (Memory::new(size), vec![0; width], Split::default());
    let run = |(memory, quota, split): &mut (Memory, Vec<u32>, Split), layer: &Layer| {
        let spec = case.spec(&[]);
        let shape = Shape::new(&spec).expect("a shape");
        let tokens = if sources { &layer.by_source } else { &layer.tokens };
        let batch = Batch { tokens, by_source: sources, effort };
        let out = QuotasMut { quota, route_end: None, route_slot: None, max_replicas: 0 };
        let report = &mut |_: usize, found: &Split| *split = *found;
        let placement = Placement::of(&layer.old);
        eplb::dispatch(&shape, memory.arena(), &placement, &batch, out, Some(report))
            .expect("a split");
        black_box(quota);
    };
    let judge = |(_, _, split): &mut (Memory, Vec<u32>, Split), _: &Layer| {
        let note = match split.kind {
            SplitKind::Exact => "exact",
            SplitKind::Time => "least time, effort spent on traffic",
            SplitKind::Even => "even, effort spent",
        };
        Result { balance: split.balance, gap: 0.0, note: note.to_string() }
    };
    (measure(layers, &mut state, run, judge), bytes(size))
}
