//! What plans are worth in time: every window of the trace that EPLB_TRACE names in turn is the unseen one, planned on
//! the others, and judged by batches that are drawn from it (tests/common/steps.rs).

use crate::common::plan_limited;
use crate::loads::Rng;
use crate::steps;
use crate::trace::Trace;
use crate::unseen::normalise;
use eplb::{Options, Scope, Spec};

/// The trace, each window of it of equally many tokens.
fn load_trace() -> Option<Trace> {
    let Some(path) = std::env::var_os("EPLB_TRACE") else {
        println!("EPLB_TRACE names no trace: nothing to judge");
        return None;
    };
    let mut trace = Trace::read(path.as_ref()).unwrap();
    trace.load.chunks_mut(trace.experts).for_each(normalise);
    Some(trace)
}

/// Mean time of a step in each of `tokens` a GPU, of the plan for tokens that the windows but the unseen one make,
/// split evenly.
fn even_times(trace: &Trace, (slots, gpus): (usize, usize), tokens: &[usize]) -> Vec<f64> {
    let (layers, experts) = (trace.layers.len(), trace.experts);
    let windows: Vec<&[f32]> = trace.load.chunks(layers * experts).collect();
    let mut sums = vec![0.0; tokens.len()];
    for (unseen, judged) in windows.iter().enumerate() {
        let seen = (0..windows.len()).filter(|&window| window != unseen);
        let load: Vec<f32> = seen.flat_map(|window| windows[window]).copied().collect();
        let spec = Spec {
            num_windows: windows.len() as u32 - 1,
            num_layers: layers as u32,
            num_logical_experts: experts as u32,
            num_physical_experts: slots as u32,
            num_gpus: gpus as u32,
            load: &load,
            ..Spec::default()
        };
        let global = Options { scope: Scope::Global, ..Options::default() };
        let plan = plan_limited(&spec, &global, 0).unwrap();
        for (sum, &tokens) in sums.iter_mut().zip(tokens) {
            for (layer, (load, slots)) in judged.chunks(experts).zip(plan.chunks(slots)).enumerate()
            {
                let rng = &mut Rng((unseen * layers + layer) as u64);
                let batch = steps::batch(rng, load, tokens * gpus);
                *sum += steps::time(&steps::even(rng, slots, &batch), gpus);
            }
        }
    }
    sums.iter().map(|sum| sum / (windows.len() * layers) as f64).collect()
}

/// With few tokens each replica costs what reading its weights takes, however they are split: a ninth slot a GPU makes
/// a step slower. Where tokens are what takes time, it makes it faster.
#[test]
fn copies_cost_time_where_tokens_are_few() {
    let Some(trace) = load_trace() else { return };
    let tokens = [4, 16, 64, 1024];
    let [none, copies] = [256, 288].map(|slots| even_times(&trace, (slots, 32), &tokens));
    for (tokens, (none, copies)) in tokens.iter().zip(none.iter().zip(&copies)) {
        println!("EP32, {tokens} tokens a GPU: 256 slots {none:.1} us, 288 slots {copies:.1} us");
    }
    assert!((none[1] - 110.3).abs() < 0.3 && (copies[1] - 121.5).abs() < 0.3);
    assert!(none[0] + 11.0 < copies[0] && none[1] + 11.0 < copies[1]);
    assert!(none[2] > copies[2] + 5.0 && none[3] > copies[3] + 40.0);
}
