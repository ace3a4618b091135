//! Groups onto nodes, and a plan for each node.

use crate::balanced::construct;
use crate::balanced::gather::{Experts, Gathered};
use crate::balanced::layer::{Layer, keep, restore};
use crate::balanced::windows::Windows;
use crate::base::arena::{Arena, Carve, Need};
use crate::base::cells::{copy, row, row_mut};
use crate::groups::{Assignment, Room};
use crate::problem::{Scope, Shape};

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

/// Assignments that are planned when windows differ.
const PLANNED: usize = 3;
/// Room is looked for up to this many times the least that the busiest node can do, in four halvings more.
const HIGHEST: f64 = 16.0;

/// Whether groups are to be assigned: on a single node there is nothing to assign.
pub fn has_groups(shape: &Shape, scope: Scope) -> bool {
    shape.is_hierarchical(scope) && shape.topology().num_nodes() > 1
}

/// Nodes, groups and plans, for one load.
pub struct Nodes<'a> {
    groups: Assignment<'a>,
    /// `[K]` the node of each group in an assignment found by other means than load alone.
    roomiest: &'a mut [u32],
    room: Room<'a>,
    /// The best plan so far.
    kept: &'a mut [u32],
}

impl<'a> Nodes<'a> {
    /// Takes the memory: O(P + N + K).
    #[inline(always)]
    pub fn list(arena: &mut impl Carve<'a>, shape: &Shape) -> Self {
        Nodes {
            groups: Assignment::list(arena, shape, shape.num_groups()),
            kept: arena.u32s(shape.num_physical_experts()),
            room: Room::carve(arena, shape),
            roomiest: arena.u32s(shape.num_groups()),
        }
    }

    #[inline(never)] // what building takes is off the stack while planning
    fn carve(arena: &mut Arena<'a>, shape: &Shape) -> Self {
        Nodes::list(arena, shape)
    }
}

/// Plans a layer for one load.
///
/// Groups go to nodes so that the busiest node has the least to do. Where the GPUs of a node cannot be made
/// as even as that, which takes few slots, other assignments are planned, too, while their nodes allow
/// better: first the one whose loads and slots allow most.
#[inline(never)]
pub fn plan(
    layer: &Layer,
    load: &[f32],
    gathered: &mut Gathered,
    arena: &mut Arena,
    slots: &mut [i32],
) {
    let shape = layer.shape();
    let Nodes { groups, roomiest, room, kept } = &mut Nodes::carve(arena, shape);
    note_nodes(layer, groups);
    let floor = groups.assign(load, ASSIGNMENTS).floor;
    let size = groups.size();
    let mut search = Search { layer, load, size, gathered, slots, kept, best: f64::INFINITY };
    let nodes = shape.topology().num_nodes() as u64;
    let effort = construct::effort(layer.effort).saturating_mul(nodes);
    search.gathered.effort = effort; // for all nodes together
    search.plan(groups.node_of(), arena);
    if search.best <= floor * CLOSE {
        return;
    }
    search.gathered.effort = effort.saturating_mul(2); // for all others together: with half of it some end higher
    let mut visits = VISITS;
    roomiest.iter_mut().zip(groups.node_of()).for_each(|(of, &node)| *of = node);
    if find_roomiest(load, (floor, search.best), groups, room, roomiest) {
        search.plan(roomiest, arena);
        visits -= 1;
    }
    room.set_time(load, search.best);
    groups.visit(search.best, OTHERS, |node_of, slots_of, _| {
        // not by ==, which may call bcmp
        let planned = node_of.iter().zip(roomiest.iter()).all(|(node, planned)| node == planned);
        if planned || !room.fits(node_of, slots_of) {
            return search.best;
        }
        visits -= 1;
        let better = search.plan(node_of, arena);
        if visits == 0 || search.gathered.effort == 0 {
            return 0.0;
        }
        if better {
            room.set_time(load, search.best);
        }
        search.best
    });
    restore(search.kept, search.slots);
}

