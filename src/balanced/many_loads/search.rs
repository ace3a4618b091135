//! The search: the GPU that costs most swaps a replica for one that is lighter in its worst window, with the
//! GPU that has least to do in that window, if any swap with it helps, or else the next; the best swap with
//! that one.
//!
//! A GPU that finds no partner waits until one of the others has changed, and then looks at those alone:
//! `seen` and `changed` tell the time of its last full look and of their last change. So nothing is looked
//! at twice, and the end is a placement in which no swap of any two replicas helps.

use crate::balanced::many_loads::board::Board;
use crate::balanced::many_loads::lanes::{self, Block, WIDE};
use crate::base::cells::{at, part, part_mut, put};
use crate::base::keys::{ascending, descending, index_of, load_of_descending, sort};

/// A swap must take off this part of what its two GPUs cost, so that rounding never decides.
const GRAIN: f32 = 1.0 / 65_536.0;
/// Units of effort for each block of windows of a swap that is weighed; a pair that is only looked at is one.
const WEIGHING: u64 = 8;

/// Who has seen what.
pub struct Sight<'a> {
    /// The time, which only goes on.
    pub now: u32,
    /// By GPU: when it changed last, and when it had seen all others and found no swap.
    pub changed: &'a mut [u32],
    pub seen: &'a mut [u32],
    /// Partners by rising load in the worst window of the GPU at hand.
    pub order: &'a mut [u64],
    /// Of the GPU at hand: keys of its slots by falling load in its worst window, and those loads.
    pub keys: &'a mut [u64],
    pub mine: &'a mut [f32],
    pub buffer: &'a mut [u64],
    /// Loads of the partner without what it would give, and of the GPU at hand with it.
    pub theirs: &'a mut [Block],
    pub ours: &'a mut [Block],
    /// Of one of them, by window.
    pub costs: &'a mut [Block],
    /// Units of effort left.
    pub left: u64,
}

impl Sight<'_> {
    /// Nobody has seen anything.
    pub fn start(&mut self) {
        self.now = 1;
        self.changed.fill(1);
        self.seen.fill(0);
    }

    pub fn touch(&mut self, gpu: usize) {
        put(self.changed, gpu, self.now);
    }
}

/// Swaps until none helps or the effort is spent.
pub fn search(b: &mut Board, sight: &mut Sight) {
    while sight.left > 0 {
        let (mut most, mut worst) = (-1.0, usize::MAX);
        for (gpu, (&cost, &seen)) in b.cost.iter().zip(sight.seen.iter()).enumerate() {
            if cost > most && seen < sight.now {
                most = cost;
                worst = gpu;
            }
        }
        if worst == usize::MAX {
            return;
        }
        match look(b, sight, worst) {
            Look::Swap(pair) => {
                swap(b, pair);
                sight.now += 1;
                for gpu in [worst, pair.to] {
                    b.add_up(gpu);
                    sight.touch(gpu);
                }
            }
            Look::Nothing => put(sight.seen, worst, sight.now),
            Look::Spent => return,
        }
    }
}

/// Slots `give` of the GPU at hand and `take` of GPU `to`.
#[derive(Clone, Copy)]
struct Pair {
    give: usize,
    take: usize,
    to: usize,
}

enum Look {
    Swap(Pair),
    Nothing,
    Spent,
}

fn swap(b: &mut Board, pair: Pair) {
    let (give, take) = (at(b.on, pair.give), at(b.on, pair.take));
    put(b.on, pair.give, take);
    put(b.on, pair.take, give);
}

