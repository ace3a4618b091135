//! A layer as the search sees it: the GPUs that receive, the windows that count, the limits; and back.

use crate::balanced::FROM_NOTHING;
use crate::balanced::improve;
use crate::balanced::improve::instance::{Found, Goal, Instance};
use crate::balanced::improve::lanes::{Lanes, take_lanes};
use crate::balanced::improve::limits::{Kind, Limits, Sources, Survive};
use crate::balanced::improve::split::Nearest;
use crate::balanced::layer::{Layer, keep};
use crate::balanced::windows::Windows;
use crate::base::arena::{Arena, Carve, Need};
use crate::base::cells::{NONE, at, change, part_mut, put};
use crate::parts;
use crate::problem::Shape;
use crate::rebalance::homes;
use crate::rebalance::mode::Rebalance;

/// How far beyond their mean windows are searched with: what comes will not be among what was.
const BEYOND: f32 = 0.15;

/// What is searched, and within what.
#[derive(Clone, Copy)]
pub struct Task<'a> {
    pub layer: Layer<'a>,
    /// The placement in force; none when nothing is.
    pub in_force: &'a [i32],
    pub how: &'a Rebalance<'a>,
    /// Slots that may newly differ; from one GPU to another, 0 = no limit.
    pub moves: u32,
    pub per_pair: u32,
    /// Balance that is enough; infinite: none is.
    pub enough: f64,
}

/// What the search reads beside the loads.
struct Noted<'a> {
    /// By GPU that receives: its slots, speed, node.
    slots: &'a mut [u32],
    speed: &'a mut [f32],
    node: &'a mut [u32],
    /// By slot of these: what is in force, the number of experts for none.
    in_force: &'a mut [u32],
    /// By expert: its node.
    home: &'a mut [u32],
    /// By node, where GPUs send to the nearest: the part of all tokens that it sends.
    sent: &'a mut [f32],
    /// By expert: the first slot that it can be read from. By slot: the next one with the same expert; its GPU. By GPU:
    /// its node.
    head: &'a mut [u32],
    next: &'a mut [u32],
    gpu: &'a mut [u32],
    node_of_all: &'a mut [u32],
}

/// What the search is given beside the loads.
struct Prepared<'a> {
    limits: Limits<'a>,
    slots: &'a [u32],
    speed: &'a [f32],
    mean_speed: f64,
    expert_at: &'a mut [u32],
}

#[inline(always)]
fn list<'a>(arena: &mut impl Carve<'a>, shape: &Shape, nodes: usize) -> (Noted<'a>, &'a mut [u32]) {
    let (experts, gpus) = (shape.num_logical_experts(), shape.topology().num_gpus());
    let slots = shape.num_physical_experts();
    let noted = Noted {
        slots: arena.u32s(gpus),
        speed: arena.f32s(gpus),
        node: arena.u32s(gpus),
        in_force: arena.u32s(slots),
        home: arena.u32s(experts),
        sent: arena.f32s(nodes),
        head: arena.u32s(experts),
        next: arena.u32s(slots),
        gpu: arena.u32s(slots),
        node_of_all: arena.u32s(gpus),
    };
    (noted, arena.u32s(slots))
}

/// What [`Task::search`] needs: O(W (E + G) + P).
#[inline(never)] // sizing is over before planning takes the stack
pub fn need(shape: &Shape, how: &Rebalance) -> Need {
    let (experts, gpus) = (shape.num_logical_experts(), shape.topology().num_gpus());
    let (slots, windows) = (shape.num_physical_experts(), shape.num_windows());
    let mut need = Need::default();
    let nodes = how.nodes(shape);
    list(&mut need, shape, nodes);
    Windows::list(&mut need, shape);
    need.u32s(if windows == 1 { 0 } else { experts });
    need.f32s(experts);
    need.u32s(if how.primaries { experts } else { 0 });
    let kind = Kind { priced: true, nodes, primaries: how.primaries };
    need.plus(if windows == 1 {
        improve::need::<1>([experts, slots, gpus, 1], kind)
    } else {
        improve::need::<8>([experts, slots, gpus, windows], kind)
    })
}

