//! A layer while slots change hands: who holds what, how loaded each GPU is in each window, and which slots
//! differ from the placement in force.
//!
//! Loads are integers: parts of 2^44 of a window's total, so that adding and taking away leave no trace. A GPU
//! is judged by its excess: the weighted mean over the windows of (time / mean time - level)^4 where it is
//! above `level`. One figure for one window or many, and its fourth power makes the busiest GPU weigh most.

use crate::base::arena::{Arena, Carve, Need};
use crate::base::cells::{at, change, put};
use crate::base::keys::widen;
use crate::problem::{Problem, Shape};
use crate::rebalance::holders::Holders;

pub use crate::rebalance::holders::NONE;

/// No harm is less than nothing.
pub const UNKNOWN: f64 = -1.0;

const TOTAL: f64 = (1_u64 << 44) as f64;

/// The arrays of a layer. Slots of GPUs that do not receive take no part and stay at `NONE`.
#[derive(Debug)]
pub struct Packing<'a> {
    pub windows: usize,
    /// `[W]` weights, their sum 1.
    pub weight: &'a mut [f64],
    /// `[E][W]` load of each expert; of one of its copies; of one when it has one copy more.
    pub whole: &'a mut [u64],
    pub share: &'a mut [u64],
    pub more: &'a mut [u64],
    /// `[G][W]`.
    pub load: &'a mut [u64],
    /// `[G]` what turns a load into time / mean time; its inverse.
    pub slowness: &'a mut [f64],
    pub speed: &'a mut [f64],
    /// `[G]` as said above.
    pub excess: &'a mut [f64],
    pub level: f64,
    /// `[P]` how much the excesses of other GPUs rise together when a slot gives up its expert, as far as that
    /// has been asked for; else `UNKNOWN`.
    pub harm: &'a mut [f64],
    /// `[G + 1]` first slot; `[G]` node; slots that differ.
    pub first: &'a mut [u32],
    pub node: &'a mut [u32],
    pub differing: &'a mut [u32],
    /// `[P]` GPU of each slot, `NONE` where it does not receive.
    pub gpu: &'a mut [u32],
    /// `[P]` expert in each slot; the next slot with the same expert. `[E]` the first one; copies.
    pub on: &'a mut [u32],
    pub next: &'a mut [u32],
    pub head: &'a mut [u32],
    pub count: &'a mut [u32],
    /// The same of the placement in force, all GPUs that can be read.
    pub old_gpu: &'a mut [u32],
    pub old: &'a mut [u32],
    old_next: &'a mut [u32],
    old_head: &'a mut [u32],
    /// `[P]` where the expert of a slot comes from: the slot's own GPU when it was there before, `NONE` when it
    /// is on no GPU that can be read.
    pub source: &'a mut [u32],
    /// `[P]` slots that can be given away: a list, for the step at hand.
    pub spares: &'a mut [u32],
    /// `[E]` 1 for experts that the busiest GPU held and no longer has, for the step at hand.
    pub missed: &'a mut [u32],
    /// `[K]` node of each group; empty when groups do not bind. Experts of a group.
    pub group_node: &'a mut [u32],
    pub group_size: usize,
    /// Slots that differ from the placement in force.
    pub moved: u32,
}

impl<'a> Packing<'a> {
    /// Takes the arrays, O(W (E + G) + P), and notes the topology. `arena` holds what [`Packing::need`] says.
    #[inline(never)] // what building takes is off the stack afterwards
    pub fn carve(arena: &'a mut Arena, shape: &Shape, hierarchical: bool) -> Self {
        let mut packing = Packing::list(&mut arena.rest(), shape, hierarchical);
        packing.note(shape);
        packing
    }

    /// What [`Packing::carve`] takes.
    pub fn need(shape: &Shape, hierarchical: bool) -> Need {
        let mut need = Need::default();
        Packing::list(&mut need, shape, hierarchical);
        need
    }

