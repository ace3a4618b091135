//! What the solver of an instance works on, and what lowers the largest time of a packing: with the counts as they are,
//! and with one recount after the other.

use crate::balanced::construct::ejection_chains::{STEP, ejection_chain};
use crate::balanced::construct::pairs::worst_pair;
use crate::balanced::construct::recount::{Recount, list_recounts};
use crate::balanced::construct::rematch::rematch;
use crate::balanced::construct::state::State;
use crate::balanced::construct::swaps::swaps;
use crate::balanced::instance::Instance;
use crate::base::arena::{Arena, Carve, Need};
use crate::base::cells::{at, part_mut, put};
use core::num::NonZero;

/// Other counts are tried, and recounts, when the largest time is above the bound by more than one part in this many:
/// sooner where the instance is small, and trying is cheap.
const STUCK: u64 = 200;
const STUCK_SMALL: u64 = 1000;
/// Slots below which an instance is small.
const SMALL: usize = 128;
/// Rematches of a packing.
const REMATCHES: usize = 8;

/// An instance under work, what is wanted of it, and the best placement so far.
pub struct Solver<'a, const SPEEDS: bool> {
    pub state: State<'a, SPEEDS>,
    /// By slot: the expert in the incumbent, the best placement so far, at the end the answer; and one of the packing,
    /// while counts change.
    pub incumbent: &'a mut [u32],
    expert_at: &'a mut [u32],
    pub may_stay_empty: bool,
    /// No placement has a smaller largest time.
    pub bound: u64,
    /// How far above it is not worth other counts.
    patience: u64,
    /// Slots of a GPU, or their mean.
    pub slots: NonZero<usize>,
    /// Effort that is left.
    pub left: u64,
    /// The largest time of the incumbent; and what LPT alone reached in the last packing.
    pub best: u64,
    pub greedy: u64,
    /// Pairs: the smaller item of one that was too much in the counts last looked at.
    pub wall: u64,
}

impl<'a, const SPEEDS: bool> Solver<'a, SPEEDS> {
    /// All arrays taken, nothing in them. `answer`: by slot.
    #[inline(never)] // what building takes is off the stack while planning
    pub fn carve(arena: &'a mut Arena, experts: usize, gpus: usize, answer: &'a mut [u32]) -> Self {
        let slots = answer.len();
        Solver { incumbent: answer, ..Self::list(&mut arena.rest(), experts, slots, gpus) }
    }

    #[inline(always)]
    fn list(arena: &mut impl Carve<'a>, experts: usize, slots: usize, gpus: usize) -> Self {
        Solver {
            state: State::list(arena, experts, slots, gpus),
            incumbent: &mut [],
            expert_at: arena.u32s(slots),
            may_stay_empty: false,
            bound: 0,
            patience: 0,
            slots: NonZero::<usize>::MIN,
            left: 0,
            best: u64::MAX,
            greedy: u64::MAX,
            wall: 0,
        }
    }

    /// What instances of up to these sizes need: O(E + P + G).
    pub fn need(experts: usize, slots: usize, gpus: usize) -> Need {
        let mut need = Need::default();
        Self::list(&mut need, experts, slots, gpus);
        need
    }
}

