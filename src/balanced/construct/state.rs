//! An instance under work: its loads, counts and packing, and the two ways to fill the packing's items: from counts
//! alone, and from the experts that the slots hold.

use crate::balanced::construct::counts::Counts;
use crate::balanced::construct::gale_ryser::{self, GaleRyser};
use crate::balanced::construct::items::Items;
use crate::balanced::construct::loads::Loads;
use crate::balanced::construct::lpt::lpt;
use crate::balanced::construct::packing::{Packing, SPLIT};
use crate::balanced::construct::packing_bound::packing_bound;
use crate::balanced::instance::Instance;
use crate::base::arena::Carve;
use crate::base::cells::{add, at, put};
use crate::base::keys::sort_buffer;
use crate::base::tournament::Tournament;
use crate::base::used::{Part, used};

pub struct State<'a, const SPEEDS: bool> {
    pub packing: Packing<'a, SPEEDS>,
    pub loads: Loads<'a>,
    pub counts: Counts<'a>,
    pub items: Items<'a>,
    pub places: GaleRyser<'a>,
    /// Of a tournament of the GPUs; a word and a half of scratch for each GPU.
    pub tree: &'a mut [u64],
    pub rest: &'a mut [u64],
    pub fill: &'a mut [u32],
}

impl<'a, const SPEEDS: bool> State<'a, SPEEDS> {
    /// All arrays for instances of up to these sizes, nothing in them.
    #[inline(always)]
    pub fn list(arena: &mut impl Carve<'a>, experts: usize, slots: usize, gpus: usize) -> Self {
        let speeds = if SPEEDS { gpus } else { 0 };
        State {
            packing: Packing {
                item_load: arena.u64s(slots),
                expert_of: arena.u32s(slots),
                gpu_of: arena.u32s(slots),
                item_at: arena.u32s(slots),
                first: arena.u32s(gpus.saturating_add(1)),
                even: true,
                gpu_load: arena.u64s(gpus),
                speed: arena.f64s(speeds),
                slowness: arena.f64s(speeds),
            },
            loads: Loads { scaled: arena.f32s(experts), factor: 1.0, order: arena.u64s(experts) },
            counts: Counts {
                of: arena.u32s(experts),
                most: 0,
                extra: arena.u32s(slots.saturating_sub(experts)),
                dealt: 0,
                split: 0,
            },
            items: Items {
                keys: arena.u64s(slots),
                buffer: arena.u64s(slots.saturating_add(sort_buffer(slots))),
                next: arena.u32s(experts),
            },
            places: GaleRyser::list(arena, experts, gpus),
            tree: arena.u64s(Tournament::<u64>::nodes(gpus)),
            rest: arena.u64s(gpus),
            fill: arena.u32s(gpus),
        }
    }
}

impl<const SPEEDS: bool> State<'_, SPEEDS> {
    /// Notes GPUs, loads and limits.
    #[inline(never)]
    pub fn set(&mut self, instance: &Instance<&[f32]>) {
        self.packing.set_gpus(instance.used_gpus());
        self.places.set_gpus(self.packing.first);
        self.counts.most = instance.max_replicas;
        self.loads.set(instance.loads, SPEEDS, self.items.buffer);
    }

    /// D'Hondt's counts.
    pub fn deal(&mut self) {
        self.counts.deal(&self.loads, self.items.keys, &mut self.places);
    }

    /// The items of the counts in force.
    #[inline(never)]
    pub fn set_items(&mut self) {
        self.items.set(&self.loads, &self.counts, &mut self.packing);
    }

    /// What no packing of the items can beat on GPUs that are alike, or `floor` where that is more.
    pub fn packing_bound(&self, floor: u64) -> u64 {
        let (gpus, slots) = (self.packing.gpus(), self.packing.slots(0));
        packing_bound(self.packing.item_load, gpus, slots, floor)
    }

    /// Packs the items, unless some find no GPU.
    pub fn lpt(&mut self) -> bool {
        lpt(&mut self.packing, self.items.keys, self.tree, self.fill)
    }

    /// Packs the counts in force, if they fit, whatever the balance. `expert_at`: scratch, by slot.
    #[inline(never)]
    pub fn construct(&mut self, expert_at: &mut [u32]) -> bool {
        let fit = self.places.fit(self.counts.of);
        if fit {
            let (keys, buffer) = (&mut *self.items.keys, &mut *self.items.buffer);
            let (counts, first) = (&*self.counts.of, &*self.packing.first);
            used(Part::Construct);
            gale_ryser::construct(counts, first, keys, buffer, self.fill, expert_at);
            self.adopt(expert_at);
        }
        fit
    }

    /// The experts of all slots.
    pub fn note_experts(&self, expert_at: &mut [u32]) {
        for (expert, &item) in expert_at.iter_mut().zip(self.packing.item_at.iter()) {
            *expert = at(self.packing.expert_of, item) & !SPLIT;
        }
    }

    /// The same, those of a GPU by falling load.
    pub fn note_experts_by_load(&mut self, expert_at: &mut [u32]) {
        for (to, &first) in self.fill.iter_mut().zip(self.packing.first.iter()) {
            *to = first;
        }
        for (&gpu, &expert) in self.packing.gpu_of.iter().zip(self.packing.expert_of.iter()) {
            put(expert_at, at(self.fill, gpu), expert & !SPLIT);
            add(self.fill, gpu, 1);
        }
    }

    /// Counts, items and packing from the expert of each slot.
    #[inline(never)]
    pub fn adopt(&mut self, expert_at: &[u32]) {
        self.counts.of.fill(0);
        for &expert in expert_at {
            add(self.counts.of, expert, 1);
        }
        self.counts.note_extras(&self.loads);
        self.set_items();
        // The items of each expert as a list, from `next` on, and by `gpu_of` until they have theirs.
        let (packing, next) = (&mut self.packing, &mut *self.items.next);
        for item in (0..packing.item_load.len()).rev() {
            let expert = at(packing.expert_of, item) & !SPLIT;
            put(packing.gpu_of, item, at(next, expert));
            put(next, expert, item as u32);
        }
        for gpu in 0..packing.gpus() {
            let mut sum = 0_u64;
            for slot in packing.start(gpu)..packing.start(gpu + 1) {
                let expert = at(expert_at, slot);
                let item = at(next, expert);
                put(next, expert, at(packing.gpu_of, item));
                put(packing.gpu_of, item, gpu as u32);
                put(packing.item_at, slot, item);
                sum = sum.wrapping_add(at(packing.item_load, item));
            }
            put(packing.gpu_load, gpu, sum);
        }
    }
}