    #[inline(always)]
    fn list(arena: &mut impl Carve<'a>, shape: &Shape, hierarchical: bool) -> Self {
        let (experts, gpus) = (shape.num_logical_experts(), shape.topology().num_gpus());
        let (slots, windows) = (shape.num_physical_experts(), shape.num_windows());
        let many = experts.saturating_mul(windows);
        Packing {
            windows,
            weight: arena.f64s(windows),
            whole: arena.u64s(many),
            share: arena.u64s(many),
            more: arena.u64s(many),
            load: arena.u64s(gpus.saturating_mul(windows)),
            slowness: arena.f64s(gpus),
            speed: arena.f64s(gpus),
            excess: arena.f64s(gpus),
            level: 1.0,
            harm: arena.f64s(slots),
            first: arena.u32s(gpus.saturating_add(1)),
            node: arena.u32s(gpus),
            differing: arena.u32s(gpus),
            gpu: arena.u32s(slots),
            on: arena.u32s(slots),
            next: arena.u32s(slots),
            head: arena.u32s(experts),
            count: arena.u32s(experts),
            old_gpu: arena.u32s(slots),
            old: arena.u32s(slots),
            old_next: arena.u32s(slots),
            old_head: arena.u32s(experts),
            source: arena.u32s(slots),
            spares: arena.u32s(slots),
            missed: arena.u32s(experts),
            group_node: arena.u32s(if hierarchical { shape.num_groups() } else { 0 }),
            group_size: experts.checked_div(shape.num_groups()).unwrap_or(1).max(1),
            moved: 0,
        }
    }

    fn note(&mut self, shape: &Shape) {
        let topology = shape.topology();
        let (mut slot, mut all) = (0, 0.0);
        for gpu in 0..topology.num_gpus() {
            put(self.first, gpu, slot as u32);
            put(self.node, gpu, topology.node(gpu) as u32);
            let (receives, serves) = (topology.receives(gpu), topology.serves(gpu));
            for _ in 0..topology.slots(gpu) {
                put(self.gpu, slot, if receives { gpu as u32 } else { NONE });
                put(self.old_gpu, slot, if serves { gpu as u32 } else { NONE });
                slot += 1;
            }
            all += if receives { f64::from(topology.speed(gpu)) } else { 0.0 };
        }
        put(self.first, topology.num_gpus(), slot as u32);
        for (gpu, (slowness, speed)) in
            self.slowness.iter_mut().zip(self.speed.iter_mut()).enumerate()
        {
            let share = f64::from(topology.speed(gpu)) / all;
            *slowness = 1.0 / (share * TOTAL);
            *speed = share * TOTAL;
        }
    }

    /// Sets the packing: the loads of `layer`, and what is in force (`[P]`) in the slots.
    pub fn set(&mut self, problem: &Problem, layer: usize, in_force: &[i32]) {
        self.set_loads(problem, layer);
        self.old_head.fill(NONE);
        self.head.fill(NONE);
        self.count.fill(0);
        self.load.fill(0);
        self.on.fill(NONE);
        self.differing.fill(0);
        self.moved = 0;
        for (slot, &expert) in in_force.iter().enumerate().rev() {
            put(self.old, slot, expert as u32);
            let gpu = at(self.gpu, slot);
            put(self.source, slot, gpu);
            if at(self.old_gpu, slot) != NONE
                && let Some(head) = self.old_head.get_mut(expert as usize)
            {
                put(self.old_next, slot, *head);
                *head = slot as u32;
            }
            if gpu != NONE
                && let Some(head) = self.head.get_mut(expert as usize)
            {
                put(self.next, slot, *head);
                *head = slot as u32;
                put(self.on, slot, expert as u32);
                change(self.count, expert as usize, |count| count + 1);
            }
        }
        for expert in 0..self.count.len() {
            self.reshare(expert);
        }
        for slot in 0..self.on.len() {
            let (expert, gpu) = (at(self.on, slot), at(self.gpu, slot));
            if expert != NONE {
                self.load_with(gpu as usize, expert as usize, true);
            }
        }
        self.note_groups();
        self.judge_all();
    }

