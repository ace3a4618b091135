//! The memory of nodes, groups and plans.

use crate::balanced::layer::Layer;
use crate::base::arena::{Arena, Carve};
use crate::groups::{Assignment, Room};
use crate::problem::Shape;

/// Nodes, groups and plans, for one load.
pub struct Nodes<'a> {
    pub groups: Assignment<'a>,
    pub room: Room<'a>,
    /// `[K]` the node of each group in an assignment found by other means than load alone.
    pub other: &'a mut [u32],
    /// `[N]` the time of each node in the plan at hand.
    pub time: &'a mut [f64],
    pub best: Best<'a>,
}

/// The best plan so far.
pub struct Best<'a> {
    /// Of its busiest node, and `[N]` of each.
    pub largest: f64,
    pub time: &'a mut [f64],
    /// `[K]` the node of each group; `[P]` slots.
    pub node_of: &'a mut [u32],
    pub slots: &'a mut [u32],
}

impl<'a> Nodes<'a> {
    /// Takes the memory: O(P + N + K).
    #[inline(always)]
    pub fn list(arena: &mut impl Carve<'a>, shape: &Shape) -> Self {
        let (groups, nodes) = (shape.num_groups(), shape.topology().num_nodes());
        Nodes {
            groups: Assignment::list(arena, shape, groups),
            room: Room::carve(arena, shape),
            other: arena.u32s(groups),
            time: arena.f64s(nodes),
            best: Best {
                largest: f64::INFINITY,
                time: arena.f64s(nodes),
                node_of: arena.u32s(groups),
                slots: arena.u32s(shape.num_physical_experts()),
            },
        }
    }

    #[inline(never)] // what building takes is off the stack while planning
    pub fn carve(arena: &mut Arena<'a>, shape: &Shape) -> Self {
        Nodes::list(arena, shape)
    }

    /// Notes the nodes, as the plan is to see them.
    pub fn note(&mut self, layer: &Layer) {
        let shape = layer.shape();
        self.groups.note(shape);
        if !layer.may_stay_empty {
            self.groups.fill_nodes(shape, layer.max_replicas);
        }
    }
}
