//! Dispatch: whole tokens, exact, against the set formula and all splits; conservation; routing.
//!
//! EPLB_LONG=1 takes ten times the instances, EPLB_SEED=n others.

use crate::common;
use crate::common::Memory;
use crate::loads;
use crate::loads::Rng;
use crate::reference::dispatch::Instance;
use eplb::{
    Batch, EPLB_GPU_ALIVE, EPLB_GPU_DEAD, EPLB_GPU_LEAVING, Lengths, Operation, Options, Placement,
    QuotasMut, Shape, Spec, Split, SplitKind, Status,
};

/// All that a call gives.
#[derive(Clone, Debug, PartialEq)]
struct Dispatched {
    quota: Vec<u32>,
    route_end: Vec<u32>,
    route_slot: Vec<i32>,
    max_replicas: usize,
    splits: Vec<Split>,
}

fn dispatch(
    spec: &Spec,
    effort: u32,
    slots: &[i32],
    tokens: &[u32],
    by_source: bool,
) -> Result<Dispatched, Status> {
    let shape = Shape::new(spec)?;
    let max_replicas = shape.topology().num_gpus().min(16);
    let lengths = Lengths::new(&shape, by_source, max_replicas)?;
    let mut out = Dispatched {
        quota: vec![u32::MAX; lengths.quota],
        route_end: vec![u32::MAX; lengths.route_end],
        route_slot: vec![-7; lengths.route_slot],
        max_replicas,
        splits: Vec::new(),
    };
    let need = eplb::workspace(Operation::Dispatch, &shape, &Options::default())?;
    let mut memory = Memory::new(&need);
    let quotas = QuotasMut {
        quota: &mut out.quota,
        route_end: Some(&mut out.route_end),
        route_slot: Some(&mut out.route_slot),
        max_replicas,
    };
    let splits = &mut out.splits;
    let batch = Batch { tokens, by_source, effort };
    eplb::dispatch(
        &shape,
        memory.arena(),
        &Placement::of(slots),
        &batch,
        quotas,
        Some(&mut |_, split| splits.push(*split)),
    )?;
    Ok(out)
}

/// A random small instance; every expert that has tokens has a replica that serves. Speeds are in eighths.
struct Random {
    instance: Instance,
    speeds: Option<Vec<f32>>,
    states: Option<Vec<u8>>,
    nodes: Vec<u32>,
    gpu_slots: Vec<u32>,
    num_nodes: usize,
}

fn random(rng: &mut Rng, most_gpus: usize, most_tokens: usize, by_source: bool) -> Random {
    let gpus = 1 + rng.below(most_gpus);
    let num_nodes = (1 + rng.below(3)).min(gpus);
    let gpu_slots: Vec<u32> = (0..gpus).map(|_| 1 + rng.below(4) as u32).collect();
    let slots: usize = gpu_slots.iter().sum::<u32>() as usize;
    let experts = 1 + rng.below(slots);
    let with_speeds = rng.below(2) == 1;
    let dead = rng.below(4) == 0;
    let mut speed: Vec<u64> = vec![8; gpus];
    let mut states = vec![EPLB_GPU_ALIVE; gpus];
    for gpu in 0..gpus {
        if with_speeds {
            speed[gpu] = 1 + rng.below(20) as u64;
        }
        if dead && gpu > 0 {
            states[gpu] = [0, 0, 0, EPLB_GPU_DEAD, EPLB_GPU_LEAVING][rng.below(5)];
        }
    }
    let speeds = with_speeds.then(|| speed.iter().map(|&s| s as f32 / 8.0).collect());
    for (speed, &state) in speed.iter_mut().zip(&states) {
        if state == EPLB_GPU_DEAD {
            *speed = 0;
        }
    }
    let mut layer = Vec::new();
    for &slots in &gpu_slots {
        let held = |rng: &mut Rng| {
            if rng.below(8) == 0 { -1 } else { rng.below(experts) as i32 }
        };
        layer.push((0..slots).map(|_| held(rng)).collect::<Vec<i32>>());
    }
    let mut instance = Instance {
        gpus: layer,
        speed,
        node: (0..gpus).map(|_| rng.below(num_nodes)).collect(),
        tokens: vec![vec![0; experts]; if by_source { gpus } else { 1 }],
    };
    let skew = 1 + rng.below(most_tokens);
    let lost: Vec<bool> = (0..experts).map(|e| instance.holders(e).is_empty()).collect();
    for (row, &state) in instance.tokens.iter_mut().zip(&states) {
        let silent = by_source && state == EPLB_GPU_DEAD;
        for (tokens, &lost) in row.iter_mut().zip(&lost) {
            if !lost && !silent && rng.below(5) > 0 {
                let most = if rng.below(3) == 0 { most_tokens } else { skew };
                *tokens = rng.below(most + 1) as u64;
            }
        }
    }
    let nodes = instance.node.iter().map(|&node| node as u32).collect();
    Random { instance, speeds, states: dead.then_some(states), nodes, gpu_slots, num_nodes }
}

