//! Plans from the placement in force, layer by layer.

use crate::afresh;
use crate::balanced::improve::instance::Goal;
use crate::balanced::improve::limits::Survive;
use crate::balanced::layer::{Layer, exchange, keep, restore};
use crate::base::arena::{Arena, Carve};
use crate::options::Options;
use crate::options::flags::Flags;
use crate::placement::PlacementMut;
use crate::problem::{Problem, Shape};
use crate::rebalance::every_change::EveryChange;
use crate::rebalance::mode::{Mode, Rebalance, most_replicas};
use crate::rebalance::search::Task;
use crate::rebalance::slots::{changed, differing, permute, permute_maps, stay};
use crate::rebalance::{balance, rename, seconds, spare};

/// Units of effort of a search for a slot of a plan from nothing, when the caller does not say.
const EFFORT_SLOT: u32 = 400;
/// At least, where GPUs send to the nearest.
const EFFORT_NEAREST: u32 = 200_000;
/// A plan so near the mean is not worth another search.
const CLOSE: f64 = 1.0 - 1.0 / 2048.0;

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
    /// Replicas that an expert may have; 0: any number.
    pub max_replicas: usize,
}

impl Planner<'_> {
    /// Plans a layer: from `old`, or what must survive something.
    pub fn plan_layer(
        &self,
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
            Some(old) if self.how.balanced => {
                self.plan_anew(layer, Some(old), scratch, turns, maps);
                if self.calls_for_steps(layer, old, scratch.kept, turns, maps) {
                    self.or_steps(layer, old, scratch, turns, maps);
                }
            }
            _ => self.plan_anew(layer, old, scratch, turns, maps),
        }
    }

    /// What is searched from `old`.
    pub fn task<'a>(&'a self, layer: usize, old: &'a [i32]) -> Task<'a> {
        Task {
            layer: Layer::new(self.problem, self.options, layer, self.max_replicas),
            in_force: old,
            how: self.how,
            moves: self.how.moves(self.options),
            per_pair: self.options.max_moves_per_gpu_pair,
            enough: f64::INFINITY,
        }
    }

    /// Steps from the placement in force; where half of the slots may change, the plan from nothing, renamed,
    /// when that is within the limit and better.
    fn improve(
        &self,
        layer: usize,
        old: &[i32],
        scratch: &mut Scratch,
        turns: &mut Arena,
        maps: &mut PlacementMut,
    ) {
        let shape = self.problem.shape();
        let slots = maps.slots_mut(shape, layer);
        // `check` has seen that this is possible
        let steps = self.steps(layer, old, scratch.kept, turns, slots);
        let mut best = steps.map_or(-1.0, |(balance, _)| balance);
        if self.how.primaries && self.how.mode == Mode::Limited {
            best = self.or_for_tokens(layer, (old, best), scratch, turns, slots);
        }
        self.arrange(old, slots, scratch.from, turns);
        permute(scratch.from, scratch.kept, slots);
        keep(slots, scratch.kept);
        if self.options.target == 0 && self.task(layer, old).is_split(scratch.kept, turns) {
            best = -1.0; // a plan from nothing has no groups on several nodes
        } else if self.how.mode == Mode::Limited
            && self.balance(layer, old, turns) > best
            && self.is_complete(layer, old, scratch.kept, turns)
        {
            stay(shape, old, slots);
            best = self.balance(layer, slots, turns);
        }
        if self.may_change_half() {
            self.or_fresh(layer, (old, best), scratch, turns, maps);
        }
        maps.number(shape, layer, turns);
    }

    /// Steps for tokens alone, where they are better: few moves may not be enough for the primaries of all.
    #[inline(never)] // off the stack of steps
    fn or_for_tokens(
        &self,
        layer: usize,
        (old, best): (&[i32], f64),
        scratch: &mut Scratch,
        turns: &mut Arena,
        slots: &mut [i32],
    ) -> f64 {
        keep(slots, scratch.from);
        let how = &Rebalance { primaries: false, ..*self.how };
        let steps = Planner { how, ..*self }.steps(layer, old, scratch.kept, turns, slots);
        match steps {
            Some((balance, _)) if balance > best => balance,
            _ => {
                restore(scratch.from, slots);
                best
            }
        }
    }

    /// The plan from nothing, renamed, when that is within the limit and better.
    #[inline(never)] // off the stack of steps
    fn or_fresh(
        &self,
        layer: usize,
        (old, best): (&[i32], f64),
        scratch: &mut Scratch,
        turns: &mut Arena,
        maps: &mut PlacementMut,
    ) {
        let shape = self.problem.shape();
        let slots = maps.slots_mut(shape, layer);
        let steps = (best, differing(shape, old, slots));
        keep(slots, scratch.kept);
        self.fresh(layer, scratch.from, turns, maps);
        let slots = maps.slots_mut(shape, layer);
        let balance = self.balance(layer, slots, turns);
        self.rename(old, slots, scratch.from, turns);
        let moved = changed(shape, old, slots, scratch.from);
        if moved > self.how.moves(self.options) || !self.is_better((balance, moved), steps) {
            restore(scratch.kept, slots);
        } else {
            permute(scratch.from, scratch.kept, slots);
        }
    }

    /// Whether so many slots may change that a plan from nothing could be within the limit.
    fn may_change_half(&self) -> bool {
        let half = self.problem.shape().num_physical_experts() / 2;
        self.how.mode == Mode::Limited
            && !self.how.fill_only
            && self.options.max_moves_per_gpu_pair == 0
            && self.how.survive == Survive::Nothing
            && self.how.moves(self.options) as usize >= half.max(1)
    }

    /// Plans from nothing, and makes of that what survives what it must, and knows where tokens go. `aside`: scratch.
    fn fresh(&self, layer: usize, aside: &mut [u32], turns: &mut Arena, maps: &mut PlacementMut) {
        let Rebalance { way, fresh, survive, nearest, seconds, .. } = self.how;
        afresh::plan_layer(*way, self.problem, fresh, layer, turns, maps);
        if *survive != Survive::Nothing || *nearest || *seconds {
            let slots = maps.slots_mut(self.problem.shape(), layer);
            let before = self.balance(layer, slots, turns);
            keep(slots, aside);
            self.keep_to(layer, aside, turns);
            exchange(aside, slots);
            if *survive == Survive::Nothing && self.balance(layer, slots, turns) < before {
                exchange(aside, slots);
            }
            if *seconds && *survive == Survive::Nothing {
                self.try_every_change(layer, slots, aside, turns);
            }
            let may_empty = self.options.flags.contains(Flags::EMPTY_SLOTS);
            if *seconds && *survive == Survive::Nothing && may_empty {
                spare::empty_spare(self.problem, layer, slots, turns);
            }
        }
    }

    /// Makes a small layer better as dispatch sees it.
    #[inline(never)] // off the stack of the search
    fn try_every_change(
        &self,
        layer: usize,
        slots: &mut [i32],
        aside: &mut [u32],
        turns: &mut Arena,
    ) {
        let effort = self.options.effort;
        if let Some(mut changes) = EveryChange::new(self.problem, layer, effort) {
            let keeps =
                |slots: &[i32], turns: &mut Arena| self.keeps_rules(layer, slots, aside, turns);
            changes.climb(slots, turns, keeps);
        }
    }

    /// The plan from nothing, renamed.
    fn plan_anew(
        &self,
        layer: usize,
        old: Option<&[i32]>,
        scratch: &mut Scratch,
        turns: &mut Arena,
        maps: &mut PlacementMut,
    ) {
        let shape = self.problem.shape();
        self.fresh(layer, scratch.kept, turns, maps);
        let slots = maps.slots_mut(shape, layer);
        if let Some(old) = old
            && !(self.how.balanced && self.stays(layer, old, slots, scratch, turns))
        {
            self.rename(old, slots, scratch.from, turns);
            permute_maps(scratch.from, scratch.kept, &mut maps.layer(shape, layer));
        }
        if self.how.balanced {
            maps.number(shape, layer, turns);
        }
    }

    #[inline(never)] // its task is on the stack only while it searches
    fn keep_to(&self, layer: usize, kept: &mut [u32], turns: &mut Arena) {
        let mut task = self.task(layer, &[]);
        // which replicas do not pay is seen when all are there
        task.layer.may_stay_empty &= !self.how.seconds;
        if task.layer.effort == 0 {
            let least = if self.how.nearest { EFFORT_NEAREST } else { 0 };
            task.layer.effort = EFFORT_SLOT.saturating_mul(kept.len() as u32).max(least);
        }
        // there is room: see `places_for_two`
        let _possible = task.search(Goal::Balanced, kept, turns);
    }

    #[inline(never)] // its task is on the stack only while it searches
    fn search(
        &self,
        layer: usize,
        old: &[i32],
        goal: Goal,
        kept: &mut [u32],
        turns: &mut Arena,
    ) -> Option<u32> {
        Some(self.task(layer, old).search(goal, kept, turns)?.moved)
    }

    /// Whether the placement in force, its empty slots filled, can stay: it keeps all rules, and is balanced as well as
    /// the one in `slots`, which it then takes the place of.
    #[inline(never)] // off the stack of steps
    fn stays(
        &self,
        layer: usize,
        old: &[i32],
        slots: &mut [i32],
        scratch: &mut Scratch,
        turns: &mut Arena,
    ) -> bool {
        let planned = self.balance(layer, slots, turns);
        let in_force = self.balance(layer, old, turns);
        if planned > in_force || !self.keeps_rules(layer, old, scratch.kept, turns) {
            return false;
        }
        keep(slots, scratch.from);
        keep(old, scratch.kept);
        if self.search(layer, old, Goal::Filled, scratch.kept, turns).is_some() {
            restore(scratch.kept, slots);
            if self.balance(layer, slots, turns) >= planned {
                return true;
            }
        }
        restore(scratch.from, slots);
        false
    }

    /// Whether steps from the placement in force may come further than the plan that the maps hold, or may do with
    /// fewer moves: no limit is not worse than any. What has empty slots is planned as well from nothing, and sooner.
    fn calls_for_steps(
        &self,
        layer: usize,
        old: &[i32],
        kept: &mut [u32],
        turns: &mut Arena,
        maps: &mut PlacementMut,
    ) -> bool {
        let slots = maps.slots_mut(self.problem.shape(), layer);
        let far = !old.contains(&-1) && self.balance(layer, slots, turns) < CLOSE;
        keep(old, kept);
        (self.options.target > 0 || far)
            && self.has_few(old, turns)
            && !self.task(layer, old).is_split(kept, turns)
    }

    /// Whether it is as good as any to leave the placement in force as it is.
    #[inline(never)] // off the stack of steps
    fn is_complete(&self, layer: usize, old: &[i32], kept: &mut [u32], turns: &mut Arena) -> bool {
        self.keeps_rules(layer, old, kept, turns)
            && self.search(layer, old, Goal::Filled, kept, turns) == Some(0)
    }

    /// Whether no expert has more replicas than it may.
    fn has_few(&self, old: &[i32], turns: &mut Arena) -> bool {
        let shape = self.problem.shape();
        let topology = shape.topology();
        let count = turns.rest().u32s(shape.num_logical_experts());
        balance::count_copies(topology, old, |gpu| topology.receives(gpu), count);
        count.iter().all(|&count| count <= most_replicas(self.max_replicas))
    }

    /// Whether the experts are where they must be, and no more often than they may.
    fn keeps_rules(&self, layer: usize, old: &[i32], kept: &mut [u32], turns: &mut Arena) -> bool {
        if self.balance(layer, old, turns) < 0.0 || !self.has_few(old, turns) {
            return false;
        }
        keep(old, kept);
        let task = self.task(layer, old);
        if task.is_split(kept, turns) {
            return false;
        }
        Task { moves: 0, ..task }.search(Goal::Repaired, kept, turns).is_some()
    }

    /// Finds other names for the GPUs of a plan. The scratch is off the stack afterwards.
    #[inline(never)]
    fn rename(&self, old: &[i32], new: &[i32], from: &mut [u32], turns: &mut Arena) {
        let shape = self.problem.shape();
        rename::Scratch::carve(turns, shape, self.how.by_node()).lay_over(shape, old, new, from);
    }

    /// The same with every GPU keeping its name.
    #[inline(never)]
    pub fn arrange(&self, old: &[i32], new: &[i32], from: &mut [u32], turns: &mut Arena) {
        let shape = self.problem.shape();
        rename::Scratch::carve(turns, shape, self.how.by_node()).arrange(shape, old, new, from);
    }

    /// On the GPUs that stay; -1 when an expert is missing.
    #[inline(never)]
    pub fn balance(&self, layer: usize, slots: &[i32], turns: &mut Arena) -> f64 {
        let nearest = self.how.nearest;
        if self.how.seconds {
            return seconds::balance(self.problem, layer, slots, turns).unwrap_or(-1.0);
        }
        balance::balance(self.problem, layer, slots, nearest, turns).unwrap_or(-1.0)
    }
}
