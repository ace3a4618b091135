//! Random problems for property tests: shapes and GPUs of every kind, loads with ties, zeros and hot experts.
#![allow(dead_code)] // each test crate uses its part

#[path = "loads.rs"]
pub mod loads;

use eplb::Spec;
use proptest::prelude::*;

/// A problem that owns its loads.
#[derive(Clone, Debug)]
pub struct Random {
    pub num_layers: usize,
    pub num_logical_experts: usize,
    pub num_physical_experts: usize,
    pub num_groups: usize,
    pub num_nodes: usize,
    pub num_gpus: usize,
    pub load: Vec<f32>,
}

impl Random {
    pub fn spec(&self) -> Spec<'_> {
        Spec {
            num_layers: self.num_layers as u32,
            num_logical_experts: self.num_logical_experts as u32,
            num_physical_experts: self.num_physical_experts as u32,
            num_groups: self.num_groups as u32,
            num_nodes: self.num_nodes as u32,
            num_gpus: self.num_gpus as u32,
            load: &self.load,
            ..Spec::default()
        }
    }
}

/// One load: the kinds take turns, so that ties and zeros are common.
fn load(kind: u8) -> BoxedStrategy<f32> {
    match kind {
        0 => (0..4_u32).prop_map(|n| n as f32).boxed(),
        1 => (0..1000_u32).prop_map(|n| n as f32).boxed(),
        2 => Just(0.0).boxed(),
        3 => prop_oneof![9 => (0..50_u32).prop_map(|n| n as f32), 1 => Just(20_000.0)].boxed(),
        4 => prop_oneof![4 => Just(0.0), 1 => (1..30_u32).prop_map(|n| n as f32)].boxed(),
        5 => (0_u32..1 << 31).prop_map(|n| n as f32).boxed(),
        6 => (0.0_f32..12.0).prop_map(|x| x.exp()).boxed(),
        7 => Just(7.0).boxed(),
        _ => (0.0_f32..1.0).boxed(),
    }
}

/// Problems that every compatibility policy accepts: at most `experts` per node.
pub fn compatible(experts: usize) -> impl Strategy<Value = Random> {
    // nodes, groups a node, experts a group, GPUs a node
    (1..=4_usize, 1..=4_usize, 1..=experts, 1..=8_usize, 1..=3_usize, 0..=8_u8, any::<bool>())
        .prop_flat_map(move |(nodes, groups, size, gpus, layers, kind, hierarchical)| {
            let size = size.div_ceil(groups);
            let experts = nodes * groups * size;
            let gpus = nodes * gpus;
            let least = experts.div_ceil(gpus);
            (0..=least + 3, prop::collection::vec(load(kind), layers * experts)).prop_map(
                move |(extra, load)| Random {
                    num_layers: layers,
                    num_logical_experts: experts,
                    num_physical_experts: (least + extra) * gpus,
                    // one group on several nodes makes AUTO global
                    num_groups: if hierarchical { nodes * groups } else { 1 },
                    num_nodes: if hierarchical { nodes } else { nodes.max(2).min(gpus) },
                    num_gpus: gpus,
                    load,
                },
            )
        })
}

/// A problem on GPUs of any kind, that owns its arrays.
#[derive(Clone, Debug)]
pub struct General {
    pub num_layers: usize,
    pub num_logical_experts: usize,
    pub num_groups: usize,
    pub num_nodes: usize,
    pub slots: Vec<u32>,
    pub speed: Option<Vec<f32>>,
    pub node: Option<Vec<u32>>,
    pub state: Option<Vec<u8>>,
    pub load: Vec<f32>,
}

