//! What grows how: every operation up to 4,096 experts and 1,024 GPUs, as a ratio to "the sort" (benches/plan.rs)
//! in the same run. `cargo bench --bench scale -- grid|effort|whole|memory [NAME]` prints a table of docs/BENCHMARKS.md, "At scale",
//! without arguments all four; NAME keeps the cases that contain it. `once CASE WHAT N` plans N layers, for
//! callgrind.
//!
//! Loads: lognormal, one part lasting and one of the window, as skewed as those of DeepSeek-V3
//! (docs/BENCHMARKS.md, "The generated trace against the real one").

#[path = "scale/case.rs"]
mod case;
#[path = "scale/measure.rs"]
mod measure;

use case::{CASES, Case, Layer, Planner, WINDOWS, bytes, layers, need};
use eplb::{Operation, Options, Policy, Scope, Spec, TrackerConfig};
use measure::{GLOBAL, Plan, Row, median, plans, timed};
use std::hint::black_box;

const ALL_LAYERS: usize = 100;
const LAYERS: usize = 5; // that a case is measured on
/// What a case's operations came to.
struct Column {
    case: Case,
    sort: f64,
    rows: Vec<(&'static str, Row, usize)>,
}

type Measure = fn(&Case, &[Layer]) -> (Row, usize);

/// What is measured beside plans.
const OTHERS: [(&str, Measure); 5] = [
    ("evaluate", measure::of_evaluate),
    ("transfers, budget", |case, layers| {
        let budgeted = Plan { previous: true, budget: case.budget(), ..GLOBAL };
        measure::of_transfers(case, layers, budgeted)
    }),
    ("transfers, renamed", |case, layers| {
        measure::of_transfers(case, layers, Plan { previous: true, ..GLOBAL })
    }),
    ("dispatch", |case, layers| measure::of_dispatch(case, layers, false, 0)),
    ("dispatch by source", |case, layers| measure::of_dispatch(case, layers, true, 0)),
];

fn measure_all(case: &Case) -> Column {
    let layers = layers(case, LAYERS);
    let mut rows = Vec::new();
    for (what, plan) in plans(case) {
        rows.push((what, plan.measure(case, &layers), plan.bytes(case, &layers[0])));
    }
    for (what, operation) in OTHERS {
        let (row, bytes) = operation(case, &layers);
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
    table(&columns, 0, 9, time);
    table(&columns, 9, 14, time);
    println!("\nbalance, mean (largest gap)");
    table(&columns, 0, 10, |row, _| format!("{:.4} ({:.2} %)", row.balance, row.gap * 100.0));
    println!("\nworkspace, KiB");
    table(&columns, 0, 14, |_, bytes| format!("{:.1}", bytes as f64 / 1024.0));
    println!("\nwhat they do, last layer");
    table(&columns, 4, 14, |row, _| row.note.clone());

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
        let full = gpus * (1_500 + 8 * gpus); // the default for several windows
        let tries: [(&str, Plan, &[u32]); 4] = [
            ("BALANCED", GLOBAL, &[1, 0, 1_000_000, 5_000_000]),
            ("BALANCED, budget P / 6", budgeted, &[10_000, 50_000, 0, 1_000_000]),
            (
                "8 windows, budget P / 6",
                Plan { windows: WINDOWS, ..budgeted },
                &[50_000, 0, 1_000_000, 5_000_000],
            ),
            ("BALANCED, 8 windows", robust, &[1, 1_000 * gpus, full / 2, 0, 6 * full]),
        ];
        for (what, plan, efforts) in tries {
            for &effort in efforts {
                print(what, effort, Plan { effort, ..plan }.measure(case, &layers));
            }
        }
        for effort in [1, 64 * slots, 1_024 * slots, 0] {
            let (row, _) = measure::of_dispatch(case, &layers, true, effort);
            print("dispatch by source", effort, row);
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

/// Plans the first layers again and again, for callgrind; what is not a case and a plan of this bench is another's.
fn run_once(case: &str, what: &str, times: usize) {
    let Some(case) = CASES.iter().find(|c| c.name() == case) else { return };
    let layers = layers(case, LAYERS);
    if let Some((_, operation)) = OTHERS.iter().find(|(name, _)| *name == what) {
        for _ in 0..times {
            let (row, _) = operation(case, &layers);
            println!("{:.0} us, {:.1} sorts", row.time, row.time / row.sort);
        }
        return;
    }
    let plans = plans(case);
    let Some((_, plan)) = plans.iter().find(|(name, _)| *name == what) else { return };
    let first = &layers[0];
    let mut planner = Planner::new(case, &plan.spec(case, first), &plan.options(first));
    for layer in layers.iter().cycle().take(times) {
        planner.plan(&plan.spec(case, layer), &plan.options(layer));
    }
}
