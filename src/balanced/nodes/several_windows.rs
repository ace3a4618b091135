//! Groups onto nodes for windows that differ.
//!
//! Which assignment is best is seen when it is planned, so several are; the best over the windows stays. A window of a
//! node is measured in what the busiest node would have if it were even: no GPU needs to be better.

use crate::balanced::gather::{Experts, Gathered};
use crate::balanced::layer::{Layer, keep, restore};
use crate::balanced::nodes::one_load::{self, ASSIGNMENTS};
use crate::balanced::nodes::roomiest::{HIGHEST, find_roomiest};
use crate::balanced::nodes::scratch::Nodes;
use crate::balanced::windows::Windows;
use crate::base::arena::{Arena, Carve, Need};
use crate::base::cells::{copy, row, row_mut};
use crate::problem::Shape;

/// How groups go to nodes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    /// Busy nodes least busy, then groups swap nodes as experts swap GPUs.
    Swaps,
    /// So that their nodes have slots for small replicas.
    Room,
    /// As for one load.
    OneLoad,
}

/// Assignments that are planned: how, and whether for the peak over the windows, else for their mean.
const PLANNED: [(By, bool); 5] = [
    (By::Swaps, false),
    (By::Room, false),
    (By::Room, true),
    (By::OneLoad, false),
    (By::OneLoad, true),
];

/// What there is beside [`Nodes`].
struct Scratch<'a> {
    /// `[K]` each: assignments that were planned.
    planned: &'a mut [u32],
    /// `[P]` the best plan so far.
    kept: &'a mut [u32],
}

#[inline(always)]
fn list<'a>(arena: &mut impl Carve<'a>, shape: &Shape) -> Scratch<'a> {
    Scratch {
        planned: arena.u32s(shape.num_groups().saturating_mul(PLANNED.len())),
        kept: arena.u32s(shape.num_physical_experts()),
    }
}

/// What [`plan`] needs beside [`Nodes`].
pub fn need(shape: &Shape) -> Need {
    let mut need = Need::default();
    list(&mut need, shape);
    need
}

/// Plans a layer for windows that differ.
#[inline(never)]
pub fn plan(
    layer: &Layer,
    windows: &mut Windows,
    gathered: &mut Gathered,
    arena: &mut Arena,
    slots: &mut [i32],
) {
    let shape = layer.shape();
    let nodes = &mut Nodes::carve(arena, shape);
    let Scratch { planned, kept } = list(arena, shape);
    nodes.note(layer);
    let mut search = Search { layer, windows, gathered, nodes };
    let (mut tried, mut best) = (0, -1.0);
    for how in PLANNED {
        if !search.assign(how, arena, slots) {
            continue;
        }
        let node_of = search.nodes.groups.node_of();
        let mut before = (0..tried).map(|index| row(planned, index, node_of.len()));
        // not by ==, which may call bcmp
        if before.any(|before| before.iter().zip(node_of).all(|(a, b)| a == b)) {
            continue;
        }
        copy(row_mut(planned, tried, node_of.len()), node_of);
        tried += 1;
        let balance = search.plan(arena, slots);
        if balance > best {
            best = balance;
            keep(slots, kept);
        }
    }
    restore(kept, slots);
}

/// The search for an assignment.
struct Search<'s, 'w, 'g, 'n> {
    layer: &'s Layer<'s>,
    windows: &'s mut Windows<'w>,
    gathered: &'s mut Gathered<'g>,
    nodes: &'s mut Nodes<'n>,
}

impl Search<'_, '_, '_, '_> {
    /// Assigns the groups; whether that could be done so. `slots`: scratch.
    fn assign(&mut self, (by, at_peak): (By, bool), arena: &mut Arena, slots: &mut [i32]) -> bool {
        let Search { layer, windows, gathered, nodes } = self;
        windows.measure(layer, gathered.gpus_and_speed(), None);
        let load = if at_peak { windows.peak(layer) } else { windows.mean(layer) };
        if by == By::OneLoad {
            one_load::solve(layer, load, nodes, gathered, arena, slots);
            nodes.groups.set(nodes.best.node_of);
            return true;
        }
        let Nodes { groups, room, other, .. } = &mut **nodes;
        let floor = groups.assign(load, ASSIGNMENTS).floor;
        if by == By::Swaps {
            gathered.swap_groups(layer, windows, groups, arena);
            return true;
        }
        let found = find_roomiest(load, (floor, floor * HIGHEST), groups, room, other);
        groups.set(other);
        found
    }

    /// Plans every node with the groups that it has; answers the balance.
    fn plan(&mut self, arena: &mut Arena, slots: &mut [i32]) -> f64 {
        let Search { layer, windows, gathered, nodes } = self;
        let groups = &nodes.groups;
        windows.measure(layer, gathered.gpus_and_speed(), Some(groups));
        slots.fill(-1);
        for node in 0..layer.shape().topology().num_nodes() {
            let experts = Experts::OfNode(node as u32, groups.node_of(), groups.size());
            gathered.plan_windows(layer, windows, experts, arena, slots);
        }
        windows.measure(layer, gathered.gpus_and_speed(), None);
        gathered.balance(layer, windows, arena, slots)
    }
}
