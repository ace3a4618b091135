//! The solver for one load: the order of its steps.

use crate::balanced::construct::ejection_chains::{STEP, ejection_chain};
use crate::balanced::construct::exhaustive::{self, Search};
use crate::balanced::construct::pairs;
use crate::balanced::construct::recount::{Recount, list_recounts};
use crate::balanced::construct::rematch::rematch;
use crate::balanced::construct::state::State;
use crate::balanced::construct::swaps::swaps;
use crate::balanced::instance::Instance;
use crate::base::arena::{Arena, Carve, Need};
use crate::base::cells::{NONE, add, at, part_mut, put, subtract};
use core::num::NonZero;

/// Other counts are tried, and recounts, when the largest time is above the bound by more than one part in this many:
/// sooner where the instance is small, and trying is cheap.
const STUCK: u64 = 200;
const STUCK_SMALL: u64 = 1000;
/// Slots below which an instance is small.
const SMALL: usize = 128;
/// Caps tried: 1, 1 - 40/1024, 1 - 80/1024, ... of the bound, each with two limits for the slots left over.
const CAPS: u64 = 16;
const CAP_STEP: u64 = 40;
/// Packings tried among the capped counts.
const TRIES: usize = 3;
/// Recounts tried that make things worse at first.
const LEAPS: usize = 4;
/// Rematches of a packing.
const REMATCHES: usize = 8;
/// D'Hondt among the candidates for counts.
const D_HONDT: u64 = 255;

/// An instance under work, what is wanted of it, and the best placement so far.
pub struct Solver<'a, const SPEEDS: bool> {
    state: State<'a, SPEEDS>,
    /// By slot: the expert in the incumbent, the best placement so far; and one of the packing, while counts change.
    incumbent: &'a mut [u32],
    expert_at: &'a mut [u32],
    may_stay_empty: bool,
    /// The least time that any packing of D'Hondt's counts can have.
    bound: u64,
    /// How far above it is not worth other counts.
    patience: u64,
    /// Slots of a GPU, or their mean.
    slots: NonZero<usize>,
    /// Effort that is left.
    left: u64,
    /// The largest time of the incumbent; and what LPT alone reached in the last packing.
    best: u64,
    greedy: u64,
}

impl<'a, const SPEEDS: bool> Solver<'a, SPEEDS> {
    /// All arrays taken, nothing in them.
    #[inline(never)] // what building takes is off the stack while planning
    pub fn carve(arena: &'a mut Arena, experts: usize, slots: usize, gpus: usize) -> Self {
        Self::list(&mut arena.rest(), experts, slots, gpus)
    }