impl Random {
    fn spec(&self) -> Spec<'_> {
        Spec {
            num_layers: 1,
            num_logical_experts: self.instance.tokens[0].len() as u32,
            num_physical_experts: self.gpu_slots.iter().sum(),
            num_nodes: self.num_nodes as u32,
            num_gpus: self.gpu_slots.len() as u32,
            gpu_speed: self.speeds.as_deref(),
            gpu_slots: Some(&self.gpu_slots),
            gpu_node: Some(&self.nodes),
            gpu_state: self.states.as_deref(),
            ..Spec::default()
        }
    }

    fn slots(&self) -> Vec<i32> {
        self.instance.gpus.concat()
    }

    fn tokens(&self) -> Vec<u32> {
        self.instance.tokens.concat().iter().map(|&tokens| tokens as u32).collect()
    }

    fn dispatch(&self, effort: u32) -> Dispatched {
        let by_source = self.instance.tokens.len() == self.gpu_slots.len();
        // one GPU: one row either way
        dispatch(&self.spec(), effort, &self.slots(), &self.tokens(), by_source).unwrap()
    }

    /// Quotas go where the expert is, sum to its tokens, and are what the split says; the table says the same.
    fn check(&self, out: &Dispatched) {
        let slots = self.slots();
        let experts = self.instance.tokens[0].len();
        let gpu_of: Vec<usize> = (0..self.gpu_slots.len())
            .flat_map(|gpu| vec![gpu; self.gpu_slots[gpu] as usize])
            .collect();
        let by_source = self.instance.tokens.len() > 1;
        let mut load = vec![0_u64; self.gpu_slots.len()];
        let (mut leaving_node, mut leaving_gpu, mut sum) = (0, 0, 0);
        for (source, quota) in out.quota.chunks(slots.len()).enumerate() {
            let mut left = self.instance.tokens[source].clone();
            for (slot, &quota) in quota.iter().enumerate() {
                if quota == 0 {
                    continue;
                }
                let (gpu, expert) = (gpu_of[slot], slots[slot] as usize);
                assert!(self.instance.speed[gpu] > 0, "a dead GPU gets tokens");
                left[expert] -= u64::from(quota);
                load[gpu] += u64::from(quota);
                sum += u64::from(quota);
                if gpu != source {
                    leaving_gpu += u64::from(quota);
                }
                if self.nodes[gpu] != self.nodes[source] {
                    leaving_node += u64::from(quota);
                }
            }
            assert!(left.iter().all(|&left| left == 0), "tokens without a quota");
            for expert in 0..experts {
                let width = out.max_replicas;
                let row = (source * experts + expert) * width;
                let (end, place) =
                    (&out.route_end[row..row + width], &out.route_slot[expert * width..][..width]);
                let tokens = self.instance.tokens[source][expert] as u32;
                let mut found = vec![0; slots.len()];
                for token in 0..tokens {
                    found[eplb::route(end, place, token) as usize] += 1;
                }
                assert_eq!(eplb::route(end, place, tokens), -1);
                assert_eq!(eplb::route(end, place, u32::MAX), -1);
                for slot in (0..slots.len()).filter(|&slot| slots[slot] == expert as i32) {
                    assert_eq!(found[slot], quota[slot]);
                }
            }
        }
        let time = |gpu: usize| {
            load[gpu] as f64 / self.speeds.as_ref().map_or(1.0, |speeds| f64::from(speeds[gpu]))
        };
        let largest = (0..load.len()).map(time).fold(0.0, f64::max);
        let split = &out.splits[0];
        assert_eq!(split.largest_time, largest);
        assert_eq!(time(split.busiest_gpu as usize), largest);
        assert_eq!(split.tokens, sum);
        assert!(split.bound <= largest);
        if by_source {
            assert_eq!((split.leaving_node, split.leaving_gpu), (leaving_node, leaving_gpu));
        }
    }
}

