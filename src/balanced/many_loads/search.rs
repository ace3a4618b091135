//! The search: the GPU that costs most swaps a replica for one that is lighter in its worst window, with the
//! GPU that has least to do in that window, if any swap with it helps, or else the next; the best swap with
//! that one.
//!
//! A GPU that finds no partner waits until one of the others has changed, and then looks at those alone:
//! `seen` and `changed` tell the time of its last full look and of their last change (don't-look marks). So nothing is
//! looked at twice, and the end is a placement in which no swap of any two replicas helps.

use crate::balanced::many_loads::lanes::{self, Block};
use crate::balanced::many_loads::packing::Packing;
use crate::base::cells::{at, part, part_mut, put};
use crate::base::keys::{ascending, descending, index_of, load_of_descending, sort};

/// A swap must take off this part of what its two GPUs cost, so that rounding never decides.
const TOLERANCE: f32 = 1.0 / 65_536.0;
/// Units of effort for each block of windows of a swap whose cost is computed; a pair that is only looked at is one.
const COMPUTING: u64 = 8;

/// Who has seen what, and what looking takes.
pub struct Search<'a> {
    /// The time, which only goes on.
    pub now: u32,
    /// By GPU: when it changed last, and when it had seen all others and found no swap.
    pub changed: &'a mut [u32],
    pub seen: &'a mut [u32],
    /// Partners by rising time in the worst window of the GPU at hand.
    pub partners: &'a mut [u64],
    /// Of the GPU at hand: keys of its slots by falling load in its worst window, and those loads.
    pub keys: &'a mut [u64],
    pub loads: &'a mut [f32],
    pub buffer: &'a mut [u64],
    /// Loads of the partner without what it would give, and of the GPU at hand with it.
    pub theirs: &'a mut [Block],
    pub ours: &'a mut [Block],
    /// Of one of them, by window.
    pub costs: &'a mut [Block],
    /// Units of effort left.
    pub left: u64,
}

/// The GPU at hand: its worst window, as an index into the lanes, its time in it, and how many slots it has.
struct Here {
    gpu: usize,
    lane: usize,
    time: f32,
    slots: usize,
}

/// Slots `give` of the GPU at hand and `take` of GPU `to`.
#[derive(Clone, Copy)]
struct Swap {
    give: usize,
    take: usize,
    to: usize,
}

