//! How busy the GPUs of a packing are: the excess of each, and what a change would make of it.

use crate::base::cells::{at, put};
use crate::rebalance::packing::{NONE, Packing, UNKNOWN};

impl Packing<'_> {
    /// Excess of a GPU whose load in window w changes by `change(w)`.
    #[inline(always)]
    pub fn excess_with(&self, gpu: usize, change: impl Fn(usize) -> u64) -> f64 {
        let slowness = at(self.slowness, gpu);
        let mut sum = 0.0;
        for (window, &weight) in self.weight.iter().enumerate() {
            let load = at(self.load, gpu * self.windows + window).wrapping_add(change(window));
            sum += weight * self.power(load as f64 * slowness);
        }
        sum
    }

    #[inline(always)]
    fn power(&self, time: f64) -> f64 {
        let above = time - self.level;
        if above > 0.0 { above * above * (above * above) } else { 0.0 }
    }

    /// Notes the excess of a GPU that holds something else than before, and that what the loss of a copy
    /// would do to it is to be found out again.
    pub fn judge(&mut self, gpu: usize) {
        let excess = self.excess_with(gpu, |_| 0);
        put(self.excess, gpu, excess);
        let (from, to) = self.slots(gpu);
        for slot in from..to {
            let expert = at(self.on, slot) as usize;
            let mut holder = self.head.get(expert).copied().unwrap_or(NONE);
            while holder != NONE {
                put(self.harm, holder as usize, UNKNOWN);
                holder = self.next.get(holder as usize).copied().unwrap_or(NONE);
            }
        }
    }

    /// Notes in `missed` what `gpu` held and no longer has. Some slot differs where there is any.
    pub fn note_missed(&mut self, gpu: usize) {
        self.missed.fill(0);
        if at(self.differing, gpu) == 0 {
            return;
        }
        let (from, to) = self.slots(gpu);
        for slot in from..to {
            let expert = at(self.old, slot) as usize;
            if self.old_copies(gpu, expert) > self.copies(gpu, expert) {
                put(self.missed, expert, 1);
            }
        }
    }

    /// The GPU with most excess, lowest index first, and its excess.
    pub fn busiest(&self) -> (usize, f64) {
        let (mut busy, mut top) = (0, 0.0);
        for (gpu, &excess) in self.excess.iter().enumerate() {
            if excess > top {
                (busy, top) = (gpu, excess);
            }
        }
        (busy, top)
    }

    pub fn judge_all(&mut self) {
        for gpu in 0..self.node.len() {
            let excess = self.excess_with(gpu, |_| 0);
            put(self.excess, gpu, excess);
        }
        self.harm.fill(UNKNOWN);
    }

    /// Weighted mean over the windows of mean / largest GPU time; at most 1.
    pub fn balance(&self) -> f64 {
        let mut sum = 0.0;
        for (window, &weight) in self.weight.iter().enumerate() {
            let loads = self.load.iter().skip(window).step_by(self.windows.max(1));
            let mut largest = 1.0;
            for (&load, &slowness) in loads.zip(self.slowness.iter()) {
                let time = load as f64 * slowness;
                largest = if time > largest { time } else { largest };
            }
            sum += weight / largest;
        }
        sum
    }
}
