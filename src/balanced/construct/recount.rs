//! Recounts on a packing: one slot changes its expert, so that one expert gets a replica more and another, the donor,
//! one less. Either the GPU that takes longest holds the first (its share of it falls), or it is the one that gives up
//! its replica of the donor.

use crate::balanced::construct::counts::Counts;
use crate::balanced::construct::loads::Loads;
use crate::balanced::construct::packing::{Packing, SPLIT};
use crate::base::cells::{NONE, at, part};
use core::ops::Range;

/// The item (a replica of the donor) that is to become one of expert `to`, and the largest time of the GPUs that this
/// touches then.
#[derive(Clone, Copy)]
pub struct Recount {
    pub worst: u64,
    pub item: u32,
    pub to: u32,
}

impl Recount {
    /// A place for one that leaves all GPUs below `limit`.
    pub fn none(limit: u64) -> Self {
        Recount { worst: limit, item: NONE, to: NONE }
    }
}

/// Fills `list` with the best recounts that leave all they touch at `limit` or below, best first; true when there is
/// one, and effort left.
#[inline(never)]
pub fn list_recounts<const SPEEDS: bool>(
    packing: &Packing<SPEEDS>,
    counts: &Counts,
    loads: &Loads,
    limit: u64,
    list: &mut [Recount],
    effort: &mut u64,
) -> bool {
    let (longest, _, _) = packing.extremes();
    let best = limit.wrapping_add(1);
    list.fill(Recount::none(best));
    let load = at(packing.gpu_load, longest);
    let mut search = Search { packing, counts, loads, longest, load, limit, list, best, looked: 0 };
    let mut end = 0;
    while let Some(&donor) = packing.expert_of.get(end) {
        let first = end;
        end += 1;
        if donor & SPLIT == 0 {
            continue;
        }
        while packing.expert_of.get(end) == Some(&donor) {
            end += 1;
        }
        // The replicas of an expert follow each other, but for equal loads of two experts; those are left alone.
        if (end - first) as u32 == at(counts.of, donor & !SPLIT) {
            search.look_at(donor & !SPLIT, first..end);
        }
    }
    *effort = effort.saturating_sub(search.looked);
    let found = list.first().is_some_and(|best| best.item != NONE);
    found && *effort > 0
}

struct Search<'s, 'a, const SPEEDS: bool> {
    packing: &'s Packing<'a, SPEEDS>,
    counts: &'s Counts<'a>,
    loads: &'s Loads<'a>,
    /// The GPU that takes longest, and its load.
    longest: usize,
    load: u64,
    limit: u64,
    list: &'s mut [Recount],
    /// What the next must be below.
    best: u64,
    looked: u64,
}

/// An expert that has a replica to give.
struct Donor {
    expert: u32,
    /// Load of a replica, and by how much it rises with one less.
    load: u64,
    rise: u64,
    /// The replica on the GPU that takes longest.
    here: Option<usize>,
    /// Times of the other GPUs that hold it, had its replicas grown: the largest and where, and the next.
    top: u64,
    top_gpu: u32,
    second: u64,
}

impl<const SPEEDS: bool> Search<'_, '_, SPEEDS> {
    /// Looks at an expert with several replicas, all of one load.
    fn look_at(&mut self, expert: u32, items: Range<usize>) {
        self.looked += items.len() as u64;
        let packing = self.packing;
        let load = at(packing.item_load, items.start);
        let fewer = at(self.counts.of, expert) - 1;
        let rise = self.loads.of_replica(expert, fewer).wrapping_sub(load);
        let mut donor = Donor { expert, load, rise, here: None, top: 0, top_gpu: 0, second: 0 };
        let gpus = part(packing.gpu_of, items.start, items.end);
        for (&gpu, item) in gpus.iter().zip(items.clone()) {
            let time =
                packing.time(gpu as usize, at(packing.gpu_load, gpu).wrapping_add(donor.rise));
            if gpu as usize == self.longest {
                donor.here = Some(item);
            } else if time > donor.top {
                (donor.second, donor.top, donor.top_gpu) = (donor.top, time, gpu);
            } else if time > donor.second {
                donor.second = time;
            }
        }
        if donor.top < self.best
            && let Some(item) = donor.here
        {
            self.give_up(&donor, item);
        }
        if donor.second >= self.best {
            return;
        }
        for (&gpu, item) in gpus.iter().zip(items) {
            let others = if gpu == donor.top_gpu { donor.second } else { donor.top };
            if gpu as usize != self.longest && others < self.best {
                self.share(&donor, item, others);
            }
        }
    }

    /// The GPU that takes longest gives up its replica of the donor; the largest item that fits takes the slot.
    fn give_up(&mut self, donor: &Donor, item: usize) {
        let packing = self.packing;
        let allowed = packing.allowed(self.longest, self.limit);
        let room = allowed.saturating_add(donor.load).saturating_sub(self.load);
        let mut last = donor.expert;
        for &expert in packing.expert_of.iter() {
            let to = expert & !SPLIT;
            self.looked += 1;
            if to == last || to == donor.expert {
                continue;
            }
            let Some(small) = self.with_one_more(to) else { continue };
            last = to;
            if small <= room && !packing.holds(self.longest, to) {
                let load = self.load.wrapping_sub(donor.load).wrapping_add(small);
                let time = packing.time(self.longest, load);
                self.enter(time.max(donor.top), item, to);
                break;
            }
        }
    }

    /// Another GPU gives up its replica of the donor, `item`, for an expert of the GPU that takes longest. `others`:
    /// the time of those that keep theirs.
    fn share(&mut self, donor: &Donor, item: usize, others: u64) {
        let packing = self.packing;
        let there = at(packing.gpu_of, item) as usize;
        for &held in packing.held(self.longest) {
            self.looked += 1;
            let to = at(packing.expert_of, held) & !SPLIT;
            if to == donor.expert {
                continue;
            }
            let Some(small) = self.with_one_more(to) else { continue };
            let rise = if donor.here.is_some() { donor.rise } else { 0 };
            let less = self.load.wrapping_sub(at(packing.item_load, held));
            let time = packing.time(self.longest, less.wrapping_add(small).wrapping_add(rise));
            let load_there = at(packing.gpu_load, there).wrapping_sub(donor.load);
            let time_there = packing.time(there, load_there.wrapping_add(small));
            let worst = time.max(time_there).max(others);
            if worst < self.best && !packing.holds(there, to) {
                self.enter(worst, item, to);
            }
        }
    }

    /// The load of a replica when the expert gets one more, if it may.
    #[inline(always)]
    fn with_one_more(&self, expert: u32) -> Option<u64> {
        let count = at(self.counts.of, expert);
        (count < self.counts.most).then(|| self.loads.of_replica(expert, count + 1))
    }

    /// Into its place in the list; what falls off the end is gone.
    fn enter(&mut self, worst: u64, item: usize, to: u32) {
        if worst >= self.best {
            return;
        }
        let mut recount = Recount { worst, item: item as u32, to };
        for place in self.list.iter_mut() {
            if recount.worst < place.worst {
                core::mem::swap(&mut recount, place);
            }
            self.best = place.worst;
        }
    }
}
