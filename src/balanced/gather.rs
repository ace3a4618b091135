//! Instances of a layer: the experts and GPUs of a node, or all of them, gathered for a solver, and its answer written
//! into the slots.

use crate::balanced::construct;
use crate::balanced::instance::Instance;
use crate::balanced::layer::Layer;
use crate::balanced::many_windows;
use crate::balanced::one_load;
use crate::balanced::windows::Windows;
use crate::base::arena::{Arena, Carve};
use crate::base::cells::{NONE, at, part, part_mut, put};
use crate::base::keys::index_of;
use crate::groups::Assignment;
use crate::problem::Shape;

/// How far beyond their mean windows are planned for: what comes will not be among what was.
pub const BEYOND: f32 = 0.3;

/// The instance at hand.
#[derive(Debug)]
pub struct Gathered<'a> {
    gpus: Gpus<'a>,
    /// `[E]` those gathered, which are `experts`; their loads and replicas.
    expert: &'a mut [u32],
    load: &'a mut [f32],
    count: &'a mut [u32],
    experts: usize,
    /// `[P]` the answer for the slots to fill, which are `filled`.
    expert_at: &'a mut [u32],
    filled: usize,
    /// What solving for one load may spend, and then what it left.
    pub effort: u64,
}

/// The GPUs of a layer, and those gathered.
#[derive(Debug)]
struct Gpus<'a> {
    /// `[G]` first slot; node, or 0 where scope is global, `NONE` where it takes no part.
    first_slot: &'a mut [u32],
    node_of: &'a mut [u32],
    /// Of all that take part.
    mean_speed: f64,
    /// `[G]` those gathered, which are `count`; their slots and speeds.
    gpu: &'a mut [u32],
    slots: &'a mut [u32],
    speed: &'a mut [f32],
    count: usize,
}

/// The experts of an instance.
#[derive(Clone, Copy, Debug)]
pub enum Experts<'g> {
    /// Those of the groups on a node: the node, the node of each group, and the experts of a group.
    OfNode(u32, &'g [u32], usize),
    /// All, group by group as these keys say; as they come when there are no keys.
    All(&'g [u64]),
}

impl<'a> Gathered<'a> {
    /// Takes the memory: O(E + P + G).
    #[inline(never)] // what building takes is off the stack while planning
    pub fn carve(arena: &mut Arena<'a>, shape: &Shape) -> Self {
        Gathered::list(arena, shape)
    }

    /// The same from memory or from a count.
    #[inline(always)]
    pub fn list(arena: &mut impl Carve<'a>, shape: &Shape) -> Self {
        let (experts, gpus) = (shape.num_logical_experts(), shape.topology().num_gpus());
        Gathered {
            gpus: Gpus {
                first_slot: arena.u32s(gpus),
                node_of: arena.u32s(gpus),
                mean_speed: 1.0,
                gpu: arena.u32s(gpus),
                slots: arena.u32s(gpus),
                speed: arena.f32s(gpus),
                count: 0,
            },
            expert: arena.u32s(experts),
            load: arena.f32s(experts),
            count: arena.u32s(experts),
            experts: 0,
            expert_at: arena.u32s(shape.num_physical_experts()),
            filled: 0,
            effort: 0,
        }
    }
}

impl Gpus<'_> {
    fn add(&mut self, gpu: usize, slots: usize, speed: f32) {
        put(self.gpu, self.count, gpu as u32);
        put(self.slots, self.count, slots as u32);
        put(self.speed, self.count, speed);
        self.count += 1;
    }

    fn gathered(&self) -> (&[u32], &[u32], &[f32]) {
        let n = self.count;
        (part(self.gpu, 0, n), part(self.slots, 0, n), part(self.speed, 0, n))
    }

    fn instance<L>(&self, layer: &Layer, loads: L, effort: u64) -> Instance<'_, L> {
        let (gpus, slots, speed) = self.gathered();
        Instance {
            loads,
            slots,
            speed,
            mean_speed: self.mean_speed,
            max_replicas: gpus.len().min(layer.max_replicas) as u32,
            effort,
            may_stay_empty: layer.may_stay_empty,
        }
    }

    /// Takes slots away, one from the fullest GPU at a time, until at most `most` are left: more replicas than
    /// that may not be made. Answers how many are left.
    fn keep_to(&mut self, most: usize) -> usize {
        let slots = part_mut(self.slots, 0, self.count);
        let mut all = slots.iter().fold(0, |sum, &slots| sum + slots as usize);
        while all > most {
            let fullest = slots.iter().copied().max().unwrap_or(0);
            let Some(slots) = slots.iter_mut().rev().find(|slots| **slots == fullest) else {
                break;
            };
            *slots = slots.saturating_sub(1);
            all -= 1;
        }
        all
    }
}

