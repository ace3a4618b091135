//! BALANCED and its proof against the optimum of small problems: near it, and never above it.
//!
//! EPLB_LONG=1 runs many more problems, EPLB_SEED=n others.

use crate::common::{plan, plan_measured};
use crate::problems::General;
use crate::problems::loads::{self, Rng, long, seed, times};
use crate::reference::brute::{Fill, Gpus, Kept, optimum, optimum_in_nodes, optimum_that_keeps};
use eplb::{Flags, Options, Scope, Spec};

/// FIELD.md, case B.
const CASE_B: [[f32; 12]; 2] = [
    [90.0, 132.0, 40.0, 61.0, 104.0, 165.0, 39.0, 4.0, 73.0, 56.0, 183.0, 86.0],
    [20.0, 107.0, 104.0, 64.0, 19.0, 197.0, 187.0, 157.0, 172.0, 86.0, 16.0, 27.0],
];

#[test]
fn the_published_cases() {
    let load = CASE_B.concat();
    let spec = Spec {
        num_layers: 2,
        num_logical_experts: 12,
        num_physical_experts: 16,
        num_groups: 4,
        num_nodes: 2,
        num_gpus: 8,
        load: &load,
        ..Spec::default()
    };
    for (scope, optima) in [(Scope::Global, [136.0, 172.0]), (Scope::Hierarchical, [151.0, 179.5])]
    {
        let plan = plan(&spec, &Options { scope, ..Options::default() }).unwrap();
        for (metrics, optimum) in plan.metrics.iter().zip(optima) {
            assert!((metrics.max_gpu_load - optimum).abs() < 1e-9, "{scope:?} {metrics:?}");
            assert!(metrics.bound <= optimum * (1.0 + 1e-9));
        }
    }
}

/// The exhaustive search itself, where the answer is published. Some time in a debug build, hence the short one.
#[test]
fn the_exhaustive_search() {
    let gpus = |n| Gpus { speed: vec![1.0; n], slots: vec![2; n] };
    let loads = CASE_B.map(|load| load.map(f64::from));
    for (load, exact) in loads.iter().zip([151.0, 179.5]) {
        assert_eq!(optimum_in_nodes(load, 4, &[gpus(4), gpus(4)], Fill::Any), exact);
    }
    if long() {
        assert_eq!(loads.map(|load| optimum(&load, &gpus(8), Fill::Any)), [136.0, 172.0]);
    }
    assert_eq!(optimum(&[1.0; 4], &gpus(3), Fill::Any), 4.0 / 3.0); // counts 3 1 1 1
    assert_eq!(optimum(&[3.0], &Gpus { speed: vec![1.0, 0.5], slots: vec![1, 1] }, Fill::Any), 3.0);
    assert_eq!(optimum(&[1.0, 1.0], &gpus(0), Fill::Any), f64::INFINITY);
}

/// Plans against optima.
#[derive(Debug, Default)]
struct Score {
    problems: usize,
    met: usize,
    /// Largest plan / optimum - 1.
    excess: f64,
    /// Plans above the optimum by more than 3 %.
    far: usize,
    /// Plans whose own bound proves them optimal, to 1e-9.
    proven: usize,
    /// Sum of bound / optimum.
    bounds: f64,
}

impl Score {
    /// `optimum` is that of the placements that count, which no bound may exceed; `least` that of all.
    fn add(&mut self, problem: &General, options: &Options, optimum: f64, least: f64) {
        let metrics = plan(&problem.spec(), options).unwrap().metrics[0];
        let (plan, bound) = (metrics.max_gpu_load, metrics.bound);
        assert_eq!(metrics.duplicates, 0);
        assert!(bound <= optimum * (1.0 + 1e-9), "bound {bound}, optimum {optimum}: {problem:?}");
        assert!(plan >= least * (1.0 - 1e-9), "plan {plan}, optimum {least}: {problem:?}");
        self.problems += 1;
        self.met += usize::from(plan <= optimum * (1.0 + 1e-9));
        self.proven += usize::from(plan <= bound * (1.0 + 1e-9));
        self.bounds += if optimum > 0.0 { bound / optimum } else { 1.0 };
        if optimum > 0.0 {
            let excess = plan / optimum - 1.0;
            self.excess = self.excess.max(excess);
            self.far += usize::from(excess > 0.03);
            if excess > 1e-9 && self.problems - self.met <= 5 {
                println!("{:?}: {plan}, optimum {optimum}: {problem:?}", options.scope);
            }
        }
    }

    fn print(&self, name: &str) {
        let of = |n: usize| 100.0 * n as f64 / self.problems as f64;
        println!(
            "{name}: {} problems, optimum met in {:.2} %, {:.5} above at most, {} by more than 3 %; \
             proven optimal {:.1} %, mean bound / optimum {:.5}",
            self.problems,
            of(self.met),
            self.excess,
            self.far,
            of(self.proven),
            self.bounds / self.problems as f64
        );
    }
}

