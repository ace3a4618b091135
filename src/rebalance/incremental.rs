//! From a placement to a better one within a budget, step by step.
//!
//! A step changes what the busiest GPU holds: it swaps two experts, or gives a spare slot (empty, or of an
//! expert with more copies) to an expert of that GPU, or one of the GPU's own spare slots to any. Of all steps
//! the one is taken with which the excesses (see `packing`) sink most per slot that newly differs from the
//! placement in force; a step that puts an expert back where it was costs nothing and counts as half a slot.
//! Ties: swaps before spare slots, then the lowest slot, then the lowest other slot or expert.

use crate::base::cells::at;
use crate::rebalance::limits::{Limits, Survive};
use crate::rebalance::packing::{NONE, Packing};
use crate::rebalance::steps::{find_harm, gain_of_put, list_spares};

/// So near to even is enough.
const ENOUGH: f64 = 1.0 - 1.0 / 4096.0;
/// What every slot that differs must bring: balance, on average since the last placement that was kept.
const LEAST_GAIN: f64 = 1.0 / 1_048_576.0;
/// A step lowers the excess of the busiest GPU at least by this part of it.
const LEAST_PART: f64 = 1.0 / 16.0;

/// GPUs that the busiest one looks at for a swap, and when these offer no step.
const PARTNERS: usize = 2;
const MORE_PARTNERS: usize = 8;
/// Steps in a row that bring nothing worth keeping, at most.
const PATIENCE: u32 = 4;

#[derive(Clone, Copy, Debug)]
enum Step {
    Swap(usize, usize),
    Put(usize, usize),
}

/// Improves the packing; `kept` (`[P]`) becomes the best experts by slot found on the way. `effort` bounds the
/// steps weighed, 0 = no bound.
pub fn improve(packing: &mut Packing, limits: &Limits, effort: u32, kept: &mut [u32]) {
    packing.level = 1.0;
    packing.judge_all();
    let mut best = packing.balance();
    let mut paid = packing.moved;
    keep(packing, kept);
    let (mut weighed, mut idle) = (0, 0);
    let (mut spares, mut stale) = (0, true);
    for _ in 0..packing.on.len().saturating_mul(2) {
        if stale {
            spares = list_spares(packing, limits);
        }
        find_harm(packing, spares);
        packing.note_missed(packing.busiest().0);
        let mut search = Search::new(packing, limits);
        if best >= ENOUGH || search.top <= 0.0 || effort > 0 && weighed > u64::from(effort) {
            return;
        }
        search.swaps(PARTNERS);
        search.puts(spares);
        if search.best.is_none() {
            search.swaps(MORE_PARTNERS);
        }
        weighed += search.weighed;
        match search.best {
            Some(Step::Swap(a, b)) => {
                packing.swap(a, b);
                let alone = |slot| at(packing.count, at(packing.on, slot) as usize) == 1;
                stale = !alone(a) || !alone(b); // what has one copy is never spare
            }
            Some(Step::Put(slot, expert)) => {
                packing.put(slot, expert);
                stale = true;
            }
            None => return,
        }
        let balance = packing.balance();
        let more = packing.moved.saturating_sub(paid).max(1);
        if balance > best + LEAST_GAIN * f64::from(more) {
            best = balance;
            paid = packing.moved;
            keep(packing, kept);
            idle = 0;
        } else if idle == PATIENCE {
            return;
        } else {
            idle += 1;
        }
    }
}

fn keep(packing: &Packing, kept: &mut [u32]) {
    for (kept, &expert) in kept.iter_mut().zip(packing.on.iter()) {
        *kept = expert;
    }
}

/// The search for one step.
struct Search<'s, 'b> {
    packing: &'s Packing<'b>,
    limits: &'s Limits,
    /// The busiest GPU and its excess.
    busy: usize,
    top: f64,
    best: Option<Step>,
    score: f64,
    /// Slots that may still differ.
    left: i32,
    weighed: u64,
    /// Its time. Infinite where there are several windows.
    time: f64,
    /// Times that busy and partner must end below for a step of at most 0, 1, 2 slots to win. One window only.
    reach: [f64; 3],
    /// What the busiest GPU may then hold.
    rooms: [u64; 3],
}

/// What slots count for: one that costs nothing half.
fn slots(price: i32) -> f64 {
    if price <= 0 { 0.5 } else { f64::from(price) }
}

