//! BALANCED on problems of every kind: what must hold of any plan, whatever the loads and the GPUs.
//!
//! EPLB_LONG=1 runs many more problems, EPLB_SEED=n others.

use crate::common;
use crate::common::{Memory, Plan, check, plan};
use crate::problems::General;
use crate::problems::loads::{self, Rng, seed, times};
use eplb::{Operation, Options, Placement, PlacementMut, Policy, Problem, Promises};
use eplb::{Scope, Spec, Status};

/// What a caller may ask for beyond the problem and the options.
#[derive(Clone, Copy, Debug)]
struct Asked {
    max_replicas: usize,
    /// logical_to_physical is asked for.
    table: bool,
}

/// Plans with a limit on replicas, with or without the table of slots.
fn plan_limited(spec: &Spec, options: &Options, asked: Asked) -> Result<Plan, Status> {
    let problem = Problem::new(spec)?;
    let shape = problem.shape();
    let (layers, experts, slots) =
        (shape.num_layers(), shape.num_logical_experts(), shape.num_physical_experts());
    let mut memory = Memory::new(&eplb::workspace(Operation::Plan, shape, options)?);
    let table = if asked.table { layers * experts * asked.max_replicas } else { 0 };
    let mut plan = Plan {
        physical_to_logical: vec![-7; layers * slots],
        replica_rank: vec![-7; layers * slots],
        logical_count: vec![-7; layers * experts],
        logical_to_physical: vec![-7; table],
        max_replicas: asked.max_replicas,
        metrics: Vec::new(),
    };
    let maps = PlacementMut {
        physical_to_logical: &mut plan.physical_to_logical,
        replica_rank: Some(&mut plan.replica_rank),
        logical_count: Some(&mut plan.logical_count),
        logical_to_physical: asked.table.then_some(&mut plan.logical_to_physical),
        max_replicas: asked.max_replicas,
    };
    let metrics = &mut plan.metrics;
    let result =
        eplb::plan(&problem, options, memory.arena(), maps, Some(&mut |_, m| metrics.push(*m)));
    match result {
        Ok(()) => Ok(plan),
        Err(status) => {
            let maps = [&plan.physical_to_logical, &plan.replica_rank, &plan.logical_count];
            assert!(maps.iter().all(|map| map.iter().all(|&x| x == -7)), "written, yet {status}");
            assert!(plan.metrics.is_empty());
            Err(status)
        }
    }
}

fn is_hierarchical(problem: &General, scope: Scope) -> bool {
    match scope {
        Scope::Hierarchical => true,
        Scope::Global => false,
        Scope::Auto => problem.num_groups.is_multiple_of(problem.num_nodes),
    }
}

/// Whether there is a placement, and if not, the status that says why.
fn placeable(problem: &General, scope: Scope) -> Result<(), Status> {
    let experts = problem.num_logical_experts;
    if problem.living_slots() < experts {
        return Err(Status::TooFewSlots);
    }
    if !is_hierarchical(problem, scope) {
        return Ok(());
    }
    if !experts.is_multiple_of(problem.num_groups) {
        return Err(Status::ExpertsNotDivisible);
    }
    let size = experts / problem.num_groups;
    let mut slots = vec![0; problem.num_nodes];
    for gpu in (0..problem.slots.len()).filter(|&gpu| problem.alive(gpu)) {
        slots[problem.node(gpu)] += problem.slots[gpu] as usize;
    }
    let places: usize = slots.iter().map(|slots| slots / size).sum();
    if places < problem.num_groups { Err(Status::Infeasible) } else { Ok(()) }
}

