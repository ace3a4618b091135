//! Other counts than D'Hondt's, when the packing of those is stuck above the bound: every expert gets just enough
//! replicas to be under a cap, and what is left goes to experts whose replicas are small anyway, or to the heaviest.

use crate::balanced::construct::pairs::{self, Climb, worst_pair};
use crate::balanced::construct::solver::Solver;
use crate::balanced::construct::state::State;
use crate::base::cells::at;
use crate::base::used::{Part, used};

/// Caps tried where what is left goes to small replicas: 1, 1 - 40/1024, 1 - 80/1024, ... of the bound.
const CAPS: u64 = 16;
const CAP_STEP: u64 = 40;
/// What is a small replica: at most the bound by this.
const SMALL: [u32; 2] = [2, 3];
/// Where it goes to the heaviest, these many: caps in 1/1024 of the bound, and above the bound the least cap that LPT
/// keeps to, found by halving.
const HEAVIEST: [u32; 17] = [1, 2, 3, 4, 6, 8, 12, 16, 23, 32, 45, 64, 90, 128, 181, 256, 512];
const PARTS: [u64; 10] = [1024, 998, 973, 942, 901, 860, 809, 696, 563, 512];
const HALVINGS: usize = 6;
/// The same of pairs, half as many halvings: they are climbed afterwards, and more starts bring nothing.
const PARTS_OF_PAIRS: [u64; 2] = [973, 860];
/// Packings tried among the candidates.
const TRIES: usize = 3;

/// Who gets what is left.
#[derive(Clone, Copy)]
enum Left {
    /// As D'Hondt has it from the start, without a cap.
    All,
    /// Experts whose replicas are at most as large as the bound by this.
    Small(u32),
    /// So many of the heaviest.
    Heaviest(u32),
}

/// Counts to be tried.
#[derive(Clone, Copy)]
struct Candidate {
    /// What the largest time is at least, or what LPT makes of it.
    time: u64,
    cap: u64,
    left: Left,
    /// A checksum: many caps give the same counts.
    sum: u64,
}

const NOTHING: Candidate = Candidate { time: u64::MAX, cap: 0, left: Left::All, sum: 0 };