fn drop_at(drops: &[(u64, u64); 3], price: i32) -> (u64, u64) {
    drops.get(price.clamp(0, 2) as usize).copied().unwrap_or((1, 0))
}

impl<'s, 'b> Search<'s, 'b> {
    fn new(packing: &'s Packing<'b>, limits: &'s Limits) -> Self {
        let (busy, top) = packing.busiest();
        let mut search = Search {
            packing,
            limits,
            busy,
            top,
            best: None,
            score: top * LEAST_PART,
            left: limits.moves.saturating_sub(packing.moved).min(i32::MAX as u32) as i32,
            weighed: 0,
            time: f64::INFINITY,
            reach: [f64::INFINITY; 3],
            rooms: [u64::MAX; 3],
        };
        if packing.windows == 1 {
            search.time = at(packing.load, busy) as f64 * at(packing.slowness, busy);
        }
        search.note_reach();
        search
    }

    fn note_reach(&mut self) {
        if self.packing.windows == 1 {
            for (price, reach) in (0..).zip(self.reach.iter_mut()) {
                let left = self.top - self.score * slots(price);
                *reach = 1.0 + fourth_root(left);
            }
            let speed = at(self.packing.speed, self.busy);
            self.rooms = self.reach.map(|reach| (reach * speed) as u64);
        }
    }

    /// The most that `gpu` may hold after a step of at least this price. A partner ends below the busiest GPU
    /// as it is now; where it has no excess yet, below what leaves a gain.
    fn room(&self, gpu: usize, price: i32) -> u64 {
        if gpu == self.busy {
            return at(&self.rooms, price.clamp(0, 2) as usize);
        }
        let reach = if at(self.packing.excess, gpu) <= 0.0 {
            at(&self.reach, price.clamp(0, 2) as usize)
        } else {
            self.time
        };
        (reach * at(self.packing.speed, gpu)) as u64
    }

    fn offer(&mut self, step: Step, gain: f64, price: Option<i32>) {
        let Some(price) = price else { return };
        if price <= self.left && gain > self.score * slots(price) {
            self.best = Some(step);
            self.score = gain / slots(price);
            self.note_reach();
        }
    }

    fn share(&self, expert: usize) -> u64 {
        at(self.packing.share, expert.wrapping_mul(self.packing.windows))
    }

    fn more(&self, expert: usize) -> u64 {
        at(self.packing.more, expert.wrapping_mul(self.packing.windows))
    }

    /// With one window the lightest GPUs are partners, the lightest first: what a heavier one could take, they
    /// take as well. With several windows no order of GPUs says that, so all are.
    fn swaps(&mut self, partners: usize) {
        let packing = self.packing;
        if packing.windows != 1 {
            for gpu in 0..packing.node.len() {
                self.swaps_with(gpu);
            }
            return;
        }
        let (mut last, mut last_time) = (None, -1.0);
        for _ in 0..partners {
            let (mut next, mut least) = (None, f64::INFINITY);
            for (gpu, (&load, &slowness)) in
                packing.load.iter().zip(packing.slowness.iter()).enumerate()
            {
                let time = load as f64 * slowness;
                let after = time > last_time || time == last_time && Some(gpu) > last;
                if time < least && after && at(packing.gpu, at(packing.first, gpu) as usize) != NONE
                {
                    (next, least) = (Some(gpu), time);
                }
            }
            let Some(gpu) = next else { return };
            self.swaps_with(gpu);
            (last, last_time) = (next, least);
        }
    }