/// Replicas that a layer must hold: all slots, but for those that only a duplicate or one replica more than
/// allowed could fill. Rows are nodes in hierarchical scope, each with the experts that the plan put there.
fn replicas_possible(problem: &General, scope: Scope, slots: &[i32], asked: Asked) -> usize {
    let rows = if is_hierarchical(problem, scope) { problem.num_nodes } else { 1 };
    let (mut experts, mut gpus) = (vec![0; rows], vec![Vec::new(); rows]);
    let mut seen = vec![false; problem.num_logical_experts];
    let mut rest = slots;
    for gpu in 0..problem.slots.len() {
        let (held, after) = rest.split_at(problem.slots[gpu] as usize);
        rest = after;
        let row = if rows == 1 { 0 } else { problem.node(gpu) };
        for &expert in held.iter().filter(|&&expert| expert >= 0) {
            experts[row] += usize::from(!std::mem::replace(&mut seen[expert as usize], true));
        }
        if problem.alive(gpu) && !held.is_empty() {
            gpus[row].push(held.len());
        }
    }
    let of_row = |(&experts, gpus): (&usize, &Vec<usize>)| -> usize {
        let slots = gpus.iter().map(|&slots| slots.min(experts)).sum::<usize>();
        let limit = if asked.max_replicas == 0 { usize::MAX } else { asked.max_replicas };
        (experts * gpus.len().min(limit)).min(slots)
    };
    experts.iter().zip(&gpus).map(of_row).sum()
}

/// Everything that a plan must be.
fn judge(problem: &General, options: &Options, asked: Asked, plan: &Plan) -> Result<(), String> {
    let spec = problem.spec();
    let promises = Promises { scope: options.scope, full: false, distinct: true };
    let placement = Placement {
        logical_to_physical: asked.table.then_some(&plan.logical_to_physical),
        ..plan.placement()
    };
    if let Some(violation) = check(&spec, &promises, &placement).map_err(|s| s.to_string())? {
        return Err(format!("{violation:?}"));
    }
    let most = plan.logical_count.iter().copied().max().unwrap_or(0);
    if asked.max_replicas != 0 && most as usize > asked.max_replicas {
        return Err(format!("{most} replicas"));
    }
    let layers = plan.physical_to_logical.chunks(spec.num_physical_experts as usize);
    for (layer, (slots, metrics)) in layers.zip(&plan.metrics).enumerate() {
        let filled = slots.iter().filter(|&&expert| expert >= 0).count();
        let possible = replicas_possible(problem, options.scope, slots, asked);
        if filled != possible {
            return Err(format!("{filled} replicas where {possible} are possible"));
        }
        // numbered in order of slots
        let mut next = vec![0; problem.num_logical_experts];
        let ranks = &plan.replica_rank[layer * slots.len()..];
        for (&expert, &rank) in slots.iter().zip(ranks).filter(|&(&expert, _)| expert >= 0) {
            if std::mem::replace(&mut next[expert as usize], rank + 1) != rank {
                return Err(format!("replica {rank} of {expert} is out of order"));
            }
        }
        let largest = problem.largest_time(layer, slots);
        if largest != metrics.max_gpu_load {
            return Err(format!("largest time {largest}, metrics {metrics:?}"));
        }
        let finite = [metrics.max_gpu_load, metrics.bound, metrics.balance, metrics.gap];
        if !finite.iter().all(|x| x.is_finite() && *x >= 0.0) || metrics.bound > largest {
            return Err(format!("{metrics:?}"));
        }
    }
    Ok(())
}

