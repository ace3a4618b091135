//! The road of BALANCED: groups onto nodes where scope asks for it, then each node's experts and GPUs as
//! one row for the joint planner, then the maps. Global is one row of everything.
//!
//! Any topology: GPUs that do not receive stay empty, slots and speeds may differ, nodes may be anywhere.

use crate::balanced::many_loads;
use crate::balanced::never_worse;
use crate::balanced::one_load;
use crate::balanced::rows::{Experts, Rows, Source};
use crate::balanced::windows::Windows;
use crate::base::arena::{Arena, Carve, Need};
use crate::groups::{Assignment, Room};
use crate::problem::{Problem, Scope, Shape};
use crate::status::Status;

/// Assignments of groups to nodes tried at most; 8 groups on 4 nodes take a few dozen.
const ASSIGNMENTS: u32 = 20_000;
/// A plan so near the least that the busiest node can do is not worth another assignment.
const CLOSE: f64 = 1.0 + 1.0 / 1024.0;
/// Halvings of the time that the slots of the nodes are to allow: to a thousandth.
const HALVINGS: u32 = 10;
/// Placements of a group tried for each.
const ROOMIER: u32 = 1_000;
/// Placements of a group tried for other assignments: as good as 20,000 for 8 groups on 4 nodes.
const OTHERS: u32 = 5_000;
/// Other assignments planned at most.
const VISITS: u32 = 64;
/// GPUs at most: the joint planner keeps a GPU's number beside its load in one word.
const MOST_GPUS: usize = 0xffff;