/// Looks for a partner of GPU `h`, the one with least to do in its worst window first.
fn look(b: &Board, sight: &mut Sight, h: usize) -> Look {
    let stride = WIDE * b.blocks;
    let replica = b.replica.as_flattened();
    let sums = b.sum.as_flattened();
    let lane = at(b.worst, h) as usize;
    let (from, to) = (b.start(h), b.start(h + 1));
    let keys = sight.keys.get_mut(..to - from).unwrap_or_default();
    for ((key, &expert), slot) in keys.iter_mut().zip(part(b.on, from, to)).zip(from..) {
        *key = descending(at(replica, expert as usize * stride + lane), slot);
    }
    sort(keys, sight.buffer);
    let mine = sight.mine.get_mut(..to - from).unwrap_or_default();
    for (mine, &key) in mine.iter_mut().zip(keys.iter()) {
        *mine = load_of_descending(key);
    }
    let (theirs, ours, costs) = (&mut *sight.theirs, &mut *sight.ours, &mut *sight.costs);
    let (slowness, cost) = (at(b.slowness, h), at(b.cost, h));
    let time = at(sums, h * stride + lane) * slowness;
    let seen = at(sight.seen, h);
    let all = at(sight.changed, h) > seen;
    let weighing = WEIGHING * b.blocks as u64;
    let mut found = None;
    let gpus = b.gpus();
    let mut left = sight.left.saturating_sub((gpus + to - from) as u64);
    let mut candidates = 0;
    for q in 0..gpus {
        let load = at(sums, q * stride + lane) * at(b.slowness, q);
        if q != h && load < time && (all || at(sight.changed, q) > seen) {
            put(sight.order, candidates, ascending(load, q));
            candidates += 1;
        }
    }
    sort(part_mut(sight.order, 0, candidates), sight.buffer);
    for &key in part(sight.order, 0, candidates) {
        let q = index_of(key);
        let slowness_there = at(b.slowness, q);
        let gap = time - at(sums, q * stride + lane) * slowness_there;
        let together = cost + at(b.cost, q);
        let mut best = -GRAIN * together;
        // the most that may cross over: q must not end above where h is now
        let room = gap / slowness_there;
        let there = at(b.worst, q) as usize;
        let there_now = at(sums, q * stride + there);
        let there_weight = at(b.weight.as_flattened(), there);
        let (mut looked, mut weighed) = (0_u64, 0_u64);
        let mut limit = together + best;
        for (take, &coming) in (b.start(q)..).zip(b.held(q)) {
            let y = at(replica, coming as usize * stride + lane);
            let y_there = there_now - at(replica, coming as usize * stride + there);
            let mut ready = false;
            looked = looked.wrapping_add(1);
            for (&x, &key) in mine.iter().zip(keys.iter()) {
                let crossing = x - y;
                if crossing >= room {
                    continue;
                }
                if crossing <= 0.0 {
                    break;
                }
                let going = at(b.on, index_of(key));
                let then = y_there + at(replica, going as usize * stride + there);
                if lanes::power(then * slowness_there, there_weight) >= limit {
                    continue;
                }
                weighed = weighed.wrapping_add(1);
                if !ready {
                    ready = true;
                    let minus = b.of_expert(coming);
                    lanes::less(theirs, b.of_gpu(q), minus);
                    lanes::more(ours, b.of_gpu(h), minus);
                }
                let plus = b.of_expert(going);
                let other =
                    lanes::cost_after::<true>(costs, theirs, plus, b.weight, slowness_there);
                if other >= limit {
                    continue;
                }
                let here = lanes::cost_after::<false>(costs, ours, plus, b.weight, slowness);
                let gain = here + other - together;
                if gain < best && !b.meets(q, going) && !b.meets(h, coming) {
                    best = gain;
                    limit = together + best;
                    found = Some(Pair { give: index_of(key), take, to: q });
                }
            }
        }
        looked =
            looked.wrapping_mul((to - from) as u64).wrapping_add(weighed.wrapping_mul(weighing));
        left = left.saturating_sub(looked);
        if left == 0 || found.is_some() {
            break;
        }
    }
    sight.left = left;
    match found {
        Some(pair) => Look::Swap(pair),
        None if left == 0 => Look::Spent,
        None => Look::Nothing,
    }
}