#[test]
fn every_plan_keeps_its_promises() {
    let (mut planned, mut refused, mut empty) = (0, [0; 3], 0);
    for case in 0..times(6_000, 100_000) {
        let mut rng = Rng(seed(case));
        let (experts, gpus) = if rng.once_in(50) { (300, 40) } else { (40, 12) };
        let problem = General::random(&mut rng, experts, gpus);
        let options = Options {
            scope: rng.pick(&[Scope::Auto, Scope::Global, Scope::Hierarchical]),
            effort: if rng.once_in(4) { rng.range(1, 3000) as u32 } else { 0 },
            ..Options::default()
        };
        let table = rng.once_in(2);
        let max_replicas = match rng.below(3) {
            0 if !table => 0,
            0 => problem.slots.len(),
            1 => rng.range(1, 3),
            _ => rng.range(1, problem.slots.len() + 1),
        };
        let asked = Asked { max_replicas, table };
        let result = plan_limited(&problem.spec(), &options, asked);
        match (placeable(&problem, options.scope), result) {
            (Ok(()), Ok(plan)) => {
                planned += 1;
                empty += plan.physical_to_logical.iter().filter(|&&expert| expert < 0).count();
                if let Err(why) = judge(&problem, &options, asked, &plan) {
                    panic!("case {case}: {why}\n{problem:?}\n{options:?}\n{asked:?}\n{plan:?}");
                }
            }
            (Err(expected), Err(status)) if expected == status => {
                let all = [Status::TooFewSlots, Status::ExpertsNotDivisible, Status::Infeasible];
                refused[all.iter().position(|&of| of == status).unwrap()] += 1;
            }
            (expected, got) => {
                let got = got.map(|_| ());
                panic!("case {case}: {expected:?}, got {got:?}\n{problem:?}\n{options:?}");
            }
        }
    }
    assert!(planned > 1000 && refused.iter().all(|&n| n > 10) && empty > 1000);
    println!("{planned} planned, {empty} empty slots; refused {refused:?}");
}

/// FIELD.md, G: what the compatibility policies must refuse.
#[test]
fn seven_slots_on_four_gpus() {
    let load = [7.0, 1.0, 3.0, 2.0, 5.0];
    let spec = Spec {
        num_layers: 1,
        num_logical_experts: 5,
        num_physical_experts: 7,
        num_gpus: 4,
        gpu_slots: Some(&[2, 2, 2, 1]),
        load: &load,
        ..Spec::default()
    };
    let plan = plan(&spec, &Options::default()).unwrap();
    assert_eq!(plan.metrics[0].duplicates, 0);
    let options = Options { policy: Policy::Deepseek, ..Options::default() };
    assert!(common::plan(&spec, &options).is_err());
    let uneven = Spec { gpu_slots: None, ..spec };
    assert_eq!(common::plan(&uneven, &Options::default()).unwrap_err(), Status::SlotsNotDivisible);
}

/// FIELD.md, E: a dead GPU. What it held goes elsewhere, or the plan is refused and nothing is written.
#[test]
fn a_dead_gpu() {
    let dead = [0, 0, eplb::EPLB_GPU_DEAD, 0];
    let spec = Spec {
        num_layers: 1,
        num_logical_experts: 4,
        num_physical_experts: 8,
        num_gpus: 4,
        gpu_state: Some(&dead),
        load: &[1.0; 4],
        ..Spec::default()
    };
    let plan = plan(&spec, &Options::default()).unwrap();
    assert_eq!(plan.physical_to_logical[4..6], [-1, -1]);
    assert_eq!(plan.metrics[0].max_gpu_load, 1.0 / 3.0 + 1.0); // counts 3 1 1 1
    assert_eq!(plan.metrics[0].duplicates, 0);
    let one_each = Spec { num_physical_experts: 4, ..spec };
    let asked = Asked { max_replicas: 1, table: true };
    let refusal = plan_limited(&one_each, &Options::default(), asked);
    assert_eq!(refusal.unwrap_err(), Status::TooFewSlots);
}

/// Layers by whether BALANCED is better than DEEPSEEK, by the largest time.
#[derive(Debug, Default)]
struct Duel {
    layers: usize,
    better: usize,
    same: usize,
    /// By less than what f64 can tell apart over a sum.
    worse_by_rounding: usize,
    worse: usize,
    /// Largest ratio BALANCED / DEEPSEEK - 1.
    excess: f64,
    /// Layers for which DEEPSEEK's plan has duplicates, and those of them in which it is better.
    duplicates: usize,
    duplicates_win: usize,
    /// In how many of these BALANCED comes within 1e-12 of its bound: nothing without duplicates is better.
    at_the_bound: usize,
    largest_win: f64,
}

impl Duel {
    /// Layers that count: those for which DEEPSEEK keeps rule 2, no duplicate.
    fn fair(&self) -> usize {
        self.layers - self.duplicates
    }

