//! Dispatch: whole tokens, exact, against the set formula and all splits; conservation; routing.
//!
//! EPLB_LONG=1 takes ten times the instances, EPLB_SEED=n others.

mod common;
#[path = "common/loads.rs"]
mod loads;
#[path = "reference/dispatch.rs"]
mod reference;

use common::Memory;
use eplb::{
    Batch, Lengths, Operation, Options, Placement, QuotasMut, Shape, Spec, Split, SplitKind, Status,
};
use loads::Rng;
use reference::Instance;

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
    let max_replicas = shape.topology().num_gpus();
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
    let batch = Batch { tokens, by_source };
    eplb::dispatch(
        &shape,
        effort,
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
    let num_nodes = 1 + rng.below(3);
    let gpu_slots: Vec<u32> = (0..gpus).map(|_| 1 + rng.below(4) as u32).collect();
    let slots: usize = gpu_slots.iter().sum::<u32>() as usize;
    let experts = 1 + rng.below(slots);
    let with_speeds = rng.below(2) == 1;
    let dead = rng.below(4) == 0;
    let mut speed: Vec<u64> = vec![8; gpus];
    let mut states = vec![1_u8; gpus];
    for gpu in 0..gpus {
        if with_speeds {
            speed[gpu] = 1 + rng.below(20) as u64;
        }
        if dead && gpu > 0 {
            states[gpu] = [1, 1, 1, 0, 2][rng.below(5)];
        }
    }
    let speeds = with_speeds.then(|| speed.iter().map(|&s| s as f32 / 8.0).collect());
    for (speed, &state) in speed.iter_mut().zip(&states) {
        if state == 0 {
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
    for source in 0..instance.tokens.len() {
        for expert in 0..experts {
            let lost = instance.holders(expert).is_empty();
            let silent = by_source && states[source] == 0;
            if !lost && !silent && rng.below(5) > 0 {
                let most = if rng.below(3) == 0 { most_tokens } else { skew };
                instance.tokens[source][expert] = rng.below(most + 1) as u64;
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
