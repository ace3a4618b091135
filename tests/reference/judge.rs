//! The ruler (docs/SPEC.md, "The ruler"), slow and obvious: how good one layer's placement is.
//!
//! Load of a GPU = f64 sum over its slots, in ascending order, of load / count; time = load / speed; balance = (total load / total
//! speed of alive GPUs) / largest time; all zero = 1.0. A slot counts when it holds an expert (not -1) on an alive GPU: the
//! others carry nothing, and are no replicas in `count`.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Dead,
    Alive,
    /// Readable, receives nothing: no load here either.
    Leaving,
}

/// The GPUs; all four as long as there are GPUs.
#[derive(Clone, Debug)]
pub struct Topology {
    pub gpu_slots: Vec<usize>,
    pub gpu_node: Vec<usize>,
    pub gpu_speed: Vec<f32>,
    pub gpu_state: Vec<State>,
}

impl Topology {
    /// P / G slots each, nodes contiguous, speed 1, all alive.
    pub fn uniform(num_physical_experts: usize, num_nodes: usize, num_gpus: usize) -> Topology {
        Topology {
            gpu_slots: vec![num_physical_experts / num_gpus; num_gpus],
            gpu_node: (0..num_gpus).map(|g| g * num_nodes / num_gpus).collect(),
            gpu_speed: vec![1.0; num_gpus],
            gpu_state: vec![State::Alive; num_gpus],
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// Load of each GPU.
    pub gpu_load: Vec<f64>,
    /// Total load / total speed of the alive GPUs: with speeds of 1 the mean GPU load.
    pub mean: f64,
    /// Largest load / speed: with speeds of 1 the largest GPU load.
    pub max: f64,
    pub balance: f64,
    pub node_balance: f64,
    /// Mean replica load / largest replica load, without speeds.
    pub physical_expert_balance: f64,
    /// Sum over GPUs and experts of copies - 1.
    pub duplicates: usize,
}

/// Judges one layer: `physical_to_logical` `[P]` with -1 = empty, `load` `[E]`, which the replicas of an expert share.
pub fn judge(physical_to_logical: &[i32], load: &[f32], topology: &Topology) -> Judgement {
    let slots = topology.gpu_slots.iter().enumerate();
    let gpu_of: Vec<usize> = slots.flat_map(|(gpu, &n)| std::iter::repeat_n(gpu, n)).collect();
    let held = |slot: usize| {
        topology.gpu_state[gpu_of[slot]] == State::Alive && physical_to_logical[slot] >= 0
    };
    let slots = 0..physical_to_logical.len();
    let share = |slot: usize| {
        let expert = physical_to_logical[slot];
        let same = slots.clone().filter(|&s| held(s) && physical_to_logical[s] == expert);
        f64::from(load[expert as usize]) / same.count() as f64
    };
    let carried: Vec<f64> =
        slots.clone().map(|slot| if held(slot) { share(slot) } else { 0.0 }).collect();
    judge_split(physical_to_logical, &carried, topology)
}

/// Judges one layer whose slots carry `carried` `[P]`.
pub fn judge_split(physical_to_logical: &[i32], carried: &[f64], topology: &Topology) -> Judgement {
    let num_gpus = topology.gpu_slots.len();
    let alive = |gpu: usize| topology.gpu_state[gpu] == State::Alive;
    let speed = |gpu: usize| f64::from(topology.gpu_speed[gpu]);

    // (GPU, expert) of every slot that counts, in the order of slots, and what it carries.
    let (mut replicas, mut replica_load): (Vec<(usize, i32)>, Vec<f64>) = (vec![], vec![]);
    let mut slot = 0;
    for gpu in 0..num_gpus {
        for _ in 0..topology.gpu_slots[gpu] {
            if alive(gpu) && physical_to_logical[slot] >= 0 {
                replicas.push((gpu, physical_to_logical[slot]));
                replica_load.push(carried[slot]);
            }
            slot += 1;
        }
    }
    assert_eq!(slot, physical_to_logical.len(), "slots do not sum to P");

    let mut gpu_load = vec![0.0; num_gpus];
    for (&(gpu, _), x) in replicas.iter().zip(&replica_load) {
        gpu_load[gpu] += x;
    }
    let gpus: Vec<(f64, f64)> =
        (0..num_gpus).filter(|&gpu| alive(gpu)).map(|gpu| (gpu_load[gpu], speed(gpu))).collect();

    let num_nodes = topology.gpu_node.iter().max().map_or(0, |last| last + 1);
    let mut nodes = Vec::new();
    for node in 0..num_nodes {
        let of_node = || (0..num_gpus).filter(|&g| alive(g) && topology.gpu_node[g] == node);
        if of_node().count() > 0 {
            nodes.push((sum(of_node().map(|g| gpu_load[g])), sum(of_node().map(speed))));
        }
    }

    let mut distinct = replicas.clone();
    distinct.sort_unstable();
    distinct.dedup();

    let ones: Vec<(f64, f64)> = replica_load.iter().map(|&x| (x, 1.0)).collect();
    Judgement {
        mean: mean_time(&gpus),
        max: max_time(&gpus),
        balance: balance(&gpus),
        node_balance: balance(&nodes),
        physical_expert_balance: balance(&ones),
        duplicates: replicas.len() - distinct.len(),
        gpu_load,
    }
}

/// Weighted mean of the balances of several windows.
pub fn over_windows(balances: &[f64], weights: &[f32]) -> f64 {
    let weighted = balances.iter().zip(weights).map(|(b, &w)| f64::from(w) * b);
    sum(weighted) / sum(weights.iter().map(|&w| f64::from(w)))
}

/// Mean time / largest time of (load, speed) pairs; 1.0 when there is no load.
fn balance(loads_and_speeds: &[(f64, f64)]) -> f64 {
    let largest = max_time(loads_and_speeds);
    if largest == 0.0 {
        return 1.0;
    }
    mean_time(loads_and_speeds) / largest
}

/// Total load / total speed; 0 without anything.
fn mean_time(loads_and_speeds: &[(f64, f64)]) -> f64 {
    if loads_and_speeds.is_empty() {
        return 0.0;
    }
    sum(loads_and_speeds.iter().map(|p| p.0)) / sum(loads_and_speeds.iter().map(|p| p.1))
}

fn max_time(loads_and_speeds: &[(f64, f64)]) -> f64 {
    loads_and_speeds.iter().map(|(load, speed)| load / speed).fold(0.0, f64::max)
}

/// From 0.0 upwards, in order (`Iterator::sum` starts at -0.0).
fn sum(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(0.0, |total, x| total + x)
}
