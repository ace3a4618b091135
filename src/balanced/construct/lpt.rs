//! DeepSeek's packing: items by falling load, each to the GPU with room and the least load, lowest index
//! first. Loads in f32, so that the result is theirs, bit for bit, as long as no replica meets its like; then
//! it goes to the next lightest GPU that may take it. With speeds the GPU that would be done first takes the
//! item.

use crate::balanced::construct::packing::{Packing, SPLIT};
use crate::base::cells::{add, at, part, part_mut, put, subtract};
use crate::base::keys::{ascending, index_of, load_of_descending};
use crate::base::tournament::{Key, Tournament};

/// Fills the packing; `keys` are those of the items, `memory` is for a tournament of the GPUs, `free` one per GPU.
/// False: a replica found no GPU, nor could another item make room (the packing is then not usable).
pub fn lpt<const SPEEDS: bool>(
    packing: &mut Packing<SPEEDS>,
    keys: &[u64],
    memory: &mut [u64],
    free: &mut [u32],
) -> bool {
    for (free, &first) in free.iter_mut().zip(packing.first.iter()) {
        *free = first;
    }
    packing.gpu_load.fill(0);
    let gpus = packing.gpus();
    let mut dealer = Dealer { packing, free };
    if SPEEDS {
        return dealer.deal_by_speed(part_mut(memory, 0, gpus));
    }
    // The heaviest items, one on each GPU.
    let mut lightest = Tournament::new(memory, gpus, |gpu| {
        let full = dealer.place(gpu, gpu);
        key_of(gpu, load_of_descending(at(keys, gpu)), full)
    });
    let mut best = lightest.best();
    for (item, &key) in (gpus..).zip(part(keys, gpus, keys.len())) {
        let expert = at(dealer.packing.expert_of, item);
        if expert & SPLIT != 0 && best != u64::OUT && dealer.has(index_of(best), expert) {
            best = dealer.next_lightest(expert, &lightest);
        }
        let (item, gpu, load) = if best != u64::OUT {
            (item, index_of(best), load_of(best) + load_of_descending(key))
        } else {
            let Some((moved, gpu)) = dealer.make_room(item) else { return false };
            let load = load_of(lightest.key(gpu)) + load_of_descending(at(keys, moved));
            (moved, gpu, load)
        };
        let full = dealer.place(item, gpu);
        best = lightest.set(gpu, key_of(gpu, load, full));
    }
    true
}

/// The key of a GPU with so much load.
#[inline(always)]
fn key_of(gpu: usize, load: f32, full: bool) -> u64 {
    if full { u64::OUT } else { ascending(load, gpu) }
}

/// The load of a key that [`ascending`] made.
fn load_of(key: u64) -> f32 {
    f32::from_bits((key >> 32) as u32)
}

struct Dealer<'d, 'a, const SPEEDS: bool> {
    packing: &'d mut Packing<'a, SPEEDS>,
    /// By GPU: its first free slot.
    free: &'d mut [u32],
}

impl<const SPEEDS: bool> Dealer<'_, '_, SPEEDS> {
    /// Puts an item on a GPU with room; whether that is full then.
    #[inline(always)]
    fn place(&mut self, item: usize, gpu: usize) -> bool {
        let (slot, packing) = (at(self.free, gpu), &mut *self.packing);
        put(self.free, gpu, slot + 1);
        put(packing.item_at, slot, item as u32);
        put(packing.gpu_of, item, gpu as u32);
        add(packing.gpu_load, gpu, at(packing.item_load, item));
        slot + 1 >= at(packing.first, gpu + 1)
    }

    #[inline(always)]
    fn is_full(&self, gpu: usize) -> bool {
        at(self.free, gpu) >= at(self.packing.first, gpu + 1)
    }

    #[inline(always)]
    fn items(&self, gpu: usize) -> &[u32] {
        part(self.packing.item_at, self.packing.start(gpu), at(self.free, gpu) as usize)
    }