    #[inline(always)]
    fn list(arena: &mut impl Carve<'a>, experts: usize, slots: usize, gpus: usize) -> Self {
        Solver {
            state: State::list(arena, experts, slots, gpus),
            incumbent: arena.u32s(slots),
            expert_at: arena.u32s(slots),
            may_stay_empty: false,
            bound: 0,
            patience: 0,
            slots: NonZero::<usize>::MIN,
            left: 0,
            best: u64::MAX,
            greedy: u64::MAX,
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
    /// Solves an instance. `expert_at`: the answer. Gives what is left of the effort.
    #[inline(always)] // no frame of its own
    pub fn solve(&mut self, instance: &Instance<&[f32]>, expert_at: &mut [u32]) -> u64 {
        self.state.set(instance);
        self.state.deal();
        self.state.set_items();
        self.set(instance);
        if self.search() {
            for (to, &expert) in expert_at.iter_mut().zip(self.incumbent.iter()) {
                *to = expert;
            }
        } else {
            self.state.note_experts_by_load(expert_at);
        }
        self.left
    }

    fn set(&mut self, instance: &Instance<&[f32]>) {
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
    fn target(&self) -> u64 {
        self.bound + (self.bound >> 11)
    }

    /// What rounding may make of the items of two GPUs: a gain must be more.
    fn grain(&self) -> u64 {
        2 * self.slots.get() as u64 + 1
    }

    fn stuck(&self, time: u64) -> bool {
        time > self.bound.saturating_add(self.patience)
    }

    fn longest(&self) -> u64 {
        let (_, most, _) = self.state.packing.extremes();
        most
    }

    /// Makes what is in the packing the incumbent.
    fn keep(&mut self, time: u64) {
        self.best = time;
        self.state.note_experts(self.incumbent);
    }

    /// From D'Hondt's items to a placement. Answers whether it is the incumbent, maybe with empty slots, or what is in
    /// the packing.
    #[inline(always)] // no frame of its own
    fn search(&mut self) -> bool {
        let (slots, alike) = (self.slots.get(), self.state.packing.alike());
        let first = if alike { self.state.packing_bound(self.bound) } else { self.bound };
        let mut floor = first;
        let mut time = u64::MAX;
        // Counts that cannot be packed within the target wait until others have been tried.
        let packed = first <= self.target() || slots == 1;
        if packed {
            time = self.pack();
            floor = self.greedy;
        }
        let small = exhaustive::is_small(&self.state.packing);
        let stuck = slots > 1 && self.stuck(time);
        let safe = slots > 3 || time.saturating_add(self.grain()) < floor;
        if safe && (time <= self.bound || !(stuck || small)) {
            return false;
        }
        self.keep(time);
        if stuck {
            self.try_other_counts(first);
            if slots > 2 || !alike {
                self.state.adopt(self.incumbent);
                let time = self.recount();
                if time < self.best {
                    self.keep(time);
                }
                self.leap();
            }
        }
        let margin = self.grain() + if packed { 0 } else { floor >> 20 };
        if self.best.saturating_add(margin) >= floor {
            self.prefer_plain();
        }
        let held = small && self.search_all();
        if !held {
            self.state.adopt(self.incumbent);
        }
        held
    }

    /// LPT, then all that lowers the largest time for these counts.
    #[inline(never)]
    fn pack(&mut self) -> u64 {
        if !self.state.lpt() && !self.state.construct(self.expert_at) {
            return u64::MAX;
        }
        self.greedy = self.longest();
        match self.slots.get() {
            // Opposite pairs are optimal for these counts.
            2 if self.state.packing.alike() => return self.greedy,
            1..=3 if self.state.packing.alike() => self.rematches(),
            _ => {}
        }
        self.settle()
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
    fn settle(&mut self) -> u64 {
        let (target, grain, bound) = (self.target(), self.grain(), self.bound);
        let packing = &mut self.state.packing;
        while !swaps(packing, target, grain, &mut self.left)
            && ejection_chain(packing, bound, grain, &mut self.left)
        {}
        self.longest()
    }

    /// Recounts on the packing, until none helps.
    #[inline(never)]
    fn recount(&mut self) -> u64 {
        let mut most = self.longest();
        let mut best = [Recount::none(0)];
        while most > self.target() && self.left > 0 {
            let limit = (most - (most - self.bound) / STEP).saturating_sub(self.grain());
            if !self.list_recounts(limit, &mut best) {
                break;
            }
            let [recount] = best;
            most = self.settle_after(recount);
        }
        most
    }

    fn list_recounts(&mut self, limit: u64, list: &mut [Recount]) -> bool {
        let State { packing, counts, loads, .. } = &self.state;
        list_recounts(packing, counts, loads, limit, list, &mut self.left)
    }

    /// Counts, items and packing anew, every slot but one keeping its expert; then swaps.
    fn settle_after(&mut self, recount: Recount) -> u64 {
        put(self.state.packing.expert_of, recount.item, recount.to);
        self.state.note_experts(self.expert_at);
        self.state.adopt(self.expert_at);
        self.settle()
    }

    /// From the incumbent, when no recount helps by itself: recounts that overload another GPU at first, each
    /// followed by swaps and recounts; the first that ends better is kept, and so on.
    #[inline(never)]
    fn leap(&mut self) {
        let mut list = [Recount::none(0); LEAPS];
        'leaps: while self.stuck(self.best) && self.left > 0 {
            // From the incumbent each time: recounts name items, and adopting numbers equal replicas anew.
            self.state.adopt(self.incumbent);
            if !self.list_recounts(self.best.saturating_add(self.best / 3), &mut list) {
                break;
            }
            for recount in list.into_iter().take_while(|recount| recount.item != NONE) {
                self.settle_after(recount);
                let time = self.recount();
                if time.saturating_add(self.grain()) < self.best {
                    self.keep(time);
                    continue 'leaps;
                }
                self.state.adopt(self.incumbent);
            }
            break;
        }
    }

    /// Two slots on GPUs that are alike: pairs.
    fn has_pairs(&self) -> bool {
        self.slots.get() == 2 && self.state.packing.alike()
    }

    /// Capped counts, packed in order of their bounds as long as they can win. `first`: the bound of D'Hondt's.
    #[inline(never)]
    fn try_other_counts(&mut self, first: u64) {
        let pairs = self.has_pairs();
        for (key, _) in self.list_counts(first) {
            let (bound, candidate) = (key >> 8, key & 255);
            if self.best <= self.target() || key == u64::MAX || (bound >= self.best && !pairs) {
                break;
            }
            if candidate == D_HONDT {
                self.state.deal();
            } else {
                self.deal_capped(candidate);
            }
            self.state.set_items();
            if pairs {
                self.climb();
            }
            let mut time = self.pack();
            if self.stuck(time) && self.slots.get() > 2 {
                time = self.recount();
            }
            if time.saturating_add(self.grain()) < self.best {
                self.keep(time);
            }
        }
    }

    /// The most promising counts, as bound << 8 | candidate, and a checksum of each, since many caps give the same.
    fn list_counts(&mut self, first: u64) -> [(u64, u64); TRIES] {
        let mut list = [(u64::MAX, 0); TRIES];
        if self.best == u64::MAX {
            enter(&mut list, ((first << 8) | D_HONDT, 0));
        }
        let (pairs, alike) = (self.has_pairs(), self.state.packing.alike());
        for candidate in 0..2 * CAPS {
            if !self.deal_capped(candidate) {
                continue;
            }
            let hash =
                |expert: u32| u64::from(expert + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
            let extras = self.state.counts.extras().iter();
            let sum = extras.fold(0_u64, |sum, &expert| sum.wrapping_add(hash(expert)));
            if list.iter().any(|&(_, other)| other == sum) {
                continue;
            }
            self.state.set_items();
            let bound = if alike { self.state.packing_bound(0) } else { self.bound };
            if bound < self.best || pairs {
                enter(&mut list, ((bound << 8) | candidate, sum));
            }
        }
        list
    }

    /// The counts of a candidate, if they take just the slots there are.
    fn deal_capped(&mut self, candidate: u64) -> bool {
        let cap = self.bound - self.bound * (candidate >> 1) * CAP_STEP / 1024;
        let limit = self.bound / (2 + (candidate & 1));
        let State { counts, loads, items, places, .. } = &mut self.state;
        counts.deal_capped(loads, cap, limit, items.keys) && places.fit(counts.of)
    }

    /// Pairs: hill climbing on the counts in force, before they are packed.
    #[inline(never)]
    fn climb(&mut self) {
        loop {
            let State { packing, counts, loads, items, .. } = &mut self.state;
            let Some((from, to)) =
                pairs::climb(packing, counts, loads, items.buffer, &mut self.left)
            else {
                return;
            };
            subtract(counts.of, from, 1);
            add(counts.of, to, 1);
            counts.note_extras(loads);
            self.state.set_items();
        }
    }

    /// D'Hondt and LPT as they are, unless the incumbent is better: as good as them at most, it is not to be worse by
    /// rounding either.
    #[inline(never)]
    fn prefer_plain(&mut self) {
        if !self.state.packing.alike() {
            return;
        }
        self.state.deal();
        self.state.set_items();
        if self.state.lpt() {
            let time = self.longest();
            if time <= self.best.saturating_add(self.grain()) {
                self.keep(time);
            }
        }
    }

    /// All placements, where there are few: whether one is better than the incumbent, which it then is.
    fn search_all(&mut self) -> bool {
        let limit = self.best.saturating_sub(self.grain());
        let mut search = Search {
            packing: &self.state.packing,
            loads: &self.state.loads,
            most: self.state.counts.most,
            may_stay_empty: self.may_stay_empty,
            effort: &mut self.left,
            expert_at: self.incumbent,
            best: limit,
        };
        search.all_counts(self.bound);
        search.best < limit
    }
}

/// Keeps the list sorted; what falls off its end is gone.
fn enter(list: &mut [(u64, u64)], mut x: (u64, u64)) {
    for y in list.iter_mut() {
        if x.0 < y.0 {
            core::mem::swap(&mut x, y);
        }
    }
}
