//! What grows how: every operation up to 4,096 experts and 1,024 GPUs, as a ratio to "the sort" (benches/plan.rs)
//! in the same run. `cargo bench --bench scale -- grid|effort|whole|memory [NAME]` prints a table of docs/SCALE.md,
//! without arguments all four; NAME keeps the cases that contain it. `once CASE WHAT N` plans N layers, for
//! callgrind.
//!
//! Loads: lognormal, one part lasting and one of the window, as skewed as those of DeepSeek-V3
//! (docs/BENCHMARKS.md, "The generated trace against the real one").

use eplb::{
    Arena, Batch, Metrics, Need, Operation, Options, Placement, PlacementMut, Policy, Problem,
    QuotasMut, Scope, Shape, Spec, Split, SplitKind, TrackerConfig, TransferEvent,
};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng, rngs::StdRng};
use rand_distr::{Distribution, Normal};
use std::hint::black_box;
use std::time::Instant;

const WINDOWS: usize = 8;
const LAYERS: usize = 5; // that a case is measured on
const REPETITIONS: usize = 7;
const SECONDS: f64 = 2.0; // after which an operation is not repeated again
const ALL_LAYERS: usize = 100;

/// E -> P / G on nodes of 8 GPUs, two groups a node. Cases of a family differ in size alone.
#[derive(Clone, Copy)]
struct Case {
    family: &'static str,
    experts: usize,
    slots: usize,
    gpus: usize,
}

const fn case(family: &'static str, experts: usize, slots: usize, gpus: usize) -> Case {
    Case { family, experts, slots, gpus }
}

const CASES: [Case; 15] = [
    case("9 slots a GPU", 256, 288, 32),
    case("9 slots a GPU", 512, 576, 64),
    case("9 slots a GPU", 1024, 1152, 128),
    case("9 slots a GPU", 2048, 2304, 256),
    case("9 slots a GPU", 4096, 4608, 512),
    case("5 slots a GPU", 256, 320, 64),
    case("5 slots a GPU", 512, 640, 128),
    case("5 slots a GPU", 1024, 1280, 256),
    case("5 slots a GPU", 2048, 2560, 512),
    case("5 slots a GPU", 4096, 5120, 1024),
    case("2 slots a GPU", 256, 512, 256),
    case("2 slots a GPU", 512, 1024, 512),
    case("2 slots a GPU", 1024, 2048, 1024),
    case("1 slot a GPU", 256, 1024, 1024),
    case("8 slots, half replicas", 4096, 8192, 1024),
];

impl Case {
    fn name(&self) -> String {
        format!("{}-{}-{}", self.experts, self.slots, self.gpus)
    }

    fn spec<'a>(&self, load: &'a [f32]) -> Spec<'a> {
        let nodes = (self.gpus / 8) as u32;
        Spec {
            num_windows: 1,
            num_layers: 1,
            num_logical_experts: self.experts as u32,
            num_physical_experts: self.slots as u32,
            num_groups: 2 * nodes,
            num_nodes: nodes,
            num_gpus: self.gpus as u32,
            load,
            ..Spec::default()
        }
    }

    /// Slots that a plan may change: a sixth, as 48 of 288.
    fn budget(&self) -> u32 {
        (self.slots / 6) as u32
    }
}

/// A layer: its windows one after another, the sort's keys, a batch, and the plan for the second window.
struct Layer {
    load: Vec<f32>,
    keys: Vec<u64>,
    tokens: Vec<u32>,
    by_source: Vec<u32>,
    old: Vec<i32>,
}

impl Layer {
    fn window(&self, case: &Case, window: usize) -> &[f32] {
        &self.load[window * case.experts..][..case.experts]
    }
}

fn layer(case: &Case, random: &mut StdRng) -> Layer {
    let normal = Normal::new(0.0, 1.0).expect("a distribution");
    let lasting: Vec<f64> = (0..case.experts).map(|_| 0.55 * normal.sample(random)).collect();
    let load: Vec<f32> = (0..WINDOWS)
        .flat_map(|_| lasting.clone())
        .map(|lasting| ((lasting + 0.33 * normal.sample(random)).exp() * 1e4) as f32)
        .collect();
    let now = &load[..case.experts];
    let total: f64 = now.iter().map(|&load| f64::from(load)).sum();
    // 128 tokens x 8 experts from each GPU
    let mut by_source = vec![0; case.gpus * case.experts];
    let mut tokens = vec![0; case.experts];
    for row in by_source.chunks_exact_mut(case.experts) {
        for ((count, sum), &load) in row.iter_mut().zip(&mut tokens).zip(now) {
            *count = (f64::from(load) / total * 1024.0 + random.random::<f64>()) as u32;
            *sum += *count;
        }
    }
    let key = |slot: usize| (u64::from(now[slot % now.len()].to_bits()) << 32) | slot as u64;
    let mut keys: Vec<u64> = (0..case.slots).map(key).collect();
    keys.shuffle(random);
    let mut layer = Layer { load, keys, tokens, by_source, old: Vec::new() };
    let global = Options { scope: Scope::Global, ..Options::default() };
    let mut planner = Planner::new(case, &case.spec(layer.window(case, 1)), &global);
    planner.plan(&case.spec(layer.window(case, 1)), &global);
    layer.old = planner.slots;
    layer
}