    fn fight(&mut self, spec: &Spec, scope: Scope, effort: u32) {
        // DEEPSEEK promises nothing where a replica would be subnormal
        if spec.load.iter().any(|&load| load > 0.0 && load < 2_f32.powi(-100)) {
            return;
        }
        let deepseek = Options { policy: Policy::Deepseek, scope, ..Options::default() };
        let theirs = match plan(spec, &deepseek) {
            Err(Status::LoadTooLarge) => return,
            theirs => theirs.unwrap(),
        };
        let ours = plan(spec, &Options { scope, effort, ..Options::default() }).unwrap();
        for (ours, theirs) in ours.metrics.iter().zip(&theirs.metrics) {
            self.layers += 1;
            assert_eq!(ours.duplicates, 0);
            let (us, them) = (ours.max_gpu_load, theirs.max_gpu_load);
            if theirs.duplicates > 0 {
                self.duplicates += 1;
                if them < us * (1.0 - 1e-12) {
                    self.duplicates_win += 1;
                    self.at_the_bound += usize::from(us <= ours.bound * (1.0 + 1e-12));
                    self.largest_win = self.largest_win.max(us / them - 1.0);
                }
            } else if us < them {
                self.better += 1;
            } else if us == them {
                self.same += 1;
            } else {
                let rounding = us <= them * (1.0 + 1e-12);
                self.worse_by_rounding += usize::from(rounding);
                self.worse += usize::from(!rounding);
                self.excess = self.excess.max(us / them - 1.0);
                if !rounding && self.worse <= 3 {
                    println!("worse: {us} against {them}, effort {effort}: {spec:?}");
                }
            }
        }
    }
}

const REAL: [(usize, usize, usize); 14] = [
    (256, 288, 32),
    (256, 288, 72),
    (256, 320, 64),
    (256, 288, 96),
    (256, 288, 144),
    (256, 256, 32),
    (128, 160, 32),
    (60, 72, 8),
    (64, 64, 64),
    (512, 576, 64),
    (256, 384, 48),
    (128, 144, 16),
    (8, 64, 16),
    (256, 512, 16),
];

#[test]
fn never_worse_than_deepseek() {
    let (mut duel, mut case) = (Duel::default(), 0);
    while duel.fair() < times(5_000, 100_000) {
        let mut rng = Rng(seed(case));
        case += 1;
        let (experts, slots, gpus) = if rng.once_in(40) {
            rng.pick(&REAL)
        } else {
            let most = if rng.once_in(10) { 80 } else { 24 };
            let gpus = rng.range(1, most);
            let slots = gpus * rng.range(1, 9);
            (rng.range((slots / 2).max(1), slots), slots, gpus)
        };
        let load = loads::any(&mut rng, experts);
        let spec = Spec {
            num_layers: 1,
            num_logical_experts: experts as u32,
            num_physical_experts: slots as u32,
            num_gpus: gpus as u32,
            load: &load,
            ..Spec::default()
        };
        let effort = if rng.once_in(8) { rng.range(1, 5000) as u32 } else { 0 };
        duel.fight(&spec, Scope::Global, effort);
    }
    println!("global, {} fair: {duel:?}", duel.fair());
    assert_eq!(duel.worse, 0);
}

#[test]
fn never_worse_than_deepseek_in_nodes() {
    let (mut duel, mut case) = (Duel::default(), 0);
    while duel.fair() < times(5_000, 40_000) {
        let mut rng = Rng(seed(case));
        case += 1;
        let (nodes, groups, size, gpus, each) = if rng.once_in(40) {
            rng.pick(&[(4, 8, 32, 32, 9), (2, 8, 16, 16, 9), (8, 8, 32, 64, 5), (9, 9, 28, 72, 4)])
        } else {
            let nodes = rng.range(1, 4);
            let (groups, size) = (nodes * rng.range(1, 4), rng.range(1, 12));
            let gpus = nodes * rng.range(1, 6);
            let least = (groups * size).div_ceil(gpus);
            (nodes, groups, size, gpus, least + rng.below(least.min(3) + 1))
        };
        let load = loads::any(&mut rng, groups * size);
        let spec = Spec {
            num_layers: 1,
            num_logical_experts: (groups * size) as u32,
            num_physical_experts: (gpus * each) as u32,
            num_groups: groups as u32,
            num_nodes: nodes as u32,
            num_gpus: gpus as u32,
            load: &load,
            ..Spec::default()
        };
        let effort = if rng.once_in(8) { rng.range(1, 5000) as u32 } else { 0 };
        duel.fight(&spec, Scope::Hierarchical, effort);
    }
    println!("hierarchical, {} fair: {duel:?}", duel.fair());
    assert_eq!(duel.worse, 0);
}