/// The search for an assignment.
struct Search<'s, 'g> {
    layer: &'s Layer<'s>,
    load: &'s [f32],
    /// Experts of a group.
    size: usize,
    gathered: &'s mut Gathered<'g>,
    slots: &'s mut [i32],
    /// The best plan so far, and its largest GPU time.
    kept: &'s mut [u32],
    best: f64,
}

impl Search<'_, '_> {
    /// Plans every node with the groups that it has; gives up when that does not get better. Whether it did.
    fn plan(&mut self, node_of: &[u32], arena: &mut Arena) -> bool {
        self.slots.fill(-1);
        let mut worst = 0.0;
        for node in 0..self.layer.shape().topology().num_nodes() {
            let experts = Experts::OfNode(node as u32, node_of, self.size);
            self.gathered.plan_load(self.layer, self.load, experts, arena, self.slots);
            let time = self.gathered.largest_time(self.layer);
            worst = if time > worst { time } else { worst };
            if worst >= self.best {
                return false;
            }
        }
        self.best = worst;
        keep(self.slots, self.kept);
        true
    }
}

/// The nodes, as the plan is to see them.
fn note_nodes(layer: &Layer, groups: &mut Assignment) {
    let shape = layer.shape();
    groups.note(shape);
    if !layer.may_stay_empty {
        groups.fill_nodes(shape, layer.max_replicas);
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
    let high = if most >= least * HIGHEST { 4 } else { 0 };
    for _ in 0..HALVINGS + high {
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

/// How groups go to nodes when windows differ.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    /// By their mean over the windows, then they swap nodes as experts swap GPUs.
    Mean,
    /// So that their nodes have slots for small replicas, by the mean or by the peak over the windows.
    RoomAtMean,
    RoomAtPeak,
}

/// Plans a layer for windows that differ: several assignments of groups, each planned; the best over the windows stays.
///
/// A window of a node is measured in what the busiest node would have if it were even: no GPU needs to be better.
#[inline(never)]
pub fn plan_windows(
    layer: &Layer,
    windows: &mut Windows,
    gathered: &mut Gathered,
    arena: &mut Arena,
    slots: &mut [i32],
) {
    let shape = layer.shape();
    let Nodes { groups, roomiest, room, kept } = &mut Nodes::carve(arena, shape);
    let planned = arena.u32s(shape.num_groups() * PLANNED);
    let (mut tried, mut best) = (0, -1.0);
    note_nodes(layer, groups);
    for by in [By::Mean, By::RoomAtMean, By::RoomAtPeak] {
        windows.measure(layer, gathered.gpus_and_speed(), None);
        let load = if by == By::RoomAtPeak { windows.peak(layer) } else { windows.mean(layer) };
        let floor = groups.assign(load, ASSIGNMENTS).floor;
        if by == By::Mean {
            gathered.swap_groups(layer, windows, groups, arena);
        } else if find_roomiest(load, (floor, floor * HIGHEST), groups, room, roomiest) {
            roomiest.iter().enumerate().for_each(|(group, &node)| groups.put(group, node));
        } else {
            continue;
        }
        let mut before = (0..tried).map(|index| row(planned, index, shape.num_groups()));
        // not by ==, which may call bcmp
        if before.any(|before| before.iter().zip(groups.node_of()).all(|(a, b)| a == b)) {
            continue;
        }
        copy(row_mut(planned, tried, shape.num_groups()), groups.node_of());
        tried += 1;
        windows.measure(layer, gathered.gpus_and_speed(), Some(groups));
        slots.fill(-1);
        for node in 0..shape.topology().num_nodes() {
            let experts = Experts::OfNode(node as u32, groups.node_of(), groups.size());
            gathered.plan_windows(layer, windows, experts, arena, slots);
        }
        windows.measure(layer, gathered.gpus_and_speed(), None);
        let balance = gathered.balance(layer, windows, arena, slots);
        if balance > best {
            best = balance;
            keep(slots, kept);
        }
    }
    restore(kept, slots);
}

/// What [`plan_windows`] needs beside [`Nodes`].
pub fn need_of_windows(shape: &Shape) -> Need {
    Need { u32s: shape.num_groups().saturating_mul(PLANNED), ..Need::default() }
}