    /// Swaps with the slots of a GPU.
    fn swaps_with(&mut self, gpu: usize) {
        let packing = self.packing;
        let (from, to) = packing.slots(gpu);
        if gpu == self.busy || from == to || at(packing.gpu, from) == NONE {
            return;
        }
        let windows = packing.windows;
        let news = at(packing.differing, gpu) > 0;
        // what a swap costs at least: none for a slot that already differs, one less for an expert that returns
        let busy_news = i32::from(at(packing.differing, self.busy) > 0);
        let base = i32::from(!news) - busy_news;
        let mut drops = self.drops(gpu);
        let least_price = base + i32::from(busy_news == 0) - i32::from(news);
        let (mut lightest, mut heaviest) = (u64::MAX, 0);
        for theirs in from..to {
            let share = self.share(at(packing.on, theirs) as usize);
            lightest = lightest.min(share);
            heaviest = heaviest.max(share);
        }
        let (busy_from, busy_to) = packing.slots(self.busy);
        for mine in busy_from..busy_to {
            let expert = at(packing.on, mine) as usize;
            let share = self.share(expert);
            let (least, most) = drop_at(&drops, least_price);
            if expert == NONE as usize
                || self.limits.pinned(packing, mine)
                || windows == 1
                    && (share.saturating_sub(lightest) < least
                        || share.saturating_sub(heaviest) > most)
            {
                continue;
            }
            let mut price = i32::from(at(packing.source, mine) == self.busy as u32);
            if news && packing.old_copies(gpu, expert) > 0 {
                price -= 1;
            }
            let (mut least, mut most) = drop_at(&drops, base + price);
            if base + price > self.left
                || least > most
                || !packing.allowed(gpu, expert)
                || packing.holds(gpu, expert)
            {
                continue;
            }
            for theirs in from..to {
                let other = at(packing.on, theirs) as usize;
                let drop = share.wrapping_sub(self.share(other));
                if windows == 1 && (drop < least || drop > most) || other == NONE as usize {
                    continue;
                }
                let whole_price = price + i32::from(at(packing.source, theirs) == gpu as u32)
                    - at(packing.missed, other) as i32;
                let (lower, upper) = drop_at(&drops, whole_price);
                if windows == 1 && (drop < lower || drop > upper)
                    || whole_price > self.left
                    || self.limits.pinned(packing, theirs)
                {
                    continue;
                }
                let score = self.score;
                self.weigh_swap(mine, expert, theirs, other, gpu, whole_price);
                if score < self.score {
                    drops = self.drops(gpu);
                    (least, most) = drop_at(&drops, base + price);
                }
            }
        }
    }

    /// How much the busiest GPU must lose at least, and how much another can take, for a step of at most 0, 1,
    /// 2 slots to win.
    fn drops(&self, gpu: usize) -> [(u64, u64); 3] {
        if self.packing.windows != 1 {
            return [(1, u64::MAX); 3];
        }
        let (here, there) = (at(self.packing.load, self.busy), at(self.packing.load, gpu));
        [0, 1, 2].map(|price| {
            let least = here.saturating_sub(self.room(self.busy, price)).max(1);
            (least, self.room(gpu, price).saturating_sub(there))
        })
    }

    fn weigh_swap(
        &mut self,
        mine: usize,
        expert: usize,
        theirs: usize,
        other: usize,
        gpu: usize,
        price: i32,
    ) {
        let packing = self.packing;
        let windows = packing.windows;
        self.weighed += 1;
        let drop_in = |window: usize| {
            let share = at(packing.share, expert * windows + window);
            share.wrapping_sub(at(packing.share, other * windows + window))
        };
        let enough = self.score * slots(price);
        let gain = self.top - packing.excess_with(self.busy, |w| drop_in(w).wrapping_neg());
        if gain <= enough {
            return;
        }
        let gain = gain + at(packing.excess, gpu) - packing.excess_with(gpu, drop_in);
        if gain <= enough
            || packing.holds(self.busy, other)
            || !packing.allowed(self.busy, other)
            || !self.survives(mine, theirs)
        {
            return;
        }
        let prices =
            (packing.price(mine, other, self.limits), packing.price(theirs, expert, self.limits));
        if let (Some(a), Some(b)) = prices {
            self.offer(Step::Swap(mine, theirs), gain, Some(a + b));
        }
    }

    /// Whether both experts of a swap are still where they must be.
    fn survives(&self, a: usize, b: usize) -> bool {
        let (x, y) = (at(self.packing.on, a) as usize, at(self.packing.on, b) as usize);
        self.limits.survive != Survive::Node
            || self.limits.safe(self.packing, x, a, Some(b))
                && self.limits.safe(self.packing, y, b, Some(a))
    }

