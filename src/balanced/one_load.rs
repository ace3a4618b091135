//! One load: the solver, and where GPUs differ in slots or speed, or slots are few, the search after it. A GPU that is
//! slow, or that has more slots than others, may have to take something that is too much for it: then fewer slots are
//! planned first, the others filled, and the search makes room.

use crate::balanced::construct;
use crate::balanced::fewer_slots::{self, Fewer};
use crate::balanced::improve;
use crate::balanced::improve::instance::{Goal, Instance as Searched};
use crate::balanced::improve::lanes::{Lanes, take_lanes};
use crate::balanced::improve::limits::{Kind, Limits};
use crate::balanced::instance::Instance;
use crate::base::arena::{Arena, Carve, Need};
use crate::base::cells::{NONE, add, at, copy, part_mut};
use crate::base::keys::{descending, index_of, sort, sort_buffer, widen};
use crate::problem::Shape;

/// So near to the mean there is nothing to gain.
const NEAR: f64 = 1.0 + 1.0 / 1024.0;
/// Slots that a load needs, in quarters of a slot an expert: with more, the hottest are on most GPUs anyway. Which of
/// the two is better differs from load to load.
const SIX: usize = 6;
const FIVE: usize = 5;
/// A search may spend the effort once for so many slots.
const SLOTS: u64 = 64;
/// A share below this is none: nothing may be subnormal.
const TINY: f64 = f64::from_bits((1023 - 80) << 52);

/// Up to so many slots there is a search whatever the GPUs: few slots leave gaps, and it costs little. `fixed::Planner`
/// begins above.
pub const FEW: usize = 31;

/// Whether there is a search: GPUs differ, or slots are few.
pub fn searches(shape: &Shape) -> bool {
    let topology = shape.topology();
    let alike = topology.equal_slots() && topology.equal_speeds();
    !alike || shape.num_physical_experts() <= FEW
}

/// What instances of up to these sizes need: O(E + P + G). `searches`: of a shape that [`searches`].
pub fn need(experts: usize, slots: usize, gpus: usize, searches: bool) -> Need {
    let solver = construct::need(experts, slots, gpus);
    if !searches {
        return solver;
    }
    let mut need = Need::default();
    list(&mut need, [experts, slots, gpus]);
    let mut to_sort = Need::default();
    list_keys(&mut to_sort, [experts, slots]);
    let search = improve::need::<1>([experts, slots, gpus, 1], Kind::default());
    need.plus(solver.max(search).max(to_sort))
}

/// By slot: the best plan. By GPU: fewer slots. By expert: its share.
struct Scratch<'a> {
    best: &'a mut [u32],
    fewer: &'a mut [u32],
    shares: &'a mut [Lanes<1>],
}

#[inline(always)]
fn list<'a>(arena: &mut impl Carve<'a>, [experts, slots, gpus]: [usize; 3]) -> Scratch<'a> {
    Scratch { best: arena.u32s(slots), fewer: arena.u32s(gpus), shares: take_lanes(arena, experts) }
}

/// Replicas by expert, keys by slot, and a buffer for [`sort`].
#[inline(always)]
fn list_keys<'a>(
    arena: &mut impl Carve<'a>,
    [experts, slots]: [usize; 2],
) -> (&'a mut [u32], &'a mut [u64], &'a mut [u64]) {
    (arena.u32s(experts), arena.u64s(slots), arena.u64s(sort_buffer(slots)))
}

/// Solves an instance of a shape that [`searches`]; as [`construct::solve`].
#[inline(never)] // off the stack of those that need no more than the solver
pub fn solve(instance: &Instance<&[f32]>, arena: &mut Arena, expert_at: &mut [u32]) -> u64 {
    let all = instance.loads.iter().fold(0.0, |sum, &load| sum + widen(load));
    let mut gpus = instance.slots.iter().zip(instance.speed);
    let first = gpus.next();
    let alike = gpus.all(|gpu| Some(gpu) == first);
    if all == 0.0 || alike && expert_at.len() > FEW {
        return construct::solve(instance, arena, expert_at);
    }
    let mut rest = arena.rest();
    let scratch = list(&mut rest, [instance.loads.len(), expert_at.len(), instance.slots.len()]);
    let speed = instance.speed.iter().fold(0.0, |sum, &speed| sum + f64::from(speed));
    let near = all / speed * NEAR;
    let (time, left) = (f64::INFINITY, instance.effort);
    let plans = &mut Plans { instance, scratch, all, time, near, planned: 0, left };
    if alike {
        plans.left = construct::solve(instance, &mut rest, expert_at);
        plans.keep(&mut rest, expert_at);
        if plans.time > near {
            plans.search(&mut rest, expert_at);
            plans.keep(&mut rest, expert_at);
        }
        copy(expert_at, plans.scratch.best);
        return plans.left;
    }
    plans.plan_fewer(Fewer::Share(SIX), &mut rest, expert_at);
    if plans.time > near {
        let left = construct::solve(instance, &mut rest, expert_at);
        plans.left = plans.left.min(left);
        plans.keep(&mut rest, expert_at);
    }
    for kind in [Fewer::Share(FIVE), Fewer::AsMost] {
        plans.plan_fewer(kind, &mut rest, expert_at);
    }
    copy(expert_at, plans.scratch.best);
    plans.left
}