/// Slots, GPUs, groups, nodes, loads: of 100,000 the few for which DEEPSEEK's plan would be better were it not made, too;
/// and on one node were its order of equal loads not kept.
const BETTER: [([u32; 4], &[f32]); 4] = [
    ([18, 9, 12, 3], &[32., 5., 10., 11., 23., 20., 12., 32., 25., 27., 22., 17.]),
    (
        [24, 12, 12, 3],
        &[
            7., 4., 1., 4., 3., 8., 3., 8., 8., 1., 7., 2., 8., 7., 3., 2., 0., 7., 7., 0., 3., 2.,
            1., 1.,
        ],
    ),
    ([20, 5, 4, 1], &[3., 1., 2., 2., 2., 2., 4., 3.]),
    ([42, 7, 2, 1], &[4., 3., 2., 1., 4., 3., 4., 4.]),
];

#[test]
fn never_worse_where_deepseek_is_better() {
    let mut duel = Duel::default();
    for ([slots, gpus, groups, nodes], load) in BETTER {
        let spec = Spec {
            num_layers: 1,
            num_logical_experts: load.len() as u32,
            num_physical_experts: slots,
            num_groups: groups,
            num_nodes: nodes,
            num_gpus: gpus,
            load,
            ..Spec::default()
        };
        duel.fight(&spec, Scope::Hierarchical, 0);
    }
    assert_eq!((duel.fair(), duel.worse), (4, 0));
}

/// The spec of one layer on even GPUs.
fn even<'a>(load: &'a [f32], slots: usize, gpus: usize) -> Spec<'a> {
    Spec {
        num_layers: 1,
        num_logical_experts: load.len() as u32,
        num_physical_experts: slots as u32,
        num_gpus: gpus as u32,
        load,
        ..Spec::default()
    }
}

#[test]
fn degenerate_loads() {
    let subnormal = f32::from_bits(1);
    let rest_and_hot: [(f32, f32); 14] = [
        (0.0, 0.0),
        (-0.0, -0.0),
        (0.0, -0.0),
        (0.0, 7.0),
        (-0.0, subnormal),
        (subnormal, subnormal),
        (subnormal, 1.0),
        (subnormal, f32::MAX),
        (1.0, 1e30),
        (1e-30, 1e30),
        (1.0, 1.0),
        (1.0, 1000.0),
        (f32::MAX, f32::MAX),
        (0.0, f32::MAX),
    ];
    for (experts, slots, gpus) in REAL.into_iter().chain([(1, 1, 1), (1, 4, 4), (5, 20, 4)]) {
        for (rest, hot) in rest_and_hot {
            for place in [0, experts / 2, experts - 1] {
                let mut load = vec![rest; experts];
                load[place] = hot;
                let spec = even(&load, slots, gpus);
                let plan = plan(&spec, &Options::default()).unwrap();
                let case = format!("{experts} {slots} {gpus}: {rest:e}, {hot:e} at {place}");
                let promises = Promises { scope: Scope::Auto, full: true, distinct: true };
                assert_eq!(check(&spec, &promises, &plan.placement()), Ok(None), "{case}");
                let metrics = plan.metrics[0];
                let total: f64 = load.iter().map(|&load| f64::from(load)).sum();
                assert_eq!(metrics.mean_gpu_load, total / gpus as f64);
                assert!(metrics.max_gpu_load.is_finite() && metrics.gap.is_finite(), "{case}");
                assert!(metrics.bound <= metrics.max_gpu_load, "{case}");
                if total == 0.0 {
                    assert_eq!((metrics.balance, metrics.gap), (1.0, 0.0), "{case}");
                }
                if total == 0.0 {
                    let least = plan.logical_count.iter().min().unwrap();
                    let most = plan.logical_count.iter().max().unwrap();
                    assert!(most - least <= 1, "{case}: {least} to {most} replicas");
                }
                // what carries next to nothing is spread evenly too, beside the hot one
                let nothing = f64::from(rest.max(0.0)) < 1e-20 * total;
                let cold = plan.logical_count.iter().enumerate();
                let cold = cold.filter(|&(e, _)| e != place && nothing);
                let cold: Vec<i32> = cold.map(|(_, &count)| count).collect();
                if let (Some(least), Some(most)) = (cold.iter().min(), cold.iter().max()) {
                    assert!(most - least <= 1, "{case}: {least} to {most} replicas");
                }
                // one hot expert: as many replicas as there can be, when nothing else counts
                if hot > 0.0 && f64::from(hot) > 1e20 * f64::from(rest.max(0.0)) {
                    let possible = gpus.min(slots - experts + 1);
                    assert_eq!(plan.logical_count[place] as usize, possible, "{case}");
                }
            }
        }
    }
}

