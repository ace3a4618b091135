//! Steps that give a spare slot to an expert.

use crate::base::cells::at;
use crate::rebalance::gain::gain_of_put;
use crate::rebalance::packing::NONE;
use crate::rebalance::step::{Search, Step, fourth_root, slots};

impl Search<'_, '_> {
    pub fn puts(&mut self, spares: usize) {
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