impl<const SPEEDS: bool> Solver<'_, SPEEDS> {
    /// From the items of D'Hondt's counts, which are in the packing.
    pub fn set(&mut self, instance: &Instance<&[f32]>) {
        let packing = &self.state.packing;
        let gpus = packing.gpus().max(1);
        let total = packing.item_load.iter().fold(0_u64, |sum, &load| sum.wrapping_add(load));
        let mean = total.div_ceil(gpus as u64);
        // The largest replica, which D'Hondt makes as small as can be, on the fastest GPU.
        let largest = at(packing.item_load, 0);
        let times = (0..gpus).map(|gpu| packing.time(gpu, largest));
        self.bound = times.fold(u64::MAX, u64::min).max(mean);
        let items = packing.item_load.len();
        self.patience = self.bound / if items < SMALL { STUCK_SMALL } else { STUCK };
        self.slots = NonZero::new(items / gpus).unwrap_or(NonZero::<usize>::MIN);
        self.may_stay_empty = instance.may_stay_empty;
        self.left = instance.effort;
        (self.best, self.greedy) = (u64::MAX, u64::MAX);
    }

    /// A time that is near enough to the bound.
    pub fn target(&self) -> u64 {
        self.bound + (self.bound >> 11)
    }

    /// What rounding may make of the items of two GPUs: a gain must be more.
    pub fn tolerance(&self) -> u64 {
        2 * self.slots.get() as u64 + 1
    }

    /// Whether other counts are worth trying.
    pub fn stuck(&self, time: u64) -> bool {
        time > self.bound.saturating_add(self.patience)
    }

    /// The largest time of a GPU in the packing.
    pub fn longest(&self) -> u64 {
        let (_, most, _) = self.state.packing.extremes();
        most
    }

    /// Makes what is in the packing the incumbent.
    pub fn keep(&mut self, time: u64) {
        self.best = time;
        self.state.note_experts(self.incumbent);
    }

    /// LPT, then all that lowers the largest time for these counts.
    #[inline(never)]
    pub fn pack(&mut self) -> u64 {
        if !self.state.lpt() && !self.state.construct(self.expert_at) {
            return u64::MAX;
        }
        self.greedy = self.longest();
        match self.slots.get() {
            2 if self.state.packing.alike() => {
                // Opposite pairs are optimal for these counts, where none is of two replicas of an expert.
                let (worst, _) = worst_pair(self.state.packing.item_load);
                if self.greedy <= worst.saturating_add(self.tolerance()) {
                    return self.greedy;
                }
                self.rematches();
            }
            1 | 3 if self.state.packing.alike() => self.rematches(),
            _ => {}
        }
        self.improve()
    }

    /// Rematches, over other slots each time.
    #[inline(never)]
    fn rematches(&mut self) {
        let slots = self.slots;
        for i in 0..REMATCHES {
            let most = self.longest();
            if most <= self.target() {
                break;
            }
            let pick = |gpu: usize| (i + gpu * (i / slots)) % slots;
            let State { packing, rest, tree, items, .. } = &mut self.state;
            let offer = part_mut(tree, 0, rest.len());
            rematch(packing, pick, most, rest, offer, items.buffer);
        }
    }

    /// Swaps and ejection chains until none helps.
    #[inline(always)] // no frame of its own
    fn improve(&mut self) -> u64 {
        let (target, tolerance, bound) = (self.target(), self.tolerance(), self.bound);
        let packing = &mut self.state.packing;
        while !swaps(packing, target, tolerance, &mut self.left)
            && ejection_chain(packing, bound, tolerance, &mut self.left)
        {}
        self.longest()
    }

    /// Recounts on the packing, until none helps.
    #[inline(never)]
    pub fn recount(&mut self) -> u64 {
        let mut most = self.longest();
        let mut best = [Recount::none(0)];
        while most > self.target() && self.left > 0 {
            let limit = (most - (most - self.bound) / STEP).saturating_sub(self.tolerance());
            if !self.list_recounts(limit, &mut best) {
                break;
            }
            let [recount] = best;
            most = self.improve_after(recount);
        }
        most
    }

    /// The best recounts on the packing that leave what they touch within `limit`; whether there is one.
    pub fn list_recounts(&mut self, limit: u64, list: &mut [Recount]) -> bool {
        let State { packing, counts, loads, .. } = &self.state;
        list_recounts(packing, counts, loads, limit, list, &mut self.left)
    }

    /// Counts, items and packing anew, every slot but one keeping its expert; then swaps.
    pub fn improve_after(&mut self, recount: Recount) -> u64 {
        put(self.state.packing.expert_of, recount.item, recount.to);
        self.state.note_experts(self.expert_at);
        self.state.adopt(self.expert_at);
        self.improve()
    }

    /// Two slots on GPUs that are alike: pairs.
    pub fn has_pairs(&self) -> bool {
        self.slots.get() == 2 && self.state.packing.alike()
    }
}
