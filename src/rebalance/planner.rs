//! Plans from the placement in force, layer by layer.

use crate::afresh;
use crate::base::arena::{Arena, Carve};
use crate::options::Options;
use crate::placement::PlacementMut;
use crate::problem::{Problem, Shape};
use crate::rebalance::limits::{Limits, Survive};
use crate::rebalance::mode::{Mode, Rebalance};
use crate::rebalance::packing::{NONE, Packing};
use crate::rebalance::slots::{changed, keep, permute, permute_maps, stay, write};
use crate::rebalance::{fill, incremental, rename, repair, ruler};

/// Scratch of a plan from a placement, beside the turns of the others on the rest.
#[derive(Debug)]
pub struct Scratch<'a> {
    /// `[P]` the slot of the new plan that each slot takes over; experts kept aside.
    pub from: &'a mut [u32],
    pub kept: &'a mut [u32],
}

impl<'a> Scratch<'a> {
    /// Takes the scratch: O(P).
    pub fn carve(arena: &mut impl Carve<'a>, shape: &Shape) -> Self {
        let slots = shape.num_physical_experts();
        Scratch { from: arena.u32s(slots), kept: arena.u32s(slots) }
    }
}

/// A plan from a placement.
pub struct Planner<'p> {
    pub problem: &'p Problem<'p>,
    pub options: &'p Options<'p>,
    pub how: &'p Rebalance<'p>,
    pub limits: Limits,
}

