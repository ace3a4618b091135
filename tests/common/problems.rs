//! Random problems for property tests: shapes of every kind, loads with ties, zeros and hot experts.
#![allow(dead_code)] // each test crate uses its part

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
                    num_nodes: if hierarchical { nodes } else { nodes.max(2) },
                    num_gpus: gpus,
                    load,
                },
            )
        })
}