#[test]
fn what_must_not_matter_does_not() {
    for case in 0..times(1_500, 20_000) {
        let mut rng = Rng(seed(case));
        let mut problem = General::random(&mut rng, 40, 12);
        let options = Options {
            scope: rng.pick(&[Scope::Auto, Scope::Global, Scope::Hierarchical]),
            effort: if rng.once_in(4) { rng.range(1, 3000) as u32 } else { 0 },
            ..Options::default()
        };
        if rng.once_in(2) {
            // loads that a power of two scales exactly
            for load in &mut problem.load {
                *load = load.clamp(0.0, 1e9);
                *load = if *load < 1e-9 { 0.0 } else { *load };
            }
        }
        let Ok(whole) = plan(&problem.spec(), &options) else { continue };

        // layers do not know of each other
        let experts = problem.num_logical_experts;
        let alone: Vec<i32> = problem
            .load
            .chunks(experts)
            .flat_map(|load| {
                let spec = Spec { num_layers: 1, load, ..problem.spec() };
                plan(&spec, &options).unwrap().physical_to_logical
            })
            .collect();
        assert_eq!(whole.physical_to_logical, alone, "case {case}: {problem:?}");

        // the unit of the loads
        let power = rng.range(0, 80) as i32 - 40;
        let scaled: Vec<f32> = problem.load.iter().map(|x| x * 2_f32.powi(power)).collect();
        let exact = problem.load.iter().zip(&scaled).all(|(&load, &scaled)| {
            scaled.is_finite() && (load == 0.0 || scaled / 2_f32.powi(power) == load)
        });
        if exact {
            let plan = plan(&Spec { load: &scaled, ..problem.spec() }, &options).unwrap();
            assert_eq!(whole.physical_to_logical, plan.physical_to_logical, "case {case}, {power}");
        }

        // -0.0 for 0.0
        let signed: Vec<f32> =
            problem.load.iter().map(|&x| if x == 0.0 { -0.0 } else { x }).collect();
        let plain: Vec<f32> = problem.load.iter().map(|&x| x + 0.0).collect();
        let signed = plan(&Spec { load: &signed, ..problem.spec() }, &options).unwrap();
        let plain = plan(&Spec { load: &plain, ..problem.spec() }, &options).unwrap();
        assert_eq!(signed.physical_to_logical, plain.physical_to_logical, "case {case}");

        // a window of one has all the weight there is
        let weight = vec![rng.pick(&[0.1, 1.0, 7.0]); problem.num_layers];
        let weighted = Spec { window_weight: Some(&weight), ..problem.spec() };
        assert_eq!(whole, plan(&weighted, &options).unwrap(), "case {case}");
    }
}