impl General {
    pub fn spec(&self) -> Spec<'_> {
        let even = self.slots.iter().all(|&slots| slots == self.slots[0]);
        Spec {
            num_layers: self.num_layers as u32,
            num_logical_experts: self.num_logical_experts as u32,
            num_physical_experts: self.slots.iter().sum(),
            num_groups: self.num_groups as u32,
            num_nodes: self.num_nodes as u32,
            num_gpus: self.slots.len() as u32,
            load: &self.load,
            gpu_slots: (!even).then_some(&self.slots),
            gpu_speed: self.speed.as_deref(),
            gpu_node: self.node.as_deref(),
            gpu_state: self.state.as_deref(),
            ..Spec::default()
        }
    }

    pub fn layer(&self, layer: usize) -> &[f32] {
        &self.load[layer * self.num_logical_experts..][..self.num_logical_experts]
    }

    pub fn alive(&self, gpu: usize) -> bool {
        self.state.as_ref().is_none_or(|state| state[gpu] == eplb::EPLB_GPU_ALIVE)
    }

    pub fn speed(&self, gpu: usize) -> f32 {
        self.speed.as_ref().map_or(1.0, |speed| speed[gpu])
    }

    /// As given, or contiguous blocks, the first ones a GPU longer.
    pub fn node(&self, gpu: usize) -> usize {
        let Some(node) = &self.node else {
            let (gpus, nodes) = (self.slots.len(), self.num_nodes);
            let block = |node| gpus / nodes + usize::from(node < gpus % nodes);
            let mut first = 0;
            return (0..nodes)
                .find(|&node| {
                    first += block(node);
                    gpu < first
                })
                .unwrap();
        };
        node[gpu] as usize
    }

    /// Slots of living GPUs.
    pub fn living_slots(&self) -> usize {
        let living = self.slots.iter().enumerate().filter(|&(gpu, _)| self.alive(gpu));
        living.map(|(_, &slots)| slots as usize).sum()
    }

    /// GPUs of every kind, and loads of every kind. At least one slot and one living GPU.
    pub fn random(rng: &mut loads::Rng, most_experts: usize, most_gpus: usize) -> Self {
        let experts = if rng.once_in(20) { 1 } else { rng.range(1, most_experts) };
        let gpus = if rng.once_in(20) { 1 } else { rng.range(1, most_gpus) };
        let mean = rng.range(experts / gpus, 2 * experts / gpus + 2);
        let kind = rng.below(6);
        let draw = |rng: &mut loads::Rng| match kind {
            0 => mean.max(1),
            1 => mean + rng.below(2),
            2 => rng.range(0, 2 * mean + 1),
            3 if rng.once_in(3) => 0,
            3 => mean,
            4 if rng.once_in(4) => rng.range(0, 2 * experts),
            4 => rng.range(0, 3),
            _ => rng.range(1, experts + 3),
        };
        let mut slots: Vec<u32> = (0..gpus).map(|_| draw(rng) as u32).collect();
        if rng.once_in(10) {
            // P = E, however it is spread
            slots.fill(0);
            for _ in 0..experts {
                slots[rng.below(gpus)] += 1;
            }
        }
        if slots.iter().all(|&slots| slots == 0) {
            slots[rng.below(gpus)] = 1;
        }
        let speeds: &[f32] = match rng.below(8) {
            0..4 => &[1.0],
            4..6 => &[1.0, 1.0, 0.5, 0.8, 2.0],
            6 => &[1.0, 0.3, 0.71, 1.13, 1e-3, 100.0],
            _ => &[1.0, f32::MIN_POSITIVE, f32::MAX, 1e-20, 1e10],
        };
        let speed: Vec<f32> = (0..gpus).map(|_| rng.pick(speeds)).collect();
        let mut state: Vec<u8> = (0..gpus)
            .map(|_| rng.pick(&[0, 0, 0, 0, 0, eplb::EPLB_GPU_DEAD, eplb::EPLB_GPU_LEAVING]))
            .collect();
        state[rng.below(gpus)] = eplb::EPLB_GPU_ALIVE;
        let nodes = if rng.once_in(3) { 1 } else { rng.range(1, 4).min(gpus) };
        let scattered: Vec<u32> = (0..gpus).map(|_| rng.below(nodes) as u32).collect();
        let divisors: Vec<usize> =
            (1..=experts).filter(|size| experts.is_multiple_of(*size)).collect();
        let groups = if rng.once_in(10) { rng.range(1, 12) } else { rng.pick(&divisors) };
        let layers = rng.range(1, 2);
        General {
            num_layers: layers,
            num_logical_experts: experts,
            num_groups: groups,
            num_nodes: nodes,
            slots,
            speed: rng.once_in(2).then_some(speed),
            node: rng.once_in(2).then_some(scattered),
            state: rng.once_in(2).then_some(state),
            load: (0..layers).flat_map(|_| loads::any(rng, experts)).collect(),
        }
    }

    /// The largest time of any GPU by the ruler, written again: of one layer.
    pub fn largest_time(&self, layer: usize, slots: &[i32]) -> f64 {
        let load = self.layer(layer);
        let mut count = vec![0_u32; load.len()];
        for &expert in slots.iter().filter(|&&expert| expert >= 0) {
            count[expert as usize] += 1;
        }
        let mut rest = slots;
        let mut largest = 0.0;
        for gpu in 0..self.slots.len() {
            let (held, after) = rest.split_at(self.slots[gpu] as usize);
            rest = after;
            let held = held.iter().filter(|&&expert| expert >= 0).map(|&expert| expert as usize);
            let sum = held.fold(0.0, |sum, e| sum + f64::from(load[e]) / f64::from(count[e]));
            let time = sum / f64::from(self.speed(gpu));
            largest = if time > largest { time } else { largest };
        }
        largest
    }
}
