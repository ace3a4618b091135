//! Starts that no plan left behind: the map that engines begin with, call after call within a limit on moves.

use crate::common::plan;
use crate::generate;
use crate::loads;
use crate::moves::{global, mean, spec};
use crate::trace::Trace;
use eplb::{EPLB_MOVES_NONE, Flags, Options, Policy, Scope, Spec};
use std::collections::BTreeSet;

/// Experts in order, then replicas of the first: what vLLM begins with.
fn start_map(experts: usize, slots: usize, layers: usize) -> Vec<i32> {
    (0..layers).flat_map(|_| (0..slots).map(|slot| (slot % experts) as i32)).collect()
}

/// What came of some calls.
struct Reached {
    mean: f64,
    worst: f64,
    /// Layers below DEEPSEEK's plan from nothing.
    below: usize,
}

/// Call after call, each from the last plan; what is reached after each.
fn run(problem: &Spec, moves: u32, calls: usize) -> Vec<Reached> {
    let theirs = plan(problem, &global(Policy::Deepseek)).unwrap();
    let [experts, slots] = [problem.num_logical_experts, problem.num_physical_experts];
    let mut old = start_map(experts as usize, slots as usize, problem.num_layers as usize);
    let calls = (0..calls).map(|_| {
        let previous = Some(&old[..]);
        let options = Options { previous, max_moves: moves, ..global(Policy::Balanced) };
        let new = plan(problem, &options).unwrap();
        let below = new.metrics.iter().zip(&theirs.metrics);
        let below = below.filter(|(ours, theirs)| ours.balance < theirs.balance - 1e-12).count();
        let worst = new.metrics.iter().map(|m| m.balance).fold(1.0, f64::min);
        let reached = Reached { mean: mean(&new, |m| m.balance), worst, below };
        old = new.physical_to_logical;
        reached
    });
    calls.collect()
}

/// A sixth of the slots a call: after four calls and after eight as good as a plan from nothing, or nearly.
fn reaches(name: &str, problem: &Spec, floors: [f64; 2], below: usize) {
    let reached = run(problem, problem.num_physical_experts / 6, 8);
    for (calls, floor) in [4, 8].into_iter().zip(floors) {
        let Reached { mean, worst, below } = reached[calls - 1];
        println!("{name}, {calls} calls: {mean:.4}, worst {worst:.4}, {below} below DEEPSEEK's");
        assert!(mean >= floor);
    }
    assert!(reached[7].below <= below);
}

#[test]
fn call_after_call() {
    let (trace, published) = match std::env::var_os("EPLB_TRACE") {
        Some(path) => (Trace::read(path.as_ref()).unwrap(), true),
        None => (generate::deepseek_v3(1), false),
    };
    for window in [0, 3, 6] {
        let load = trace.window(window % trace.windows.len());
        for (slots, gpus, floors, below) in [
            (288, 32, [0.993, 0.999], 0),
            (320, 64, [0.99, 0.998], 1),
            (288, 72, [0.975, 0.996], 2),
        ] {
            let problem = spec(load, trace.experts, slots, gpus);
            let floors = if published { floors } else { [0.9, 0.95] };
            let below = if published { below } else { usize::MAX };
            reaches(&format!("window {window}, {slots}/{gpus}"), &problem, floors, below);
        }
    }
    for (sigma, floors) in [(0.7, [0.999, 0.999]), (1.0, [0.999, 0.999]), (1.5, [0.975, 0.985])] {
        for (experts, slots, gpus) in [(256, 288, 32), (512, 576, 64), (128, 144, 16)] {
            let load: Vec<f32> =
                (0..10).flat_map(|seed| loads::lognormal(experts, sigma, seed)).collect();
            let name = format!("lognormal {sigma}, {slots}/{gpus}");
            reaches(&name, &spec(&load, experts, slots, gpus), floors, 2);
        }
    }
}

/// Replicas that are not on the node that most of their group are on.
fn astray(slots: &[i32], size: usize, nodes: usize) -> usize {
    let groups: BTreeSet<usize> = slots.iter().map(|&expert| expert as usize / size).collect();
    let each = slots.len() / nodes;
    let of = |group| {
        let on = |node: &[i32]| node.iter().filter(|&&e| e as usize / size == group).count();
        let on: Vec<usize> = slots.chunks(each).map(on).collect();
        on.iter().sum::<usize>() - on.iter().max().unwrap()
    };
    groups.into_iter().map(of).sum()
}

/// Groups lie on several nodes: no limit and no flag is refused, no call makes it worse, and they come together.
#[test]
fn groups_on_several_nodes() {
    let mut starts = 0;
    for (nodes, gpus, slots) in (SHAPES.iter()).flat_map(|&(nodes, gpus, spares)| {
        spares.iter().map(move |&spare| (nodes, gpus, 256 + spare))
    }) {
        let load = loads::lognormal(256, 1.0, 7);
        let spec = Spec { num_groups: 8, num_nodes: nodes, ..spec(&load, 256, slots, gpus) };
        let start = start_map(256, slots, 1);
        let before = astray(&start, 32, nodes as usize);
        let step = |old: &[i32], max_moves, per_pair, flags| {
            let scope = Scope::Hierarchical;
            let previous = Some(old);
            let options = Options { scope, previous, max_moves, flags, ..Options::default() };
            let options = Options { max_moves_per_gpu_pair: per_pair, ..options };
            plan(&spec, &options).unwrap().physical_to_logical
        };
        for (moves, per_pair, flags) in [
            (1, 0, Flags::NONE),
            (0, 1, Flags::NONE),
            (EPLB_MOVES_NONE, 0, Flags::NONE),
            (48, 0, Flags::FILL_ONLY),
        ] {
            let after = astray(&step(&start, moves, per_pair, flags), 32, nodes as usize);
            assert!(after <= before, "{nodes} {gpus} {slots}: {before} -> {after}");
        }
        let mut old = start.clone();
        let mut left = vec![before];
        while left.len() < 12 && left[left.len() - 1] > 0 {
            old = step(&old, 48, 0, Flags::NONE);
            left.push(astray(&old, 32, nodes as usize));
        }
        println!("{nodes} nodes, {slots}/{gpus}: astray {left:?}");
        assert_eq!(left.last(), Some(&0));
        assert_eq!(astray(&step(&start, slots as u32, 0, Flags::NONE), 32, nodes as usize), 0);
        starts += usize::from(before > 0);
    }
    assert!(starts > 10);
}

/// Nodes, GPUs, and spare slots.
const SHAPES: [(u32, usize, &[usize]); 5] = [
    (2, 16, &[0, 16, 32, 64, 256]),
    (4, 32, &[0, 32, 64, 128]),
    (8, 32, &[32, 64]),
    (8, 64, &[64, 128, 256]),
    (2, 64, &[64]),
];