/// Experts in another order: mostly the same largest time. Of equals the lower expert comes first, which may end
/// elsewhere, neither better nor worse on average: how often and how far is printed.
#[test]
fn the_order_of_experts() {
    let mut figures = [(0, 0, 0.0_f64, 0.0); 2];
    for case in 0..times(1_500, 50_000) {
        let mut rng = Rng(seed(case));
        let gpus = rng.range(1, 16);
        let slots = gpus * rng.range(1, 9);
        let experts = rng.range((slots / 2).max(1), slots);
        let tied = rng.once_in(2);
        let spread = 2.0 * rng.unit();
        let load: Vec<f32> = if tied {
            loads::any(&mut rng, experts)
        } else {
            (0..experts).map(|_| (spread * rng.normal()).exp() as f32).collect()
        };
        let mut order: Vec<usize> = (0..experts).collect();
        rng.shuffle(&mut order);
        let permuted: Vec<f32> = order.iter().map(|&expert| load[expert]).collect();
        let options = Options { scope: Scope::Global, ..Options::default() };
        let largest_of =
            |load| plan(&even(load, slots, gpus), &options).unwrap().metrics[0].max_gpu_load;
        let (x, y) = (largest_of(&load), largest_of(&permuted));
        let figures = &mut figures[usize::from(tied)];
        figures.0 += 1;
        if (x - y).abs() > 1e-12 * y {
            figures.1 += 1;
            figures.2 = figures.2.max(x / y - 1.0).max(y / x - 1.0);
            figures.3 += x.ln() - y.ln();
        }
    }
    for (name, (layers, differ, largest, drift)) in ["no two equal", "ties"].iter().zip(figures) {
        let mean = drift / layers as f64;
        println!(
            "{name}: {differ} of {layers} differ, {largest:.5} at most, {mean:+.6} on average"
        );
        assert!(differ * 20 <= layers && largest <= 0.35 && mean.abs() <= 2e-3);
    }
}

/// Any effort gives a valid plan. More of it is nearly always as good or better; how often not is printed.
#[test]
fn effort() {
    let efforts = [1, 10, 100, 1_000, 10_000, 100_000, 200_000, 2_000_000];
    let (mut worse, mut steps, mut largest) = (0, 0, 0.0_f64);
    let mut sums = [0.0; 8];
    let mut layers = 0;
    for case in 0..times(150, 3_000) {
        let mut rng = Rng(seed(case));
        let (experts, slots, gpus) = rng.pick(&REAL);
        let load = loads::lognormal(experts, 0.5 + 2.0 * rng.unit(), seed(case));
        let spec = even(&load, slots, gpus);
        let found = efforts.map(|effort| {
            let options = Options { scope: Scope::Global, effort, ..Options::default() };
            let plan = plan(&spec, &options).unwrap();
            let promises = Promises { scope: Scope::Global, full: true, distinct: true };
            assert_eq!(check(&spec, &promises, &plan.placement()), Ok(None));
            plan.metrics[0].max_gpu_load
        });
        for pair in found.windows(2) {
            steps += 1;
            if pair[1] > pair[0] * (1.0 + 1e-12) {
                worse += 1;
                largest = largest.max(pair[1] / pair[0] - 1.0);
            }
        }
        layers += 1;
        for (sum, found) in sums.iter_mut().zip(found) {
            *sum += found / found_mean(&load, gpus);
        }
    }
    println!("more effort: worse in {worse} of {steps} steps, by {largest:.5} at most");
    for (effort, sum) in efforts.iter().zip(sums) {
        println!("effort {effort:>8}: mean of largest / mean {:.5}", sum / layers as f64);
    }
    let [least, .., most] = sums;
    assert!(most <= least);
}

fn found_mean(load: &[f32], gpus: usize) -> f64 {
    load.iter().map(|&load| f64::from(load)).sum::<f64>() / gpus as f64
}