impl<const SPEEDS: bool> Solver<'_, SPEEDS> {
    /// Tries the most promising counts. `first`: the bound of D'Hondt's.
    #[inline(never)]
    pub fn try_other_counts(&mut self, first: u64) {
        let mut list = [NOTHING; 2 * TRIES];
        let (small, heaviest) = list.split_at_mut_checked(TRIES).unwrap_or_default();
        if self.best == u64::MAX {
            enter(small, Candidate { time: first, ..NOTHING });
        }
        self.list_small(small);
        // pairs are climbed, which takes effort: there the best of both kinds come first
        if !self.has_pairs() {
            self.try_all(small);
            if !self.stuck(self.best) {
                return;
            }
            small.fill(NOTHING);
        }
        // with speeds LPT looks at every GPU for every item: too much for so many
        if !SPEEDS {
            self.list_heaviest(heaviest);
        }
        for place in TRIES..2 * TRIES {
            let Some(candidate) = list.get_mut(place) else { break };
            let candidate = core::mem::replace(candidate, NOTHING);
            enter(&mut list, candidate);
        }
        self.try_all(&list);
    }

    #[inline(never)] // off the stack of what lists
    fn try_all(&mut self, list: &[Candidate]) {
        for candidate in list {
            if self.best <= self.target() || candidate.time == u64::MAX {
                break;
            }
            self.deal_other(candidate.cap, candidate.left);
            self.state.set_items();
            if self.has_pairs() {
                if !self.climb() {
                    continue;
                }
            } else if self.floor() >= self.best {
                continue;
            }
            let mut time = self.pack();
            if self.stuck(time) && self.slots.get() > 2 {
                time = self.recount();
            }
            if time.saturating_add(self.tolerance()) < self.best {
                used(Part::OtherCounts);
                self.keep(time);
            }
        }
    }

    /// What is left goes to small replicas. On GPUs that are alike these are ranked by their bound, which costs a pass
    /// where packing costs a plan.
    #[inline(never)]
    fn list_small(&mut self, list: &mut [Candidate]) {
        let pack = !self.state.packing.alike();
        for step in 0..CAPS {
            let cap = self.bound - self.bound * step * CAP_STEP / 1024;
            for small in SMALL {
                self.rate((cap, Left::Small(small)), pack, list);
            }
        }
    }

    /// What is left goes to the heaviest. These are ranked by what LPT makes of them, for half of the effort at most.
    #[inline(never)]
    fn list_heaviest(&mut self, list: &mut [Candidate]) {
        let most = if self.best == u64::MAX { 2 * self.bound } else { self.best };
        let reserve = self.left / 2;
        let experts = self.state.loads.order.len();
        let (parts, halvings) =
            if self.has_pairs() { (&PARTS_OF_PAIRS[..], 3) } else { (&PARTS[..], HALVINGS) };
        for heaviest in HEAVIEST.into_iter().take_while(|&heaviest| heaviest as usize <= experts) {
            let left = Left::Heaviest(heaviest);
            for &part in parts {
                self.rate((self.bound / 1024 * part, left), true, list);
            }
            let (mut low, mut high) = (self.bound, most);
            for _ in 0..halvings {
                let cap = low + high.saturating_sub(low) / 2;
                match self.rate((cap, left), true, list) {
                    Some(time) if time <= cap => high = cap,
                    _ => low = cap,
                }
            }
            // with an extra for each more change nothing
            let all = self.has_pairs() && self.state.counts.extra.len() <= heaviest as usize;
            if self.left < reserve || all {
                break;
            }
        }
    }

    /// Enters counts into the list; answers their time, if they take just the slots there are and can be packed. They
    /// are only packed if `pack`, and if their bound does not show that they fall off the list.
    fn rate(
        &mut self,
        (cap, left): (u64, Left),
        pack: bool,
        list: &mut [Candidate],
    ) -> Option<u64> {
        if !self.deal_other(cap, left) {
            return None;
        }
        let hash = |expert: u32| u64::from(expert + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
        let extras = self.state.counts.extras().iter();
        let sum = extras.fold(0_u64, |sum, &expert| sum.wrapping_add(hash(expert)));
        if let Some(known) = list.iter().find(|known| known.sum == sum) {
            return Some(known.time);
        }
        let last = list.last().map_or(u64::MAX, |last| last.time);
        if self.has_pairs() {
            let time = self.rate_pairs(last);
            enter(list, Candidate { time, cap, left, sum });
            return Some(time);
        }
        self.state.set_items();
        let mut time = self.floor();
        if time >= self.best {
            return Some(time);
        }
        if pack && time < last {
            self.left = self.left.saturating_sub(self.state.packing.item_load.len() as u64 / 8);
            if !self.state.lpt() {
                return None;
            }
            time = self.longest();
        }
        enter(list, Candidate { time, cap, left, sum });
        Some(time)
    }

    /// The largest sum of the pairs, or `last` where it is proved to be no less.
    fn rate_pairs(&mut self, last: u64) -> u64 {
        let State { counts, loads, .. } = &self.state;
        if last < u64::MAX && pairs::proves(counts, loads, last, self.wall) {
            return last;
        }
        self.state.set_items();
        let items = &*self.state.packing.item_load;
        self.left = self.left.saturating_sub(items.len() as u64 / 8);
        let (time, first) = worst_pair(items);
        if time >= last {
            self.wall = at(items, items.len() - 1 - first);
        }
        time
    }

    /// What no packing of the items can beat.
    fn floor(&self) -> u64 {
        let State { packing, .. } = &self.state;
        match (packing.alike(), self.slots.get()) {
            (true, 2) => worst_pair(packing.item_load).0,
            (true, _) => self.state.packing_bound(0),
            _ => self.bound,
        }
    }

    /// Deals counts; whether they take just the slots there are.
    fn deal_other(&mut self, cap: u64, left: Left) -> bool {
        let State { counts, loads, items, places, .. } = &mut self.state;
        let (small, heaviest) = match left {
            Left::Small(2) => (self.bound / 2, loads.order.len()),
            Left::Small(_) => (self.bound / 3, loads.order.len()),
            Left::Heaviest(heaviest) => (u64::MAX, heaviest as usize),
            Left::All => {
                self.state.deal();
                return true;
            }
        };
        counts.deal_capped(loads, cap, (small, heaviest), items.keys) && places.fit(counts.of)
    }

    /// Pairs: hill climbing on the counts in force; whether what it comes to is worth packing.
    fn climb(&mut self) -> bool {
        let State { packing, counts, loads, items, .. } = &mut self.state;
        let (scratch, effort) = (&mut *items.keys, &mut self.left);
        let mut climb = Climb { items: packing.item_load, scratch, counts, loads, effort };
        if climb.run() {
            used(Part::CountsOfPairs);
        }
        let better = self.floor().saturating_add(self.tolerance()) < self.best;
        if better {
            self.state.set_items();
        }
        better
    }
}

/// Keeps the list sorted; what falls off its end is gone.
fn enter(list: &mut [Candidate], mut x: Candidate) {
    for y in list.iter_mut() {
        if x.time < y.time {
            core::mem::swap(&mut x, y);
        }
    }
}