impl Gathered<'_> {
    /// Notes where the GPUs are, and on which node. O(G).
    #[inline(never)]
    pub fn note_gpus(&mut self, shape: &Shape, hierarchical: bool) {
        let Gpus { first_slot, node_of, .. } = &mut self.gpus;
        let mut first = 0;
        for (gpu, (first_slot, node)) in first_slot.iter_mut().zip(node_of.iter_mut()).enumerate() {
            *first_slot = first as u32;
            first += shape.topology().slots(gpu);
            *node = match (shape.usable_slots(gpu), hierarchical) {
                (0, _) => NONE,
                (_, false) => 0,
                (_, true) => shape.topology().node(gpu) as u32,
            };
        }
        let gpus = self.gpus.node_of.iter().enumerate().filter(|(_, node)| **node != NONE);
        let speeds = gpus.map(|(gpu, _)| f64::from(shape.topology().speed(gpu)));
        let sum = speeds.fold(0.0, |sum, speed| sum + speed);
        self.gpus.mean_speed = sum / self.num_gpus() as f64;
    }

    /// GPUs that take part.
    pub fn num_gpus(&self) -> usize {
        self.gpus.node_of.iter().filter(|node| **node != NONE).count()
    }

    /// GPUs that take part, and their mean speed.
    pub fn gpus_and_speed(&self) -> (usize, f64) {
        (self.num_gpus(), self.gpus.mean_speed)
    }

    /// Plans for one load, and writes the slots.
    #[inline(always)] // no frame of its own
    pub fn plan_load(
        &mut self,
        layer: &Layer,
        load: &[f32],
        experts: Experts,
        arena: &mut Arena,
        slots: &mut [i32],
    ) {
        self.gather(layer, experts);
        if self.experts > 0 {
            self.solve(layer, load, arena);
        }
        self.write(layer, slots);
    }

    #[inline(always)] // no frame of its own
    fn solve(&mut self, layer: &Layer, load: &[f32], arena: &mut Arena) {
        let loads = part_mut(self.load, 0, self.experts);
        for (to, &expert) in loads.iter_mut().zip(self.expert.iter()) {
            *to = at(load, expert).abs(); // -0.0 becomes 0.0
        }
        let instance = self.gpus.instance(layer, &*loads, self.effort);
        let expert_at = part_mut(self.expert_at, 0, self.filled);
        self.effort = if one_load::searches(layer.shape()) {
            one_load::solve(&instance, arena, expert_at)
        } else {
            construct::solve(&instance, arena, expert_at)
        };
    }

    /// Plans for all windows that count, and writes the slots.
    #[inline(never)]
    pub fn plan_windows(
        &mut self,
        layer: &Layer,
        windows: &mut Windows,
        experts: Experts,
        arena: &mut Arena,
        slots: &mut [i32],
    ) {
        self.gather(layer, experts);
        if self.experts == 0 {
            return;
        }
        let shares = windows.gather(layer, part(self.expert, 0, self.experts), 1);
        let effort = many_windows::effort(layer.effort, self.gpus.count);
        let instance = self.gpus.instance(layer, shares, effort);
        // what nodes have to do is uneven anyway
        let beyond = if matches!(experts, Experts::OfNode(..)) { 0.0 } else { BEYOND };
        // more finds another plan of the mean, not one that is better for the windows
        let of_mean = construct::effort(layer.effort).min(construct::effort(0));
        let expert_at = part_mut(self.expert_at, 0, self.filled);
        many_windows::plan(&instance, beyond, of_mean, arena, expert_at);
        self.write(layer, slots);
    }

    /// Gathers experts and their GPUs.
    #[inline(never)]
    fn gather(&mut self, layer: &Layer, of: Experts) {
        let shape = layer.shape();
        self.experts = 0;
        let mut here = 0;
        match of {
            Experts::OfNode(node, node_of, size) => {
                here = node;
                for (group, _) in node_of.iter().enumerate().filter(|(_, of)| **of == node) {
                    self.add_group(group, size);
                }
            }
            Experts::All([]) => self.add_group(0, shape.num_logical_experts()),
            Experts::All(keys) => {
                let size = shape.num_logical_experts().checked_div(keys.len()).unwrap_or(0);
                keys.iter().for_each(|&key| self.add_group(index_of(key), size));
            }
        }
        self.gpus.count = 0;
        for gpu in 0..self.gpus.node_of.len() {
            if at(self.gpus.node_of, gpu) == here {
                let slots = shape.usable_slots(gpu).min(self.experts);
                self.gpus.add(gpu, slots, shape.topology().speed(gpu));
            }
        }
        let replicas = self.gpus.count.min(layer.max_replicas);
        self.filled = self.gpus.keep_to(self.experts.saturating_mul(replicas));
    }

    fn add_group(&mut self, group: usize, size: usize) {
        let experts = group * size..(group + 1) * size;
        for (to, expert) in self.expert.iter_mut().skip(self.experts).zip(experts) {
            *to = expert as u32;
        }
        self.experts += size;
    }

    /// Writes the slots of the instance solved last.
    #[inline(never)]
    fn write(&self, layer: &Layer, slots: &mut [i32]) {
        let mut expert_at = self.expert_at.iter();
        let (gpus, filled, _) = self.gpus.gathered();
        for (&gpu, &filled) in gpus.iter().zip(filled) {
            let first = at(self.gpus.first_slot, gpu) as usize;
            let last = first + layer.shape().topology().slots(gpu as usize);
            let slots = part_mut(slots, first, last);
            slots.fill(-1);
            for (slot, &expert) in slots.iter_mut().zip(expert_at.by_ref().take(filled as usize)) {
                *slot = self.expert.get(expert as usize).map_or(-1, |&expert| expert as i32);
            }
        }
    }

    /// The largest GPU time of the instance solved last, as it is scored: in f64, of tokens.
    pub fn largest_time(&mut self, layer: &Layer) -> f64 {
        let loads = part(self.load, 0, self.experts);
        let instance = self.gpus.instance(layer, loads, 0);
        instance.largest_time(part(self.expert_at, 0, self.filled), self.count)
    }

    /// Weighted mean over the windows of the balance of what all slots hold.
    #[inline(never)]
    pub fn balance(
        &mut self,
        layer: &Layer,
        windows: &mut Windows,
        arena: &mut Arena,
        slots: &[i32],
    ) -> f64 {
        let shape = layer.shape();
        self.experts = 0;
        self.add_group(0, shape.num_logical_experts());
        self.gpus.count = 0;
        for gpu in 0..shape.topology().num_gpus() {
            self.gpus.add(gpu, shape.topology().slots(gpu), shape.topology().speed(gpu));
        }
        for (to, &expert) in self.expert_at.iter_mut().zip(slots) {
            *to = expert as u32;
        }
        let shares = windows.gather(layer, part(self.expert, 0, self.experts), 1);
        let instance = self.gpus.instance(layer, shares, 0);
        many_windows::balance(&instance, arena, part(self.expert_at, 0, slots.len()))
    }

    /// Swaps groups between the nodes where that is better over the windows: nodes are taken for GPUs, groups
    /// for experts with one replica each.
    #[inline(never)]
    pub fn swap_groups(
        &mut self,
        layer: &Layer,
        windows: &mut Windows,
        groups: &mut Assignment,
        arena: &mut Arena,
    ) {
        let size = groups.size();
        (self.gpus.count, self.filled) = (0, 0);
        for node in 0..layer.shape().topology().num_nodes() {
            let first = self.filled;
            for (group, _) in
                groups.node_of().iter().enumerate().filter(|(_, of)| **of == node as u32)
            {
                put(self.expert, group, (group * size) as u32);
                put(self.expert_at, self.filled, group as u32);
                self.filled += 1;
            }
            if self.filled > first {
                let speed = groups.node_speed(node) / self.gpus.mean_speed;
                self.gpus.add(node, self.filled - first, speed as f32);
            }
        }
        let shares = windows.gather(layer, part(self.expert, 0, self.filled), size);
        let effort = many_windows::effort(layer.effort, self.gpus.count);
        let instance = self.gpus.instance(layer, shares, effort);
        let instance = Instance { mean_speed: 1.0, max_replicas: 1, ..instance };
        let expert_at = part_mut(self.expert_at, 0, self.filled);
        many_windows::improve(&instance, 0.0, arena, expert_at);
        let mut placed = expert_at.iter();
        let (nodes, slots, _) = self.gpus.gathered();
        for (&node, &slots) in nodes.iter().zip(slots) {
            for &group in placed.by_ref().take(slots as usize) {
                groups.put(group as usize, node);
            }
        }
    }
}
