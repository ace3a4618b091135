//! Small instances: every vector of counts, and for each every packing, cut off by the best found so far. Counts that
//! leave slots empty are among them where the caller allows it: a replica more can be worse than none, since it
//! has to sit somewhere.
//!
//! No recursion: an array holds the choice at each depth. Items come in falling order, the replicas of an
//! expert on rising GPUs; of GPUs that are alike and empty only the first is tried.

use crate::balanced::construct::loads::{Loads, fixed};
use crate::balanced::construct::packing::Packing;
use crate::base::cells::{NONE, add, at, part_mut, put, subtract};
use crate::base::keys::insertion_sort;

/// Slots, GPUs up to which the search is tried.
const SLOTS: usize = 12;
const GPUS: usize = 6;

pub fn is_small<const SPEEDS: bool>(packing: &Packing<SPEEDS>) -> bool {
    packing.item_load.len() <= SLOTS && packing.gpus() <= GPUS
}

/// The search for an instance.
pub struct Search<'s, 'a, const SPEEDS: bool> {
    pub packing: &'s Packing<'a, SPEEDS>,
    pub loads: &'s Loads<'a>,
    /// Replicas that an expert may have.
    pub most: u32,
    /// Whether a slot may be left empty.
    pub may_stay_empty: bool,
    /// Nodes of the search that may still be visited.
    pub effort: &'s mut u64,
    /// By slot: the expert in the best packing found, or `NONE`; and its largest time, below that given.
    pub expert_at: &'s mut [u32],
    pub best: u64,
}

impl<const SPEEDS: bool> Search<'_, '_, SPEEDS> {
    /// Searches until nothing is better than what was found, or within `bound`. Counts as an odometer over
    /// experts by falling load.
    #[inline(never)]
    pub fn all_counts(&mut self, bound: u64) {
        let packing = self.packing;
        let slowness = |gpu: &usize| packing.time(*gpu, 1 << 30);
        let fastest = (0..packing.gpus()).min_by_key(slowness).unwrap_or(0);
        let experts = self.loads.order.len();
        let mut counts = [1; SLOTS];
        let mut depth = 0;
        let mut left = packing.item_load.len() - experts;
        let mut fresh = true;
        while *self.effort > 0 && self.best > bound {
            if fresh {
                put(&mut counts, depth, 1);
            } else if left == 0 || at(&counts, depth) == self.most {
                // All counts tried: back to the expert before.
                left += at(&counts, depth) as usize - 1;
                if depth == 0 {
                    break;
                }
                depth -= 1;
                continue;
            } else {
                add(&mut counts, depth, 1);
                left -= 1;
            }
            fresh = false;
            let expert = at(self.loads.order, depth) as u32;
            let load = self.loads.of_replica(expert, at(&counts, depth));
            if packing.time(fastest, load) >= self.best {
                continue;
            }
            if depth + 1 < experts {
                depth += 1;
                fresh = true;
            } else if left == 0 || self.may_stay_empty {
                self.all_packings(&Items::new(self.loads, &counts));
            }
        }
    }

    /// Every packing of these items.
    #[inline(never)]
    fn all_packings(&mut self, items: &Items) {
        let packing = self.packing;
        let gpus = packing.gpus();
        let mut gpu_of = [0; SLOTS];
        let mut load = [0; GPUS];
        let mut room = [0; GPUS];
        for gpu in 0..gpus {
            put(&mut room, gpu, packing.slots(gpu));
        }
        let slots = room;
        let mut depth = 0;
        // The next GPU to try at this depth.
        let mut next = 0;
        let (mut best, mut effort) = (self.best, *self.effort);
        loop {
            effort = effort.saturating_sub(1);
            if effort == 0 {
                break;
            }
            let item = at(&items.load, depth);
            let gpu = (next..gpus).find(|&gpu| {
                at(&room, gpu) > 0
                    && packing.time(gpu, at(&load, gpu) + item) < best
                    && !(at(&room, gpu) == at(&slots, gpu)
                        && like_an_earlier(packing, &room, &slots, gpu))
            });
            if let Some(gpu) = gpu {
                put(&mut gpu_of, depth, gpu);
                add(&mut load, gpu, item);
                subtract(&mut room, gpu, 1);
                depth += 1;
                next = if at(&items.again, depth) { gpu + 1 } else { 0 };
                if depth < items.count {
                    continue;
                }
                // Complete, and better than the best: every step was below it.
                let times = (0..gpus).map(|gpu| packing.time(gpu, at(&load, gpu)));
                best = times.fold(0, u64::max);
                self.keep(items, &gpu_of);
            }
            // Back to the last choice.
            if depth == 0 {
                break;
            }
            depth -= 1;
            let gpu = at(&gpu_of, depth);
            subtract(&mut load, gpu, at(&items.load, depth));
            add(&mut room, gpu, 1);
            next = gpu + 1;
        }
        (self.best, *self.effort) = (best, effort);
    }

    fn keep(&mut self, items: &Items, gpu_of: &[usize; SLOTS]) {
        self.expert_at.fill(NONE);
        let mut filled = [0; GPUS];
        for (&gpu, &expert) in gpu_of.iter().zip(&items.expert).take(items.count) {
            put(self.expert_at, self.packing.start(gpu) + at(&filled, gpu), expert);
            add(&mut filled, gpu, 1);
        }
    }
}

/// Items by falling load, those of an expert one after the other.
struct Items {
    count: usize,
    load: [u64; SLOTS],
    expert: [u32; SLOTS],
    /// Whether the item before is of the same expert.
    again: [bool; SLOTS],
}

impl Items {
    /// `counts`: of the experts by falling load.
    #[inline(always)]
    fn new(loads: &Loads, counts: &[u32; SLOTS]) -> Self {
        let mut keys = [0; SLOTS];
        let keys = part_mut(&mut keys, 0, loads.order.len());
        for (place, (key, &expert)) in keys.iter_mut().zip(loads.order.iter()).enumerate() {
            *key = (loads.of_replica(expert as u32, at(counts, place)) << 8) | place as u64;
        }
        insertion_sort(keys, usize::MAX);
        let mut items =
            Items { count: 0, load: [0; SLOTS], expert: [0; SLOTS], again: [false; SLOTS] };
        for &key in keys.iter().rev() {
            let place = (key & 255) as usize;
            for replica in 0..at(counts, place) {
                put(&mut items.load, items.count, key >> 8);
                put(&mut items.expert, items.count, at(loads.order, place) as u32);
                put(&mut items.again, items.count, replica > 0);
                items.count += 1;
            }
        }
        items
    }
}

/// Is there a GPU of the same slots and speed before this one, as empty as this one is?
#[inline(never)] // rarely asked: its reads are not to burden the loop
fn like_an_earlier<const SPEEDS: bool>(
    packing: &Packing<SPEEDS>,
    room: &[usize; GPUS],
    slots: &[usize; GPUS],
    gpu: usize,
) -> bool {
    let probe = fixed((1_u64 << 40) as f64);
    let time = packing.time(gpu, probe);
    slots.iter().zip(room).take(gpu).enumerate().any(|(earlier, (&slots_there, &room))| {
        room == slots_there && slots_there == at(slots, gpu) && packing.time(earlier, probe) == time
    })
}
