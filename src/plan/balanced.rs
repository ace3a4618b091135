//! The road of BALANCED: groups onto nodes where scope asks for it, then each node's experts and GPUs as
//! one row for the joint planner, then the maps. Global is one row of everything.
//!
//! Any topology: GPUs that do not receive stay empty, slots and speeds may differ, nodes may be anywhere.

use super::joint::{self, Row};
use crate::arena::{Arena, Carve, Need};
use crate::metrics::assignment::Assignment;
use crate::order::widen;
use crate::problem::{Scope, Shape};
use crate::status::Status;

/// Assignments of groups to nodes tried at most; 8 groups on 4 nodes take a few dozen.
const ASSIGNMENTS: u32 = 20_000;
/// A plan so near the least that the busiest node can do is not worth another assignment.
const CLOSE: f64 = 1.0 + 1.0 / 1024.0;
/// Other assignments planned at most.
const VISITS: u32 = 64;
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

/// How many groups the nodes can hold, each expert once. O(G^2), or O(G) where nodes are contiguous.
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
    // a node is counted at its first GPU, so that nodes without one cost nothing
    for gpu in 0..topology.num_gpus() {
        let node = topology.node(gpu);
        if (0..gpu).all(|before| topology.node(before) != node) {
            let here = (gpu..topology.num_gpus()).filter(|&gpu| topology.node(gpu) == node);
            sum += places(here.map(|gpu| shape.usable_slots(gpu)).sum());
        }
    }
    sum
}

/// Scratch of the road: the row at hand, and where its GPUs are.
#[derive(Debug)]
struct Rows<'a> {
    /// `[G]` first slot of each GPU; its row, which is its node or 0, or `NONE`.
    first_slot: &'a mut [u32],
    gpu_row: &'a mut [u32],
    /// `[E']` experts, their loads and replicas, `[G']` GPUs, their slots and speeds, `[P']` the answer.
    expert: &'a mut [u32],
    load: &'a mut [f32],
    count: &'a mut [u32],
    gpu: &'a mut [u32],
    slots: &'a mut [u32],
    speed: &'a mut [f32],
    placed: &'a mut [u32],
}

impl<'a> Rows<'a> {
    #[inline(never)] // what building takes is off the stack while planning
    fn carve(arena: &mut Arena<'a>, shape: &Shape) -> Self {
        Rows::list(arena, shape)
    }

    #[inline(always)]
    fn list(arena: &mut impl Carve<'a>, shape: &Shape) -> Self {
        let (experts, gpus) = (shape.num_logical_experts(), shape.topology().num_gpus());
        Rows {
            first_slot: arena.u32s(gpus),
            gpu_row: arena.u32s(gpus),
            expert: arena.u32s(experts),
            load: arena.f32s(experts),
            count: arena.u32s(experts),
            gpu: arena.u32s(gpus),
            slots: arena.u32s(gpus),
            speed: arena.f32s(gpus),
            placed: arena.u32s(shape.num_physical_experts()),
        }
    }
}

/// Whether groups are to be assigned: on a single node there is nothing to assign.
fn has_groups(shape: &Shape, scope: Scope) -> bool {
    shape.is_hierarchical(scope) && shape.topology().num_nodes() > 1
}

/// What a layer needs: O(E + P + G + N + K).
#[inline(never)]
pub fn need(shape: &Shape, scope: Scope) -> Need {
    let mut need = Need::default();
    Rows::list(&mut need, shape);
    if has_groups(shape, scope) {
        Assignment::list(&mut need, shape, shape.num_groups());
        need.u32s(shape.num_physical_experts());
    }
    let (experts, slots) = (shape.num_logical_experts(), shape.num_physical_experts());
    need.plus(joint::need(experts, slots, shape.topology().num_gpus()))
}

/// A layer and what limits its plan.
#[derive(Clone, Copy, Debug)]
pub struct Layer<'a> {
    pub shape: &'a Shape<'a>,
    /// `[E]`.
    pub load: &'a [f32],
    /// Replicas that an expert may have.
    pub most_replicas: usize,
    /// `options.effort`.
    pub effort: u32,
}

