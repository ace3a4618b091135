//! A layer as the search sees it: the GPUs that receive, the windows that count, the limits; and back.

use crate::balanced::improve;
use crate::balanced::improve::instance::{Goal, Instance};
use crate::balanced::improve::lanes::{Lanes, take_lanes};
use crate::balanced::improve::limits::{Limits, Sources, Survive};
use crate::balanced::windows::Windows;
use crate::base::arena::{Arena, Carve, Need};
use crate::base::cells::{at, part, part_mut, put};
use crate::base::keys::widen;
use crate::parts;
use crate::problem::{Problem, Shape};
use crate::rebalance::homes;
use crate::rebalance::slots::NONE;

/// How far beyond their mean windows are searched with: what comes will not be among what was.
const BEYOND: f32 = 0.3;
/// A share below this is none: nothing may be subnormal.
const TINY: f64 = f64::from_bits((1023 - 80) << 52);

/// What is searched, and within what.
#[derive(Clone, Copy)]
pub struct Task<'a> {
    pub problem: &'a Problem<'a>,
    pub layer: usize,
    /// The placement in force; none when nothing is.
    pub in_force: &'a [i32],
    /// Limits, as far as they are the same for all layers.
    pub limits: Limits<'static>,
    /// Only slots that are empty in the placement in force may change.
    pub fill_only: bool,
    /// Groups are bound to the nodes that they are on.
    pub hierarchical: bool,
    /// Units of effort; 0: no limit.
    pub effort: u64,
}

/// What the search reads beside the loads.
struct Noted<'a> {
    /// By GPU that receives: its number, slots, speed, node.
    number: &'a mut [u32],
    slots: &'a mut [u32],
    speed: &'a mut [f32],
    node: &'a mut [u32],
    /// By slot of these: what is in force, and 1 where it must stay.
    in_force: &'a mut [u32],
    pinned: &'a mut [u32],
    /// By expert: its node.
    home: &'a mut [u32],
    /// By expert: the first slot that it can be read from. By slot: the next one with the same expert; its GPU. By GPU:
    /// its node.
    head: &'a mut [u32],
    next: &'a mut [u32],
    gpu: &'a mut [u32],
    node_of_all: &'a mut [u32],
}

/// What the search changes, and its loads when there is one window.
struct Changed<'a> {
    expert_at: &'a mut [u32],
    expert: &'a mut [u32],
    load: &'a mut [Lanes<1>],
}

#[inline(always)]
fn list<'a>(arena: &mut impl Carve<'a>, shape: &Shape) -> (Noted<'a>, Changed<'a>) {
    let (experts, gpus) = (shape.num_logical_experts(), shape.topology().num_gpus());
    let slots = shape.num_physical_experts();
    let noted = Noted {
        number: arena.u32s(gpus),
        slots: arena.u32s(gpus),
        speed: arena.f32s(gpus),
        node: arena.u32s(gpus),
        in_force: arena.u32s(slots),
        pinned: arena.u32s(slots),
        home: arena.u32s(experts),
        head: arena.u32s(experts),
        next: arena.u32s(slots),
        gpu: arena.u32s(slots),
        node_of_all: arena.u32s(gpus),
    };
    let load = take_lanes(arena, experts);
    (noted, Changed { expert_at: arena.u32s(slots), expert: arena.u32s(experts), load })
}

/// What [`Task::search`] needs: O(W (E + G) + P).
#[inline(never)] // sizing is over before planning takes the stack
pub fn need(shape: &Shape) -> Need {
    let (experts, gpus) = (shape.num_logical_experts(), shape.topology().num_gpus());
    let (slots, windows) = (shape.num_physical_experts(), shape.num_windows());
    let mut need = Need::default();
    list(&mut need, shape);
    Windows::list(&mut need, shape);
    need.plus(if windows == 1 {
        improve::need::<1>(experts, slots, gpus, 1)
    } else {
        improve::need::<8>(experts, slots, gpus, windows)
    })
}