impl Planner<'_> {
    /// Plans a layer: from `old`, or what must survive something.
    pub fn plan_layer(
        &mut self,
        layer: usize,
        old: Option<&[i32]>,
        scratch: &mut Scratch,
        turns: &mut Arena,
        maps: &mut PlacementMut,
    ) {
        match old {
            Some(old) if self.how.mode != Mode::Anew => {
                self.improve(layer, old, scratch, turns, maps);
            }
            _ => self.plan_anew(layer, old, scratch, turns, maps),
        }
    }

    /// Steps from the placement in force; where half of the slots may change, the plan from nothing, renamed,
    /// when that is within the limit and better.
    fn improve(
        &mut self,
        layer: usize,
        old: &[i32],
        scratch: &mut Scratch,
        turns: &mut Arena,
        maps: &mut PlacementMut,
    ) {
        let shape = self.problem.shape();
        let slots = maps.slots_mut(shape, layer);
        self.step(layer, old, scratch.kept, turns);
        write(scratch.kept, slots);
        self.arrange(old, slots, scratch.from, turns);
        permute(scratch.from, scratch.kept, slots);
        let stepped = self.balance(layer, slots, turns);
        if self.how.mode == Mode::Limited
            && self.balance(layer, old, turns) > stepped
            && self.is_complete(layer, old, turns)
        {
            stay(shape, old, slots);
        }
        if self.may_change_half() {
            for (kept, &slot) in scratch.kept.iter_mut().zip(slots.iter()) {
                *kept = slot as u32;
            }
            self.fresh(layer, turns, maps);
            let slots = maps.slots_mut(shape, layer);
            let better = self.balance(layer, slots, turns) > stepped;
            self.rename(old, slots, scratch.from, turns);
            if !better || changed(shape, old, slots, scratch.from) > self.limits.moves {
                write(scratch.kept, slots);
            } else {
                permute(scratch.from, scratch.kept, slots);
            }
        }
        maps.number(shape, layer, turns);
    }

    /// Whether so many slots may change that a plan from nothing could be within the limit.
    fn may_change_half(&self) -> bool {
        let half = self.problem.shape().num_physical_experts() / 2;
        self.how.mode == Mode::Limited
            && !self.how.fill_only
            && self.limits.per_pair == 0
            && self.how.survive == Survive::Nothing
            && self.limits.moves as usize >= half.max(1)
    }

    /// Plans from nothing.
    fn fresh(&self, layer: usize, turns: &mut Arena, maps: &mut PlacementMut) {
        let Rebalance { way, fresh, .. } = self.how;
        afresh::plan_layer(*way, self.problem, fresh, layer, turns, maps);
    }

    #[inline(never)]
    fn step(&mut self, layer: usize, old: &[i32], kept: &mut [u32], turns: &mut Arena) {
        let shape = self.problem.shape();
        let mut packing = Packing::carve(turns, shape, self.how.hierarchical);
        packing.set(self.problem, layer, old);
        // `check` has seen that this is possible
        let _possible = repair::repair(&mut packing, shape, &self.limits);
        if self.how.mode == Mode::Repair {
            return keep(packing.on, kept);
        }
        if self.how.fills {
            fill::fill(&mut packing, &self.limits);
        }
        incremental::improve(&mut packing, &self.limits, self.options.effort, kept);
        let empty = |(&kept, &gpu): (&u32, &u32)| kept == NONE && gpu != NONE;
        if self.how.fills && kept.iter().zip(packing.gpu.iter()).any(empty) {
            // what was at its most replicas may have fewer now
            packing.set(self.problem, layer, old);
            packing.hold(kept);
            fill::fill(&mut packing, &self.limits);
            keep(packing.on, kept);
        }
    }

    /// The plan from nothing, made to survive what it must, and renamed.
    fn plan_anew(
        &mut self,
        layer: usize,
        old: Option<&[i32]>,
        scratch: &mut Scratch,
        turns: &mut Arena,
        maps: &mut PlacementMut,
    ) {
        let shape = self.problem.shape();
        self.fresh(layer, turns, maps);
        if self.how.survive != Survive::Nothing {
            self.make_survive(layer, scratch.kept, turns, maps.slots_mut(shape, layer));
        }
        if let Some(old) = old {
            let slots = maps.slots_mut(shape, layer);
            if self.how.balanced && self.stays(layer, old, slots, scratch.kept, turns) {
                write(scratch.kept, slots);
            } else {
                self.rename(old, slots, scratch.from, turns);
                permute_maps(scratch.from, scratch.kept, &mut maps.layer(shape, layer));
            }
        }
        if self.how.balanced {
            maps.number(shape, layer, turns);
        }
    }

    #[inline(never)]
    fn make_survive(
        &mut self,
        layer: usize,
        kept: &mut [u32],
        turns: &mut Arena,
        slots: &mut [i32],
    ) {
        let shape = self.problem.shape();
        let mut packing = Packing::carve(turns, shape, self.how.hierarchical);
        packing.set(self.problem, layer, slots);
        // there is room: see `can_survive`
        let _possible = repair::repair(&mut packing, shape, &self.limits);
        incremental::improve(&mut packing, &self.limits, self.options.effort, kept);
        write(kept, slots);
    }

    /// Whether the placement in force, its empty slots filled, can stay: it keeps all rules and is balanced as well as
    /// `new` is. `kept` is then what stays.
    #[inline(never)]
    fn stays(
        &mut self,
        layer: usize,
        old: &[i32],
        new: &[i32],
        kept: &mut [u32],
        turns: &mut Arena,
    ) -> bool {
        let planned = self.balance(layer, new, turns);
        let in_force = self.balance(layer, old, turns);
        if in_force < 0.0 || planned > in_force {
            return false;
        }
        let mut packing = Packing::carve(turns, self.problem.shape(), self.how.hierarchical);
        packing.set(self.problem, layer, old);
        if !self.keeps_rules(&packing) {
            return false;
        }
        if self.how.fills {
            fill::fill(&mut packing, &self.limits);
        }
        keep(packing.on, kept);
        packing.moved == 0 || packing.balance() >= planned
    }

    /// Whether it is as good as any to leave the placement in force as it is.
    #[inline(never)]
    fn is_complete(&mut self, layer: usize, old: &[i32], turns: &mut Arena) -> bool {
        let mut packing = Packing::carve(turns, self.problem.shape(), self.how.hierarchical);
        packing.set(self.problem, layer, old);
        self.keeps_rules(&packing)
            && !(self.how.fills && fill::has_room(&mut packing, &self.limits))
    }

    /// Whether the experts are where they must be, and no more often than they may.
    fn keeps_rules(&self, packing: &Packing) -> bool {
        let safe = |expert| self.limits.safe(packing, expert, usize::MAX, None);
        !packing.scattered()
            && packing.count.iter().all(|&count| count <= self.limits.most_replicas)
            && (0..packing.count.len()).all(safe)
    }

    /// Finds other names for the GPUs of a plan. The scratch is off the stack afterwards.
    #[inline(never)]
    fn rename(&self, old: &[i32], new: &[i32], from: &mut [u32], turns: &mut Arena) {
        let shape = self.problem.shape();
        rename::Scratch::carve(turns, shape, self.how.by_node()).lay_over(shape, old, new, from);
    }

    /// The same with every GPU keeping its name.
    #[inline(never)]
    fn arrange(&self, old: &[i32], new: &[i32], from: &mut [u32], turns: &mut Arena) {
        let shape = self.problem.shape();
        rename::Scratch::carve(turns, shape, self.how.by_node()).arrange(shape, old, new, from);
    }

    /// By the ruler; -1 when an expert is missing.
    #[inline(never)]
    fn balance(&self, layer: usize, slots: &[i32], turns: &mut Arena) -> f64 {
        let count = turns.rest().u32s(self.problem.shape().num_logical_experts());
        ruler::balance(self.problem, layer, slots, count).unwrap_or(-1.0)
    }
}
