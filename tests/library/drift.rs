//! One strategy for a load that stays and for one that changes: robust planning on the windows that count.
//!
//! EPLB_TRACES names the folder with the Qwen traces; without them nothing is measured, nor while BALANCED plans a
//! single window.

use crate::common::{evaluate, plan};
use crate::trace::Trace;
use eplb::{Change, Options, Scope, Spec, Status, Windows, WindowsShape, window_weights};

const SEEN: usize = 8;

/// Mean balance over the layers in window `unseen`, of a plan on the `SEEN` windows before that count.
fn balance(trace: &Trace, unseen: usize) -> Result<f64, Status> {
    let layers = trace.layers.len();
    let load =
        &trace.load[(unseen - SEEN) * layers * trace.experts..][..SEEN * layers * trace.experts];
    let shape = WindowsShape::new([SEEN, layers, trace.experts].map(|n| n as u32), 0, 0)?;
    let mut weight = vec![0.0; layers * SEEN];
    let windows = Windows::new(shape, load, None)?;
    window_weights(&windows, &Change::default(), &mut weight, None)?;
    let spec = Spec {
        num_windows: SEEN as u32,
        num_layers: layers as u32,
        num_logical_experts: trace.experts as u32,
        num_physical_experts: 72,
        num_gpus: 12,
        load,
        window_weight: Some(&weight),
        ..Spec::default()
    };
    let options = Options { scope: Scope::Global, ..Options::default() };
    let planned = plan(&spec, &options)?;
    let next = Spec { num_windows: 1, load: trace.window(unseen), window_weight: None, ..spec };
    let metrics = evaluate(&next, &planned.placement())?;
    Ok(metrics.iter().map(|layer| layer.balance).sum::<f64>() / layers as f64)
}

#[test]
fn best_before_and_after_a_change() {
    let Some(folder) = std::env::var_os("EPLB_TRACES") else {
        println!("EPLB_TRACES names no traces");
        return;
    };
    let read = |domain| {
        let name = format!("qwen15_moe_{domain}.csv");
        Trace::read(&std::path::Path::new(&folder).join(name)).unwrap()
    };
    // floors of the steps 8-19, 21-27, 28-39
    for (domains, floors) in [
        (["bookcorpus", "wikitext"], [0.895, 0.886, 0.913]),
        (["wikitext", "bookcorpus"], [0.913, 0.880, 0.895]),
    ] {
        let [mut trace, second] = domains.map(read);
        let change = trace.windows.len();
        trace.windows.extend(second.windows);
        trace.load.extend(second.load);
        let phases = [SEEN..change, change + 1..change + SEEN, change + SEEN..trace.windows.len()];
        for (steps, floor) in phases.into_iter().zip(floors) {
            let len = steps.len() as f64;
            let sum: Result<f64, Status> = steps.clone().map(|step| balance(&trace, step)).sum();
            let mean = match sum {
                Err(Status::UnsupportedWindows) => {
                    println!("BALANCED plans a single window");
                    return;
                }
                sum => sum.unwrap() / len,
            };
            println!("{domains:?} {steps:?}: {mean:.4}, floor {floor}");
            assert!(mean >= floor);
        }
    }
}
