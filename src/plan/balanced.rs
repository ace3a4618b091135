//! The road of BALANCED: groups onto nodes where scope asks for it, then each node's experts and GPUs as
//! one row for the joint planner, then the maps. Global is one row of everything.
//!
//! Any topology: GPUs that do not receive stay empty, slots and speeds may differ, nodes may be anywhere.

use super::joint::{self, Row};
use crate::arena::{Arena, Need};
use crate::metrics::assignment::Assignment;
use crate::problem::{Scope, Shape};
use crate::status::Status;

/// Assignments of groups to nodes tried at most; 8 groups on 4 nodes take a few dozen.
const ASSIGNMENTS: u32 = 20_000;
/// GPUs at most: the joint planner keeps a GPU's number beside its load in one word.
const MOST_GPUS: usize = 0xffff;
/// The node of a GPU that takes no part.
const NONE: u32 = u32::MAX;

/// Refuses what BALANCED cannot honour, and shapes without a placement.
///
/// # Errors
/// [`Status::UnsupportedWindows`], [`Status::TooFewSlots`], [`Status::ExpertsNotDivisible`],
/// [`Status::ShapeTooLarge`] for more than 65,535 GPUs.
pub fn admit(shape: &Shape, scope: Scope) -> Result<(), Status> {
    if shape.num_windows() > 1 {
        return Err(Status::UnsupportedWindows);
    }
    let experts = shape.num_logical_experts();
    let usable = (0..shape.topology().num_gpus()).map(|gpu| shape.usable_slots(gpu));
    if usable.fold(0_usize, |sum, slots| sum.saturating_add(slots)) < experts {
        return Err(Status::TooFewSlots);
    }
    if shape.topology().num_gpus() > MOST_GPUS {
        return Err(Status::ShapeTooLarge);
    }
    if !shape.is_hierarchical(scope) {
        return Ok(());
    }
    if experts.checked_rem(shape.num_groups()) != Some(0) {
        return Err(Status::ExpertsNotDivisible);
    }
    if places_for_groups(shape) < shape.num_groups() {
        return Err(Status::Infeasible);
    }
    Ok(())
}

/// How many groups the nodes can hold, each expert once. O(N G), or O(G) where nodes are contiguous.
fn places_for_groups(shape: &Shape) -> usize {
    let topology = shape.topology();
    let size = shape.num_logical_experts().checked_div(shape.num_groups()).unwrap_or(1);
    let places = |slots: usize| slots.checked_div(size).unwrap_or(0);
    let (mut sum, mut node, mut slots) = (0, 0, 0);
    if topology.contiguous_nodes() {
        for gpu in 0..topology.num_gpus() {
            if topology.node(gpu) != node {
                (sum, node, slots) = (sum + places(slots), topology.node(gpu), 0);
            }
            slots += shape.usable_slots(gpu);
        }
        return sum + places(slots);
    }
    for node in 0..topology.num_nodes() {
        let here = (0..topology.num_gpus()).filter(|&gpu| topology.node(gpu) == node);
        sum += places(here.map(|gpu| shape.usable_slots(gpu)).sum());
    }
    sum
}

/// Scratch of the road. The joint planner carves what is left for each row anew.
#[derive(Debug)]
pub struct Scratch<'a> {
    /// `[G]` first slot of each GPU; its row, which is its node or 0, or `NONE`.
    first_slot: &'a mut [u32],
    gpu_row: &'a mut [u32],
    /// The row at hand: `[E']` experts and loads, `[G']` GPUs, their slots and speeds, `[P']` the answer.
    expert: &'a mut [u32],
    load: &'a mut [f32],
    gpu: &'a mut [u32],
    slots: &'a mut [u32],
    speed: &'a mut [f32],
    placed: &'a mut [u32],
    rows: usize,
    /// Hierarchical scope on several nodes alone.
    groups: Option<Assignment<'a>>,
    joint: Arena<'a>,
}

/// Takes the fixed part of the scratch, and says what the joint planner needs for the largest row.
fn carve_fixed<'a>(arena: &mut Arena<'a>, shape: &Shape, scope: Scope) -> (Scratch<'a>, Need) {
    let (experts, gpus) = (shape.num_logical_experts(), shape.topology().num_gpus());
    let slots = shape.num_physical_experts();
    let nodes = shape.topology().num_nodes();
    // on a single node there is nothing to assign
    let hierarchical = shape.is_hierarchical(scope) && nodes > 1;
    let scratch = Scratch {
        first_slot: arena.u32s.take(gpus),
        gpu_row: arena.u32s.take(gpus),
        expert: arena.u32s.take(experts),
        load: arena.f32s.take(experts),
        gpu: arena.u32s.take(gpus),
        slots: arena.u32s.take(gpus),
        speed: arena.f32s.take(gpus),
        placed: arena.u32s.take(slots),
        rows: if hierarchical { nodes } else { 1 },
        groups: hierarchical.then(|| Assignment::carve(arena, shape)),
        joint: Arena::counting(),
    };
    let mut counting = Arena::counting();
    joint::carve(&mut counting, experts, slots, gpus);
    (scratch, counting.need())
}

