//! One row under work: its loads, counts and board, and the two ways to fill the board's items: from counts
//! alone, and from the experts that the slots hold.

use crate::balanced::one_load::board::{Board, SPLIT};
use crate::balanced::one_load::counts;
use crate::balanced::one_load::items::{self, Items};
use crate::balanced::one_load::scale::fixed;
use crate::base::cells::{add, at, part, part_mut, put};
use crate::base::keys::{descending, sort};

pub struct Row<'a, const S: bool> {
    pub b: Board<'a, S>,
    /// Replicas that an expert may have: one on each GPU, or fewer.
    pub cap: u32,
    /// Whether a slot may be left empty.
    pub may_stay_empty: bool,
    /// By expert: load scaled by a power of two; times `factor` it is fixed point.
    pub scaled: &'a mut [f32],
    pub factor: f64,
    /// Experts by falling load, as keys.
    pub order: &'a mut [u64],
    pub count: &'a mut [u32],
    /// One expert per replica beyond its first, in the order they were dealt; then scratch.
    pub extra: &'a mut [u32],
    pub extras: usize,
    /// The items of order[..upto] were split, or may have been.
    pub upto: usize,
    pub keys: &'a mut [u64],
    pub tmp: &'a mut [u64],
    pub start: &'a mut [u32],
    /// By slot: expert, of the best placement so far, and of the one on the board while it is relabelled.
    pub hold: &'a mut [u32],
    pub here: &'a mut [u32],
    pub rest: &'a mut [u64],
    pub tree: &'a mut [u64],
    /// experts + 1 sums, then gpus + 2 counts (uneven slots only).
    pub reach: &'a mut [u32],
    pub fill: &'a mut [u32],
}

impl<const S: bool> Row<'_, S> {
    /// Notes the slots and speeds of the GPUs, leaving out those without slots; answers whether all have the
    /// same number.
    #[inline(never)]
    pub fn note_gpus(&mut self, slots: &[u32], speed: &[f32]) -> bool {
        let (mut gpus, mut first, mut even, mut sum) = (0usize, 0u32, true, 0.0);
        put(self.b.first, 0, 0);
        for (&n, &speed) in slots.iter().zip(speed).filter(|(slots, _)| **slots > 0) {
            first += n;
            put(self.b.first, gpus + 1, first);
            put(self.b.speed, gpus, f64::from(speed));
            even &= n == at(self.b.first, 1);
            sum += f64::from(speed);
            gpus += 1;
        }
        self.b.fit(gpus);
        self.rest = part_mut(core::mem::take(&mut self.rest), 0, gpus);
        self.fill = part_mut(core::mem::take(&mut self.fill), 0, gpus);
        if S {
            // mean speed 1; eight bits less for loads leave room for the times of slow GPUs
            self.factor = 1.0 / 256.0;
            for (x, y) in self.b.speed.iter_mut().zip(self.b.slowness.iter_mut()) {
                *x = *x * gpus as f64 / sum;
                *y = 1.0 / *x;
            }
        }
        even
    }

    pub fn experts(&self) -> usize {
        self.count.len()
    }

    #[inline(always)]
    pub fn weight(scaled: &[f32], factor: f64, e: u32, count: u32) -> u64 {
        fixed(f64::from(at(scaled, e as usize)) * factor / f64::from(count))
    }

    pub fn sort_experts(&mut self) {
        for (e, (k, &x)) in self.order.iter_mut().zip(self.scaled.iter()).enumerate() {
            *k = descending(x, e);
        }
        sort(self.order, self.tmp);
    }

    /// D'Hondt from nothing.
    pub fn dhondt(&mut self) {
        self.count.fill(1);
        let spare = self.b.w.len() - self.count.len();
        let extra = part_mut(self.extra, 0, spare);
        (self.extras, self.upto) =
            counts::dhondt(self.scaled, self.order, 0, 0, self.cap, self.keys, self.count, extra);
    }

    /// The items of the counts in force.
    #[inline(never)]
    pub fn items(&mut self) {
        let mut it = Items { keys: self.keys, tmp: self.tmp, start: self.start };
        let extra = part(self.extra, 0, self.extras);
        items::items(
            self.scaled,
            self.order,
            self.upto,
            self.count,
            extra,
            self.factor,
            &mut it,
            self.b.w,
            self.b.expert,
        );
    }

    /// The extras that belong to `count`.
    pub fn extras_of_counts(&mut self) {
        let (mut n, mut upto) = (0usize, 0usize);
        for (i, &o) in self.order.iter().enumerate() {
            let e = o as u32;
            for _ in 1..at(self.count, e as usize) {
                put(self.extra, n, e);
                n += 1;
                upto = i + 1;
            }
        }
        self.extras = n;
        self.upto = upto;
    }

    /// The experts of all slots into `hold`.
    pub fn remember(&mut self) {
        for (x, &r) in self.hold.iter_mut().zip(self.b.on.iter()) {
            *x = at(self.b.expert, r as usize) & !SPLIT;
        }
    }

    /// After an entry of `b.expert` was changed: counts, items and board anew, every slot keeping its expert.
    /// `hold` stays.
    pub fn relabel(&mut self) {
        core::mem::swap(&mut self.hold, &mut self.here);
        self.remember();
        self.adopt();
        core::mem::swap(&mut self.hold, &mut self.here);
    }

    /// Fills counts, items and board from the experts in `hold`.
    #[inline(never)]
    pub fn adopt(&mut self) {
        self.count.fill(0);
        for &e in self.hold.iter() {
            add(self.count, e as usize, 1);
        }
        self.extras_of_counts();
        self.items();
        // The ranks of each expert as a list: start -> extra -> extra ...
        for r in (0..self.b.w.len()).rev() {
            let e = (at(self.b.expert, r) & !SPLIT) as usize;
            put(self.extra, r, at(self.start, e));
            put(self.start, e, r as u32);
        }
        for g in 0..self.b.gpus {
            let mut sum = 0u64;
            for slot in self.b.start(g)..self.b.start(g + 1) {
                let e = at(self.hold, slot) as usize;
                let r = at(self.start, e);
                put(self.start, e, at(self.extra, r as usize));
                put(self.b.on, slot, r);
                put(self.b.gpu, r as usize, g as u32);
                sum = sum.wrapping_add(at(self.b.w, r as usize));
            }
            put(self.b.load, g, sum);
        }
    }
}
