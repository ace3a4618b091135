//! The stages of every recipe: groups onto nodes, each node's experts to replicas, replicas onto
//! the node's GPUs, and the maps. Global is the same with one node and one group.
//!
//! Source: deepseek-ai/EPLB, `rebalance_experts_hierarchical`.

use crate::base::arena::{Arena, Carve, Need};
use crate::compat::pack::items::{Items, Packed};
use crate::compat::pack::{self, Packing};
use crate::compat::policy::Recipe;
use crate::compat::replicate;
use crate::compat::replicate::replicas::Replicas;
use crate::placement::LayerMaps;
use crate::problem::{Scope, Shape};

/// Sizes: all divide evenly, which `policy::admit` has seen to.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    nodes: usize,
    groups: usize,
    group_size: usize,
    experts: usize,
    slots: usize,
    gpus: usize,
    gpu_slots: usize,
}

impl Sizes {
    /// Those of a shape: sizes are per node, but for `nodes` and `groups`.
    pub fn new(shape: &Shape, scope: Scope) -> Self {
        let (nodes, groups) = if shape.is_hierarchical(scope) {
            (shape.topology().num_nodes(), shape.num_groups())
        } else {
            (1, 1)
        };
        let share = |a: usize, b: usize| a.checked_div(b).unwrap_or(0);
        let gpus = shape.topology().num_gpus();
        Sizes {
            nodes,
            groups,
            group_size: share(shape.num_logical_experts(), groups),
            experts: share(shape.num_logical_experts(), nodes),
            slots: share(shape.num_physical_experts(), nodes),
            gpus: share(gpus, nodes),
            gpu_slots: share(shape.num_physical_experts(), gpus),
        }
    }
}

/// Scratch of the stages.
#[derive(Debug)]
pub struct Scratch<'a> {
    /// `[K]` load, node and rank on the node of each group.
    group_load: &'a mut [f32],
    group_node: &'a mut [u32],
    group_rank: &'a mut [u32],
    /// `[E]` experts node by node, on a node by rank of their group: "meta-logical" order.
    meta: &'a mut [u32],
    /// `[E']` loads, then loads of a replica, and counts of one node's experts.
    load: &'a mut [f32],
    count: &'a mut [u32],
    /// `[P']` one node's physical experts: expert, rank, load, GPU, rank on the GPU.
    expert: &'a mut [u32],
    rank: &'a mut [u32],
    replica_load: &'a mut [f32],
    gpu: &'a mut [u32],
    gpu_rank: &'a mut [u32],
    replicate: replicate::Scratch<'a>,
    pack: pack::scratch::Scratch<'a>,
}

impl<'a> Scratch<'a> {
    /// Takes the scratch: O(E + P + K).
    #[inline(never)] // what building takes is off the stack while planning
    fn carve(arena: &'a mut Arena, sizes: &Sizes, recipe: Recipe) -> Self {
        Scratch::list(&mut arena.rest(), sizes, recipe)
    }

    #[inline(always)]
    fn list(arena: &mut impl Carve<'a>, sizes: &Sizes, recipe: Recipe) -> Self {
        Scratch {
            group_load: arena.f32s(sizes.groups),
            group_node: arena.u32s(sizes.groups),
            group_rank: arena.u32s(sizes.groups),
            meta: arena.u32s(sizes.groups.saturating_mul(sizes.group_size)),
            load: arena.f32s(sizes.experts),
            count: arena.u32s(sizes.experts),
            expert: arena.u32s(sizes.slots),
            rank: arena.u32s(sizes.slots),
            replica_load: arena.f32s(sizes.slots),
            gpu: arena.u32s(sizes.slots),
            gpu_rank: arena.u32s(sizes.slots),
            replicate: replicate::Scratch::carve(arena, sizes.experts),
            pack: pack::scratch::Scratch::carve(
                arena,
                recipe.packing == Packing::Diverse,
                sizes.slots.max(sizes.groups),
                sizes.gpus.max(sizes.nodes),
            ),
        }
    }
}

/// What a layer needs.
#[inline(never)]
pub fn need(shape: &Shape, scope: Scope, recipe: Recipe) -> Need {
    let mut need = Need::default();
    Scratch::list(&mut need, &Sizes::new(shape, scope), recipe);
    need
}

/// Plans one layer and writes its maps. `arena` holds what [`need`] says.
#[inline(never)] // its scratch is on the stack only while a recipe plans
pub fn plan_layer(
    shape: &Shape,
    scope: Scope,
    recipe: Recipe,
    load: &[f32],
    arena: &mut Arena,
    maps: &mut LayerMaps,
) {
    let sizes = &Sizes::new(shape, scope);
    let scratch = &mut Scratch::carve(arena, sizes, recipe);
    groups_onto_nodes(sizes, recipe, load, scratch);
    maps.logical_to_physical.fill(-1);
    let mut first_expert = 0;
    let mut first_slot = 0;
    for _ in 0..sizes.nodes {
        plan_node(sizes, recipe, load, scratch, first_expert);
        write_node(sizes, scratch, maps, first_expert, first_slot);
        first_expert += sizes.experts;
        first_slot += sizes.slots;
    }
}

