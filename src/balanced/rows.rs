//! A row of BALANCED: the experts and GPUs of a node, or all of them, gathered for the planner of one load or
//! of several windows, and its answer written into the slots.

use crate::balanced::layer::Layer;
use crate::balanced::many_loads;
use crate::balanced::one_load::{self, Row};
use crate::balanced::windows::Windows;
use crate::base::arena::{Arena, Carve};
use crate::base::keys::{index_of, widen};
use crate::groups::Assignment;
use crate::problem::Shape;

/// The node of a GPU that takes no part.
const NONE: u32 = u32::MAX;

/// The row at hand, and where its GPUs are.
#[derive(Debug)]
pub struct Rows<'a> {
    /// `[G]` first slot of each GPU; its row, which is its node or 0, or `NONE`.
    first_slot: &'a mut [u32],
    gpu_row: &'a mut [u32],
    /// Of all GPUs that take part.
    mean_speed: f64,
    /// `[E']` experts, their loads and replicas, `[G']` GPUs, their slots and speeds, `[P']` the answer.
    expert: &'a mut [u32],
    load: &'a mut [f32],
    count: &'a mut [u32],
    gpu: &'a mut [u32],
    slots: &'a mut [u32],
    speed: &'a mut [f32],
    placed: &'a mut [u32],
    /// What planning a row on one load may spend, and then what it left.
    pub effort: u64,
}

