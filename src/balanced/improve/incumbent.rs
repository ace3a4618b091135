//! The incumbent: the best placement so far, by what a balance is; where one is enough, also the one that has it with
//! the fewest moves. Which placements are looked at does not depend on what is enough: so less never takes more moves.

use crate::balanced::improve::instance::Instance;
use crate::balanced::improve::lanes::Lanes;
use crate::balanced::improve::packing::Packing;
use crate::balanced::improve::score::mean_of;
use crate::base::cells::{NONE, copy};

/// By slot: experts of the best placement so far, of the one that is enough with the fewest moves, and of the one that
/// first steps are tried from.
pub struct Kept<'a> {
    pub best: &'a mut [u32],
    pub enough: &'a mut [u32],
    pub root: &'a mut [u32],
}

/// What the best placement is compared by.
pub struct Incumbent<'s, 'i, const N: usize> {
    pub instance: &'s Instance<'i, N>,
    pub peaks: &'s mut [Lanes<N>],
    /// Balance of the best.
    pub best: f64,
    /// What is enough, and the moves and the balance of the placement that is it with the fewest; [`NONE`]: none is.
    pub enough: f64,
    pub fewest: u32,
    pub balance: f32,
}

/// What rounding may make of a balance.
pub const ALIKE: f64 = 1.0 / 8_388_608.0;

impl<'s, 'i, const N: usize> Incumbent<'s, 'i, N> {
    /// None yet.
    pub fn new(instance: &'s Instance<'i, N>, peaks: &'s mut [Lanes<N>], enough: f64) -> Self {
        Incumbent { instance, peaks, best: -1.0, enough, fewest: NONE, balance: -1.0 }
    }

    /// Weighted mean over the windows of mean / largest time.
    pub fn balance_of(&mut self, packing: &Packing<N>) -> f64 {
        packing.peaks_seen(self.peaks);
        mean_of(self.instance.weight, self.peaks.as_flattened())
    }

    /// Keeps the placement if it is better than the best.
    pub fn keep(&mut self, packing: &Packing<N>, kept: &mut Kept) {
        let now = self.balance_of(packing);
        if now > self.best + ALIKE {
            self.best = now;
            copy(kept.best, packing.expert_at);
        }
        if now >= self.enough {
            self.keep_enough(packing, now, kept);
        }
    }

    /// The same for what is enough alone.
    #[inline(never)] // off the stack of the search
    pub fn note(&mut self, packing: &Packing<N>, kept: &mut Kept) {
        if self.enough < f64::INFINITY {
            let now = self.balance_of(packing);
            if now >= self.enough {
                self.keep_enough(packing, now, kept);
            }
        }
    }

    #[inline(never)] // off the stack of the search
    fn keep_enough(&mut self, packing: &Packing<N>, now: f64, kept: &mut Kept) {
        let moved = packing.moved();
        let now = now as f32;
        if moved < self.fewest || moved == self.fewest && now > self.balance {
            self.fewest = moved;
            self.balance = now;
            copy(kept.enough, packing.expert_at);
        }
    }
}
