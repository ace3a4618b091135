//! Replicas for every batch, as CSV: `cargo bench --bench batch -- loop|drift|held`, all three without a word. What a layer
//! has is the mean over the layers of the trace at EPLB_TRACE, or of the generated one of the demo.
//!
//! Homes: an expert each once, in order or by BALANCED on all windows but one; batches are drawn from that one. Beside
//! the library, plain forms of the rules of MoonEP and UltraEP (`rivals`); they run on GPUs where they are at home, so
//! their microseconds are those of a plain form on this machine.

#[path = "../../tests/common/batches.rs"]
mod batches;
#[path = "../../tests/common/mod.rs"]
mod common;
#[allow(dead_code)] // the demo uses more of it
#[path = "../../cli/src/generate.rs"]
mod generate;
#[path = "../../tests/common/loads.rs"]
mod loads;
mod measure;
#[path = "../../tests/common/replicate.rs"]
mod replicate;
mod rivals;
#[allow(dead_code)] // the judge of seconds uses more of it
#[path = "../../tests/common/steps.rs"]
mod steps;
#[allow(dead_code)]
#[path = "../../cli/src/trace.rs"]
mod trace;
#[allow(dead_code)]
#[path = "../../tests/common/unseen.rs"]
mod unseen;

use batches::{Loads, Means};
use eplb::Request;
use measure::{Case, eplb_row, rival_rows};
use trace::Trace;

const TOLERANCES: [u32; 4] = [0, 10, 51, 102];

fn main() {
    let trace = match std::env::var_os("EPLB_TRACE") {
        Some(path) => Trace::read(path.as_ref()).unwrap_or_else(|error| panic!("{error}")),
        None => generate::deepseek_v3(1),
    };
    let asked: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let wanted = |what: &str| asked.is_empty() || asked.iter().any(|word| word == what);
    if wanted("loop") {
        every_batch(&trace);
    }
    if wanted("drift") {
        drift(&trace);
    }
    if wanted("held") {
        held(&trace);
    }
}

/// Balance, fetches, tokens moved and time of every size: ours, and theirs.
fn every_batch(trace: &Trace) {
    let loads = Loads::new(trace, trace.windows.len() - 1);
    println!("{}", measure::HEADER);
    for gpus in [8, 32, 64, 128] {
        let homes = [
            ("contiguous", loads.contiguous()),
            ("balanced", loads.balanced(gpus, &loads.windows)),
        ];
        for tokens in [256, 1024, 4096, 16_384] {
            let batch = loads.batch(gpus, tokens, 1);
            for (name, home) in &homes {
                let case = Case { name, gpus, tokens, home, batch: &batch, loads: &loads };
                eplb_row(&case, 0, 0);
                rival_rows(&case);
                for spare in [1, 2, 4] {
                    TOLERANCES.iter().for_each(|&tolerance| eplb_row(&case, spare, tolerance));
                }
            }
        }
    }
}

/// Batches of every window in turn, by what their homes were planned on.
fn drift(trace: &Trace) {
    println!("drift,gpus,spare,tolerance,planned_on,balance,fetches,bound,moved_percent,above");
    for (gpus, spare) in [(32, 1), (32, 2), (64, 1)] {
        for tolerance in [10, 51] {
            let windows = trace.windows.len();
            let mut sums = [
                ("contiguous", Vec::new()),
                ("another", Vec::new()),
                ("all_others", Vec::new()),
                ("own", Vec::new()),
            ];
            for kept in 0..windows {
                let loads = Loads::new(trace, kept);
                let batch = loads.batch(gpus, 4096, 1);
                let request = Request { tokens: &batch, tolerance, ..Request::default() };
                let own = [loads.last.clone()];
                let homes = [
                    loads.contiguous(),
                    loads.balanced(gpus, &loads.windows[..1]),
                    loads.balanced(gpus, &loads.windows),
                    loads.balanced(gpus, &own),
                ];
                for (home, (_, reports)) in homes.iter().zip(&mut sums) {
                    reports.extend(loads.answer(gpus, home, spare, &request).reports);
                }
            }
            for (planned, reports) in sums {
                let means = Means::of(&reports, tolerance);
                println!(
                    "drift,{gpus},{spare},{tolerance},{planned},{:.4},{:.2},{:.2},{:.2},{}",
                    means.balance,
                    means.fetches,
                    means.fetches_bound,
                    means.moved * 100.0,
                    means.above
                );
            }
        }
    }
}

/// Batches of a window one after another: fetches from nothing, and from what the spare slots hold.
fn held(trace: &Trace) {
    const BATCHES: u64 = 6;
    println!("held,homes,gpus,tokens,spare,tolerance,fetches,fetches_held,above,above_held");
    let loads = Loads::new(trace, trace.windows.len() - 1);
    for (gpus, tokens) in [(32, 4096), (32, 256), (64, 4096)] {
        let batches: Vec<Vec<u32>> =
            (1..=BATCHES).map(|seed| loads.batch(gpus, tokens, seed)).collect();
        let homes = [
            ("contiguous", loads.contiguous()),
            ("balanced", loads.balanced(gpus, &loads.windows)),
        ];
        for (name, home) in &homes {
            for spare in [1, 2, 4] {
                for tolerance in [10, 51] {
                    let answer = |tokens: &[u32], held: Option<&[i32]>| {
                        let request = Request { tokens, tolerance, held, ..Request::default() };
                        loads.answer(gpus, home, spare, &request)
                    };
                    let mut last = answer(&batches[0], None).slots;
                    let (mut without, mut with) = (Vec::new(), Vec::new());
                    for tokens in &batches[1..] {
                        without.extend(answer(tokens, None).reports);
                        let next = answer(tokens, Some(&last));
                        with.extend(next.reports);
                        last = next.slots;
                    }
                    let (without, with) =
                        (Means::of(&without, tolerance), Means::of(&with, tolerance));
                    println!(
                        "held,{name},{gpus},{tokens},{spare},{tolerance},{:.2},{:.2},{},{}",
                        without.fetches, with.fetches, without.above, with.above
                    );
                }
            }
        }
    }
}