/// Plans one layer and writes physical_to_logical. `arena` holds what [`need`] says.
#[inline(never)] // its scratch is on the stack only while BALANCED plans
pub fn plan_layer(layer: &Layer, scope: Scope, arena: &mut Arena, slots: &mut [i32]) {
    let arena = &mut arena.rest();
    let rows = &mut Rows::carve(arena, layer.shape);
    let hierarchical = has_groups(layer.shape, scope);
    rows.note_gpus(layer.shape, hierarchical);
    if hierarchical {
        plan_nodes(layer, rows, arena, slots);
    } else {
        slots.fill(-1);
        rows.plan(layer, 0, None, arena, slots);
    }
}

/// Groups go to nodes so that the busiest node has the least to do. Where the GPUs of a node cannot be made
/// as even as that, which takes few slots, other assignments are planned, too, while their nodes allow
/// better.
#[inline(never)]
fn plan_nodes(layer: &Layer, rows: &mut Rows, arena: &mut Arena, slots: &mut [i32]) {
    let groups = &mut Assignment::carve(arena, layer.shape, layer.shape.num_groups());
    groups.note(layer.shape);
    let kept = arena.u32s(slots.len());
    let size = groups.size();
    let floor = groups.assign(layer.load, ASSIGNMENTS).floor;
    let mut best = rows.plan_all(layer, groups.node_of(), size, f64::INFINITY, arena, slots);
    if best <= floor * CLOSE {
        return;
    }
    keep(slots, kept);
    let mut visits = VISITS;
    groups.visit(best, ASSIGNMENTS, |node_of| {
        if visits == 0 {
            return 0.0;
        }
        visits -= 1;
        let time = rows.plan_all(layer, node_of, size, best, arena, slots);
        if time < best {
            best = time;
            keep(slots, kept);
        }
        time
    });
    for (slot, &kept) in slots.iter_mut().zip(kept.iter()) {
        *slot = kept as i32;
    }
}

fn keep(slots: &[i32], kept: &mut [u32]) {
    for (kept, &slot) in kept.iter_mut().zip(slots) {
        *kept = slot as u32;
    }
}