/// Refuses what BALANCED cannot honour, and shapes without a placement.
///
/// # Errors
/// [`Status::TooFewSlots`], [`Status::ExpertsNotDivisible`], [`Status::Infeasible`],
/// [`Status::ShapeTooLarge`] for more than 65,535 GPUs.
pub fn admit(shape: &Shape, scope: Scope) -> Result<(), Status> {
    let experts = shape.num_logical_experts();
    if slots_in_use(shape) < experts {
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

/// Slots that can be filled, each expert once on a GPU.
pub fn slots_in_use(shape: &Shape) -> usize {
    let usable = (0..shape.topology().num_gpus()).map(|gpu| shape.usable_slots(gpu));
    usable.fold(0_usize, |sum, slots| sum.saturating_add(slots))
}

/// Groups that find a node; all of them where groups are not bound to nodes.
pub fn groups_that_fit(shape: &Shape, scope: Scope) -> usize {
    if shape.is_hierarchical(scope) { places_for_groups(shape) } else { shape.num_groups() }
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

/// Whether groups are to be assigned: on a single node there is nothing to assign.
fn has_groups(shape: &Shape, scope: Scope) -> bool {
    shape.is_hierarchical(scope) && shape.topology().num_nodes() > 1
}

/// What a layer needs: O(E + P + G + N + K), with several windows O(W (E + G)) more.
#[inline(never)]
pub fn need(shape: &Shape, scope: Scope) -> Need {
    let mut need = Need::default();
    Rows::list(&mut need, shape);
    if has_groups(shape, scope) {
        Assignment::list(&mut need, shape, shape.num_groups());
        need.u32s(shape.num_physical_experts());
        Room::carve(&mut need, shape);
        need.u32s(shape.num_groups());
    }
    let (experts, slots) = (shape.num_logical_experts(), shape.num_physical_experts());
    let (gpus, windows) = (shape.topology().num_gpus(), shape.num_windows());
    let [order, to_sort] = never_worse::need_of_order(shape, scope);
    let planner = one_load::need(experts, slots, gpus).max(to_sort).plus(order);
    if windows == 1 {
        return need.plus(planner);
    }
    Windows::list(&mut need, shape);
    need.plus(planner.max(many_loads::need(experts, slots, gpus, windows)))
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
    /// A slot may stay empty where that is better.
    pub may_stay_empty: bool,
}

impl Layer<'_> {
    /// What planning a row on one load may spend.
    fn effort_of_row(&self) -> u64 {
        if self.effort == 0 { one_load::EFFORT } else { u64::from(self.effort) }
    }
}

/// Plans one layer and writes physical_to_logical. `arena` holds what [`need`] says.
///
/// Windows that differ are planned for together; else any that counts stands for all, and the answer is which.
#[inline(never)] // its scratch is on the stack only while BALANCED plans
pub fn plan_layer(
    layer: &Layer,
    scope: Scope,
    arena: &mut Arena,
    slots: &mut [i32],
) -> Option<usize> {
    let arena = &mut arena.rest();
    let shape = layer.problem.shape();
    let rows = &mut Rows::carve(arena, shape);
    let hierarchical = has_groups(shape, scope);
    rows.note_gpus(shape, hierarchical);
    let window = match shape.num_windows() {
        1 => 0,
        _ => plan_windows(layer, hierarchical, rows, arena, slots)?,
    };
    let load = layer.problem.load(window, layer.index);
    if hierarchical {
        plan_nodes(layer, load, rows, arena, slots);
    } else {
        slots.fill(-1);
        let experts = Experts::All(never_worse::order_groups(shape, scope, load, arena));
        rows.effort = layer.effort_of_row();
        rows.plan(layer, Source::Load(load), 0, experts, arena, slots);
    }
    Some(window)
}

/// Groups go to nodes so that the busiest node has the least to do. Where the GPUs of a node cannot be made
/// as even as that, which takes few slots, other assignments are planned, too, while their nodes allow
/// better: first the one whose loads and slots allow most.
#[inline(never)]
fn plan_nodes(layer: &Layer, load: &[f32], rows: &mut Rows, arena: &mut Arena, slots: &mut [i32]) {
    let shape = layer.problem.shape();
    let groups = &mut Assignment::carve(arena, shape, shape.num_groups());
    note_nodes(layer, groups);
    let kept = arena.u32s(slots.len());
    let room = &mut Room::carve(arena, shape);
    let roomiest = arena.u32s(shape.num_groups());
    let size = groups.size();
    let floor = groups.assign(load, ASSIGNMENTS).floor;
    let effort = layer.effort_of_row().saturating_mul(shape.topology().num_nodes() as u64);
    rows.effort = effort; // for all nodes together
    let first = Experts::OfNode(groups.node_of(), size);
    let mut best = plan_all(layer, load, first, f64::INFINITY, rows, arena, slots);
    if best <= floor * CLOSE {
        return;
    }
    keep(slots, kept);
    rows.effort = effort.saturating_mul(2); // for all others together: with half of it some end higher
    let mut visits = VISITS;
    let mut plan = |node_of: &[u32], best: &mut f64| {
        visits = visits.saturating_sub(1);
        let experts = Experts::OfNode(node_of, size);
        let time = plan_all(layer, load, experts, *best, rows, arena, slots);
        if time < *best {
            *best = time;
            keep(slots, kept);
        }
        visits > 0 && rows.effort > 0
    };
    roomiest.iter_mut().zip(groups.node_of()).for_each(|(of, &node)| *of = node);
    if find_roomiest(load, (floor, best), groups, room, roomiest) {
        plan(roomiest, &mut best);
    }
    room.set_time(load, best);
    groups.visit(best, OTHERS, |node_of, slots_of, _| {
        // not by ==, which may call bcmp
        let planned = node_of.iter().zip(roomiest.iter()).all(|(node, planned)| node == planned);
        if planned || !room.fits(node_of, slots_of) {
            return best;
        }
        let before = best;
        if !plan(node_of, &mut best) {
            return 0.0;
        }
        if best < before {
            room.set_time(load, best);
        }
        best
    });
    for (slot, &kept) in slots.iter_mut().zip(kept.iter()) {
        *slot = kept as i32;
    }
}

/// The nodes, as the plan is to see them.
fn note_nodes(layer: &Layer, groups: &mut Assignment) {
    let shape = layer.problem.shape();
    groups.note(shape);
    if !layer.may_stay_empty {
        groups.fill_nodes(shape, layer.most_replicas);
    }
}

/// An assignment for which loads and slots together prove about as little as for any, if they prove less than
/// `most`; whether there is one.
#[inline(never)]
fn find_roomiest(
    load: &[f32],
    (mut least, mut most): (f64, f64),
    groups: &mut Assignment,
    room: &mut Room,
    roomiest: &mut [u32],
) -> bool {
    let mut found = false;
    for _ in 0..HALVINGS {
        let time = 0.5 * (least + most);
        room.set_time(load, time);
        if groups.assign_within(time, room.pieces(), ROOMIER) {
            (most, found) = (time, true);
            roomiest.iter_mut().zip(groups.node_of()).for_each(|(of, &node)| *of = node);
        } else {
            least = time;
        }
    }
    found
}

/// Plans every node with the groups that it has, and answers the largest GPU time; gives up when that
/// reaches `limit`.
fn plan_all(
    layer: &Layer,
    load: &[f32],
    experts: Experts,
    limit: f64,
    rows: &mut Rows,
    arena: &mut Arena,
    slots: &mut [i32],
) -> f64 {
    slots.fill(-1);
    let mut worst = 0.0;
    for node in 0..layer.problem.shape().topology().num_nodes() {
        rows.plan(layer, Source::Load(load), node as u32, experts, arena, slots);
        let time = rows.largest_time();
        if time > worst {
            worst = time;
        }
        if worst >= limit {
            break;
        }
    }
    worst
}

fn keep(slots: &[i32], kept: &mut [u32]) {
    for (kept, &slot) in kept.iter_mut().zip(slots) {
        *kept = slot as u32;
    }
}

/// Plans for windows that differ: groups go to nodes by the mean over the windows, then swap nodes as experts
/// swap GPUs. Where none differs nothing is planned, and the answer is one that stands for all.
#[inline(never)]
fn plan_windows(
    layer: &Layer,
    hierarchical: bool,
    rows: &mut Rows,
    arena: &mut Arena,
    slots: &mut [i32],
) -> Option<usize> {
    let shape = layer.problem.shape();
    let arena = &mut arena.rest();
    let windows = &mut Windows::carve(arena, shape);
    windows.note(layer.problem, layer.index, rows.gpus().count());
    if windows.alike(layer.problem, layer.index) {
        return Some(windows.first());
    }
    slots.fill(-1);
    if !hierarchical {
        rows.plan(layer, Source::Windows(windows), 0, Experts::All(&[]), arena, slots);
        return None;
    }
    let groups = &mut Assignment::carve(arena, shape, shape.num_groups());
    note_nodes(layer, groups);
    groups.assign(windows.mean(layer.problem, layer.index), ASSIGNMENTS);
    rows.swap_groups(layer, windows, groups, arena);
    for node in 0..shape.topology().num_nodes() {
        let experts = Experts::OfNode(groups.node_of(), groups.size());
        rows.plan(layer, Source::Windows(windows), node as u32, experts, arena, slots);
    }
    None
}