    fn set_loads(&mut self, problem: &Problem, layer: usize) {
        let windows = self.windows;
        let mut all = 0.0;
        for (window, weight) in self.weight.iter_mut().enumerate() {
            *weight = widen(problem.window_weight(window, layer).abs());
            all += *weight;
        }
        for window in 0..windows {
            let weight = at(self.weight, window) / all;
            put(self.weight, window, weight);
            let load = problem.load(window, layer);
            let total = load.iter().fold(0.0, |sum, &load| sum + widen(load.abs()));
            for (expert, &load) in load.iter().enumerate() {
                let part = if total > 0.0 { widen(load.abs()) / total * TOTAL } else { 0.0 };
                put(self.whole, expert * windows + window, part as u64);
            }
        }
    }

    /// Groups are where their copies are. One with copies on several nodes has none: see `scattered`.
    fn note_groups(&mut self) {
        self.group_node.fill(NONE);
        for (slot, &expert) in self.on.iter().enumerate() {
            if expert != NONE {
                let group = (expert as usize).checked_div(self.group_size).unwrap_or(0);
                let node = at(self.node, at(self.gpu, slot) as usize);
                put(self.group_node, group, node);
            }
        }
    }

    /// Whether some group has copies on more than one node.
    pub fn scattered(&self) -> bool {
        !self.group_node.is_empty()
            && self.on.iter().enumerate().any(|(slot, &expert)| {
                expert != NONE
                    && self.home_node(expert as usize) != {
                        at(self.node, at(self.gpu, slot) as usize)
                    }
            })
    }

    /// Node that the group of an expert is bound to; only when groups bind.
    pub fn home_node(&self, expert: usize) -> u32 {
        at(self.group_node, expert.checked_div(self.group_size).unwrap_or(0))
    }

    /// Whether scope lets an expert onto a GPU.
    pub fn allowed(&self, gpu: usize, expert: usize) -> bool {
        self.group_node.is_empty() || self.home_node(expert) == at(self.node, gpu)
    }

    /// Whether a slot is empty in the placement in force.
    pub fn was_empty(&self, slot: usize) -> bool {
        self.old.get(slot).is_none_or(|&expert| expert == NONE)
    }

    pub fn slots(&self, gpu: usize) -> (usize, usize) {
        (at(self.first, gpu) as usize, at(self.first, gpu + 1) as usize)
    }

    /// Slots that hold an expert.
    pub fn holders(&self, expert: usize) -> Holders<'_> {
        let here = self.head.get(expert).copied().unwrap_or(NONE);
        Holders { next: self.next, here }
    }

    /// Slots of GPUs that can be read which held it.
    pub fn old_holders(&self, expert: usize) -> Holders<'_> {
        let here = self.old_head.get(expert).copied().unwrap_or(NONE);
        Holders { next: self.old_next, here }
    }

    pub fn holds(&self, gpu: usize, expert: usize) -> bool {
        self.copies(gpu, expert) > 0
    }

    pub fn copies(&self, gpu: usize, expert: usize) -> usize {
        self.holders(expert).filter(|&slot| at(self.gpu, slot) == gpu as u32).count()
    }

    pub fn old_copies(&self, gpu: usize, expert: usize) -> usize {
        self.old_holders(expert).filter(|&slot| at(self.old_gpu, slot) == gpu as u32).count()
    }

    /// The GPU that an expert new to `gpu` is read from: on the same node if one there held it, lowest index
    /// first.
    pub fn nearest(&self, gpu: usize, expert: usize) -> u32 {
        let node = at(self.node, gpu);
        let mut best = NONE;
        for slot in self.old_holders(expert) {
            let from = at(self.old_gpu, slot);
            let near = at(self.node, from as usize) == node;
            if best == NONE || near && at(self.node, best as usize) != node {
                best = from;
            }
        }
        best
    }

    /// Load of a copy, from the count.
    pub(super) fn reshare(&mut self, expert: usize) {
        let count = u64::from(at(self.count, expert));
        let range = expert * self.windows..(expert + 1) * self.windows;
        for i in range {
            let whole = at(self.whole, i);
            put(self.share, i, whole.checked_div(count).unwrap_or(0));
            put(self.more, i, whole.checked_div(count + 1).unwrap_or(0));
        }
    }
}