/// The plans of an instance.
struct Plans<'s, 'a> {
    instance: &'s Instance<'s, &'s [f32]>,
    scratch: Scratch<'a>,
    /// All loads together.
    all: f64,
    /// The largest time of the best; and what is near enough to the least that all GPUs together can do.
    time: f64,
    near: f64,
    /// How many slots were planned first.
    planned: usize,
    left: u64,
}

impl Plans<'_, '_> {
    /// Keeps a plan if it is better than the best.
    fn keep(&mut self, arena: &mut Arena, expert_at: &[u32]) {
        let count = arena.rest().u32s(self.instance.loads.len());
        let time = self.instance.largest_time(expert_at, count);
        if time < self.time {
            self.time = time;
            copy(self.scratch.best, expert_at);
        }
    }

    /// Plans fewer slots first, unless the best is near enough.
    #[inline(never)]
    fn plan_fewer(&mut self, kind: Fewer, arena: &mut Arena, expert_at: &mut [u32]) {
        let Instance { loads, slots, speed, .. } = *self.instance;
        let fewer = &mut *self.scratch.fewer;
        let near_enough = self.time <= self.near;
        if near_enough || !fewer_slots::choose(kind, loads.len(), (slots, speed), fewer) {
            return;
        }
        let all = fewer_slots::sum(fewer);
        if core::mem::replace(&mut self.planned, all) == all {
            return; // the same again
        }
        let planned = part_mut(expert_at, 0, all);
        let few = Instance { slots: fewer, ..*self.instance };
        let left = construct::solve(&few, arena, planned);
        self.left = self.left.min(left);
        fewer_slots::lightest_grow(&few, slots, arena, planned);
        fewer_slots::expand(fewer, slots, expert_at);
        self.search(arena, expert_at);
        // where replicas stand in each other's way some slots may have stayed empty
        if !expert_at.contains(&NONE) {
            self.keep(arena, expert_at);
        }
    }

    /// Fills empty slots, and searches. On a GPU the experts then stand by falling load.
    #[inline(never)]
    fn search(&mut self, arena: &mut Arena, expert_at: &mut [u32]) {
        let Instance { loads, slots, speed, max_replicas, effort, .. } = *self.instance;
        let gpus = slots.len() as f64;
        for (share, &load) in self.scratch.shares.iter_mut().zip(loads) {
            let part = widen(load) * gpus / self.all;
            *share = [if part > TINY { part as f32 } else { 0.0 }];
        }
        let instance = Searched {
            experts: loads.len(),
            loads: self.scratch.shares,
            beyond: 0.0,
            weight: &[1.0],
            slots,
            speed,
            mean_speed: speed.iter().fold(0.0, |sum, &x| sum + f64::from(x)) / gpus,
            effort: effort.saturating_mul(1 + expert_at.len() as u64 / SLOTS),
        };
        let limits = Limits::none(max_replicas);
        // without limits there is nothing that it could refuse
        let _found = improve::improve(&instance, &limits, Goal::Balanced, arena, expert_at);
        self.sort(arena, expert_at);
    }

    /// Sorts the experts of each GPU by falling load of their replicas, empty slots last.
    fn sort(&self, arena: &mut Arena, expert_at: &mut [u32]) {
        let Instance { loads, slots, .. } = *self.instance;
        // a power of two, so that order is kept and nothing is subnormal
        let scale = f64::from_bits(2046_u64.saturating_sub(self.all.to_bits() >> 52) << 52);
        let scaled = |expert: u32| {
            let load = widen(at(loads, expert)) * scale;
            if load > TINY { load as f32 } else { 0.0 }
        };
        let (count, keys, buffer) = list_keys(&mut arena.rest(), [loads.len(), expert_at.len()]);
        count.fill(0);
        expert_at.iter().for_each(|&expert| add(count, expert, 1));
        let mut first = 0;
        for &here in slots {
            let held = part_mut(expert_at, first, first + here as usize);
            first += here as usize;
            let keys = part_mut(keys, 0, held.len());
            for (key, &expert) in keys.iter_mut().zip(held.iter()) {
                *key = count.get(expert as usize).map_or(u64::MAX, |&count| {
                    descending(scaled(expert) / count as f32, expert as usize)
                });
            }
            sort(keys, buffer);
            held.iter_mut().zip(keys).for_each(|(expert, &mut key)| *expert = index_of(key) as u32);
        }
    }
}