impl Rows<'_> {
    #[inline(never)]
    fn note_gpus(&mut self, shape: &Shape, hierarchical: bool) {
        let mut first = 0;
        for (gpu, (first_slot, row)) in
            self.first_slot.iter_mut().zip(self.gpu_row.iter_mut()).enumerate()
        {
            *first_slot = first as u32;
            first += shape.topology().slots(gpu);
            *row = match (shape.usable_slots(gpu), hierarchical) {
                (0, _) => NONE,
                (_, false) => 0,
                (_, true) => shape.topology().node(gpu) as u32,
            };
        }
    }

    /// Plans every node with the groups that it has, and answers the largest GPU time; gives up when that
    /// reaches `limit`.
    fn plan_all(
        &mut self,
        layer: &Layer,
        node_of: &[u32],
        size: usize,
        limit: f64,
        arena: &mut Arena,
        slots: &mut [i32],
    ) -> f64 {
        slots.fill(-1);
        let mut worst = 0.0;
        for node in 0..layer.shape.topology().num_nodes() {
            self.plan(layer, node as u32, Some((node_of, size)), arena, slots);
            let time = self.largest_time();
            if time > worst {
                worst = time;
            }
            if worst >= limit {
                break;
            }
        }
        worst
    }

    /// Plans a row, and writes its slots.
    fn plan(
        &mut self,
        layer: &Layer,
        row: u32,
        groups: Option<(&[u32], usize)>,
        arena: &mut Arena,
        physical_to_logical: &mut [i32],
    ) {
        let (experts, gpus, filled) = self.gather(layer, row, groups);
        let (Some(load), Some(slots), Some(speed), Some(placed)) = (
            self.load.get(..experts).filter(|load| !load.is_empty()),
            self.slots.get(..gpus),
            self.speed.get(..gpus),
            self.placed.get_mut(..filled),
        ) else {
            return;
        };
        let most_replicas = gpus.min(layer.most_replicas) as u32;
        let row = Row { load, slots, speed, most_replicas, effort: layer.effort };
        joint::plan(&row, arena, placed);
        self.write(physical_to_logical);
    }

    /// Gathers the experts and GPUs of a row; answers how many there are of each, and of slots to fill.
    #[inline(never)]
    fn gather(
        &mut self,
        layer: &Layer,
        row: u32,
        groups: Option<(&[u32], usize)>,
    ) -> (usize, usize, usize) {
        let mut experts = 0;
        let mut gather = |range: core::ops::Range<usize>| {
            let load = layer.load.get(range.clone()).unwrap_or_default();
            let expert = self.expert.iter_mut().skip(experts);
            let to = expert.zip(self.load.iter_mut().skip(experts));
            for ((to, to_load), (expert, &load)) in to.zip(range.zip(load)) {
                *to = expert as u32;
                *to_load = load.abs(); // -0.0 becomes 0.0
            }
            experts += load.len();
        };
        match groups {
            None => gather(0..layer.load.len()),
            Some((node_of, size)) => {
                let here = node_of.iter().enumerate().filter(|(_, of)| **of == row);
                here.for_each(|(group, _)| gather(group * size..(group + 1) * size));
            }
        }
        let mut gpus = 0;
        for (gpu, _) in self.gpu_row.iter().enumerate().filter(|(_, of)| **of == row) {
            if let (Some(name), Some(slots), Some(speed)) =
                (self.gpu.get_mut(gpus), self.slots.get_mut(gpus), self.speed.get_mut(gpus))
            {
                *name = gpu as u32;
                *slots = layer.shape.usable_slots(gpu).min(experts) as u32;
                *speed = layer.shape.topology().speed(gpu);
                gpus += 1;
            }
        }
        self.count.fill(0);
        if let Some(none) = self.gpu.get_mut(gpus..) {
            none.fill(NONE);
        }
        let most = experts.saturating_mul(gpus.min(layer.most_replicas));
        let slots = self.slots.get_mut(..gpus).unwrap_or_default();
        (experts, gpus, keep_to(most, slots))
    }

    /// Writes the slots of the row planned last.
    #[inline(never)]
    fn write(&self, physical_to_logical: &mut [i32]) {
        let mut placed = self.placed.iter();
        let gpus = self.gpu.iter().take_while(|gpu| **gpu != NONE);
        for (&gpu, &slots) in gpus.zip(self.slots.iter()) {
            let first = self.first_slot.get(gpu as usize).copied().unwrap_or(0) as usize;
            let entries = physical_to_logical.get_mut(first..).unwrap_or_default();
            for (entry, &placed) in entries.iter_mut().zip(placed.by_ref().take(slots as usize)) {
                *entry = self.expert.get(placed as usize).map_or(-1, |&expert| expert as i32);
            }
        }
    }

    /// The largest GPU time of the row planned last, by the ruler.
    fn largest_time(&mut self) -> f64 {
        let gpus = self.gpu.iter().position(|&gpu| gpu == NONE).unwrap_or(self.gpu.len());
        let slots = self.slots.get(..gpus).unwrap_or_default();
        let filled = slots.iter().fold(0_usize, |sum, &slots| sum + slots as usize);
        let placed = self.placed.get(..filled).unwrap_or_default();
        for &expert in placed {
            if let Some(count) = self.count.get_mut(expert as usize) {
                *count += 1;
            }
        }
        let mut placed = placed.iter();
        let mut worst = 0.0;
        for (&slots, &speed) in slots.iter().zip(self.speed.iter()) {
            let held = placed.by_ref().take(slots as usize);
            let load = held.fold(0.0, |sum, &expert| {
                let load = self.load.get(expert as usize).copied().unwrap_or(0.0);
                let count = self.count.get(expert as usize).copied().unwrap_or(1);
                sum + widen(load) / f64::from(count)
            });
            let time = load / f64::from(speed);
            if time > worst {
                worst = time;
            }
        }
        worst
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
