//! The road of BALANCED: groups onto nodes where scope asks for it, then each node's experts and GPUs as
//! one row for the joint planner, then the maps. Global is one row of everything.
//!
//! Any topology: GPUs that do not receive stay empty, slots and speeds may differ, nodes may be anywhere.

mod drift;

use super::joint::{self, Row};
use super::robust;
use super::windows::Windows;
use crate::arena::{Arena, Need};
use crate::metrics::assignment::Assignment;
use crate::order::widen;
use crate::problem::{Problem, Scope, Shape};
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
/// [`Status::TooFewSlots`], [`Status::ExpertsNotDivisible`], [`Status::Infeasible`],
/// [`Status::ShapeTooLarge`] for more than 65,535 GPUs.
pub fn admit(shape: &Shape, scope: Scope) -> Result<(), Status> {
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

/// Scratch of the road.
#[derive(Debug)]
pub struct Scratch<'a> {
    rows: Rows<'a>,
    /// Hierarchical scope on several nodes alone, with the best plan so far.
    groups: Option<(Assignment<'a>, &'a mut [u32])>,
    /// Several windows alone.
    windows: Option<Windows<'a>>,
}

/// The row at hand, and where its GPUs are.
#[derive(Debug)]
struct Rows<'a> {
    /// `[G]` first slot of each GPU; its row, which is its node or 0, or `NONE`.
    first_slot: &'a mut [u32],
    gpu_row: &'a mut [u32],
    /// Of all GPUs that take part.
    mean_speed: f64,
    /// `[E']` experts, their loads and replicas, `[G']` GPUs, their slots and speeds, `[P']` the answer.
    expert: &'a mut [u32],
    load: &'a mut [f32],
    count: &'a mut [u32],
    gpu: &'a mut [u32],
    slots: &'a mut [u32],
    speed: &'a mut [f32],
    placed: &'a mut [u32],
    /// What the joint planner, or the robust one, carves for each row anew.
    planner: Arena<'a>,
}

impl<'a> Scratch<'a> {
    /// Takes the scratch of the road, and notes the topology in it: O(E + P + G + N + K), with several
    /// windows O(W (E + G)) more.
    pub fn carve(arena: &mut Arena<'a>, shape: &Shape, scope: Scope) -> Self {
        let (experts, gpus) = (shape.num_logical_experts(), shape.topology().num_gpus());
        let slots = shape.num_physical_experts();
        // on a single node there is nothing to assign
        let hierarchical = shape.is_hierarchical(scope) && shape.topology().num_nodes() > 1;
        let mut joint = Arena::counting();
        joint::carve(&mut joint, experts, slots, gpus);
        let mut planner = joint.need();
        let windows = shape.num_windows();
        if windows > 1 {
            let mut robust = Arena::counting();
            robust::carve(&mut robust, experts, slots, gpus, windows);
            planner = planner.max(robust.need());
        }
        let mut rows = Rows {
            first_slot: arena.u32s.take(gpus),
            gpu_row: arena.u32s.take(gpus),
            mean_speed: 1.0,
            expert: arena.u32s.take(experts),
            load: arena.f32s.take(experts),
            count: arena.u32s.take(experts),
            gpu: arena.u32s.take(gpus),
            slots: arena.u32s.take(gpus),
            speed: arena.f32s.take(gpus),
            placed: arena.u32s.take(slots),
            planner: arena.part(planner),
        };
        rows.note_gpus(shape, hierarchical);
        rows.mean_speed = rows.mean_speed(shape);
        let groups =
            hierarchical.then(|| (Assignment::carve(arena, shape), arena.u32s.take(slots)));
        let windows = (windows > 1).then(|| Windows::carve(arena, shape));
        Scratch { rows, groups, windows }
    }
}

/// What a layer needs.
pub fn need(shape: &Shape, scope: Scope) -> Need {
    let mut arena = Arena::counting();
    Scratch::carve(&mut arena, shape, scope);
    arena.need()
}

/// A layer and what limits its plan.
#[derive(Clone, Copy, Debug)]
pub struct Layer<'a> {
    pub problem: &'a Problem<'a>,
    pub index: usize,
    /// Replicas that an expert may have.
    pub most_replicas: usize,
    /// `options.effort`.
    pub effort: u32,
}

/// Plans one layer and writes physical_to_logical.
///
/// Windows that differ are planned for together; else any that counts stands for all, and the answer is which.
pub fn plan_layer(layer: &Layer, scratch: &mut Scratch, slots: &mut [i32]) -> Option<usize> {
    let Scratch { rows, groups, windows } = scratch;
    let mut window = 0;
    if let Some(windows) = windows {
        windows.note(layer.problem, layer.index, rows.gpus().count());
        if !windows.alike(layer.problem, layer.index) {
            drift::plan_windows(
                layer,
                rows,
                groups.as_mut().map(|(groups, _)| groups),
                windows,
                slots,
            );
            return None;
        }
        window = windows.first();
    }
    let load = layer.problem.load(window, layer.index);
    match groups {
        None => {
            slots.fill(-1);
            rows.plan(layer, Source::Load(load), 0, None, slots);
        }
        Some((groups, kept)) => plan_groups(layer, rows, groups, kept, load, slots),
    }
    Some(window)
}

