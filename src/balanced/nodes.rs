//! Groups onto nodes, and a plan for each node.

use crate::balanced::construct;
use crate::balanced::gather::{Experts, Gathered};
use crate::balanced::layer::{Kept, Layer};
use crate::balanced::windows::Windows;
use crate::base::arena::{Arena, Carve};
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
    kept: Kept<'a>,
}

impl<'a> Nodes<'a> {
    /// Takes the memory: O(P + N + K).
    #[inline(always)]
    pub fn list(arena: &mut impl Carve<'a>, shape: &Shape) -> Self {
        Nodes {
            groups: Assignment::list(arena, shape, shape.num_groups()),
            kept: Kept(arena.u32s(shape.num_physical_experts())),
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
    search.kept.restore(search.slots);
}

/// The search for an assignment.
struct Search<'s, 'g, 'k> {
    layer: &'s Layer<'s>,
    load: &'s [f32],
    /// Experts of a group.
    size: usize,
    gathered: &'s mut Gathered<'g>,
    slots: &'s mut [i32],
    /// The best plan so far, and its largest GPU time.
    kept: &'s mut Kept<'k>,
    best: f64,
}

impl Search<'_, '_, '_> {
    /// Plans every node with the groups that it has; gives up when that does not get better. Whether it did.
    fn plan(&mut self, node_of: &[u32], arena: &mut Arena) -> bool {
        self.slots.fill(-1);
        let mut worst = 0.0;
        for node in 0..self.layer.shape().topology().num_nodes() {
            let experts = Experts::OfNode(node as u32, node_of, self.size);
            self.gathered.plan_load(self.layer, self.load, experts, arena, self.slots);
            let time = self.gathered.largest_time();
            worst = if time > worst { time } else { worst };
            if worst >= self.best {
                return false;
            }
        }
        self.best = worst;
        self.kept.keep(self.slots);
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

/// Plans a layer for windows that differ: groups go to nodes by the mean over the windows, then swap nodes as
/// experts swap GPUs.
pub fn plan_windows(
    layer: &Layer,
    windows: &mut Windows,
    gathered: &mut Gathered,
    arena: &mut Arena,
    slots: &mut [i32],
) {
    let shape = layer.shape();
    let groups = &mut Assignment::carve(arena, shape, shape.num_groups());
    note_nodes(layer, groups);
    groups.assign(windows.mean(layer), ASSIGNMENTS);
    gathered.swap_groups(layer, windows, groups, arena);
    for node in 0..shape.topology().num_nodes() {
        let experts = Experts::OfNode(node as u32, groups.node_of(), groups.size());
        gathered.plan_windows(layer, windows, experts, arena, slots);
    }
}