impl Search<'_> {
    /// Nobody has seen anything.
    pub fn start(&mut self, effort: u64) {
        self.now = 1;
        self.changed.fill(1);
        self.seen.fill(0);
        self.left = effort;
    }

    pub fn touch(&mut self, gpu: usize) {
        put(self.changed, gpu, self.now);
    }

    /// Swaps until none helps or the effort is spent.
    pub fn run(&mut self, packing: &mut Packing) {
        while self.left > 0 {
            let (mut most, mut worst) = (-1.0, usize::MAX);
            for (gpu, (&cost, &seen)) in packing.cost.iter().zip(self.seen.iter()).enumerate() {
                if cost > most && seen < self.now {
                    most = cost;
                    worst = gpu;
                }
            }
            if worst == usize::MAX {
                return;
            }
            if let Some(swap) = self.look(packing, worst) {
                let (give, take) =
                    (at(packing.expert_at, swap.give), at(packing.expert_at, swap.take));
                put(packing.expert_at, swap.give, take);
                put(packing.expert_at, swap.take, give);
                self.now += 1;
                for gpu in [worst, swap.to] {
                    packing.add_up(gpu);
                    self.touch(gpu);
                }
            } else if self.left > 0 {
                put(self.seen, worst, self.now);
            }
        }
    }

    /// Looks for a partner of a GPU, the one with least to do in its worst window first.
    fn look(&mut self, packing: &Packing, gpu: usize) -> Option<Swap> {
        let lane = at(packing.worst, gpu) as usize;
        let time = packing.load_of_gpu(gpu, lane) * at(packing.slowness, gpu);
        let here = Here { gpu, lane, time, slots: packing.held(gpu).len() };
        self.sort_slots(packing, &here);
        let partners = self.list_partners(packing, &here);
        self.left = self.left.saturating_sub((packing.gpus() + here.slots) as u64);
        for partner in 0..partners {
            let swap = self.best_swap(packing, &here, index_of(at(self.partners, partner)));
            if self.left == 0 || swap.is_some() {
                return swap;
            }
        }
        None
    }

    /// Keys and loads of the slots of the GPU at hand.
    fn sort_slots(&mut self, packing: &Packing, here: &Here) {
        let keys = part_mut(self.keys, 0, here.slots);
        let slots = packing.start(here.gpu)..;
        for ((key, &expert), slot) in keys.iter_mut().zip(packing.held(here.gpu)).zip(slots) {
            *key = descending(packing.load_of_replica(expert, here.lane), slot);
        }
        sort(keys, self.buffer);
        for (load, &key) in self.loads.iter_mut().zip(keys.iter()) {
            *load = load_of_descending(key);
        }
    }

    /// The GPUs that have less to do in the worst window of the one at hand, and that it has not seen as they are. How
    /// many there are.
    fn list_partners(&mut self, packing: &Packing, here: &Here) -> usize {
        let seen = at(self.seen, here.gpu);
        let all = at(self.changed, here.gpu) > seen;
        let mut partners = 0;
        for gpu in 0..packing.gpus() {
            let time = packing.load_of_gpu(gpu, here.lane) * at(packing.slowness, gpu);
            if gpu != here.gpu && time < here.time && (all || at(self.changed, gpu) > seen) {
                put(self.partners, partners, ascending(time, gpu));
                partners += 1;
            }
        }
        sort(part_mut(self.partners, 0, partners), self.buffer);
        partners
    }

    /// The best swap with a partner, if one helps.
    #[inline(always)]
    fn best_swap(&mut self, packing: &Packing, here: &Here, there: usize) -> Option<Swap> {
        let (slowness, slowness_there) =
            (at(packing.slowness, here.gpu), at(packing.slowness, there));
        let gap = here.time - packing.load_of_gpu(there, here.lane) * slowness_there;
        // the most that may cross over: the partner must not end above where the GPU at hand is now
        let room = gap / slowness_there;
        let together = at(packing.cost, here.gpu) + at(packing.cost, there);
        let mut best = -TOLERANCE * together;
        let worst = at(packing.worst, there) as usize;
        let worst_load = packing.load_of_gpu(there, worst);
        let weight = at(packing.weight.as_flattened(), worst);
        let (keys, loads) = (part(self.keys, 0, here.slots), part(self.loads, 0, here.slots));
        let (mut looked, mut computed) = (0_u64, 0_u64);
        let mut found = None;
        for (take, &coming) in (packing.start(there)..).zip(packing.held(there)) {
            let load_coming = packing.load_of_replica(coming, here.lane);
            let rest = worst_load - packing.load_of_replica(coming, worst);
            let mut ready = false;
            looked = looked.wrapping_add(here.slots as u64);
            for (&load, &key) in loads.iter().zip(keys) {
                let crossing = load - load_coming;
                if crossing >= room {
                    continue;
                }
                if crossing <= 0.0 {
                    break;
                }
                let going = at(packing.expert_at, index_of(key));
                let then = rest + packing.load_of_replica(going, worst);
                if lanes::power(then * slowness_there, weight) >= together + best {
                    continue;
                }
                computed = computed.wrapping_add(1);
                if !core::mem::replace(&mut ready, true) {
                    let minus = packing.of_expert(coming);
                    lanes::less(self.theirs, packing.of_gpu(there), minus);
                    lanes::more(self.ours, packing.of_gpu(here.gpu), minus);
                }
                let (plus, weight) = (packing.of_expert(going), &*packing.weight);
                let costs = &mut *self.costs;
                let other =
                    lanes::cost_after::<true>(costs, self.theirs, plus, weight, slowness_there);
                if other >= together + best {
                    continue;
                }
                let ours = lanes::cost_after::<false>(costs, self.ours, plus, weight, slowness);
                let gain = ours + other - together;
                let collide =
                    || packing.collides(there, going) || packing.collides(here.gpu, coming);
                if gain < best && !collide() {
                    best = gain;
                    found = Some(Swap { give: index_of(key), take, to: there });
                }
            }
        }
        let computing = computed.wrapping_mul(COMPUTING * packing.blocks as u64);
        self.left = self.left.saturating_sub(looked.wrapping_add(computing));
        found
    }
}