/// At most 7 experts, 4 GPUs, 10 slots; with and without speeds, uneven slots, a dead GPU. One layer.
fn small(rng: &mut Rng) -> General {
    loop {
        let (experts, gpus) = (rng.range(1, 7), rng.range(1, 4));
        let slots: Vec<u32> = if rng.once_in(2) {
            vec![rng.range(1, 10 / gpus) as u32; gpus]
        } else {
            (0..gpus).map(|_| rng.range(0, 5) as u32).collect()
        };
        let mut state = vec![eplb::EPLB_GPU_ALIVE; gpus];
        if gpus > 1 && rng.once_in(4) {
            state[rng.below(gpus)] = rng.pick(&[eplb::EPLB_GPU_DEAD, eplb::EPLB_GPU_LEAVING]);
        }
        let odd = 0.3 + rng.unit() as f32;
        let speed = (0..gpus).map(|_| rng.pick(&[1.0, 1.0, 0.5, 0.8, 2.0, odd])).collect();
        let load = loads::any(rng, experts);
        let problem = General {
            num_layers: 1,
            num_logical_experts: experts,
            num_groups: 1,
            num_nodes: 1,
            speed: rng.once_in(2).then_some(speed),
            node: None,
            state: rng.once_in(2).then_some(state),
            load,
            slots,
        };
        let all: u32 = problem.slots.iter().sum();
        if all <= 10 && problem.living_slots() >= experts {
            return problem;
        }
    }
}

/// The living GPUs of each node, or of all.
fn machine(problem: &General, nodes: usize) -> Vec<Gpus> {
    let mut machine = vec![Gpus::default(); nodes];
    for gpu in (0..problem.slots.len()).filter(|&gpu| problem.alive(gpu)) {
        let node = if nodes == 1 { 0 } else { problem.node(gpu) };
        machine[node].speed.push(f64::from(problem.speed(gpu)));
        machine[node].slots.push(problem.slots[gpu]);
    }
    machine
}

fn wide(load: &[f32]) -> Vec<f64> {
    load.iter().map(|&load| f64::from(load)).collect()
}

/// By how much it pays to leave slots empty, and how near the plans come with and without.
#[derive(Debug, Default)]
struct Scores {
    any: Score,
    full: Score,
    /// Even GPUs, then uneven slots, then speeds: how many, how many gain by an empty slot, by more than 3 %, at most.
    emptier: [(usize, usize, usize, f64); 3],
}

impl Scores {
    fn add(&mut self, problem: &General, scope: Scope, any: f64, full: f64) {
        let filled = Options { scope, ..Options::default() };
        self.full.add(problem, &filled, full, any);
        let flags = Flags::EMPTY_SLOTS;
        self.any.add(problem, &Options { flags, ..filled }, any, any);
        let slots = || (0..problem.slots.len()).filter(|&gpu| problem.alive(gpu));
        let kind = if slots().any(|gpu| problem.speed(gpu) != 1.0) {
            2
        } else {
            usize::from(
                !slots().all(|gpu| problem.slots[gpu] == problem.slots[slots().next().unwrap()]),
            )
        };
        let gain = if any > 0.0 { full / any - 1.0 } else { 0.0 };
        let emptier = &mut self.emptier[kind];
        emptier.0 += 1;
        emptier.1 += usize::from(gain > 1e-9);
        emptier.2 += usize::from(gain > 0.03);
        emptier.3 = gain.max(emptier.3);
    }

    fn print(&self, name: &str) {
        self.full.print(&format!("{name}, best full placement"));
        self.any.print(&format!("{name}, best placement"));
        for (kind, emptier) in ["even", "uneven slots", "speeds"].iter().zip(self.emptier) {
            let (all, some, much, most) = emptier;
            println!(
                "{name}, {kind}: {all}, better with an empty slot {some}, by > 3 % {much}, by {most:.3} at most"
            );
        }
    }
}

#[test]
fn small_problems() {
    let mut scores = Scores::default();
    for case in 0..times(5_000, 50_000) {
        let problem = small(&mut Rng(seed(case)));
        let gpus = &machine(&problem, 1)[0];
        let [any, full] =
            [Fill::Any, Fill::Full].map(|fill| optimum(&wide(&problem.load), gpus, fill));
        scores.add(&problem, Scope::Global, any, full);
    }
    scores.print("global");
    for Score { problems, met, excess, .. } in [scores.any, scores.full] {
        assert!(met as f64 >= 0.95 * problems as f64);
        assert!(excess <= 0.03);
    }
}