impl Task<'_> {
    /// Makes a placement better (`kept`, `NONE` where there is no expert); slots of GPUs that do not receive become empty.
    /// Answers how many slots newly differ, where that is counted. `None` when limits do not allow what must be done: then
    /// what `kept` holds means nothing.
    #[inline(never)]
    pub fn search(&self, goal: Goal, kept: &mut [u32], arena: &mut Arena) -> Option<u32> {
        let shape = self.problem.shape();
        let mut arena = arena.rest();
        let (mut noted, changed) = list(&mut arena, shape);
        let windows = &mut Windows::carve(&mut arena, shape);
        let gpus = self.note(&mut noted, kept, changed.expert_at)?;
        windows.note(self.problem, self.layer, gpus);
        let slots = part(noted.slots, 0, gpus).iter().fold(0, |sum, &slots| sum + slots as usize);
        let expert_at = part_mut(changed.expert_at, 0, slots);
        let moved = if !parts::WINDOWS || windows.alike(self.problem, self.layer) {
            self.note_shares(windows.first(), gpus, changed.load);
            let instance = self.instance(&noted, gpus, (changed.load, &[1.0]));
            improve::improve(&instance, &self.limits(&noted, slots), goal, &mut arena, expert_at)
        } else {
            let experts = changed.expert.iter_mut().enumerate();
            experts.for_each(|(number, expert)| *expert = number as u32);
            let loads = windows.gather(self.problem, self.layer, changed.expert, 1);
            let instance = self.instance(&noted, gpus, (loads.0, loads.1));
            improve::improve(&instance, &self.limits(&noted, slots), goal, &mut arena, expert_at)
        };
        self.give_back(expert_at, kept);
        moved
    }

    /// Notes GPUs and slots, and what they hold; answers how many GPUs receive. `None` when a group cannot be on a node.
    #[inline(never)]
    fn note(&self, noted: &mut Noted, kept: &[u32], expert_at: &mut [u32]) -> Option<usize> {
        let topology = self.problem.shape().topology();
        let (mut gpus, mut to, mut slot) = (0, 0, 0);
        for gpu in 0..topology.num_gpus() {
            let (from, node) = (slot, topology.node(gpu) as u32);
            slot += topology.slots(gpu);
            put(noted.node_of_all, gpu, node);
            part_mut(noted.gpu, from, slot).fill(gpu as u32);
            if !topology.receives(gpu) {
                continue;
            }
            put(noted.number, gpus, gpu as u32);
            put(noted.slots, gpus, (slot - from) as u32);
            put(noted.speed, gpus, topology.speed(gpu));
            put(noted.node, gpus, node);
            gpus += 1;
            for slot in from..slot {
                let before = self.in_force.get(slot).map_or(NONE, |&expert| expert as u32);
                put(expert_at, to, at(kept, slot));
                put(noted.in_force, to, before);
                put(noted.pinned, to, u32::from(before != NONE));
                to += 1;
            }
        }
        self.note_sources(noted);
        let places = 1 + usize::from(self.limits.survive != Survive::Nothing);
        let shape = self.problem.shape();
        let housed = !self.hierarchical || homes::find(shape, kept, places, noted.home);
        housed.then_some(gpus)
    }

    /// Chains the slots that an expert can be read from, the first first.
    fn note_sources(&self, noted: &mut Noted) {
        let topology = self.problem.shape().topology();
        noted.head.fill(NONE);
        for (slot, &expert) in self.in_force.iter().enumerate().rev() {
            if topology.serves(at(noted.gpu, slot) as usize)
                && let Some(head) = noted.head.get_mut(expert as usize)
            {
                put(noted.next, slot, *head);
                *head = slot as u32;
            }
        }
    }

    /// The shares of one window.
    fn note_shares(&self, window: usize, gpus: usize, shares: &mut [Lanes<1>]) {
        let load = self.problem.load(window, self.layer);
        let unit = load.iter().fold(0.0, |sum, &load| sum + widen(load.abs())) / gpus as f64;
        for (share, &load) in shares.iter_mut().zip(load) {
            let part = if unit > 0.0 { widen(load.abs()) / unit } else { 0.0 };
            *share = [if part > TINY { part as f32 } else { 0.0 }];
        }
    }

    fn instance<'a, const N: usize>(
        &self,
        noted: &'a Noted,
        gpus: usize,
        (loads, weight): (&'a [Lanes<N>], &'a [f32]),
    ) -> Instance<'a, N> {
        let speed = part(noted.speed, 0, gpus);
        Instance {
            experts: self.problem.shape().num_logical_experts(),
            loads,
            beyond: BEYOND,
            weight,
            slots: part(noted.slots, 0, gpus),
            speed,
            mean_speed: speed.iter().fold(0.0, |sum, &speed| sum + f64::from(speed)) / gpus as f64,
            effort: if self.effort == 0 { u64::MAX } else { self.effort },
        }
    }

    fn limits<'a>(&self, noted: &'a Noted, slots: usize) -> Limits<'a> {
        Limits {
            in_force: part(noted.in_force, 0, slots),
            node: noted.node,
            home: if self.hierarchical { noted.home } else { &[] },
            pinned: if self.fill_only { part(noted.pinned, 0, slots) } else { &[] },
            sources: Sources {
                head: noted.head,
                next: noted.next,
                gpu: noted.gpu,
                node: noted.node_of_all,
                number: noted.number,
            },
            ..self.limits
        }
    }

    /// What the slots of GPUs that receive hold, the others being empty.
    fn give_back(&self, expert_at: &[u32], kept: &mut [u32]) {
        let topology = self.problem.shape().topology();
        let (mut from, mut to) = (expert_at.iter(), kept.iter_mut());
        for gpu in 0..topology.num_gpus() {
            for to in to.by_ref().take(topology.slots(gpu)) {
                *to = if topology.receives(gpu) {
                    from.next().copied().unwrap_or(NONE)
                } else {
                    NONE
                };
            }
        }
    }
}