    /// Does a GPU have a replica of an expert that is split?
    #[inline(always)]
    fn has(&self, gpu: usize, expert: u32) -> bool {
        let mut hit = false;
        for &item in self.items(gpu) {
            hit |= at(self.packing.expert_of, item) == expert;
        }
        hit
    }

    /// The lightest GPU with room and without `expert`: rare, so by looking at all.
    #[cold]
    fn next_lightest(&self, expert: u32, lightest: &Tournament<u64>) -> u64 {
        let mut best = u64::OUT;
        for gpu in 0..self.packing.gpus() {
            let key = lightest.key(gpu);
            if key < best && !self.has(gpu, expert) {
                best = key;
            }
        }
        best
    }

    /// Each item to the GPU that would be done first. `time`: by GPU, bits of its time so far, infinite when it is
    /// full.
    #[inline(never)]
    fn deal_by_speed(&mut self, time: &mut [u64]) -> bool {
        time.fill(0.0_f64.to_bits());
        (0..self.packing.item_load.len()).all(|item| {
            let found = self.soonest(item, time).map(|gpu| (item, gpu));
            let Some((item, gpu)) = found.or_else(|| self.make_room(item)) else { return false };
            let full = self.place(item, gpu);
            let load = at(self.packing.gpu_load, gpu) as f64;
            let now = if full { f64::INFINITY } else { load * at(self.packing.slowness, gpu) };
            put(time, gpu, now.to_bits());
            true
        })
    }

    /// The GPU with room and without the expert that would be done first.
    fn soonest(&self, item: usize, time: &[u64]) -> Option<usize> {
        let (expert, load) = (at(self.packing.expert_of, item), at(self.packing.item_load, item));
        let then = |(&time, &slowness): (&u64, &f64)| f64::from_bits(time) + load as f64 * slowness;
        let times = || time.iter().zip(self.packing.slowness.iter()).map(then);
        // all are looked at for the least, and again for whose it is: that is what a processor does several at a time
        let least =
            times().fold(f64::INFINITY, |least, time| if time < least { time } else { least });
        let gpu = times().position(|time| time == least).filter(|_| least < f64::INFINITY)?;
        if expert & SPLIT == 0 || !self.has(gpu, expert) {
            return Some(gpu);
        }
        let mut found = None;
        let mut best = f64::INFINITY;
        for (gpu, time) in times().enumerate() {
            if time < best && !self.has(gpu, expert) {
                (best, found) = (time, Some(gpu));
            }
        }
        found
    }

    /// When every GPU with room holds the expert of `item`: the lightest item of a GPU without it leaves its
    /// place for one of those with room. Answers what is to be placed, and where.
    #[cold]
    fn make_room(&mut self, item: usize) -> Option<(usize, usize)> {
        let (moved, from, to) = self.movable(at(self.packing.expert_of, item))?;
        let b = &mut *self.packing;
        let load = at(b.item_load, moved);
        for slot in b.start(from)..b.start(from + 1) {
            if at(b.item_at, slot) == moved as u32 {
                put(b.item_at, slot, item as u32);
            }
        }
        put(b.gpu_of, item, from as u32);
        add(b.gpu_load, from, at(b.item_load, item));
        subtract(b.gpu_load, from, load);
        Some((moved, to))
    }

    fn movable(&self, expert: u32) -> Option<(usize, usize, usize)> {
        let mut found: Option<(usize, usize, usize)> = None;
        let gpus = 0..self.packing.gpus();
        for to in gpus.clone().filter(|&to| !self.is_full(to)) {
            for from in gpus.clone().filter(|&from| from != to && !self.has(from, expert)) {
                for &item in self.items(from) {
                    let lighter = found.is_none_or(|(best, ..)| item as usize > best);
                    if lighter && !self.has(to, at(self.packing.expert_of, item)) {
                        found = Some((item as usize, from, to));
                    }
                }
            }
        }
        found
    }
}
