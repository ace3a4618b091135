//! Items on GPUs: the GPU of each, what each GPU holds, and what that adds up to.
//!
//! An item is a replica with its load; items are numbered by falling load. All loads are fixed point. `SPEEDS` says
//! whether GPUs differ in speed; without, a GPU's time is its load and all the arithmetic on speeds is gone at compile
//! time.

use crate::balanced::construct::loads::fixed;
use crate::base::cells::{add, at, part, part_mut, put};

/// Set in `expert_of` when the expert has more than one replica: only those can collide.
pub const SPLIT: u32 = 1 << 31;

pub struct Packing<'a, const SPEEDS: bool> {
    /// By item: load, falling; expert, with `SPLIT`; GPU.
    pub item_load: &'a mut [u64],
    pub expert_of: &'a mut [u32],
    pub gpu_of: &'a mut [u32],
    /// By slot: item. GPU g has the slots first[g]..first[g + 1].
    pub item_at: &'a mut [u32],
    pub first: &'a mut [u32],
    /// Whether all GPUs have as many slots.
    pub even: bool,
    /// By GPU: sum of its items.
    pub gpu_load: &'a mut [u64],
    /// By GPU: speed, the mean being 1, and its inverse. Empty without speeds.
    pub speed: &'a mut [f64],
    pub slowness: &'a mut [f64],
}

impl<const SPEEDS: bool> Packing<'_, SPEEDS> {
    /// Sets slots and speeds of the GPUs, all with slots.
    pub fn set_gpus(&mut self, gpus: impl Iterator<Item = (u32, f32)>) {
        let (mut first, mut sum) = (0, 0.0);
        put(self.first, 0, 0);
        self.even = true;
        for (gpu, (slots, speed)) in gpus.enumerate() {
            first += slots;
            sum += f64::from(speed);
            put(self.first, gpu + 1, first);
            put(self.speed, gpu, f64::from(speed));
            self.even &= slots == at(self.first, 1);
        }
        let gpus = self.gpus() as f64;
        for (speed, slowness) in self.speed.iter_mut().zip(self.slowness.iter_mut()) {
            *speed = *speed * gpus / sum;
            *slowness = 1.0 / *speed;
        }
    }

    pub fn gpus(&self) -> usize {
        self.gpu_load.len()
    }

    /// Whether all GPUs are alike.
    pub fn alike(&self) -> bool {
        self.even && !SPEEDS
    }

    #[inline(always)]
    pub fn start(&self, gpu: usize) -> usize {
        at(self.first, gpu) as usize
    }

    /// Slots of a GPU.
    #[inline(always)]
    pub fn slots(&self, gpu: usize) -> usize {
        self.start(gpu + 1) - self.start(gpu)
    }

    #[inline(always)]
    pub fn held(&self, gpu: usize) -> &[u32] {
        part(self.item_at, self.start(gpu), self.start(gpu + 1))
    }

    #[inline(always)]
    pub fn time(&self, gpu: usize, load: u64) -> u64 {
        if SPEEDS { fixed_capped(load as f64 * at(self.slowness, gpu)) } else { load }
    }

    /// The load with which `gpu` takes `time`.
    #[inline(always)]
    pub fn allowed(&self, gpu: usize, time: u64) -> u64 {
        if SPEEDS { fixed_capped(time as f64 * at(self.speed, gpu)) } else { time }
    }

    /// The most that any GPU can take and stay within `time`; `least` is the least load.
    #[inline(always)]
    pub fn room(&self, time: u64, least: u64) -> u64 {
        if !SPEEDS {
            return time.saturating_sub(least);
        }
        let loads = self.gpu_load.iter().enumerate();
        loads.fold(0, |most, (gpu, &load)| most.max(self.allowed(gpu, time).saturating_sub(load)))
    }

    /// Would `gpu`, giving up item `leaving`, hold two replicas if item `coming` came?
    #[inline(always)]
    pub fn collides(&self, gpu: usize, leaving: usize, coming: usize) -> bool {
        let expert = at(self.expert_of, coming);
        expert & SPLIT != 0 && self.has_beside(gpu, leaving as u32, expert)
    }

    /// Kept out of the walks: few experts are split, and there the code of this loop many times over only costs room.
    #[inline(never)]
    fn has_beside(&self, gpu: usize, leaving: u32, expert: u32) -> bool {
        let mut hit = false;
        for &item in self.held(gpu) {
            hit |= item != leaving && at(self.expert_of, item) == expert;
        }
        hit
    }

    pub fn holds(&self, gpu: usize, expert: u32) -> bool {
        self.held(gpu).iter().any(|&item| at(self.expert_of, item) & !SPLIT == expert)
    }

    /// The first GPU that takes longest and its time, and the least load.
    #[inline(never)]
    pub fn extremes(&self) -> (usize, u64, u64) {
        let (mut longest, mut most, mut least) = (0, 0, u64::MAX);
        for (gpu, &load) in self.gpu_load.iter().enumerate() {
            let time = self.time(gpu, load);
            if time > most {
                (longest, most) = (gpu, time);
            }
            least = least.min(load);
        }
        (longest, most, least)
    }

    /// Two items take each other's place.
    pub fn swap(&mut self, a: usize, b: usize) {
        let (gpu_a, gpu_b) = (at(self.gpu_of, a), at(self.gpu_of, b));
        self.replace(gpu_a as usize, a, b);
        self.replace(gpu_b as usize, b, a);
        put(self.gpu_of, a, gpu_b);
        put(self.gpu_of, b, gpu_a);
    }

    fn replace(&mut self, gpu: usize, old: usize, new: usize) {
        let (from, to) = (self.start(gpu), self.start(gpu + 1));
        for item in part_mut(self.item_at, from, to) {
            *item = if *item == old as u32 { new as u32 } else { *item };
        }
        let more = at(self.item_load, new).wrapping_sub(at(self.item_load, old));
        add(self.gpu_load, gpu, more);
    }
}

fn fixed_capped(x: f64) -> u64 {
    let top = ((1_u64 << 52) - 1) as f64;
    fixed(if x < top { x } else { top })
}
