//! The incumbent: the best placement so far, by what a balance is.

use crate::balanced::improve::instance::Instance;
use crate::balanced::improve::lanes::Lanes;
use crate::balanced::improve::packing::Packing;
use crate::balanced::improve::score::mean_of;
use crate::base::cells::copy;

/// By slot: experts of the best placement so far, and of the one that first steps are tried from.
pub struct Kept<'a> {
    pub best: &'a mut [u32],
    pub root: &'a mut [u32],
}

/// What the best placement is compared by.
pub struct Incumbent<'s, 'i, const N: usize> {
    pub instance: &'s Instance<'i, N>,
    pub peaks: &'s mut [Lanes<N>],
    /// Balance of the best.
    pub best: f64,
}

/// What rounding may make of a balance.
pub const ALIKE: f64 = 1.0 / 8_388_608.0;

impl<const N: usize> Incumbent<'_, '_, N> {
    /// Weighted mean over the windows of mean / largest time.
    pub fn balance(&mut self, packing: &Packing<N>) -> f64 {
        packing.peaks_seen(self.peaks);
        mean_of(self.instance.weight, self.peaks.as_flattened())
    }

    /// Keeps the placement if it is better than the best.
    pub fn keep(&mut self, packing: &Packing<N>, kept: &mut Kept) {
        let now = self.balance(packing);
        if now > self.best + ALIKE {
            self.best = now;
            copy(kept.best, packing.expert_at);
        }
    }
}
