//! What an exact split is worth on a workload that the plan has not seen: the table of docs/BENCHMARKS.md, and
//! its floors as a gate.
//!
//! Every window of the trace in turn is the unseen one, in batches of 4,096 tokens x 8 experts; the placement is
//! planned on the mean of the others, and on the others as windows where a policy plans windows. The trace is the
//! CSV that EPLB_TRACE names, or else the generated one of the demo.

use crate::generate;
use crate::trace::Trace;
use crate::unseen::{Seen, balance, normalise};
use eplb::{Options, Policy, Scope};

/// The trace, and whether it is the published one.
fn load_trace() -> (Trace, bool) {
    match std::env::var_os("EPLB_TRACE") {
        Some(path) => (Trace::read(path.as_ref()).unwrap(), true),
        None => {
            println!("EPLB_TRACE names no trace: a generated one instead");
            (generate::deepseek_v3(1), false)
        }
    }
}

#[test]
fn an_exact_split_on_an_unseen_workload() {
    let (mut trace, published) = load_trace();
    trace.load.chunks_mut(trace.experts).for_each(normalise);
    let with = |policy| Options { policy, scope: Scope::Global, ..Options::default() };
    // floors on the published trace: DEEPSEEK and BALANCED on the mean, windows. A split is the best for its
    // placement (tests/library/dispatch.rs), so these are about placements
    let rows = [
        (288, 32, [0.904, 0.912, 0.978]),
        (288, 72, [0.778, 0.785, 0.0]),
        (320, 64, [0.847, 0.868, 0.0]),
    ];
    println!("slots/GPUs planned              even split  whole tokens  real numbers");
    for (slots, gpus, floors) in rows {
        for ((how, seen, name), floor) in [
            (&with(Policy::Deepseek), Seen::Mean, "DEEPSEEK on the mean"),
            (&with(Policy::Balanced), Seen::Mean, "BALANCED on the mean"),
            (&with(Policy::Balanced), Seen::Windows, "BALANCED on windows"),
        ]
        .into_iter()
        .zip(floors)
        {
            let Some([even, whole, real]) = balance(&trace, (slots, gpus), how, seen) else {
                println!("{slots}/{gpus:<3} {name:24} not planned by this version");
                continue;
            };
            println!("{slots}/{gpus:<3} {name:24} {even:.4} {whole:.4} {real:.4}");
            assert!(whole > even);
            assert!(whole >= floor || !published, "{slots}/{gpus} {name}: {whole}");
        }
    }
}
