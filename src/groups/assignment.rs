//! The groups of a layer and the nodes that may take them: what bound and plan ask the search.

use crate::base::arena::Carve;
use crate::base::cells::{add, at, change, copy, put};
use crate::base::keys::{scatter, widen};
use crate::groups::search::{Outcome, Scratch, Search};
use crate::groups::task::{ROWS, Task};
use crate::problem::Shape;

/// Groups, nodes, and the memory of the search.
#[derive(Debug)]
pub struct Assignment<'a> {
    given: Given<'a>,
    /// `[K]` the node that each group gets.
    node: &'a mut [u32],
    /// Experts of a group.
    size: usize,
    search: Scratch<'a>,
}

/// The memory of a [`Task`].
#[derive(Debug)]
struct Given<'a> {
    load: &'a mut [f64],
    /// For nodes of any speed the same.
    need: &'a mut [u32],
    row: &'a mut [u32],
    speed: &'a mut [f64],
    slots: &'a mut [u32],
    least: &'a mut [u32],
    kind: &'a mut [u64],
    fastest: [f64; ROWS],
}

impl Given<'_> {
    fn task(&self) -> Task<'_> {
        let Given { load, need, row, speed, slots, least, kind, fastest } = self;
        Task { load, need, row, speed, slots, least, kind, fastest }
    }

    /// Tells nodes apart by their fastest GPU, of which `speed` is the speed; those that are one too many may hope for
    /// the fastest of all.
    fn tell_apart(&mut self, speed: &[f64]) {
        self.fastest = [0.0; ROWS];
        let [of_all, ..] = &mut self.fastest;
        *of_all = speed.iter().fold(0.0, |most, &speed| if speed > most { speed } else { most });
        for (row, &speed) in self.row.iter_mut().zip(speed) {
            let mut rows = self.fastest.iter_mut().enumerate();
            *row = 0;
            if let Some((place, of)) = rows.find(|(_, of)| **of == speed || **of == 0.0) {
                *of = speed;
                *row = place as u32;
            }
        }
    }
}

impl<'a> Assignment<'a> {
    /// Takes the memory, O(K + N), for the groups of the shape; for 0 groups none.
    #[inline(always)]
    pub fn list(arena: &mut impl Carve<'a>, shape: &Shape, groups: usize) -> Self {
        let nodes = if groups > 0 { shape.topology().num_nodes() } else { 0 };
        let given = Given {
            load: arena.f64s(groups),
            need: arena.u32s(groups.saturating_mul(ROWS)),
            row: arena.u32s(nodes),
            speed: arena.f64s(nodes),
            slots: arena.u32s(nodes),
            least: arena.u32s(nodes),
            kind: arena.u64s(nodes),
            fastest: [0.0; ROWS],
        };
        Assignment {
            given,
            node: arena.u32s(groups),
            size: shape.num_logical_experts().checked_div(groups).unwrap_or(0).max(1),
            search: Scratch::carve(arena, groups, nodes),
        }
    }

    /// Notes the nodes: O(K + G).
    pub fn note(&mut self, shape: &Shape) {
        let topology = shape.topology();
        self.given.need.fill(self.size as u32);
        self.given.speed.fill(0.0);
        self.given.slots.fill(0);
        self.given.least.fill(0);
        self.given.kind.fill(0);
        let fastest = self.search.numbers();
        fastest.fill(0.0);
        for gpu in receiving(shape) {
            let (node, speed) = (topology.node(gpu), topology.speed(gpu));
            let slots = shape.usable_slots(gpu) as u32;
            change(self.given.speed, node, |sum| sum + widen(speed));
            add(self.given.slots, node, slots);
            // whatever the order of the GPUs; two that differ add up to the same by chance alone
            add(
                self.given.kind,
                node,
                scatter(u64::from(speed.to_bits()) << 32 | u64::from(slots)),
            );
            change(fastest, node, |most| if widen(speed) > most { widen(speed) } else { most });
        }
        self.given.tell_apart(fastest);
    }