fn layers(case: &Case, count: usize) -> Vec<Layer> {
    let mut random = StdRng::seed_from_u64(7);
    (0..count).map(|_| layer(case, &mut random)).collect()
}

/// The pools of a workspace.
struct Memory(Vec<u64>, Vec<f64>, Vec<u32>, Vec<f32>);

impl Memory {
    fn new(need: Need) -> Self {
        let Need { u64s, f64s, u32s, f32s } = need;
        Memory(vec![0; u64s], vec![0.0; f64s], vec![0; u32s], vec![0.0; f32s])
    }

    fn arena(&mut self) -> Arena<'_> {
        Arena::new(&mut self.0, &mut self.1, &mut self.2, &mut self.3)
    }
}

fn need(operation: Operation, spec: &Spec, options: &Options) -> Need {
    let shape = Shape::new(spec).expect("a shape");
    eplb::workspace(operation, &shape, options).expect("a size")
}

fn bytes(need: Need) -> usize {
    8 * (need.u64s + need.f64s) + 4 * (need.u32s + need.f32s)
}

/// A planner with its memory.
struct Planner {
    memory: Memory,
    slots: Vec<i32>,
    rank: Vec<i32>,
    count: Vec<i32>,
}

impl Planner {
    fn new(case: &Case, spec: &Spec, options: &Options) -> Self {
        let layers = spec.num_layers as usize;
        Planner {
            memory: Memory::new(need(Operation::Plan, spec, options)),
            slots: vec![0; layers * case.slots],
            rank: vec![0; layers * case.slots],
            count: vec![0; layers * case.experts],
        }
    }

    fn plan(&mut self, spec: &Spec, options: &Options) {
        let problem = Problem::new(spec).expect("a problem");
        let maps = PlacementMut {
            physical_to_logical: &mut self.slots,
            replica_rank: Some(&mut self.rank),
            logical_count: Some(&mut self.count),
            logical_to_physical: None,
            max_replicas: 0,
        };
        eplb::plan(&problem, options, self.memory.arena(), maps, None).expect("a plan");
        black_box(&self.slots);
    }
}

fn evaluate(spec: &Spec, scope: Scope, memory: &mut Memory, slots: &[i32]) -> Metrics {
    let problem = Problem::new(spec).expect("a problem");
    let mut found = Metrics::default();
    let report = &mut |_: usize, metrics: &Metrics| found = *metrics;
    eplb::evaluate(&problem, scope, false, memory.arena(), &Placement::of(slots), report)
        .expect("metrics");
    found
}

/// What a call did, in words beside the balance.
#[derive(Default)]
struct Result {
    balance: f64,
    gap: f64,
    note: String,
}

