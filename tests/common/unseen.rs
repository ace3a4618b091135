//! What a plan is worth on a workload that it has not seen, tokens split evenly and exactly: for the floors of
//! tests/library/dispatch_balance.rs and the tables that benches/quality.rs measures.
//!
//! Every window of the trace in turn is the unseen one, in batches of 4,096 tokens x 8 experts.

use eplb::{
    Batch, Lengths, Operation, Options, Placement, QuotasMut, Shape, Spec, Split, SplitKind,
};

use super::common::{Memory, evaluate_with, plan};
use super::trace::Trace;

const TOKENS: u64 = 4096 * 8;

/// Windows count alike, however long they are.
pub fn normalise(load: &mut [f32]) {
    let total: f64 = load.iter().map(|&load| f64::from(load)).sum();
    load.iter_mut().for_each(|load| *load = (f64::from(*load) * TOKENS as f64 / total) as f32);
}

/// Loads as whole tokens that sum to a batch: rounded down, the largest remainders up.
fn batch(load: &[f32]) -> Vec<u32> {
    let total: f64 = load.iter().map(|&load| f64::from(load)).sum();
    let exact: Vec<f64> =
        load.iter().map(|&load| f64::from(load) * TOKENS as f64 / total).collect();
    let mut tokens: Vec<u32> = exact.iter().map(|exact| exact.floor() as u32).collect();
    let left = TOKENS - tokens.iter().map(|&tokens| u64::from(tokens)).sum::<u64>();
    let mut order: Vec<usize> = (0..load.len()).collect();
    order.sort_by(|&a, &b| (exact[b] % 1.0).total_cmp(&(exact[a] % 1.0)));
    order.iter().take(left as usize).for_each(|&expert| tokens[expert] += 1);
    tokens
}

fn dispatch(spec: &Spec, slots: &[i32], tokens: &[u32]) -> Vec<Split> {
    let shape = Shape::new(spec).unwrap();
    let need = eplb::workspace(Operation::Dispatch, &shape, &Options::default()).unwrap();
    let mut quota = vec![0; Lengths::new(&shape, false, 0).unwrap().quota];
    let out = QuotasMut { quota: &mut quota, route_end: None, route_slot: None, max_replicas: 0 };
    let mut splits = Vec::new();
    let report = &mut |_: usize, split: &Split| splits.push(*split);
    let (placement, batch) = (Placement::of(slots), Batch { tokens, by_source: false, effort: 0 });
    let mut memory = Memory::new(&need);
    eplb::dispatch(&shape, memory.arena(), &placement, &batch, out, Some(report)).unwrap();
    splits
}

/// What a plan is made of.
#[derive(Clone, Copy, PartialEq)]
pub enum Seen {
    Mean,
    Windows,
}

/// Mean balance over unseen windows and layers: even split, whole tokens, real numbers. None when the policy
/// does not plan that.
pub fn balance(
    trace: &Trace,
    (slots, gpus): (usize, usize),
    how: &Options,
    seen: Seen,
) -> Option<[f64; 3]> {
    let (layers, experts) = (trace.layers.len(), trace.experts);
    let windows: Vec<&[f32]> = trace.load.chunks(layers * experts).collect();
    let mut sums = [0.0; 3];
    for (unseen, scored) in windows.iter().enumerate() {
        let others = || windows.iter().enumerate().filter(|&(w, _)| w != unseen).map(|(_, w)| *w);
        let load: Vec<f32> = match seen {
            Seen::Mean => (0..layers * experts)
                .map(|i| (others().map(|w| f64::from(w[i])).sum::<f64>()) as f32)
                .collect(),
            Seen::Windows => others().flatten().copied().collect(),
        };
        let spec = Spec {
            num_layers: layers as u32,
            num_logical_experts: experts as u32,
            num_physical_experts: slots as u32,
            num_gpus: gpus as u32,
            ..Spec::default()
        };
        let num_windows = if seen == Seen::Mean { 1 } else { windows.len() as u32 - 1 };
        let planned = plan(&Spec { load: &load, num_windows, ..spec }, how).ok()?;
        let tokens: Vec<u32> = scored.chunks(experts).flat_map(batch).collect();
        let load: Vec<f32> = tokens.iter().map(|&tokens| tokens as f32).collect();
        let slots = &planned.physical_to_logical;
        let splits = dispatch(&spec, slots, &tokens);
        let judged = evaluate_with(
            &Spec { load: &load, ..spec },
            &Placement::of(slots),
            eplb::Flags::DISPATCH,
        );
        for (metrics, split) in judged.unwrap().iter().zip(&splits) {
            assert_eq!(split.kind, SplitKind::Exact);
            assert!(metrics.dispatch_balance >= split.balance * (1.0 - 1e-9));
            assert!(metrics.dispatch_balance >= metrics.balance * (1.0 - 1e-9));
            sums[0] += metrics.balance;
            sums[1] += split.balance;
            sums[2] += metrics.dispatch_balance;
        }
    }
    Some(sums.map(|sum| sum / (windows.len() * layers) as f64))
}