    fn puts(&mut self, spares: usize) {
        let packing = self.packing;
        let (from, to) = packing.slots(self.busy);
        let here = at(packing.load, self.busy);
        // the least that the busiest GPU can hold after one of its experts got another copy elsewhere, and
        // the least that such a copy adds there when it is of use
        let (mut lightened, mut lightest) = (here, u64::MAX);
        for mine in from..to {
            let expert = at(packing.on, mine) as usize;
            let (share, more) = (self.share(expert), self.more(expert));
            let after = here.saturating_sub(share.saturating_sub(more));
            lightened = lightened.min(after);
            if after <= self.room(self.busy, 0) {
                lightest = lightest.min(more);
            }
        }
        for index in 0..spares {
            let slot = at(packing.spares, index) as usize;
            let (gpu, before) = (at(packing.gpu, slot), at(packing.on, slot));
            let differs = before != NONE && at(packing.source, slot) != gpu;
            let gpu = gpu as usize;
            let news = at(packing.differing, gpu) > 0;
            let price = 1 - i32::from(differs);
            let least_price = price - i32::from(news);
            let harm = at(packing.harm, slot);
            // what it does to others is more than can be gained
            if least_price > self.left || self.top - harm <= self.score * slots(least_price) {
                continue;
            }
            let spare = Spare { slot, gpu, before: before as usize, price, news, harm };
            if gpu == self.busy {
                self.put_any(&spare);
                continue;
            }
            if packing.windows == 1 {
                let there = at(packing.load, gpu).saturating_add(lightest);
                if lightened > self.room(self.busy, least_price)
                    || there.saturating_sub(self.share(spare.before)) > self.room(gpu, least_price)
                {
                    continue;
                }
            }
            for mine in from..to {
                let expert = at(packing.on, mine);
                if expert != NONE && expert != before {
                    self.weigh_put(&spare, expert as usize);
                }
            }
        }
    }

    /// Any expert into a slot of the busiest GPU. With one window only those light enough to win.
    fn put_any(&mut self, spare: &Spare) {
        let packing = self.packing;
        let mut score = f64::NEG_INFINITY;
        let mut most = [u64::MAX; 2]; // for one that is new; for one that comes back
        for expert in 0..packing.count.len() {
            if packing.windows == 1 && score < self.score {
                score = self.score;
                most = [0, 1].map(|less| self.most_of(spare, spare.price - less));
            }
            let [new, back] = most;
            let more = self.more(expert);
            if more <= new || more <= back && at(packing.missed, expert) > 0 {
                self.weigh_put(spare, expert);
            }
        }
    }

    /// What a copy in a slot of the busiest GPU may weigh to win at this price.
    fn most_of(&self, spare: &Spare, price: i32) -> u64 {
        let left = self.top - spare.harm - self.score * slots(price);
        let room = (1.0 + fourth_root(left)) * at(self.packing.speed, self.busy);
        let kept = at(self.packing.load, self.busy).saturating_sub(self.share(spare.before));
        (room as u64).saturating_sub(kept)
    }

    #[inline(always)]
    fn weigh_put(&mut self, spare: &Spare, expert: usize) {
        let Spare { slot, gpu, before, news, .. } = *spare;
        let packing = self.packing;
        let mut price = spare.price;
        let mut after = 0;
        if packing.windows == 1 {
            let (share, more) = (at(packing.share, expert), at(packing.more, expert));
            let busy = at(packing.load, self.busy);
            after = if gpu == self.busy {
                (busy + more).saturating_sub(at(packing.share, before))
            } else {
                busy.saturating_sub(share.saturating_sub(more))
            };
            let least = if news { price - 1 } else { price };
            if after > self.room(self.busy, least) {
                return;
            }
            let there = (at(packing.load, gpu) + more).saturating_sub(at(packing.share, before));
            if gpu != self.busy && there > self.room(gpu, least) {
                return;
            }
        }
        let back = if gpu == self.busy {
            at(packing.missed, expert) > 0
        } else {
            news && packing.old_copies(gpu, expert) > packing.copies(gpu, expert)
        };
        price -= i32::from(back);
        if price > self.left
            || packing.windows == 1 && after > self.room(self.busy, price)
            || at(packing.count, expert) >= self.limits.most_replicas
            || packing.holds(gpu, expert)
            || !packing.allowed(gpu, expert)
        {
            return;
        }
        self.weighed += 1;
        let enough = self.score * slots(price);
        let gain = gain_of_put(packing, slot, expert, enough);
        if gain > enough {
            self.offer(Step::Put(slot, expert), gain, packing.price(slot, expert, self.limits));
        }
    }
}

/// A slot that can be given away.
struct Spare {
    slot: usize,
    gpu: usize,
    before: usize,
    /// What it costs unless an expert comes back, which only can be where something differs.
    price: i32,
    news: bool,
    /// How much worse other GPUs get when it loses its expert.
    harm: f64,
}

fn fourth_root(x: f64) -> f64 {
    if x > 0.0 { libm::sqrt(libm::sqrt(x)) } else { 0.0 }
}
