//! The groups of a layer and the nodes that may take them: what bound and plan ask `search::assign`.

use crate::base::arena::{Arena, Carve};
use crate::base::keys::widen;
use crate::groups::search::{self, Nodes, Outcome};
use crate::problem::Shape;

/// Groups, nodes, and the memory of the search.
#[derive(Debug)]
pub struct Assignment<'a> {
    /// `[K]` load and slots that a group asks for, and the node that it gets.
    load: &'a mut [f64],
    need: &'a mut [u32],
    node: &'a mut [u32],
    /// `[N]` speed and slots of the GPUs that receive.
    node_speed: &'a mut [f64],
    node_slots: &'a mut [u32],
    /// `[N]` groups that a node gets at least.
    node_least: &'a mut [u32],
    /// Experts of a group.
    size: usize,
    search: search::Scratch<'a>,
}

impl<'a> Assignment<'a> {
    /// Takes the memory, O(K + N), for the groups of the shape; for 0 groups none.
    #[inline(never)] // what building takes is off the stack while assigning
    pub fn carve(arena: &mut Arena<'a>, shape: &Shape, groups: usize) -> Self {
        Assignment::list(arena, shape, groups)
    }

    /// The same from memory or from a count.
    #[inline(always)]
    pub fn list(arena: &mut impl Carve<'a>, shape: &Shape, groups: usize) -> Self {
        let nodes = if groups > 0 { shape.topology().num_nodes() } else { 0 };
        Assignment {
            load: arena.f64s(groups),
            need: arena.u32s(groups),
            node: arena.u32s(groups),
            node_speed: arena.f64s(nodes),
            node_slots: arena.u32s(nodes),
            node_least: arena.u32s(nodes),
            size: shape.num_logical_experts().checked_div(groups).unwrap_or(0).max(1),
            search: search::Scratch::carve(arena, groups, nodes),
        }
    }

    /// No groups to assign.
    pub fn is_empty(&self) -> bool {
        self.node.is_empty()
    }

    /// Notes the nodes: O(K + G).
    pub fn note(&mut self, shape: &Shape) {
        self.need.fill(self.size as u32);
        self.node_speed.fill(0.0);
        self.node_slots.fill(0);
        self.node_least.fill(0);
        for gpu in (0..shape.topology().num_gpus()).filter(|&gpu| shape.usable_slots(gpu) > 0) {
            let node = shape.topology().node(gpu);
            if let (Some(speed), Some(slots)) =
                (self.node_speed.get_mut(node), self.node_slots.get_mut(node))
            {
                *speed += f64::from(shape.topology().speed(gpu));
                *slots += shape.usable_slots(gpu) as u32;
            }
        }
    }

    /// From here on every node gets groups enough to fill its slots without putting two replicas of an expert on a
    /// GPU, or more than `most_replicas` of it anywhere, if that can be had on all nodes at once. O(N + G).
    pub fn fill_nodes(&mut self, shape: &Shape, most_replicas: usize) {
        // experts that the GPU with most slots asks for; GPUs
        let (largest, gpus) = (&mut *self.node_least, &mut *self.search.counter());
        gpus.fill(0);
        for gpu in (0..shape.topology().num_gpus()).filter(|&gpu| shape.usable_slots(gpu) > 0) {
            let node = shape.topology().node(gpu);
            if let (Some(largest), Some(gpus)) = (largest.get_mut(node), gpus.get_mut(node)) {
                *largest = (*largest).max(shape.usable_slots(gpu) as u32);
                *gpus += 1;
            }
        }
        let size = self.size;
        let (mut sum, mut fits) = (0_usize, true);
        for ((least, &mut gpus), &slots) in largest.iter_mut().zip(gpus).zip(&*self.node_slots) {
            let experts = quotient_up(slots as usize, (gpus as usize).min(most_replicas));
            let groups = quotient_up(experts.max(*least as usize), size);
            fits &= groups.saturating_mul(size) <= slots as usize;
            *least = groups as u32;
            sum += groups;
        }
        if !fits || sum > self.node.len() {
            self.node_least.fill(0);
        }
    }

    /// Assigns the groups of a layer, trying at most `effort` placements of a group.
    pub fn assign(&mut self, load: &[f32], effort: u32) -> Outcome {
        for (sum, group) in self.load.iter_mut().zip(load.chunks_exact(self.size.max(1))) {
            *sum = group.iter().fold(0.0, |sum, &load| sum + widen(load));
        }
        let nodes =
            Nodes { speed: self.node_speed, slots: self.node_slots, least: self.node_least };
        search::assign(self.load, self.need, &nodes, (0.0, effort), &mut self.search, self.node)
    }

    /// Assigns the groups assigned last once more, each to a node with `need` slots for it, so that no node takes
    /// longer than `time`; whether that was found within `effort`.
    pub fn assign_within(&mut self, time: f64, need: &[u32], effort: u32) -> bool {
        let nodes =
            Nodes { speed: self.node_speed, slots: self.node_slots, least: self.node_least };
        let limits = (time, effort);
        search::assign(self.load, need, &nodes, limits, &mut self.search, self.node).time <= time
    }

    /// The node of each group, as assigned or visited last.
    pub fn node_of(&self) -> &[u32] {
        self.node
    }

    /// Gives a group to another node.
    pub fn put(&mut self, group: usize, node: u32) {
        if let Some(of) = self.node.get_mut(group) {
            *of = node;
        }
    }

    /// The speed of the GPUs of a node that receive.
    pub fn node_speed(&self, node: usize) -> f64 {
        self.node_speed.get(node).copied().unwrap_or(0.0)
    }

    /// Experts of a group.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Visits assignments of the groups assigned last, as long as their busiest node is below `limit`, which
    /// falls to what `plan` makes of the node of each group, the slots of each node, and the time of the busiest
    /// node; until it answers 0 or less.
    #[inline(never)] // a search of its own, not on the stack while the first assignment is planned
    pub fn visit(
        &mut self,
        limit: f64,
        effort: u32,
        mut plan: impl FnMut(&[u32], &[u32], f64) -> f64,
    ) {
        let nodes =
            Nodes { speed: self.node_speed, slots: self.node_slots, least: self.node_least };
        let node_of = &mut *self.node;
        let mut visit = |order: &[u32], choice: &[u32], time: f64| {
            for (&group, &node) in order.iter().zip(choice) {
                if let Some(of) = node_of.get_mut(group as usize) {
                    *of = node;
                }
            }
            plan(node_of, nodes.slots, time)
        };
        search::visit(self.load, self.need, &nodes, limit, effort, &mut self.search, &mut visit);
    }
}

/// The quotient, rounded up; 0 when there is nothing to divide by.
fn quotient_up(a: usize, b: usize) -> usize {
    let (whole, rest) = (a.checked_div(b).unwrap_or(0), a.checked_rem(b).unwrap_or(0));
    whole + usize::from(rest > 0)
}