#[test]
fn small_problems_in_nodes() {
    let mut scores = Scores::default();
    let (mut case, wanted) = (0, times(2_000, 20_000));
    while scores.any.problems < wanted {
        let mut rng = Rng(seed(case));
        case += 1;
        let mut problem = small(&mut rng);
        problem.num_nodes = rng.range(1, 3).min(problem.slots.len());
        let experts = problem.num_logical_experts;
        let divisors: Vec<usize> =
            (1..=experts).filter(|size| experts.is_multiple_of(*size)).collect();
        problem.num_groups = rng.pick(&divisors);
        let nodes: Vec<u32> =
            problem.slots.iter().map(|_| rng.below(problem.num_nodes) as u32).collect();
        problem.node = rng.once_in(2).then_some(nodes);
        let machine = machine(&problem, problem.num_nodes);
        let [any, full] = [Fill::Any, Fill::Full]
            .map(|fill| optimum_in_nodes(&wide(&problem.load), problem.num_groups, &machine, fill));
        let options = Options { scope: Scope::Hierarchical, ..Options::default() };
        if any.is_infinite() {
            // refused if and only if there is nothing to be found
            let refusal = plan(&problem.spec(), &options).unwrap_err();
            assert_eq!(refusal, eplb::Status::Infeasible, "{problem:?}");
        } else {
            scores.add(&problem, Scope::Hierarchical, any, full);
        }
    }
    scores.print("hierarchical");
    for Score { problems, met, .. } in [scores.any, scores.full] {
        assert!(met as f64 >= 0.95 * problems as f64);
    }
}

/// What must survive, which the bound knows, and how many replicas there may be: it is never above the best that keeps it.
#[test]
fn small_problems_that_keep_more() {
    for (flags, limited) in [
        (Flags::NONE, true),
        (Flags::SURVIVE_GPU, false),
        (Flags::SURVIVE_GPU, true),
        (Flags::SURVIVE_NODE, false),
        (Flags::SURVIVE_NODE, true),
    ] {
        let (mut cases, mut plain, mut known, mut exact, mut plans) = (0, 0.0, 0.0, 0, 0.0);
        for case in 0..times(4_000, 40_000) {
            let mut rng = Rng(seed(case));
            let mut problem = small(&mut rng);
            problem.num_nodes = rng.range(1, 3).min(problem.slots.len());
            let twice = flags != Flags::NONE;
            let most = if limited { rng.range(1 + usize::from(twice), 3) } else { 0 };
            let empty = rng.pick(&[Flags::NONE, Flags::EMPTY_SLOTS]);
            let options =
                Options { scope: Scope::Global, flags: flags | empty, ..Options::default() };
            let Ok((_, metrics)) = plan_measured(&problem.spec(), &options, most) else { continue };
            let metrics = metrics[0];
            let on = |gpu: &usize| problem.alive(*gpu);
            let node = |gpu| problem.node(gpu);
            let kept = Kept {
                least: 1 + usize::from(twice),
                most: if limited { most } else { usize::MAX },
                node: match flags {
                    Flags::SURVIVE_NODE => (0..problem.slots.len()).filter(on).map(node).collect(),
                    _ => Vec::new(),
                },
            };
            let gpus = &machine(&problem, 1)[0];
            // where all slots can be filled, those that are full are what counts
            let room: u32 = gpus.slots.iter().map(|&s| s.min(problem.load.len() as u32)).sum();
            let full = empty == Flags::NONE
                && room as usize <= problem.load.len().saturating_mul(kept.most);
            let fill = if full { Fill::Full } else { Fill::Any };
            let best = optimum_that_keeps(&wide(&problem.load), gpus, fill, &kept);
            let bound = metrics.bound;
            assert!(
                bound <= best * (1.0 + 1e-9),
                "{bound}, best {best}: {problem:?} {most} {flags:?}"
            );
            assert!(
                metrics.max_gpu_load >= best * (1.0 - 1e-9),
                "{metrics:?}, {best}: {problem:?}"
            );
            let blind = Options { scope: Scope::Global, flags: empty, ..Options::default() };
            let blind = plan(&problem.spec(), &blind).unwrap().metrics[0].bound;
            let part = |bound: f64| if best > 0.0 { bound / best } else { 1.0 };
            (cases, plain, known) = (cases + 1, plain + part(blind), known + part(bound));
            exact += usize::from(part(bound) > 1.0 - 1e-9);
            plans += part(metrics.max_gpu_load);
        }
        let mean = |sum: f64| sum / f64::from(cases);
        println!(
            "{flags:?}, max_replicas {limited}: {cases} problems, bound / best {:.4} of all placements, {:.4} of \
             these, exact in {:.3}; plan / best {:.4}",
            mean(plain),
            mean(known),
            exact as f64 / f64::from(cases),
            mean(plans)
        );
        assert!(
            cases as usize > times(500, 5_000) && mean(known) > if limited { 0.88 } else { 0.95 }
        );
    }
}
