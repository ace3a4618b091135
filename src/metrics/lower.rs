//! The lower bound of a layer: the plain one; in hierarchical scope that of the groups; and the weighed one
//! where the placement at hand leaves a gap.

use super::bound::{Fleet, plain};
use super::groups::{self, Nodes, assign};
use super::weigh::refine;
use crate::arena::Arena;
use crate::order::{descending, index_of, load_of_descending, sort, sort_buffer};
use crate::problem::{Problem, Shape};

/// A gap that is not worth the weighing.
const CLOSE: f64 = 1.0005;
/// Ramps weighed at most.
const RAMPS: u32 = 400;
/// Assignments of groups tried at most.
const ASSIGNMENTS: u32 = 2_000;

/// Scratch of the bound.
#[derive(Debug)]
pub struct Scratch<'a> {
    keys: &'a mut [u64],
    buffer: &'a mut [u64],
    /// `[E]` loads by falling load, and the sums from each on.
    load: &'a mut [f32],
    tail: &'a mut [f64],
    /// `[G]` the GPUs that receive, by falling speed.
    speed: &'a mut [f32],
    slots: &'a mut [u32],
    gpus: usize,
    hierarchy: Option<Hierarchy<'a>>,
}

/// What hierarchical scope needs on top.
#[derive(Debug)]
struct Hierarchy<'a> {
    group_load: &'a mut [f64],
    group_need: &'a mut [u32],
    group_node: &'a mut [u32],
    node_speed: &'a mut [f64],
    node_slots: &'a mut [u32],
    groups: groups::Scratch<'a>,
}

impl<'a> Scratch<'a> {
    /// Takes the scratch of the bound: O(E + G), and O(K + N) when hierarchical.
    pub fn carve(arena: &mut Arena<'a>, shape: &Shape, hierarchical: bool) -> Self {
        let (experts, gpus) = (shape.num_logical_experts(), shape.topology().num_gpus());
        let (groups, nodes) = (shape.num_groups(), shape.topology().num_nodes());
        let mut scratch = Scratch {
            keys: arena.u64s.take(experts.max(gpus)),
            buffer: arena.u64s.take(sort_buffer(experts.max(gpus))),
            load: arena.f32s.take(experts),
            tail: arena.f64s.take(experts.saturating_add(1)),
            speed: arena.f32s.take(gpus),
            slots: arena.u32s.take(gpus),
            gpus: 0,
            hierarchy: hierarchical.then(|| Hierarchy {
                group_load: arena.f64s.take(groups),
                group_need: arena.u32s.take(groups),
                group_node: arena.u32s.take(groups),
                node_speed: arena.f64s.take(nodes),
                node_slots: arena.u32s.take(nodes),
                groups: groups::Scratch::carve(arena, groups, nodes),
            }),
        };
        scratch.note_gpus(shape);
        scratch
    }

    fn note_gpus(&mut self, shape: &Shape) {
        let topology = shape.topology();
        let experts = shape.num_logical_experts();
        // a GPU has no use for more slots than there are experts
        let usable =
            |gpu: usize| if topology.receives(gpu) { topology.slots(gpu).min(experts) } else { 0 };
        self.gpus = 0;
        for gpu in (0..topology.num_gpus()).filter(|&gpu| usable(gpu) > 0) {
            if let Some(key) = self.keys.get_mut(self.gpus) {
                *key = descending(topology.speed(gpu), gpu);
            }
            self.gpus += 1;
        }
        if let Some(keys) = self.keys.get_mut(..self.gpus) {
            sort(keys, self.buffer);
            for ((speed, slots), &key) in
                self.speed.iter_mut().zip(self.slots.iter_mut()).zip(&*keys)
            {
                *speed = load_of_descending(key);
                *slots = usable(index_of(key)) as u32;
            }
        }
        if let Some(hierarchy) = &mut self.hierarchy {
            hierarchy.node_speed.fill(0.0);
            hierarchy.node_slots.fill(0);
            for gpu in (0..topology.num_gpus()).filter(|&gpu| usable(gpu) > 0) {
                let node = topology.node(gpu);
                if let (Some(speed), Some(slots)) =
                    (hierarchy.node_speed.get_mut(node), hierarchy.node_slots.get_mut(node))
                {
                    *speed += f64::from(topology.speed(gpu));
                    *slots += usable(gpu) as u32;
                }
            }
        }
    }
}

/// No placement of this layer that keeps replicas of an expert apart, and in hierarchical scope groups on
/// their node, has a smaller largest GPU time. `reached`: the time of a placement that is known.
/// O(E + G), O(E log E) a ramp where that leaves a gap.
pub fn lower_bound(problem: &Problem, layer: usize, reached: f64, scratch: &mut Scratch) -> f64 {
    let load = problem.load(0, layer);
    for (expert, (key, &load)) in scratch.keys.iter_mut().zip(load).enumerate() {
        *key = descending(load + 0.0, expert);
    }
    if let Some(keys) = scratch.keys.get_mut(..load.len()) {
        sort(keys, scratch.buffer);
        for (load, &key) in scratch.load.iter_mut().zip(&*keys) {
            *load = load_of_descending(key);
        }
    }
    let fleet = Fleet::new(
        scratch.speed.get(..scratch.gpus).unwrap_or_default(),
        scratch.slots.get(..scratch.gpus).unwrap_or_default(),
    );
    let total = load.iter().fold(0.0, |sum, &load| sum + f64::from(load));
    let mut bound = plain(scratch.load, total, &fleet);
    if let Some(hierarchy) = &mut scratch.hierarchy {
        let of_groups = hierarchy.bound(load);
        if of_groups > bound {
            bound = of_groups;
        }
    }
    if reached > bound * CLOSE {
        bound = refine(scratch.load, &fleet, bound, reached, RAMPS, scratch.tail);
    }
    bound
}

impl Hierarchy<'_> {
    /// The least that the busiest node can have to do.
    fn bound(&mut self, load: &[f32]) -> f64 {
        let size = load.len().checked_div(self.group_load.len()).unwrap_or(0).max(1);
        for (sum, group) in self.group_load.iter_mut().zip(load.chunks_exact(size)) {
            *sum = group.iter().fold(0.0, |sum, &load| sum + f64::from(load));
        }
        self.group_need.fill(size as u32);
        let nodes = Nodes { speed: self.node_speed, slots: self.node_slots };
        let (groups, node_of) = (&mut self.groups, &mut *self.group_node);
        let best = assign(self.group_load, self.group_need, &nodes, ASSIGNMENTS, groups, node_of);
        // nothing fits: then there is nothing to bound
        if best.floor < f64::INFINITY { best.floor } else { 0.0 }
    }
}