/// What a row is planned on.
#[derive(Debug)]
pub enum Source<'s, 'a> {
    /// `[E]` one load.
    Load(&'s [f32]),
    /// All windows that count.
    Windows(&'s mut Windows<'a>),
}

/// The experts of a row.
#[derive(Clone, Copy, Debug)]
pub enum Experts<'g> {
    /// Those of the groups that are on the row's node: the node of each group, and the experts of a group.
    OfNode(&'g [u32], usize),
    /// All, group by group as these keys say; as they come when there are no keys.
    All(&'g [u64]),
}

impl<'a> Rows<'a> {
    /// Takes the memory: O(E + P + G).
    #[inline(never)] // what building takes is off the stack while planning
    pub fn carve(arena: &mut Arena<'a>, shape: &Shape) -> Self {
        Rows::list(arena, shape)
    }

    /// The same from memory or from a count.
    #[inline(always)]
    pub fn list(arena: &mut impl Carve<'a>, shape: &Shape) -> Self {
        let (experts, gpus) = (shape.num_logical_experts(), shape.topology().num_gpus());
        Rows {
            first_slot: arena.u32s(gpus),
            gpu_row: arena.u32s(gpus),
            mean_speed: 1.0,
            expert: arena.u32s(experts),
            load: arena.f32s(experts),
            count: arena.u32s(experts),
            gpu: arena.u32s(gpus),
            slots: arena.u32s(gpus),
            speed: arena.f32s(gpus),
            placed: arena.u32s(shape.num_physical_experts()),
            effort: 0,
        }
    }
}

impl Rows<'_> {
    /// Notes where the GPUs are, and in which row. O(G).
    #[inline(never)]
    pub fn note_gpus(&mut self, shape: &Shape, hierarchical: bool) {
        let mut first = 0;
        for (gpu, (first_slot, row)) in
            self.first_slot.iter_mut().zip(self.gpu_row.iter_mut()).enumerate()
        {
            *first_slot = first as u32;
            first += shape.topology().slots(gpu);
            *row = match (shape.usable_slots(gpu), hierarchical) {
                (0, _) => NONE,
                (_, false) => 0,
                (_, true) => shape.topology().node(gpu) as u32,
            };
        }
        self.mean_speed = self.mean_speed(shape);
    }

    /// Plans a row, and writes its slots.
    #[inline(always)] // no frame of its own
    pub fn plan(
        &mut self,
        layer: &Layer,
        source: Source,
        row: u32,
        experts: Experts,
        arena: &mut Arena,
        physical_to_logical: &mut [i32],
    ) {
        let (experts, gpus, filled) = self.gather(layer, &source, row, experts);
        if experts > 0 {
            match source {
                Source::Load(_) => self.plan_load(layer, experts, gpus, filled, arena),
                Source::Windows(windows) => {
                    self.plan_windows(layer, windows, experts, gpus, filled, arena);
                }
            }
            self.write(physical_to_logical);
        }
    }

    fn plan_load(
        &mut self,
        layer: &Layer,
        experts: usize,
        gpus: usize,
        filled: usize,
        arena: &mut Arena,
    ) {
        let row = Row {
            load: self.load.get(..experts).unwrap_or_default(),
            slots: self.slots.get(..gpus).unwrap_or_default(),
            speed: self.speed.get(..gpus).unwrap_or_default(),
            most_replicas: gpus.min(layer.most_replicas) as u32,
            effort: self.effort,
            may_stay_empty: layer.may_stay_empty,
        };
        let placed = self.placed.get_mut(..filled).unwrap_or_default();
        self.effort = one_load::plan(&row, arena, placed);
    }

    #[inline(never)]
    fn plan_windows(
        &mut self,
        layer: &Layer,
        windows: &mut Windows,
        experts: usize,
        gpus: usize,
        filled: usize,
        arena: &mut Arena,
    ) {
        let expert = self.expert.get(..experts).unwrap_or_default();
        let (share, weight) = windows.gather(layer.problem, layer.index, expert, 1);
        let row = many_loads::Row {
            share,
            weight,
            slots: self.slots.get(..gpus).unwrap_or_default(),
            speed: self.speed.get(..gpus).unwrap_or_default(),
            mean_speed: self.mean_speed,
            most_replicas: gpus.min(layer.most_replicas) as u32,
            effort: layer.effort,
            start: false,
        };
        many_loads::plan(row, arena, self.placed.get_mut(..filled).unwrap_or_default());
    }

    /// Gathers the experts and GPUs of a row; answers how many there are of each, and of slots to fill.
    #[inline(never)]
    fn gather(
        &mut self,
        layer: &Layer,
        source: &Source,
        row: u32,
        of: Experts,
    ) -> (usize, usize, usize) {
        let shape = layer.problem.shape();
        let mut experts = 0;
        let mut gather = |range: core::ops::Range<usize>| {
            for (to, expert) in self.expert.iter_mut().skip(experts).zip(range.clone()) {
                *to = expert as u32;
            }
            if let Source::Load(load) = source {
                let load = load.get(range.clone()).unwrap_or_default();
                for (to, &load) in self.load.iter_mut().skip(experts).zip(load) {
                    *to = load.abs(); // -0.0 becomes 0.0
                }
            }
            experts += range.len();
        };
        match of {
            Experts::OfNode(node_of, size) => {
                let here = node_of.iter().enumerate().filter(|(_, of)| **of == row);
                here.for_each(|(group, _)| gather(group * size..(group + 1) * size));
            }
            Experts::All([]) => gather(0..shape.num_logical_experts()),
            Experts::All(keys) => {
                let size = shape.num_logical_experts().checked_div(keys.len()).unwrap_or(0);
                let groups = keys.iter().map(|&key| index_of(key));
                groups.for_each(|group| gather(group * size..(group + 1) * size));
            }
        }
        let mut gpus = 0;
        for (gpu, _) in self.gpu_row.iter().enumerate().filter(|(_, of)| **of == row) {
            if let (Some(name), Some(slots), Some(speed)) =
                (self.gpu.get_mut(gpus), self.slots.get_mut(gpus), self.speed.get_mut(gpus))
            {
                *name = gpu as u32;
                *slots = shape.usable_slots(gpu).min(experts) as u32;
                *speed = shape.topology().speed(gpu);
                gpus += 1;
            }
        }
        self.count.fill(0);
        if let Some(none) = self.gpu.get_mut(gpus..) {
            none.fill(NONE);
        }
        let most = experts.saturating_mul(gpus.min(layer.most_replicas));
        let slots = self.slots.get_mut(..gpus).unwrap_or_default();
        (experts, gpus, keep_to(most, slots))
    }

    /// Writes the slots of the row planned last.
    #[inline(never)]
    fn write(&self, physical_to_logical: &mut [i32]) {
        let mut placed = self.placed.iter();
        let gpus = self.gpu.iter().take_while(|gpu| **gpu != NONE);
        for (&gpu, &slots) in gpus.zip(self.slots.iter()) {
            let first = self.first_slot.get(gpu as usize).copied().unwrap_or(0) as usize;
            let entries = physical_to_logical.get_mut(first..).unwrap_or_default();
            for (entry, &placed) in entries.iter_mut().zip(placed.by_ref().take(slots as usize)) {
                *entry = self.expert.get(placed as usize).map_or(-1, |&expert| expert as i32);
            }
        }
    }

    /// The GPUs that take part.
    pub fn gpus(&self) -> impl Iterator<Item = usize> + '_ {
        self.gpu_row.iter().enumerate().filter(|(_, row)| **row != NONE).map(|(gpu, _)| gpu)
    }