/// Times and results of an operation over the layers of a case.
#[derive(Default)]
struct Row {
    time: f64, // us, median layer
    largest: f64,
    sort: f64,
    balance: f64, // mean
    gap: f64,     // largest
    note: String,
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Microseconds of a call. From a millisecond on those of this thread alone, where the system says so: others run
/// on a shared machine meanwhile.
fn timed(action: impl FnOnce()) -> f64 {
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
fn of_this_thread() -> Option<f64> {
    std::thread::yield_now();
    let line = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    line.split(' ').next()?.parse::<f64>().ok().map(|nanoseconds| nanoseconds / 1e3)
}

/// Sort and operation take turns on every layer, and all layers pass before the first comes again, shuffled anew.
/// A layer's figure is the least of its repetitions: calls of milliseconds meet others on a shared machine.
/// `run` does it once, `judge` says afterwards what came of it.
fn measure<T>(
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
struct Plan {
    policy: Policy,
    scope: Scope,
    windows: usize,
    previous: bool,
    budget: u32,
    effort: u32,
}

const GLOBAL: Plan = Plan {
    policy: Policy::Balanced,
    scope: Scope::Global,
    windows: 1,
    previous: false,
    budget: 0,
    effort: 0,
};

impl Plan {
    fn options<'a>(&self, layer: &'a Layer) -> Options<'a> {
        Options {
            policy: self.policy,
            scope: self.scope,
            effort: self.effort,
            max_moves: self.budget,
            previous: self.previous.then_some(&layer.old),
            ..Options::default()
        }
    }

    fn spec<'a>(&self, case: &Case, layer: &'a Layer) -> Spec<'a> {
        let load = &layer.load[..self.windows * case.experts];
        Spec { num_windows: self.windows as u32, ..case.spec(load) }
    }

    fn bytes(&self, case: &Case, layer: &Layer) -> usize {
        bytes(need(Operation::Plan, &self.spec(case, layer), &self.options(layer)))
    }

    fn measure(&self, case: &Case, layers: &[Layer]) -> Row {
        let first = &layers[0];
        let mut planner = Planner::new(case, &self.spec(case, first), &self.options(first));
        let run = |planner: &mut Planner, layer: &Layer| {
            planner.plan(&self.spec(case, layer), &self.options(layer));
        };
        let judge = |planner: &mut Planner, layer: &Layer| {
            let spec = self.spec(case, layer);
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

fn plans(case: &Case) -> [(&'static str, Plan); 7] {
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
    ]
}

fn measure_evaluate(case: &Case, layers: &[Layer]) -> (Row, usize) {
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
fn measure_transfers(case: &Case, layers: &[Layer], plan: Plan) -> (Row, usize) {
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
        let options = Options { previous: Some(&layer.old), ..Options::default() };
        let (new, most) = (Placement::of(&new[at]), 2 * case.slots);
        let report = &mut |event: TransferEvent| {
            black_box(&event);
        };
        eplb::transfers(&shape, &options, memory.arena(), &new, 1, most, report).expect("a list")
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

fn measure_dispatch(case: &Case, layers: &[Layer], sources: bool, effort: u32) -> (Row, usize) {
    let size = need(Operation::Dispatch, &case.spec(&[]), &Options::default());
    let width = case.slots * if sources { case.gpus } else { 1 };
    let mut state = (Memory::new(size), vec![0; width], Split::default());
    let run = |(memory, quota, split): &mut (Memory, Vec<u32>, Split), layer: &Layer| {
        let spec = case.spec(&[]);
        let shape = Shape::new(&spec).expect("a shape");
        let tokens = if sources { &layer.by_source } else { &layer.tokens };
        let batch = Batch { tokens, by_source: sources };
        let out = QuotasMut { quota, route_end: None, route_slot: None, max_replicas: 0 };
        let report = &mut |_: usize, found: &Split| *split = *found;
        let placement = Placement::of(&layer.old);
        eplb::dispatch(&shape, effort, memory.arena(), &placement, &batch, out, Some(report))
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

/// What a case's operations came to.
struct Column {
    case: Case,
    sort: f64,
    rows: Vec<(&'static str, Row, usize)>,
}

fn measure_all(case: &Case) -> Column {
    let layers = layers(case, LAYERS);
    let mut rows = Vec::new();
    for (what, plan) in plans(case) {
        rows.push((what, plan.measure(case, &layers), plan.bytes(case, &layers[0])));
    }
    let renamed = Plan { previous: true, ..GLOBAL };
    let budgeted = Plan { budget: case.budget(), ..renamed };
    for (what, (row, bytes)) in [
        ("evaluate", measure_evaluate(case, &layers)),
        ("transfers, budget", measure_transfers(case, &layers, budgeted)),
        ("transfers, renamed", measure_transfers(case, &layers, renamed)),
        ("dispatch", measure_dispatch(case, &layers, false, 0)),
        ("dispatch by source", measure_dispatch(case, &layers, true, 0)),
    ] {
        rows.push((what, row, bytes));
    }
    let sort = median(rows.iter().map(|(_, row, _)| row.sort).collect());
    Column { case: *case, sort, rows }
}

/// A table with a line a case and a column for some of the operations.
fn table(columns: &[Column], from: usize, to: usize, cell: fn(&Row, usize) -> String) {
    let Some(first) = columns.first() else { return };
    let names: Vec<&str> = first.rows[from..to].iter().map(|(name, ..)| *name).collect();
    println!("\n| case | the sort, us | {} |", names.join(" | "));
    println!("|---|---|{}", "---|".repeat(names.len()));
    for column in columns {
        let cells = column.rows[from..to].iter().map(|(_, row, bytes)| cell(row, *bytes));
        let cells: Vec<String> = cells.collect();
        println!("| {} | {:.1} | {} |", column.case.name(), column.sort, cells.join(" | "));
    }
}

/// Every operation of every case, then the exponents: time = c P^x by least squares over a family.
fn grid(filter: &str) {
    let cases = CASES.iter().filter(|case| case.name().contains(filter));
    let columns: Vec<Column> = cases.map(measure_all).collect();
    let time = |row: &Row, _: usize| {
        format!("{:.0} ({:.1}, {:.1})", row.time, row.time / row.sort, row.largest / row.sort)
    };
    println!("us a layer (x the sort: median layer, largest)");
    table(&columns, 0, 7, time);
    table(&columns, 7, 12, time);
    println!("\nbalance, mean (largest gap)");
    table(&columns, 0, 8, |row, _| format!("{:.4} ({:.2} %)", row.balance, row.gap * 100.0));
    println!("\nworkspace, KiB");
    table(&columns, 0, 12, |_, bytes| format!("{:.1}", bytes as f64 / 1024.0));
    println!("\nwhat they do, last layer");
    table(&columns, 4, 12, |row, _| row.note.clone());

    let mut families: Vec<&str> = columns.iter().map(|column| column.case.family).collect();
    families.dedup();
    families.retain(|f| columns.iter().filter(|c| c.case.family == *f).count() > 2);
    println!("\ntime ~ P^x (workspace ~ P^x)\n\n| what | {} |", families.join(" | "));
    println!("|---|{}", "---|".repeat(families.len()));
    for (at, what) in columns.first().map_or(&[][..], |c| &c.rows).iter().map(|r| r.0).enumerate() {
        let cells = families.iter().map(|family| {
            let of: Vec<&Column> = columns.iter().filter(|c| c.case.family == *family).collect();
            let exponent = |y: fn(&(&str, Row, usize)) -> f64| {
                let points = of.iter().map(|c| ((c.case.slots as f64).ln(), y(&c.rows[at]).ln()));
                slope(&points.collect::<Vec<_>>())
            };
            format!("{:.2} ({:.2})", exponent(|r| r.1.time), exponent(|r| r.2 as f64))
        });
        println!("| {what} | {} |", cells.collect::<Vec<_>>().join(" | "));
    }
}

fn slope(points: &[(f64, f64)]) -> f64 {
    let n = points.len() as f64;
    let (x, y) = points.iter().fold((0.0, 0.0), |(x, y), p| (x + p.0 / n, y + p.1 / n));
    let (mut up, mut down) = (0.0, 0.0);
    for point in points {
        up += (point.0 - x) * (point.1 - y);
        down += (point.0 - x) * (point.0 - x);
    }
    up / down
}

/// What less and more effort give, where plans are dear.
fn effort(filter: &str) {
    println!(
        "| case | what | effort | us a layer | x the sort | x (largest) | ms for {ALL_LAYERS} layers | balance | largest gap | |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    let dear = [(4096, 4608), (4096, 5120), (1024, 2048), (4096, 8192)];
    for case in CASES.iter().filter(|case| case.name().contains(filter)) {
        if !dear.contains(&(case.experts, case.slots)) {
            continue;
        }
        let layers = layers(case, LAYERS);
        let print = |what: &str, effort: u32, row: Row| {
            println!(
                "| {} | {what} | {} | {:.0} | {:.1} | {:.1} | {:.0} | {:.5} | {} | {} |",
                case.name(),
                if effort == 0 { "default".to_string() } else { effort.to_string() },
                row.time,
                row.time / row.sort,
                row.largest / row.sort,
                row.time * ALL_LAYERS as f64 / 1e3,
                row.balance,
                if row.gap > 0.0 { format!("{:.2} %", row.gap * 100.0) } else { String::new() },
                row.note,
            );
        };
        let budgeted = Plan { previous: true, budget: case.budget(), ..GLOBAL };
        let robust = Plan { windows: WINDOWS, ..GLOBAL };
        let (gpus, slots) = (case.gpus as u32, case.slots as u32);
        for (what, plan, efforts) in [
            ("BALANCED", GLOBAL, [1, 10_000, 50_000, 0, 1_000_000, 5_000_000]),
            ("BALANCED, budget P / 6", budgeted, [1, 10_000, 50_000, 0, 1_000_000, 5_000_000]),
            (
                "BALANCED, 8 windows",
                robust,
                [1, 250 * gpus, 1_000 * gpus, 4_000 * gpus, 0, 6 * gpus * (1_500 + 8 * gpus)],
            ),
        ] {
            for effort in efforts {
                print(what, effort, Plan { effort, ..plan }.measure(case, &layers));
            }
        }
        for effort in [1, 4 * slots, 64 * slots, 256 * slots, 1_024 * slots, 0] {
            print("dispatch by source", effort, measure_dispatch(case, &layers, true, effort).0);
        }
    }
}

/// All layers in one call against the sum of as many calls: time and workspace.
fn whole(filter: &str) {
    println!(
        "| case | policy | {ALL_LAYERS} layers in one call, ms | layer by layer, ms | sorts, ms | workspace KiB, of 1 layer |\n|---|---|---|---|---|---|"
    );
    for case in CASES.iter().filter(|case| case.name().contains(filter)) {
        if ![(256, 288), (4096, 5120)].contains(&(case.experts, case.slots)) {
            continue;
        }
        let layers = layers(case, ALL_LAYERS);
        let load: Vec<f32> = layers.iter().flat_map(|l| l.window(case, 0)).copied().collect();
        let spec = Spec { num_layers: ALL_LAYERS as u32, ..case.spec(&load) };
        for (what, policy) in [("DEEPSEEK", Policy::Deepseek), ("BALANCED", Policy::Balanced)] {
            let options = Options { policy, scope: Scope::Global, ..Options::default() };
            let size = bytes(need(Operation::Plan, &spec, &options));
            let mut planner = Planner::new(case, &spec, &options);
            let all = timed(|| planner.plan(&spec, &options));
            let mut one = Planner::new(case, &case.spec(layers[0].window(case, 0)), &options);
            let (mut single, mut sort) = (0.0, 0.0);
            for (layer, row) in layers.iter().zip(planner.slots.chunks_exact(case.slots)) {
                let mut keys = layer.keys.clone();
                sort += timed(|| black_box(&mut keys).sort_unstable());
                black_box(keys);
                single += timed(|| one.plan(&case.spec(layer.window(case, 0)), &options));
                assert!(one.slots == row, "a layer does not depend on the others");
            }
            let of_one = bytes(need(Operation::Plan, &case.spec(&[]), &options));
            println!(
                "| {} | {what} | {:.1} | {:.1} | {:.1} | {:.1}, {:.1} |",
                case.name(),
                all / 1e3,
                single / 1e3,
                sort / 1e3,
                size as f64 / 1024.0,
                of_one as f64 / 1024.0
            );
        }
    }
}

/// What a rank keeps for all layers, in MiB.
fn memory(filter: &str) {
    println!(
        "| case | layers | `physical_to_logical` | with rank and count | `logical_to_physical`, 8 wide | tracker, 8 windows | quotas by source, a layer | routes by source, 8 wide, a layer |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let mib = |elements: usize| elements as f64 * 4.0 / f64::from(1 << 20);
    for case in CASES.iter().filter(|case| case.name().contains(filter)) {
        for layers in [58, ALL_LAYERS] {
            let config = TrackerConfig {
                num_windows: WINDOWS as u32,
                num_layers: layers as u32,
                num_logical_experts: case.experts as u32,
                steps_per_window: 0,
            };
            println!(
                "| {} | {layers} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} |",
                case.name(),
                mib(layers * case.slots),
                mib(layers * (2 * case.slots + case.experts)),
                mib(layers * case.experts * 8),
                config.need().expect("a size").bytes() as f64 / f64::from(1 << 20),
                mib(case.gpus * case.slots),
                mib(case.gpus * case.experts * 8),
            );
        }
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let what = arguments.first().map_or("", String::as_str);
    let filter = arguments.get(1).map_or("", String::as_str);
    if let [once, case, what, times] = arguments.as_slice()
        && once == "once"
    {
        return run_once(case, what, times.parse().expect("a number"));
    }
    type Table = (&'static str, fn(&str));
    let tables: [Table; 4] =
        [("grid", grid), ("effort", effort), ("whole", whole), ("memory", memory)];
    for (name, table) in tables {
        if what.is_empty() || what == name {
            table(filter);
            println!();
        }
    }
}

/// Plans the first layers again and again, for callgrind.
fn run_once(case: &str, what: &str, times: usize) {
    let case = CASES.iter().find(|c| c.name() == case).expect("a case");
    let layers = layers(case, LAYERS);
    let plans = plans(case);
    let (_, plan) = plans.iter().find(|(name, _)| *name == what).expect("a plan");
    let first = &layers[0];
    let mut planner = Planner::new(case, &plan.spec(case, first), &plan.options(first));
    for layer in layers.iter().cycle().take(times) {
        planner.plan(&plan.spec(case, layer), &plan.options(layer));
    }
}