fn rng(salt: u64) -> Rng {
    let moved = std::env::var("EPLB_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0_u64);
    Rng(salt + 1000 * moved)
}

/// The time of the reference in the unit of the split: speeds were in eighths.
fn as_time((tokens, speed): (u64, u64)) -> f64 {
    tokens as f64 / (speed as f64 / 8.0)
}

/// Every optimum is that of the set formula, in whole tokens.
#[test]
fn the_largest_time_is_that_of_the_set_formula() {
    let mut rng = rng(1);
    for round in 0..loads::times(2000, 20_000) {
        let most_gpus = if round % 10 == 0 { 12 } else { 6 };
        let random = random(&mut rng, most_gpus, 1 + round % 300, false);
        let out = random.dispatch(0);
        random.check(&out);
        let split = &out.splits[0];
        assert_eq!(split.kind, SplitKind::Exact);
        let least = random.instance.least_time();
        let least = if least.0 == 0 { 0.0 } else { as_time(least) };
        assert_eq!(split.largest_time, least, "round {round}");
        assert_eq!(split.bound, least, "round {round}");
    }
}

/// With sources: the same time, and no split of all has less traffic.
#[test]
fn the_traffic_is_the_least_of_all_splits() {
    let mut rng = rng(2);
    let mut tried = 0;
    while tried < loads::times(1000, 10_000) {
        let random = random(&mut rng, 4, 3, true);
        if random.instance.tokens[0].len() > 5 {
            continue;
        }
        tried += 1;
        let out = random.dispatch(0);
        random.check(&out);
        let split = &out.splits[0];
        assert_eq!(split.kind, SplitKind::Exact);
        let least = random.instance.least_time();
        assert_eq!(split.largest_time, if least.0 == 0 { 0.0 } else { as_time(least) });
        if random.instance.tokens.len() > 1 {
            let traffic = random.instance.least_traffic(least).unwrap();
            assert_eq!((split.leaving_node, split.leaving_gpu), traffic);
        }
    }
}

/// FIELD case C.
#[test]
fn published_optima() {
    let eplb = [
        5, 6, 5, 7, 8, 4, 3, 4, 10, 9, 10, 2, 0, 1, 11, 1, //
        7, 10, 6, 8, 6, 11, 8, 9, 2, 4, 5, 1, 5, 0, 3, 1,
    ];
    let tokens = [
        90, 132, 40, 61, 104, 165, 39, 4, 73, 56, 183, 86, //
        20, 107, 104, 64, 19, 197, 187, 157, 172, 86, 16, 27,
    ];
    let load = tokens.map(|tokens| tokens as f32);
    let spec = Spec {
        num_layers: 2,
        num_logical_experts: 12,
        num_physical_experts: 16,
        num_gpus: 8,
        load: &load,
        ..Spec::default()
    };
    let out = dispatch(&spec, 0, &eplb, &tokens, false).unwrap();
    let times: Vec<f64> = out.splits.iter().map(|split| split.largest_time).collect();
    assert_eq!(times, [154.0, 173.0]);
    let metrics = judge(&spec, &eplb);
    assert_eq!((metrics[0].max_gpu_load, metrics[1].max_gpu_load), (156.0, 179.5));
    assert_eq!(out.splits[0].balance, 1033.0 / 8.0 / 154.0);

    let load = [120.0, 30.0, 25.0, 20.0];
    let spec = Spec {
        num_layers: 1,
        num_logical_experts: 4,
        num_physical_experts: 6,
        num_gpus: 2,
        load: &load,
        ..Spec::default()
    };
    let slots = [0, 1, 2, 3, 0, 0];
    let out = dispatch(&spec, 0, &slots, &[120, 30, 25, 20], false).unwrap();
    assert_eq!(out.splits[0].largest_time, 98.0);
    let metrics = judge(&spec, &slots)[0];
    assert!((metrics.dispatch_bound - 97.5).abs() < 1e-9 * 97.5);
    assert!((metrics.dispatch_balance - 1.0).abs() < 1e-9);
}

fn judge(spec: &Spec, slots: &[i32]) -> Vec<eplb::Metrics> {
    common::evaluate_with(spec, &Placement::of(slots), eplb::Flags::DISPATCH).unwrap()
}

/// The ruler's figure is the set formula in real numbers, for loads of any size.
#[test]
fn the_ruler_judges_by_the_set_formula() {
    let mut rng = rng(3);
    for round in 0..loads::times(500, 5000) {
        let mut random = random(&mut rng, 6, 1000, false);
        random.states = None;
        let experts = random.instance.tokens[0].len();
        random.instance.speed.iter_mut().for_each(|speed| *speed = (*speed).max(1));
        if random.speeds.is_none() {
            random.instance.speed.fill(8);
        }
        if (0..experts).any(|expert| random.instance.holders(expert).is_empty()) {
            continue;
        }
        let speeds: Vec<f32> = random.instance.speed.iter().map(|&s| s as f32 / 8.0).collect();
        random.speeds = random.speeds.map(|_| speeds);
        // subnormal to huge
        let scale = [1.0, 1e-30, 1e30, 0.37, f32::from_bits(1)][round % 5];
        let load: Vec<f32> =
            random.instance.tokens[0].iter().map(|&tokens| tokens as f32 * scale).collect();
        let spec = Spec { load: &load, ..random.spec() };
        let metrics = judge(&spec, &random.slots())[0];
        let gpus = random.instance.gpus.len();
        let mut worst = 0.0_f64;
        for set in 1_u32..1 << gpus {
            let inside = |gpu: usize| set >> gpu & 1 == 1;
            let closed = (0..experts)
                .filter(|&expert| random.instance.holders(expert).iter().all(|&gpu| inside(gpu)));
            let load: f64 = closed.map(|expert| f64::from(load[expert])).sum();
            let speed: u64 =
                (0..gpus).filter(|&g| inside(g)).map(|g| random.instance.speed[g]).sum();
            worst = worst.max(load / (speed as f64 / 8.0));
        }
        let near = |a: f64, b: f64| (a - b).abs() <= 1e-9 * b;
        assert!(near(metrics.dispatch_bound, worst), "{} {worst}", metrics.dispatch_bound);
        if worst > 0.0 {
            assert!(near(metrics.dispatch_balance, metrics.mean_gpu_load / worst));
        } else {
            assert_eq!(metrics.dispatch_balance, 1.0);
        }
    }
}

/// Nothing, one token, and more than 32 bits can add up: every token has a quota.
#[test]
fn extreme_amounts() {
    let slots = [0, 1, 2, 0, 0, 1, 3, 2];
    let spec = Spec {
        num_layers: 1,
        num_logical_experts: 4,
        num_physical_experts: 8,
        num_nodes: 2,
        num_gpus: 4,
        ..Spec::default()
    };
    for amount in [0, 1, 2, 3, 5, 1 << 31, u32::MAX] {
        for by_source in [false, true] {
            let rows = if by_source { 4 } else { 1 };
            let out = dispatch(&spec, 0, &slots, &vec![amount; 4 * rows], by_source).unwrap();
            for quota in out.quota.chunks(8) {
                for expert in 0..4 {
                    let sum: u64 = (0..8)
                        .filter(|&slot| slots[slot] == expert)
                        .map(|slot| u64::from(quota[slot]))
                        .sum();
                    assert_eq!(sum, u64::from(amount));
                }
            }
            let total = u64::from(amount) * 4 * rows as u64;
            assert_eq!(out.splits[0].tokens, total);
            assert_eq!(out.splits[0].largest_time, total.div_ceil(4) as f64);
        }
    }
}

/// More than 2^52 tokens in a layer are refused.
#[test]
fn too_many_tokens() {
    let gpus = 1024;
    let experts = 1025;
    let slots: Vec<i32> = (0..2 * gpus).map(|slot| slot % experts).collect();
    let mut tokens = vec![u32::MAX; 1024 * 1025];
    let spec = Spec {
        num_layers: 1,
        num_logical_experts: experts as u32,
        num_physical_experts: 2048,
        num_gpus: 1024,
        ..Spec::default()
    };
    let found = dispatch(&spec, 1, &slots, &tokens, true);
    assert_eq!(found.unwrap_err(), Status::DispatchTokens);
    tokens.iter_mut().for_each(|tokens| *tokens /= 2);
    assert!(dispatch(&spec, 1, &slots, &tokens, true).is_ok());
}

/// Whatever the effort: a valid split, marked as what it is, never below the bound; and with enough the best.
#[test]
fn effort_runs_out_in_every_place() {
    let mut rng = rng(4);
    let mut kinds = [0; 3];
    for _ in 0..loads::times(60, 600) {
        let random = random(&mut rng, 8, 60, true);
        let best = random.dispatch(0).splits[0];
        for effort in 1..200 {
            let out = random.dispatch(effort);
            random.check(&out);
            let split = &out.splits[0];
            kinds[split.kind as usize] += 1;
            assert!(split.bound <= best.bound && split.largest_time >= best.largest_time);
            match split.kind {
                SplitKind::Exact => assert_eq!(*split, best),
                SplitKind::Time => {
                    assert_eq!(split.largest_time, best.largest_time);
                    let traffic = |s: &Split| (s.leaving_node, s.leaving_gpu);
                    assert!(traffic(split) >= traffic(&best));
                }
                SplitKind::Even => {}
            }
        }
    }
    assert!(kinds.iter().all(|&seen| seen > 0), "{kinds:?}");
}

/// A wrong length is refused, from Rust.
#[test]
fn lengths_are_checked() {
    let spec = Spec {
        num_layers: 1,
        num_logical_experts: 2,
        num_physical_experts: 2,
        num_gpus: 2,
        ..Spec::default()
    };
    assert_eq!(dispatch(&spec, 0, &[0, 1], &[1; 3], false).unwrap_err(), Status::ArrayLength);
    assert_eq!(dispatch(&spec, 0, &[0], &[1; 2], false).unwrap_err(), Status::ArrayLength);
    assert_eq!(dispatch(&spec, 0, &[0, 1], &[1; 2], true).unwrap_err(), Status::ArrayLength);
}
