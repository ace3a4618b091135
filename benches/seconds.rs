//! What a step takes on loads that a plan has not seen, by the judge of tests/common/steps.rs, as CSV:
//! `cargo bench --bench seconds`. No times of this machine: all of it repeats exactly.
//!
//! Loads: the trace at EPLB_TRACE when set, else the generated one of the demo; all windows but the last are planned on.

#[path = "../tests/common/mod.rs"]
mod common;
#[allow(dead_code)] // the demo uses more of it
#[path = "../cli/src/generate.rs"]
mod generate;
#[path = "../tests/common/loads.rs"]
mod loads;
#[path = "../tests/common/step_times.rs"]
mod step_times;
#[path = "../tests/common/steps.rs"]
mod steps;
#[allow(dead_code)]
#[path = "../cli/src/trace.rs"]
mod trace;
#[allow(dead_code)]
#[path = "../tests/common/unseen.rs"]
mod unseen;

use step_times::Windows;
use trace::Trace;

fn main() {
    let mut trace = match std::env::var_os("EPLB_TRACE") {
        Some(path) => Trace::read(path.as_ref()).unwrap_or_else(|error| panic!("{error}")),
        None => generate::deepseek_v3(1),
    };
    trace.load.chunks_mut(trace.experts).for_each(unseen::normalise);
    let (layers, experts) = (trace.layers.len(), trace.experts);
    let (seen, judged) = trace.load.split_at((trace.windows.len() - 1) * layers * experts);
    let windows = Windows { layers, experts, seen, judged };
    println!("case,tokens,none,even,planned");
    for (slots, gpus, tokens) in [
        (288, 32, 4),
        (288, 32, 16),
        (288, 32, 64),
        (288, 32, 256),
        (288, 32, 1024),
        (320, 64, 8),
        (320, 64, 512),
    ] {
        let [none, even, _, planned, _] = windows.row(slots, gpus, tokens);
        println!("{experts}-{slots}-{gpus},{tokens},{none:.2},{even:.2},{planned:.2}");
    }
}
