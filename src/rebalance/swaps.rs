//! Steps that swap two experts.

use crate::base::cells::at;
use crate::rebalance::limits::Survive;
use crate::rebalance::packing::NONE;
use crate::rebalance::step::{Search, Step, drop_at, slots};

impl Search<'_, '_> {
    /// With one window the lightest GPUs are partners, the lightest first: what a heavier one could take, they
    /// take as well. With several windows no order of GPUs says that, so all are.
    pub fn swaps(&mut self, partners: usize) {
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
            let (least, most) = drop_at(&drops, base + price);
            if base + price > self.left
                || least > most
                || !packing.allowed(gpu, expert)
                || packing.holds(gpu, expert)
            {
                continue;
            }
            let score = self.score;
            self.swaps_of(mine, gpu, base, price);
            if score < self.score {
                drops = self.drops(gpu);
            }
        }
    }

    /// Swaps of a slot of the busiest GPU with those of a GPU; `price` is the part that this slot has in it, and
    /// `base` what every swap of the two GPUs costs.
    fn swaps_of(&mut self, mine: usize, gpu: usize, base: i32, price: i32) {
        let packing = self.packing;
        let one = packing.windows == 1;
        let share = self.share(at(packing.on, mine) as usize);
        let mut drops = self.drops(gpu);
        let (mut least, mut most) = drop_at(&drops, base + price);
        let (from, to) = packing.slots(gpu);
        for theirs in from..to {
            let other = at(packing.on, theirs) as usize;
            let drop = share.wrapping_sub(self.share(other));
            if one && (drop < least || drop > most) || other == NONE as usize {
                continue;
            }
            let whole_price = price + i32::from(at(packing.source, theirs) == gpu as u32)
                - at(packing.missed, other) as i32;
            let (lower, upper) = drop_at(&drops, whole_price);
            if one && (drop < lower || drop > upper)
                || whole_price > self.left
                || self.limits.pinned(packing, theirs)
            {
                continue;
            }
            let score = self.score;
            self.weigh_swap(mine, theirs, whole_price);
            if score < self.score {
                drops = self.drops(gpu);
                (least, most) = drop_at(&drops, base + price);
            }
        }
    }

    fn weigh_swap(&mut self, mine: usize, theirs: usize, price: i32) {
        let packing = self.packing;
        let (expert, other) = (at(packing.on, mine) as usize, at(packing.on, theirs) as usize);
        let gpu = at(packing.gpu, theirs) as usize;
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
}