impl<'a> Scratch<'a> {
    /// Takes the scratch of the road, and notes the topology in it: O(E + P + G + N + K).
    pub fn carve(arena: &mut Arena<'a>, shape: &Shape, scope: Scope) -> Self {
        let (scratch, need) = carve_fixed(arena, shape, scope);
        let mut scratch = Scratch { joint: arena.part(need), ..scratch };
        scratch.note_gpus(shape);
        scratch
    }

    fn note_gpus(&mut self, shape: &Shape) {
        let topology = shape.topology();
        let mut first = 0;
        for (gpu, (first_slot, row)) in
            self.first_slot.iter_mut().zip(self.gpu_row.iter_mut()).enumerate()
        {
            *first_slot = first as u32;
            first += topology.slots(gpu);
            *row = match (shape.usable_slots(gpu), &self.groups) {
                (0, _) => NONE,
                (_, None) => 0,
                (_, Some(_)) => topology.node(gpu) as u32,
            };
        }
    }
}

/// What a layer needs.
pub fn need(shape: &Shape, scope: Scope) -> Need {
    let mut arena = Arena::counting();
    Scratch::carve(&mut arena, shape, scope);
    arena.need()
}

/// Plans one layer and writes physical_to_logical.
pub fn plan_layer(
    shape: &Shape,
    load: &[f32],
    most_replicas: usize,
    effort: u32,
    scratch: &mut Scratch,
    physical_to_logical: &mut [i32],
) {
    physical_to_logical.fill(-1);
    if let Some(groups) = &mut scratch.groups {
        groups.assign(load, ASSIGNMENTS);
    }
    for row in 0..scratch.rows {
        plan_row(shape, load, most_replicas, effort, row as u32, scratch, physical_to_logical);
    }
}

/// Gathers the experts and GPUs of a row, plans it, and writes physical_to_logical.
fn plan_row(
    shape: &Shape,
    load: &[f32],
    most_replicas: usize,
    effort: u32,
    row: u32,
    scratch: &mut Scratch,
    physical_to_logical: &mut [i32],
) {
    let mut experts = 0;
    let mut gather = |range: core::ops::Range<usize>| {
        let load = load.get(range.clone()).unwrap_or_default();
        let expert = scratch.expert.iter_mut().skip(experts);
        let to = expert.zip(scratch.load.iter_mut().skip(experts));
        for ((to, to_load), (expert, &load)) in to.zip(range.zip(load)) {
            *to = expert as u32;
            *to_load = load + 0.0; // -0.0 becomes 0.0
        }
        experts += load.len();
    };
    match &scratch.groups {
        None => gather(0..load.len()),
        Some(groups) => groups.experts_of(row).for_each(gather),
    }
    let (mut gpus, mut all) = (0, 0);
    for (gpu, _) in scratch.gpu_row.iter().enumerate().filter(|(_, of)| **of == row) {
        let usable = shape.usable_slots(gpu).min(experts);
        if let (Some(name), Some(slots), Some(speed)) =
            (scratch.gpu.get_mut(gpus), scratch.slots.get_mut(gpus), scratch.speed.get_mut(gpus))
        {
            *name = gpu as u32;
            *slots = usable as u32;
            *speed = shape.topology().speed(gpu);
            gpus += 1;
            all += usable;
        }
    }
    if experts == 0 {
        return;
    }
    let (Some(slots), Some(speed), Some(load), Some(placed)) = (
        scratch.slots.get_mut(..gpus),
        scratch.speed.get(..gpus),
        scratch.load.get(..experts),
        scratch.placed.get_mut(..all),
    ) else {
        return;
    };
    let most = gpus.min(most_replicas);
    let filled = keep_to(experts.saturating_mul(most), slots);
    let placed = placed.get_mut(..filled).unwrap_or_default();
    let row = Row { load, slots, speed, most_replicas: most as u32, effort };
    joint::plan(&row, scratch.joint.rest(), placed);

    let mut placed = scratch.placed.iter();
    for (&gpu, &slots) in scratch.gpu.iter().zip(scratch.slots.iter()).take(gpus) {
        let first = scratch.first_slot.get(gpu as usize).copied().unwrap_or(0) as usize;
        let entries = physical_to_logical.get_mut(first..).unwrap_or_default();
        for (entry, &placed) in entries.iter_mut().zip(placed.by_ref().take(slots as usize)) {
            *entry = scratch.expert.get(placed as usize).map_or(-1, |&expert| expert as i32);
        }
    }
}

/// Takes slots away, one from the fullest GPU at a time, until at most `most` are left: more replicas than
/// that may not be made. Answers how many are left.
fn keep_to(most: usize, slots: &mut [u32]) -> usize {
    let mut all = slots.iter().fold(0_usize, |sum, &slots| sum + slots as usize);
    while all > most {
        let fullest = slots.iter().copied().max().unwrap_or(0);
        let Some(slots) = slots.iter_mut().rev().find(|slots| **slots == fullest) else { break };
        *slots = slots.saturating_sub(1);
        all -= 1;
    }
    all
}
