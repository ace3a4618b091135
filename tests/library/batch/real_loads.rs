//! Real loads: homes planned on seven windows of the trace, batches drawn from the eighth.
//!
//! The bars hold on the trace that EPLB_TRACE names; on a generated one that answers are within the tolerance.

use crate::batches::{Loads, Means};
use crate::generate;
use crate::trace::Trace;
use eplb::Request;

fn load_trace() -> (Trace, bool) {
    match std::env::var_os("EPLB_TRACE") {
        Some(path) => (Trace::read(path.as_ref()).unwrap(), true),
        None => (generate::deepseek_v3(1), false),
    }
}

/// What an answer to 4,096 tokens a GPU may take: GPUs, spare slots, tolerance, fetches, part of the tokens moved.
type Row = (usize, bool, usize, u32, f64, f64);

const ROWS: [Row; 4] = [
    (32, true, 1, 10, 13.5, 0.015),
    (32, true, 1, 51, 3.7, 0.007),
    (32, false, 2, 10, 23.4, 0.16),
    (64, true, 1, 10, 35.0, 1.0),
];

#[test]
fn bars_on_real_loads() {
    let (trace, published) = load_trace();
    let loads = Loads::new(&trace, trace.windows.len() - 1);
    let mut missed = Vec::new();
    for (gpus, balanced, spare, tolerance, fetches, moved) in ROWS {
        let home = if balanced { loads.balanced(gpus, &loads.windows) } else { loads.contiguous() };
        let tokens = loads.batch(gpus, 4096, 1);
        let request = Request { tokens: &tokens, tolerance, ..Request::default() };
        let answer = loads.answer(gpus, &home, spare, &request);
        let means = Means::of(&answer.reports, tolerance);
        println!(
            "EP{gpus} {} {spare} {tolerance}: {means:?}",
            if balanced { "BALANCED" } else { "contiguous" }
        );
        let worst = answer.reports.iter().enumerate().max_by_key(|(_, report)| report.fetches);
        println!("  most fetches: {:?}", worst.unwrap());
        assert_eq!(means.above, 0);
        if published && (means.fetches > fetches || means.moved > moved) {
            missed.push((gpus, balanced, spare, tolerance, means.fetches, means.moved));
        }
    }
    assert!(missed.is_empty(), "{missed:?}");
}
