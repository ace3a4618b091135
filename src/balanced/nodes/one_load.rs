//! Groups onto nodes for one load.
//!
//! Groups go to nodes so that the busiest node has the least to do. Where the GPUs of a node cannot be made as even as
//! that, which takes few slots, other assignments are planned, too, while their nodes allow better: first the one whose
//! loads and slots allow most, then exchanges of groups of the node that ends last, at last those near the first.

use crate::balanced::construct;
use crate::balanced::gather::{Experts, Gathered};
use crate::balanced::layer::{Layer, keep, restore};
use crate::balanced::nodes::roomiest::find_roomiest;
use crate::balanced::nodes::scratch::{Best, Nodes};
use crate::base::arena::Arena;
use crate::base::cells::{at, copy, put};
use crate::groups::{Assignment, Room};

/// Assignments of groups to nodes tried at most; 8 groups on 4 nodes take a few dozen.
pub const ASSIGNMENTS: u32 = 20_000;
/// A plan so near the least that the busiest node can do is not worth another assignment.
const CLOSE: f64 = 1.0 + 1.0 / 1024.0;
/// Placements of a group tried for other assignments: as good as 20,000 for 8 groups on 4 nodes.
const OTHERS: u32 = 5_000;
/// Other assignments planned at most, and exchanges, of which each plans two nodes.
const VISITS: u32 = 64;
const EXCHANGES: u32 = 128;

/// Plans a layer for one load.
#[inline(never)]
pub fn plan(
    layer: &Layer,
    load: &[f32],
    gathered: &mut Gathered,
    arena: &mut Arena,
    slots: &mut [i32],
) {
    let nodes = &mut Nodes::carve(arena, layer.shape());
    nodes.note(layer);
    solve(layer, load, nodes, gathered, arena, slots);
}

/// The same for nodes that were noted.
#[inline(never)]
pub fn solve(
    layer: &Layer,
    load: &[f32],
    nodes: &mut Nodes,
    gathered: &mut Gathered,
    arena: &mut Arena,
    slots: &mut [i32],
) {
    let Nodes { groups, room, other, time, best } = nodes;
    let all = time.len();
    let effort = construct::effort(layer.effort).saturating_mul(all as u64);
    let floor = groups.assign(load, ASSIGNMENTS).floor;
    best.largest = f64::INFINITY;
    slots.fill(-1);
    let mut search = Search { layer, load, size: groups.size(), gathered, slots, time, best };
    search.gathered.effort = effort; // for all nodes together
    search.plan(groups.node_of(), 0..all, arena);
    if search.best.largest <= floor * CLOSE {
        return;
    }
    search.gathered.effort = effort.saturating_mul(2); // for all others together: with half of it some end higher
    copy(other, groups.node_of());
    if find_roomiest(load, (floor, search.best.largest), groups, room, other) {
        search.plan(other, 0..all, arena);
    }
    search.exchange(groups, room, other, floor * CLOSE, arena);
    search.visit(groups, room, other, effort.min(OTHERS.into()) as u32, arena);
}

/// The search for an assignment.
struct Search<'s, 'g, 'n> {
    layer: &'s Layer<'s>,
    load: &'s [f32],
    /// Experts of a group.
    size: usize,
    gathered: &'s mut Gathered<'g>,
    /// The best plan so far.
    slots: &'s mut [i32],
    best: &'s mut Best<'n>,
    /// The time of each node in the plan at hand.
    time: &'s mut [f64],
}

impl Search<'_, '_, '_> {
    /// Plans these nodes with the groups that they have, others staying as they are; gives up when one does not get
    /// better than the busiest of the best plan. Whether all did.
    fn plan(
        &mut self,
        node_of: &[u32],
        nodes: impl Iterator<Item = usize> + Clone,
        arena: &mut Arena,
    ) -> bool {
        let better = nodes.clone().all(|node| {
            let experts = Experts::OfNode(node as u32, node_of, self.size);
            self.gathered.plan_load(self.layer, self.load, experts, arena, self.slots);
            let time = self.gathered.largest_time(self.layer);
            put(self.time, node, time);
            time < self.best.largest
        });
        if !better {
            restore(self.best.slots, self.slots);
            return false;
        }
        keep(self.slots, self.best.slots);
        copy(self.best.node_of, node_of);
        nodes.for_each(|node| put(self.best.time, node, at(self.time, node)));
        self.best.largest = 0.0;
        for &time in &*self.best.time {
            self.best.largest = if time > self.best.largest { time } else { self.best.largest };
        }
        true
    }

    /// Plans assignments near the first, as long as there are slots to get better.
    fn visit(
        &mut self,
        groups: &mut Assignment,
        room: &mut Room,
        planned: &[u32],
        steps: u32,
        arena: &mut Arena,
    ) {
        let mut left = VISITS;
        let all = self.time.len();
        room.set_time(self.load, self.best.largest, groups.fastest());
        groups.visit(self.best.largest, steps, |node_of, nodes| {
            // not by ==, which may call bcmp
            let known = node_of.iter().zip(planned).all(|(node, planned)| node == planned);
            if known || !room.fits(node_of, nodes) {
                return self.best.largest;
            }
            left -= 1;
            if self.plan(node_of, 0..all, arena) {
                room.set_time(self.load, self.best.largest, nodes.fastest);
            }
            if left == 0 || self.gathered.effort == 0 { 0.0 } else { self.best.largest }
        });
    }

    /// Exchanges groups of the node that ends last, as long as it ends after `enough`.
    fn exchange(
        &mut self,
        groups: &mut Assignment,
        room: &mut Room,
        node_of: &mut [u32],
        enough: f64,
        arena: &mut Arena,
    ) {
        let mut left = EXCHANGES;
        while self.best.largest > enough && left > 0 && self.gathered.effort > 0 {
            let below = self.best.largest;
            let last = self.best.time.iter().position(|&time| time == below).unwrap_or(0);
            room.set_time(self.load, below, groups.fastest());
            copy(node_of, self.best.node_of);
            let found = groups.exchange((node_of, room.pieces()), (last, below), |of, nodes| {
                if left == 0 || self.gathered.effort == 0 {
                    return true; // the end
                }
                left -= 1;
                self.plan(of, nodes.into_iter(), arena)
            });
            if !found {
                return;
            }
        }
    }
}
