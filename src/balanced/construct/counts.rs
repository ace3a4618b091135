//! How many replicas: D'Hondt, each spare slot to the largest load / count, lowest index first.
//!
//! In f32, as DeepSeek EPLB divides, on scaled loads. `compat` has one of its own, which is pinned to the loads as they
//! are and knows nothing of limits.

use crate::balanced::construct::gale_ryser::GaleRyser;
use crate::balanced::construct::loads::Loads;
use crate::base::cells::{at, part, part_mut, put};
use crate::base::keys::heap;

/// The counts of an instance.
pub struct Counts<'a> {
    /// By expert: replicas; and the most that each may have.
    pub of: &'a mut [u32],
    pub most: u32,
    /// Of each replica beyond an expert's first, in the order in which they were dealt: the expert. As many as there
    /// are slots to spare, of which `dealt` are dealt.
    pub extra: &'a mut [u32],
    pub dealt: usize,
    /// The experts of order[split..] have one replica each.
    pub split: usize,
}

impl Counts<'_> {
    /// One replica each.
    pub fn clear(&mut self) {
        self.of.fill(1);
        (self.dealt, self.split) = (0, 0);
    }

    /// The replicas that were dealt.
    pub fn extras(&self) -> &[u32] {
        part(self.extra, 0, self.dealt)
    }

    /// One replica more, unless all are dealt.
    pub fn give(&mut self, expert: u32, count: u32) -> bool {
        let spare = self.dealt < self.extra.len();
        if spare {
            put(self.extra, self.dealt, expert);
            put(self.of, expert, count);
            self.dealt += 1;
        }
        spare
    }

    /// D'Hondt from nothing. An expert is passed over as soon as one more replica of it could not be placed.
    /// `heap`: one key an expert.
    #[inline(never)]
    pub fn deal(&mut self, loads: &Loads, heap: &mut [u64], places: &mut GaleRyser) {
        let most = self.most;
        self.clear();
        self.deal_rest(loads, heap, (0, usize::MAX), |count| count < most);
        if !places.fit(self.of) {
            self.clear();
            places.count(self.of);
            self.deal_rest(loads, heap, (0, usize::MAX), |count| {
                count < most && places.grow(count)
            });
            self.note_extras(loads);
        }
    }

    /// Deals what is left to the experts of `loads.order` from `split` to `end`, which have one replica each, and to
    /// the first `waiting` of the heap, whose keys are those at their present counts; to none whose count may not grow.
    ///
    /// The experts are sorted; D'Hondt walks down that order and keeps only those already split in the heap.
    pub fn deal_rest(
        &mut self,
        loads: &Loads,
        heap: &mut [u64],
        (mut waiting, end): (usize, usize),
        mut may_grow: impl FnMut(u32) -> bool,
    ) {
        let order = part(loads.order, 0, end.min(loads.order.len()));
        while self.dealt < self.extra.len() {
            let fresh = order.get(self.split).copied().unwrap_or(u64::MAX);
            let top = heap::top(part(heap, 0, waiting));
            let largest = fresh.min(top);
            if largest == u64::MAX {
                break;
            }
            let expert = largest as u32;
            let count = at(self.of, expert);
            // what may not grow now never may
            let key = if may_grow(count) {
                self.give(expert, count + 1);
                loads.key(expert, count + 1)
            } else {
                u64::MAX
            };
            if fresh < top {
                self.split += 1;
                put(heap, waiting, key);
                waiting += 1;
                heap::sift_up(part_mut(heap, 0, waiting));
            } else {
                heap::replace_top(part_mut(heap, 0, waiting), key);
            }
        }
    }

    /// The extras that belong to the counts.
    pub fn note_extras(&mut self, loads: &Loads) {
        (self.dealt, self.split) = (0, 0);
        for (place, &key) in loads.order.iter().enumerate() {
            let count = at(self.of, key as u32);
            for _ in 1..count {
                self.give(key as u32, count);
                self.split = place + 1;
            }
        }
    }
}
