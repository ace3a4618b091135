//! Change detection on published traces: a change of domain is found at once, in every layer and in both orders;
//! workloads that are different but no change are kept whatever their order.
//!
//! EPLB_TRACES names the folder with qwen15_moe_bookcorpus.csv, qwen15_moe_wikitext.csv, deepseek_v3.csv and
//! gemma_moe_by_workload.csv; those that are not there are left out. Without it generated windows of the demo's
//! DeepSeek-V3 shape stand in for the workloads.

use crate::generate;
use crate::trace::Trace;
use eplb::{Change, Windows, WindowsShape, window_weights};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

fn read(name: &str) -> Option<Trace> {
    let path = std::path::Path::new(&std::env::var_os("EPLB_TRACES")?).join(name);
    path.exists().then(|| Trace::read(&path).unwrap())
}

/// How many of the newest of `windows` count, layer by layer.
fn counted(trace: &Trace, windows: &[usize], each_layer: bool) -> Vec<u32> {
    let layers = trace.layers.len();
    let load: Vec<f32> = windows.iter().flat_map(|&w| trace.window(w)).copied().collect();
    let sizes = [windows.len(), layers, trace.experts].map(|n| n as u32);
    let ring = Windows::new(WindowsShape::new(sizes, 0, 0).unwrap(), &load, None).unwrap();
    let mut weight = vec![0.0; layers * windows.len()];
    let mut counted = vec![0; layers];
    let change = Change { each_layer, ..Change::default() };
    window_weights(&ring, &change, &mut weight, Some(&mut counted)).unwrap();
    counted
}

#[test]
fn a_change_of_domain_is_found_at_once() {
    let files = ["qwen15_moe_bookcorpus.csv", "qwen15_moe_wikitext.csv"].map(read);
    let [Some(books), Some(wiki)] = files else {
        println!("EPLB_TRACES names no Qwen traces");
        return;
    };
    for (first, second) in [(&books, &wiki), (&wiki, &books)] {
        let mut joined = first.clone();
        joined.load.extend(&second.load);
        joined.windows.extend(second.windows.clone());
        let change = first.windows.len();
        for each_layer in [false, true] {
            for seen in [4, 6, 8, 12] {
                for next in seen..=joined.windows.len() {
                    let windows: Vec<usize> = (next - seen..next).collect();
                    let new = next.saturating_sub(change);
                    let expected = if (1..seen).contains(&new) { new } else { seen };
                    let found = counted(&joined, &windows, each_layer);
                    assert!(
                        found.iter().all(|&counted| counted as usize == expected),
                        "{seen} windows before {next}: {found:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn different_workloads_are_kept_in_any_order() {
    let real = ["deepseek_v3.csv", "gemma_moe_by_workload.csv"].into_iter().filter_map(read);
    for trace in real.chain((1..20).map(generate::deepseek_v3)) {
        let all = trace.windows.len();
        let mut rng = StdRng::seed_from_u64(1);
        let mut windows: Vec<usize> = (0..all).collect();
        for _ in 0..100 {
            // the order of the file first; all, or as leave-one-out sees them
            let from = rng.random_range(0..2);
            let found = counted(&trace, &windows[from..], false);
            assert!(
                found.iter().all(|&counted| counted as usize == all - from),
                "{}, {windows:?} from {from}: {found:?}",
                trace.source
            );
            windows.shuffle(&mut rng);
        }
    }
}
