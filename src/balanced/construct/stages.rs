//! The stages of the solver for one load, in their order.

use crate::balanced::construct::exhaustive::{self, Search};
use crate::balanced::construct::recount::Recount;
use crate::balanced::construct::solver::Solver;
use crate::balanced::instance::Instance;
use crate::base::cells::NONE;
use crate::base::used::{Part, used};

/// Recounts tried that make things worse at first.
const UPHILL: usize = 4;

impl<const SPEEDS: bool> Solver<'_, SPEEDS> {
    /// Solves an instance. Gives what is left of the effort.
    #[inline(always)] // no frame of its own
    pub fn solve(&mut self, instance: &Instance<&[f32]>) -> u64 {
        self.state.set(instance);
        self.state.deal();
        self.state.set_items();
        self.set(instance);
        if !self.search() {
            self.state.note_experts_by_load(self.incumbent);
        }
        self.left
    }

    /// From D'Hondt's items to a placement. Answers whether it is the incumbent, maybe with empty slots, or what is in
    /// the packing.
    #[inline(always)] // no frame of its own
    fn search(&mut self) -> bool {
        let (slots, alike) = (self.slots.get(), self.state.packing.alike());
        let first = if alike { self.state.packing_bound(self.bound) } else { self.bound };
        let mut floor = first;
        let mut time = u64::MAX;
        // Counts that cannot be packed within the target wait until others have been tried.
        // Without any load replicas stay as even as D'Hondt deals them.
        let nothing = self.state.loads.are_none();
        let packed = first <= self.target() || slots == 1 || nothing;
        if !packed {
            used(Part::PackingBound);
        } else {
            time = self.pack();
            floor = self.greedy;
        }
        let small = exhaustive::is_small(&self.state.packing);
        let stuck = slots > 1 && !nothing && self.stuck(time);
        let safe = slots > 3 || time.saturating_add(self.tolerance()) < floor;
        if safe && (time <= self.bound || !(stuck || small)) {
            return false;
        }
        self.keep(time);
        if stuck {
            self.try_other_counts(first);
            if slots > 2 || !alike {
                self.state.adopt(self.incumbent);
                let time = self.recount();
                if time < self.best {
                    used(Part::Recount);
                    self.keep(time);
                }
                self.recount_uphill();
            }
        }
        let margin = self.tolerance() + if packed { 0 } else { floor >> 20 };
        if self.best.saturating_add(margin) >= floor {
            self.prefer_plain();
        }
        let held = small && self.search_all();
        if held {
            used(Part::Exhaustive);
        } else {
            self.state.adopt(self.incumbent);
        }
        held
    }

    /// From the incumbent, when no recount helps by itself: recounts that overload another GPU at first, each
    /// followed by swaps and recounts; the first that ends better is kept, and so on.
    #[inline(never)]
    fn recount_uphill(&mut self) {
        let mut list = [Recount::none(0); UPHILL];
        'incumbents: while self.stuck(self.best) && self.left > 0 {
            // From the incumbent each time: recounts name items, and adopting numbers equal replicas anew.
            self.state.adopt(self.incumbent);
            if !self.list_recounts(self.best.saturating_add(self.best / 3), &mut list) {
                break;
            }
            for recount in list.into_iter().take_while(|recount| recount.item != NONE) {
                self.improve_after(recount);
                let time = self.recount();
                if time.saturating_add(self.tolerance()) < self.best {
                    used(Part::UphillRecount);
                    self.keep(time);
                    continue 'incumbents;
                }
                self.state.adopt(self.incumbent);
            }
            break;
        }
    }

    /// D'Hondt and LPT as they are, unless the incumbent is better: as good as them at most, it is not to be worse by
    /// rounding either.
    #[inline(never)]
    fn prefer_plain(&mut self) {
        if !self.state.packing.alike() {
            return;
        }
        self.state.deal();
        self.state.set_items();
        if self.state.lpt() {
            let time = self.longest();
            if time <= self.best.saturating_add(self.tolerance()) {
                used(Part::PreferPlain);
                self.keep(time);
            }
        }
    }

    /// All placements, where there are few: whether one is better than the incumbent, which it then is.
    fn search_all(&mut self) -> bool {
        let limit = self.best.saturating_sub(self.tolerance());
        let mut search = Search {
            packing: &self.state.packing,
            loads: &self.state.loads,
            most: self.state.counts.most,
            may_stay_empty: self.may_stay_empty,
            effort: &mut self.left,
            expert_at: self.incumbent,
            best: limit,
        };
        search.all_counts(self.bound);
        search.best < limit
    }
}
