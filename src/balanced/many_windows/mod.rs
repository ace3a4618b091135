//! The solver for several windows of load: one placement for all.
//!
//! A placement is scored by the mean over windows of its balance, and by windows that it has not seen. Starts, each
//! made better by the search of [`improve`]; the best stays. See docs/DESIGN.md for what was measured.

mod greedy;
mod start;

use crate::balanced::construct;
use crate::balanced::fewer_slots::{self, Fewer};
use crate::balanced::improve::instance::{Goal, Instance as Searched};
use crate::balanced::improve::limits::{Kind, Limits};
use crate::balanced::improve::{self, score};
use crate::balanced::instance::Instance;
use crate::balanced::one_load::{self, FEW};
use crate::balanced::windows::Shares;
use crate::base::arena::{Arena, Carve, Need};
use crate::base::cells::{NONE, copy, part_mut};

/// Windows of which no more of the load is elsewhere, on average, start from the plan on their mean; and others, too,
/// if the plan from the other start is no better than this.
const ALIKE: f64 = 0.06;
const NEARLY_ALIKE: f64 = 0.15;
const HARD: f64 = 0.94;

/// Units of effort of a search when the caller does not say: these, for each GPU, and for each pair of GPUs.
const EFFORT: u64 = 20_000;
const EFFORT_GPU: u64 = 1_000;
const EFFORT_PAIR: u64 = 8;

/// The effort for so many GPUs when the caller asks for `asked`, 0 being the default.
pub fn effort(asked: u32, gpus: usize) -> u64 {
    let gpus = gpus as u64;
    if asked == 0 { EFFORT + gpus * (EFFORT_GPU + EFFORT_PAIR * gpus) } else { u64::from(asked) }
}

/// What instances of up to these sizes need: O(W (E + G) + P).
pub fn need(experts: usize, slots: usize, gpus: usize, windows: usize) -> Need {
    let mut need = Need::default();
    list(&mut need, [experts, slots, gpus]);
    let start = start::need([experts, slots, gpus, windows]);
    let few = one_load::need(experts.min(FEW), slots.min(FEW), gpus, true);
    let solvers = construct::need(experts, slots, gpus).max(few).max(start);
    need.plus(solvers.max(improve::need::<8>([experts, slots, gpus, windows], Kind::default())))
}

/// By expert: the mean over the windows. By GPU: fewer slots. By slot: other plans.
struct Scratch<'a> {
    mean: &'a mut [f32],
    fewer: &'a mut [u32],
    planned: &'a mut [u32],
    other: &'a mut [u32],
}

#[inline(always)]
fn list<'a>(arena: &mut impl Carve<'a>, [experts, slots, gpus]: [usize; 3]) -> Scratch<'a> {
    Scratch {
        mean: arena.f32s(experts),
        fewer: arena.u32s(gpus),
        planned: arena.u32s(slots),
        other: arena.u32s(slots),
    }
}

/// Plans an instance. `beyond`: how much further out than it is a window is searched with; `effort_of_mean`: what
/// solving for the mean of the windows may spend. `arena` holds what [`need`] says for these sizes.
#[inline(never)]
pub fn plan(
    instance: &Instance<Shares>,
    beyond: f32,
    effort_of_mean: u64,
    arena: &mut Arena,
    expert_at: &mut [u32],
) {
    let mut rest = arena.rest();
    let experts = instance.loads.experts;
    let s = list(&mut rest, [experts, expert_at.len(), instance.slots.len()]);
    instance.loads.mean(s.mean);
    let starts =
        Starts { mean: s.mean, apart: instance.loads.apart(s.mean), beyond, effort_of_mean };
    let (slots, speed) = (instance.slots, instance.speed);
    let mut good = -1.0;
    let even = speed.iter().all(|own| Some(own) == speed.first());
    let kind = if even { Fewer::AsMost } else { Fewer::BySpeed };
    if fewer_slots::choose(kind, experts, (slots, speed), s.fewer) {
        // what fewer slots do, all do, too
        let few = Instance { slots: s.fewer, ..*instance };
        let planned = part_mut(expert_at, 0, fewer_slots::sum(s.fewer));
        starts.plan(&few, &mut rest, planned, s.other);
        fewer_slots::expand(s.fewer, slots, expert_at);
        starts.improve(instance, &mut rest, expert_at);
        if !expert_at.contains(&NONE) {
            good = balance(instance, &mut rest, expert_at);
        }
    }
    if good < 0.0 || even {
        starts.plan(instance, &mut rest, s.planned, s.other);
        if balance(instance, &mut rest, s.planned) > good {
            copy(expert_at, s.planned);
        }
    }
}

/// Makes a placement better for the windows; `beyond` as for [`plan`].
pub fn improve(instance: &Instance<Shares>, beyond: f32, arena: &mut Arena, expert_at: &mut [u32]) {
    let limits = Limits::none(instance.max_replicas);
    // without limits there is nothing that it could refuse
    let _found =
        improve::improve(&searched(instance, beyond), &limits, Goal::Balanced, arena, expert_at);
}

/// The mean over the windows of the balance.
pub fn balance(instance: &Instance<Shares>, arena: &mut Arena, expert_at: &[u32]) -> f64 {
    score::balance(&searched(instance, 0.0), arena, expert_at)
}

fn searched<'a>(instance: &Instance<'a, Shares<'a>>, beyond: f32) -> Searched<'a, 8> {
    let Shares { share, weight, experts } = instance.loads;
    let Instance { slots, speed, mean_speed, effort, .. } = *instance;
    Searched { experts, loads: share, beyond, weight, slots, speed, mean_speed, effort }
}

/// What plans of all and of fewer slots start from.
struct Starts<'a> {
    mean: &'a [f32],
    /// How much of the load is elsewhere in a window than on average.
    apart: f64,
    beyond: f32,
    effort_of_mean: u64,
}

impl Starts<'_> {
    /// From up to two starts: one for the windows, and, where these are nearly alike, one for their mean. `other`:
    /// scratch.
    #[inline(never)]
    fn plan(
        &self,
        instance: &Instance<Shares>,
        arena: &mut Arena,
        expert_at: &mut [u32],
        other: &mut [u32],
    ) {
        let other = part_mut(other, 0, expert_at.len());
        start::fill(instance, arena, expert_at);
        let mut good = 0.0;
        let alike = self.apart <= ALIKE;
        if !alike {
            self.improve(instance, arena, expert_at);
            good = balance(instance, arena, expert_at);
            if self.apart > NEARLY_ALIKE || good > HARD {
                return;
            }
        }
        let Instance { slots, speed, mean_speed, max_replicas, .. } = *instance;
        let (loads, effort) = (self.mean, self.effort_of_mean);
        let may_stay_empty = false;
        let mean =
            Instance { loads, slots, speed, mean_speed, max_replicas, effort, may_stay_empty };
        if other.len() <= FEW {
            one_load::solve(&mean, arena, other);
        } else {
            construct::solve(&mean, arena, other);
        }
        if alike && balance(instance, arena, other) <= balance(instance, arena, expert_at) {
            self.improve(instance, arena, expert_at);
            good = balance(instance, arena, expert_at);
        }
        self.improve(instance, arena, other);
        if balance(instance, arena, other) > good {
            copy(expert_at, other);
        }
    }

    fn improve(&self, instance: &Instance<Shares>, arena: &mut Arena, expert_at: &mut [u32]) {
        improve(instance, self.beyond, arena, expert_at);
    }
}
