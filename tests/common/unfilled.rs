//! Which slots must hold an expert, by a rule of its own: all of a GPU that is alive, unless every expert that may
//! be on the GPU is there already, or has as many replicas as it may.

use eplb::{EPLB_GPU_ALIVE, Spec};

/// The first slot of a layer that is empty and need not be. `max_replicas`: 0 = no limit. `hierarchical`: groups are
/// on the node on which their experts are.
pub fn first_unfilled(
    spec: &Spec,
    slots: &[i32],
    max_replicas: usize,
    hierarchical: bool,
) -> Option<usize> {
    let experts = spec.num_logical_experts as usize;
    let gpu_of = gpus_of_slots(spec);
    let alive = |slot: usize| spec.gpu_state.is_none_or(|s| s[gpu_of[slot]] == EPLB_GPU_ALIVE);
    let node_of = |slot: usize| node(spec, gpu_of[slot]);
    let holders = |expert: usize| {
        (0..slots.len()).filter(move |&slot| slots[slot] == expert as i32 && alive(slot))
    };
    let size = experts / (spec.num_groups.max(1) as usize);
    let home = |expert: usize| {
        let group = expert / size * size..(expert / size + 1) * size;
        group.flat_map(holders).next().map(node_of)
    };
    let may_be_there = |slot: usize, expert: usize| {
        (max_replicas == 0 || holders(expert).count() < max_replicas)
            && holders(expert).all(|other| gpu_of[other] != gpu_of[slot])
            && (!hierarchical || home(expert) == Some(node_of(slot)))
    };
    (0..slots.len()).find(|&slot| {
        slots[slot] < 0 && alive(slot) && (0..experts).any(|expert| may_be_there(slot, expert))
    })
}

/// The GPU of each slot.
pub fn gpus_of_slots(spec: &Spec) -> Vec<usize> {
    let gpus = spec.num_gpus as usize;
    let each = spec.num_physical_experts as usize / gpus;
    let of = |gpu: usize| spec.gpu_slots.map_or(each, |slots| slots[gpu] as usize);
    (0..gpus).flat_map(|gpu| std::iter::repeat_n(gpu, of(gpu))).collect()
}

fn node(spec: &Spec, gpu: usize) -> usize {
    let (gpus, nodes) = (spec.num_gpus as usize, spec.num_nodes.max(1) as usize);
    let Some(node) = spec.gpu_node else {
        let longer = gpus % nodes * (gpus / nodes + 1);
        return if gpu < longer {
            gpu / (gpus / nodes + 1)
        } else {
            gpus % nodes + (gpu - longer) / (gpus / nodes)
        };
    };
    node[gpu] as usize
}