/// Groups go to nodes so that the busiest node has the least to do. Where the GPUs of a node cannot be made
/// as even as that, which takes few slots, other assignments are planned, too, while their nodes allow
/// better.
fn plan_groups(
    layer: &Layer,
    rows: &mut Rows,
    groups: &mut Assignment,
    kept: &mut [u32],
    load: &[f32],
    slots: &mut [i32],
) {
    let size = groups.size();
    let floor = groups.assign(load, ASSIGNMENTS).floor;
    let mut best = rows.plan_all(layer, load, groups.node_of(), size, f64::INFINITY, slots);
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
        let time = rows.plan_all(layer, load, node_of, size, best, slots);
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

/// What a row is planned on.
enum Source<'s, 'a> {
    /// `[E]` one load.
    Load(&'s [f32]),
    /// All windows that count.
    Windows(&'s mut Windows<'a>),
}

fn keep(slots: &[i32], kept: &mut [u32]) {
    for (kept, &slot) in kept.iter_mut().zip(slots) {
        *kept = slot as u32;
    }
}

impl Rows<'_> {
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
        load: &[f32],
        node_of: &[u32],
        size: usize,
        limit: f64,
        slots: &mut [i32],
    ) -> f64 {
        slots.fill(-1);
        let mut worst = 0.0;
        for node in 0..layer.problem.shape().topology().num_nodes() {
            self.plan(layer, Source::Load(load), node as u32, Some((node_of, size)), slots);
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

    /// Gathers the experts and GPUs of a row, plans it, and writes its slots.
    fn plan(
        &mut self,
        layer: &Layer,
        source: Source,
        row: u32,
        groups: Option<(&[u32], usize)>,
        physical_to_logical: &mut [i32],
    ) {
        let mut experts = 0;
        let mut gather = |range: core::ops::Range<usize>| {
            for (to, expert) in self.expert.iter_mut().skip(experts).zip(range.clone()) {
                *to = expert as u32;
            }
            if let Source::Load(load) = &source {
                let load = load.get(range.clone()).unwrap_or_default();
                for (to, &load) in self.load.iter_mut().skip(experts).zip(load) {
                    *to = load.abs(); // -0.0 becomes 0.0
                }
            }
            experts += range.len();
        };
        let shape = layer.problem.shape();
        match groups {
            None => gather(0..shape.num_logical_experts()),
            Some((node_of, size)) => {
                let here = node_of.iter().enumerate().filter(|(_, of)| **of == row);
                here.for_each(|(group, _)| gather(group * size..(group + 1) * size));
            }
        }
        let (mut gpus, mut all) = (0, 0);
        for (gpu, _) in self.gpu_row.iter().enumerate().filter(|(_, of)| **of == row) {
            let usable = shape.usable_slots(gpu).min(experts);
            if let (Some(name), Some(slots), Some(speed)) =
                (self.gpu.get_mut(gpus), self.slots.get_mut(gpus), self.speed.get_mut(gpus))
            {
                *name = gpu as u32;
                *slots = usable as u32;
                *speed = shape.topology().speed(gpu);
                gpus += 1;
                all += usable;
            }
        }
        self.count.fill(0);
        let (Some(slots), Some(speed), Some(load), Some(placed)) = (
            self.slots.get_mut(..gpus),
            self.speed.get(..gpus),
            self.load.get(..experts),
            self.placed.get_mut(..all),
        ) else {
            return;
        };
        if let Some(slots) = self.gpu.get_mut(gpus..) {
            slots.fill(NONE);
        }
        if experts == 0 {
            return;
        }
        let most = gpus.min(layer.most_replicas);
        let filled = keep_to(experts.saturating_mul(most), slots);
        let placed = placed.get_mut(..filled).unwrap_or_default();
        let effort = layer.effort;
        match source {
            Source::Load(_) => {
                let row = Row { load, slots, speed, most_replicas: most as u32, effort };
                joint::plan(&row, self.planner.rest(), placed);
            }
            Source::Windows(windows) => {
                let expert = self.expert.get(..experts).unwrap_or_default();
                let (share, weight) = windows.gather(layer.problem, layer.index, expert, 1);
                let row = robust::Row {
                    share,
                    weight,
                    slots,
                    speed,
                    mean_speed: self.mean_speed,
                    most_replicas: most as u32,
                    effort,
                    start: false,
                };
                robust::plan(row, self.planner.rest(), placed);
            }
        }

        let mut placed = placed.iter();
        for (&gpu, &slots) in self.gpu.iter().zip(slots.iter()) {
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