    /// Their mean speed.
    fn mean_speed(&self, shape: &Shape) -> f64 {
        let speeds = self.gpus().map(|gpu| f64::from(shape.topology().speed(gpu)));
        speeds.fold(0.0, |sum, speed| sum + speed) / self.gpus().count() as f64
    }

    /// Swaps groups between the nodes where that is better over the windows: nodes are a row of GPUs, groups
    /// are experts with one replica each.
    #[inline(never)]
    pub fn swap_groups(
        &mut self,
        layer: &Layer,
        windows: &mut Windows,
        groups: &mut Assignment,
        arena: &mut Arena,
    ) {
        let size = groups.size();
        let (mut nodes, mut filled) = (0, 0);
        for node in 0..layer.problem.shape().topology().num_nodes() {
            let first = filled;
            for (group, _) in
                groups.node_of().iter().enumerate().filter(|(_, of)| **of == node as u32)
            {
                if let (Some(expert), Some(placed)) =
                    (self.expert.get_mut(group), self.placed.get_mut(filled))
                {
                    *expert = (group * size) as u32;
                    *placed = group as u32;
                    filled += 1;
                }
            }
            if let (true, Some(name), Some(slots), Some(speed)) = (
                filled > first,
                self.gpu.get_mut(nodes),
                self.slots.get_mut(nodes),
                self.speed.get_mut(nodes),
            ) {
                *name = node as u32;
                *slots = (filled - first) as u32;
                *speed = (groups.node_speed(node) / self.mean_speed) as f32;
                nodes += 1;
            }
        }
        let (Some(expert), Some(placed), Some(slots), Some(speed)) = (
            self.expert.get(..filled),
            self.placed.get_mut(..filled),
            self.slots.get(..nodes),
            self.speed.get(..nodes),
        ) else {
            return;
        };
        let (share, weight) = windows.gather(layer.problem, layer.index, expert, size);
        let row = many_loads::Row {
            share,
            weight,
            slots,
            speed,
            mean_speed: 1.0,
            most_replicas: 1,
            effort: layer.effort,
            start: true,
        };
        many_loads::plan(row, arena, placed);
        let mut placed = placed.iter();
        for (&node, &slots) in self.gpu.iter().zip(slots) {
            for &group in placed.by_ref().take(slots as usize) {
                groups.put(group as usize, node);
            }
        }
    }

    /// The largest GPU time of the row planned last, by the ruler.
    pub fn largest_time(&mut self) -> f64 {
        let gpus = self.gpu.iter().position(|&gpu| gpu == NONE).unwrap_or(self.gpu.len());
        let slots = self.slots.get(..gpus).unwrap_or_default();
        let filled = slots.iter().fold(0_usize, |sum, &slots| sum + slots as usize);
        let placed = self.placed.get(..filled).unwrap_or_default();
        for &expert in placed {
            if let Some(count) = self.count.get_mut(expert as usize) {
                *count += 1;
            }
        }
        let mut placed = placed.iter();
        let mut worst = 0.0;
        for (&slots, &speed) in slots.iter().zip(self.speed.iter()) {
            let held = placed.by_ref().take(slots as usize);
            let load = held.fold(0.0, |sum, &expert| {
                let load = self.load.get(expert as usize).copied().unwrap_or(0.0);
                let count = self.count.get(expert as usize).copied().unwrap_or(1);
                sum + widen(load) / f64::from(count)
            });
            let time = load / f64::from(speed);
            if time > worst {
                worst = time;
            }
        }
        worst
    }
}

/// Takes slots away, one from the fullest GPU at a time, until at most `most` are left: more replicas than
/// that may not be made. Answers how many are left.
fn keep_to(most: usize, slots: &mut [u32]) -> usize {
    let mut all = slots.iter().fold(0_usize, |sum, &slots| sum + slots as usize);
    while all > most {
        let fullest = slots.iter().copied().max().unwrap_or(0);
        let Some(slots) = slots.iter_mut().rev().find(|slots| **slots == fullest) else { break };
        *slots = slots.saturating_sub(1);
        all -= 1;
    }
    all
}