impl Task<'_> {
    /// Makes a placement better (`kept`, `NONE` where there is no expert); slots of GPUs that do not receive become
    /// empty. `None` when limits do not allow what must be done: then what `kept` holds means nothing.
    pub fn search(&self, goal: Goal, kept: &mut [u32], arena: &mut Arena) -> Option<Found> {
        self.search_bound(false, goal, kept, arena).or_else(|| self.search_split(goal, kept, arena))
    }

    /// The same from what is in force, where groups are on several nodes: what must be done may be possible elsewhere.
    #[inline(never)] // seldom done
    fn search_split(&self, goal: Goal, kept: &mut [u32], arena: &mut Arena) -> Option<Found> {
        keep(self.in_force, kept);
        if !self.is_split(kept, arena) {
            return None;
        }
        self.search_bound(true, Goal::Repaired, kept, arena)?;
        self.search_bound(false, goal, kept, arena)
    }

    /// Whether a group is on several nodes where it is to be on one.
    pub fn is_split(&self, kept: &[u32], arena: &mut Arena) -> bool {
        let shape = self.layer.shape();
        let home = arena.rest().u32s(shape.num_logical_experts());
        self.how.hierarchical && homes::is_split(shape, kept, home)
    }

    /// `free`: groups that are on several nodes are bound to none.
    #[inline(never)]
    fn search_bound(
        &self,
        free: bool,
        goal: Goal,
        kept: &mut [u32],
        arena: &mut Arena,
    ) -> Option<Found> {
        let shape = self.layer.shape();
        let mut arena = arena.rest();
        let prepared = &mut self.prepare(free, kept, &mut arena)?;
        let windows = &mut Windows::carve(&mut arena, shape);
        windows.note(&self.layer, prepared.slots.len());
        if self.how.seconds {
            windows.weigh_by_time(&self.layer);
        }
        if self.how.primaries {
            let read = arena.u32s(shape.num_logical_experts());
            windows.note_read(&self.layer, read);
            prepared.limits.primaries = read;
        }
        let found = if !parts::WINDOWS || windows.alike(&self.layer) {
            let loads = take_lanes(&mut arena, shape.num_logical_experts());
            windows.note_first(&self.layer, loads);
            self.run::<1>(prepared, (loads, &[1.0]), goal, &mut arena)
        } else {
            self.search_windows(prepared, windows, goal, &mut arena)
        };
        self.give_back(prepared.expert_at, kept);
        found
    }

    #[inline(never)] // off the stack of one window
    fn search_windows(
        &self,
        prepared: &mut Prepared,
        windows: &mut Windows,
        goal: Goal,
        arena: &mut Arena,
    ) -> Option<Found> {
        let mut arena = arena.rest();
        let experts = arena.u32s(self.layer.shape().num_logical_experts());
        experts.iter_mut().enumerate().for_each(|(number, expert)| *expert = number as u32);
        let shares = windows.gather(&self.layer, experts, 1);
        self.run::<8>(prepared, (shares.share, shares.weight), goal, &mut arena)
    }

    #[inline(always)] // no frame of its own
    fn run<const N: usize>(
        &self,
        prepared: &mut Prepared,
        (loads, weight): (&[Lanes<N>], &[f32]),
        goal: Goal,
        arena: &mut Arena,
    ) -> Option<Found> {
        let instance = Instance {
            experts: self.layer.shape().num_logical_experts(),
            loads,
            beyond: self.beyond(),
            weight,
            slots: prepared.slots,
            speed: prepared.speed,
            mean_speed: prepared.mean_speed,
            effort: match self.layer.effort {
                0 => u64::MAX,
                effort => effort.into(),
            },
        };
        improve::improve(&instance, &prepared.limits, goal, arena, prepared.expert_at)
    }

    /// As far as plans from nothing look, where it is made of one alone for what experts in use cost.
    fn beyond(&self) -> f32 {
        let fresh = self.how.seconds && self.in_force.is_empty();
        if fresh { FROM_NOTHING } else { BEYOND }
    }

    /// What is searched. `None` when no node has room for a group.
    #[inline(never)] // off the stack while searching
    fn prepare<'a>(&self, free: bool, kept: &[u32], arena: &mut Arena<'a>) -> Option<Prepared<'a>> {
        let shape = self.layer.shape();
        let (mut noted, expert_at) = list(arena, shape, self.how.nodes(shape));
        let (gpus, slots) = self.note(&mut noted, kept, expert_at);
        self.note_sources(&mut noted);
        let places = 1 + usize::from(self.how.survive != Survive::Nothing);
        let bound = self.how.hierarchical;
        if bound && !homes::find(shape, (kept, self.how.fill_only), places, free, noted.home) {
            return None;
        }
        let nearest = note_sent(shape, noted.sent);
        let limits = Limits {
            moves: self.moves,
            enough: self.enough,
            in_force: noted.in_force.get(..slots)?,
            per_pair: self.per_pair,
            sources: Sources {
                head: noted.head,
                next: noted.next,
                gpu: noted.gpu,
                node: noted.node_of_all,
            },
            max_replicas: u32::try_from(self.layer.max_replicas).unwrap_or(u32::MAX),
            may_empty: self.layer.may_stay_empty,
            survive: self.how.survive,
            node: noted.node,
            home: if bound { noted.home } else { &[] },
            nearest,
            pinned: self.how.fill_only,
            primaries: &[],
        };
        let speed: &[f32] = noted.speed.get(..gpus)?;
        let mean_speed = speed.iter().fold(0.0, |sum, &x| sum + f64::from(x)) / gpus as f64;
        let slots_of = noted.slots.get(..gpus)?;
        let expert_at = expert_at.get_mut(..slots)?;
        Some(Prepared { limits, slots: slots_of, speed, mean_speed, expert_at })
    }

    /// Notes GPUs and slots, and what they hold; answers how many there are that receive.
    fn note(&self, noted: &mut Noted, kept: &[u32], expert_at: &mut [u32]) -> (usize, usize) {
        let topology = self.layer.shape().topology();
        let none = self.layer.shape().num_logical_experts() as u32;
        let (mut gpus, mut to, mut slot) = (0, 0, 0);
        for gpu in 0..topology.num_gpus() {
            let (from, node) = (slot, topology.node(gpu) as u32);
            slot += topology.slots(gpu);
            put(noted.node_of_all, gpu, node);
            part_mut(noted.gpu, from, slot).fill(gpu as u32);
            if !topology.receives(gpu) {
                continue;
            }
            put(noted.slots, gpus, (slot - from) as u32);
            put(noted.speed, gpus, topology.speed(gpu));
            put(noted.node, gpus, node);
            gpus += 1;
            for slot in from..slot {
                let before = self.in_force.get(slot).map_or(NONE, |&expert| expert as u32);
                let before = if before == NONE { none } else { before };
                put(expert_at, to, at(kept, slot));
                put(noted.in_force, to, before);
                to += 1;
            }
        }
        (gpus, to)
    }

    /// Chains the slots that an expert can be read from, the first first.
    fn note_sources(&self, noted: &mut Noted) {
        let topology = self.layer.shape().topology();
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

    /// What the slots of GPUs that receive hold, the others being empty.
    fn give_back(&self, expert_at: &[u32], kept: &mut [u32]) {
        let topology = self.layer.shape().topology();
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

/// What each node sends, where that is asked for.
fn note_sent<'a>(shape: &Shape, sent: &'a mut [f32]) -> Nearest<'a> {
    let topology = shape.topology();
    sent.fill(0.0);
    let senders = (0..topology.num_gpus()).filter(|&gpu| topology.receives(gpu));
    let all = senders.clone().count() as f32;
    for gpu in senders {
        change(sent, topology.node(gpu), |here| here + 1.0);
    }
    let most = sent.iter().fold(0.0, |most, &here| if here > most { here } else { most });
    let nodes = sent.iter().filter(|&&here| here > 0.0).count();
    for here in sent.iter_mut() {
        *here /= all;
    }
    Nearest { sent, one: 1.0 / all, few: nodes.max(most as usize) as u32 }
}