/// Decides the node of each group, and with it the meta-logical order of the experts.
#[inline(never)]
fn groups_onto_nodes(sizes: &Sizes, recipe: Recipe, load: &[f32], scratch: &mut Scratch) {
    let size = sizes.group_size.max(1);
    if sizes.groups == 1 {
        // one group on one node: no need to weigh it
        for (expert, meta) in scratch.meta.iter_mut().enumerate() {
            *meta = expert as u32;
        }
        return;
    }
    for (sum, group) in scratch.group_load.iter_mut().zip(load.chunks_exact(size)) {
        *sum = group.iter().fold(0.0, |sum, &load| sum + load);
    }
    let mut packed = Packed { pack: scratch.group_node, rank: scratch.group_rank };
    pack::onto_nodes(
        recipe.packing,
        recipe.refinement,
        scratch.group_load,
        sizes.nodes,
        &mut packed,
        &mut scratch.pack,
    );

    let per_node = sizes.groups.checked_div(sizes.nodes).unwrap_or(0);
    for (group, (&node, &rank)) in packed.pack.iter().zip(packed.rank.iter()).enumerate() {
        let first = (node as usize * per_node + rank as usize) * size;
        let members = scratch.meta.iter_mut().skip(first).take(size);
        for (expert, meta) in (group * size..).zip(members) {
            *meta = expert as u32;
        }
    }
}

/// Replicates and packs the experts of the node whose first meta-logical expert is given.
#[inline(never)]
fn plan_node(
    sizes: &Sizes,
    recipe: Recipe,
    load: &[f32],
    scratch: &mut Scratch,
    first_expert: usize,
) {
    let meta = scratch.meta.get(first_expert..).unwrap_or_default();
    for (row, &expert) in scratch.load.iter_mut().zip(meta) {
        // + 0.0 makes -0.0 the 0.0 that the orders by bits take it for
        *row = load.get(expert as usize).copied().unwrap_or(0.0) + 0.0;
    }
    let mut replicas =
        Replicas { expert: scratch.expert, rank: scratch.rank, count: scratch.count };
    replicate::replicate(
        recipe.rule,
        recipe.fix_up,
        scratch.load,
        &mut replicas,
        &mut scratch.replicate,
    );
    // from here on the load of an expert is that of one of its replicas
    for (load, &count) in scratch.load.iter_mut().zip(replicas.count.iter()) {
        *load /= count as f32;
    }
    for (replica, &expert) in scratch.replica_load.iter_mut().zip(replicas.expert.iter()) {
        *replica = scratch.load.get(expert as usize).copied().unwrap_or(0.0);
    }
    let mut packed = Packed { pack: scratch.gpu, rank: scratch.gpu_rank };
    pack::onto_gpus(
        recipe.packing,
        recipe.refinement,
        Items { load: scratch.replica_load, expert: replicas.expert },
        sizes.gpus,
        &mut packed,
        &mut scratch.pack,
    );
}

/// Writes what `plan_node` decided into the maps of the layer.
#[inline(never)]
fn write_node(
    sizes: &Sizes,
    scratch: &Scratch,
    maps: &mut LayerMaps,
    first_expert: usize,
    first_slot: usize,
) {
    let meta = scratch.meta.get(first_expert..).unwrap_or_default();
    for (&expert, &count) in meta.iter().zip(scratch.count.iter()) {
        if let Some(entry) = maps.logical_count.get_mut(expert as usize) {
            *entry = count as i32;
        }
    }
    let replicas = scratch.expert.iter().zip(scratch.rank.iter());
    let places = scratch.gpu.iter().zip(scratch.gpu_rank.iter());
    for ((&expert, &rank), (&gpu, &gpu_rank)) in replicas.zip(places) {
        let slot = first_slot + gpu as usize * sizes.gpu_slots + gpu_rank as usize;
        let expert = meta.get(expert as usize).copied().unwrap_or(0);
        if let Some(entry) = maps.physical_to_logical.get_mut(slot) {
            *entry = expert as i32;
        }
        if let Some(entry) = maps.replica_rank.get_mut(slot) {
            *entry = rank as i32;
        }
        let row = expert as usize * maps.max_replicas;
        if let Some(entry) = maps.logical_to_physical.get_mut(row + rank as usize) {
            *entry = slot as i32;
        }
    }
}