    /// From here on every node gets groups enough to fill its slots without putting two replicas of an expert on a
    /// GPU, or more than `most_replicas` of it anywhere, if that can be had on all nodes at once. O(N + G).
    pub fn fill_nodes(&mut self, shape: &Shape, most_replicas: usize) {
        // experts that the GPU with most slots asks for; GPUs
        let (largest, gpus) = (&mut *self.given.least, self.search.counter());
        gpus.fill(0);
        for gpu in receiving(shape) {
            let node = shape.topology().node(gpu);
            put(largest, node, at(largest, node).max(shape.usable_slots(gpu) as u32));
            add(gpus, node, 1);
        }
        let (mut sum, mut fits) = (0_usize, true);
        for ((least, &mut gpus), &slots) in largest.iter_mut().zip(gpus).zip(&*self.given.slots) {
            let experts = quotient_up(slots as usize, (gpus as usize).min(most_replicas));
            let groups = quotient_up(experts.max(*least as usize), self.size);
            fits &= groups.saturating_mul(self.size) <= slots as usize;
            *least = groups as u32;
            sum += groups;
        }
        if !fits || sum > self.node.len() {
            self.given.least.fill(0);
        }
    }

    /// Speed of the fastest GPU of the nodes of each row.
    pub fn fastest(&self) -> &[f64] {
        &self.given.fastest
    }

    /// Assigns the groups of a layer, trying at most `effort` placements of a group.
    pub fn assign(&mut self, load: &[f32], effort: u32) -> Outcome {
        for (sum, group) in self.given.load.iter_mut().zip(load.chunks_exact(self.size.max(1))) {
            *sum = group.iter().fold(0.0, |sum, &load| sum + widen(load));
        }
        Search::new(self.given.task(), &mut self.search).assign(0.0, effort, self.node)
    }

    /// Assigns the groups assigned last once more, each to a node with `need` slots for it, as [`Room`] says, so that
    /// no node takes longer than `time`; whether that was found within `effort`.
    pub fn assign_within(&mut self, time: f64, need: &[u32], effort: u32) -> bool {
        let task = Task { need, ..self.given.task() };
        Search::new(task, &mut self.search).assign(time, effort, self.node).time <= time
    }

    /// Exchanges a group of `node` in an assignment of the groups assigned last, each to a node with `need` slots for
    /// it, so that both nodes have less to do than `below`, as soon as `accept` likes it. Whether it did.
    pub fn exchange(
        &mut self,
        (node_of, need): (&mut [u32], &[u32]),
        (node, below): (usize, f64),
        accept: impl FnMut(&[u32], [usize; 2]) -> bool,
    ) -> bool {
        let task = Task { need, ..self.given.task() };
        Search::new(task, &mut self.search).polish(node_of).run_node(node, below, accept)
    }

    /// The node of each group, as assigned or visited last.
    pub fn node_of(&self) -> &[u32] {
        self.node
    }

    /// Takes an assignment over.
    pub fn set(&mut self, node_of: &[u32]) {
        copy(self.node, node_of);
    }

    /// Gives a group to another node.
    pub fn put(&mut self, group: usize, node: u32) {
        put(self.node, group, node);
    }

    /// The speed of the GPUs of a node that receive.
    pub fn node_speed(&self, node: usize) -> f64 {
        at(self.given.speed, node)
    }

    /// Experts of a group.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Visits assignments of the groups assigned last, as long as their busiest node is below `limit`, which
    /// falls to what `plan` makes of the node of each group and of the nodes; until it answers 0 or less.
    #[inline(never)] // a search of its own, not on the stack while the first assignment is planned
    pub fn visit(&mut self, limit: f64, effort: u32, mut plan: impl FnMut(&[u32], &Task) -> f64) {
        let node_of = &mut *self.node;
        let task = self.given.task();
        let mut visit = |order: &[u32], choice: &[u32], _: f64| {
            for (&group, &node) in order.iter().zip(choice) {
                put(node_of, group, node);
            }
            plan(node_of, &task)
        };
        Search::new(task, &mut self.search).visit(limit, effort, &mut visit);
    }
}

/// The GPUs that a plan may fill.
fn receiving(shape: &Shape) -> impl Iterator<Item = usize> {
    (0..shape.topology().num_gpus()).filter(|&gpu| shape.usable_slots(gpu) > 0)
}

/// The quotient, rounded up; 0 when there is nothing to divide by.
fn quotient_up(a: usize, b: usize) -> usize {
    let (whole, rest) = (a.checked_div(b).unwrap_or(0), a.checked_rem(b).unwrap_or(0));
    whole + usize::from(rest > 0)
}
