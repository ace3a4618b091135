//! The search for one step: what it may cost, what it must gain, and what the GPUs may then hold.

use crate::base::cells::at;
use crate::rebalance::limits::Limits;
use crate::rebalance::packing::Packing;

/// A step lowers the excess of the busiest GPU at least by this part of it.
const LEAST_PART: f64 = 1.0 / 16.0;

#[derive(Clone, Copy, Debug)]
pub enum Step {
    Swap(usize, usize),
    Put(usize, usize),
}

/// The search for one step.
pub struct Search<'s, 'b> {
    pub packing: &'s Packing<'b>,
    pub limits: &'s Limits,
    /// The busiest GPU and its excess.
    pub busy: usize,
    pub top: f64,
    pub best: Option<Step>,
    pub score: f64,
    /// Slots that may still differ.
    pub left: i32,
    pub weighed: u64,
    /// Its time. Infinite where there are several windows.
    time: f64,
    /// Times that busy and partner must end below for a step of at most 0, 1, 2 slots to win. One window only.
    reach: [f64; 3],
    /// What the busiest GPU may then hold.
    rooms: [u64; 3],
}

/// What slots count for: one that costs nothing half.
pub fn slots(price: i32) -> f64 {
    if price <= 0 { 0.5 } else { f64::from(price) }
}

pub fn drop_at(drops: &[(u64, u64); 3], price: i32) -> (u64, u64) {
    drops.get(price.clamp(0, 2) as usize).copied().unwrap_or((1, 0))
}

impl<'s, 'b> Search<'s, 'b> {
    pub fn new(packing: &'s Packing<'b>, limits: &'s Limits) -> Self {
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
    pub fn room(&self, gpu: usize, price: i32) -> u64 {
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

    pub fn offer(&mut self, step: Step, gain: f64, price: Option<i32>) {
        let Some(price) = price else { return };
        if price <= self.left && gain > self.score * slots(price) {
            self.best = Some(step);
            self.score = gain / slots(price);
            self.note_reach();
        }
    }

    pub fn share(&self, expert: usize) -> u64 {
        at(self.packing.share, expert.wrapping_mul(self.packing.windows))
    }

    pub fn more(&self, expert: usize) -> u64 {
        at(self.packing.more, expert.wrapping_mul(self.packing.windows))
    }

    /// How much the busiest GPU must lose at least, and how much another can take, for a step of at most 0, 1,
    /// 2 slots to win.
    pub fn drops(&self, gpu: usize) -> [(u64, u64); 3] {
        if self.packing.windows != 1 {
            return [(1, u64::MAX); 3];
        }
        let (here, there) = (at(self.packing.load, self.busy), at(self.packing.load, gpu));
        [0, 1, 2].map(|price| {
            let least = here.saturating_sub(self.room(self.busy, price)).max(1);
            (least, self.room(gpu, price).saturating_sub(there))
        })
    }
}

pub fn fourth_root(x: f64) -> f64 {
    if x > 0.0 { libm::sqrt(libm::sqrt(x)) } else { 0.0 }
}
