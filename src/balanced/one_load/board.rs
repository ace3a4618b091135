//! The row while it is packed: items by rank (falling load), which GPU each is on, which ranks each GPU
//! holds.
//!
//! All loads are fixed point. `SPEEDS` says whether GPUs differ in speed; without, a GPU's time is its load
//! and all the arithmetic on speeds is gone at compile time.

use crate::balanced::one_load::scale::fixed;
use crate::base::cells::{at, part, part_mut, put};

/// Set in `expert` when the expert has more than one replica: only those can collide.
pub(super) const SPLIT: u32 = 1 << 31;

pub struct Board<'a, const SPEEDS: bool> {
    pub gpus: usize,
    /// By rank: load of the item, falling.
    pub w: &'a mut [u64],
    /// By rank: expert, with `SPLIT`.
    pub expert: &'a mut [u32],
    /// By rank: GPU.
    pub gpu: &'a mut [u32],
    /// By slot: rank. GPU g has the slots first[g]..first[g + 1].
    pub on: &'a mut [u32],
    pub first: &'a mut [u32],
    /// By GPU: sum of its items.
    pub load: &'a mut [u64],
    /// By GPU: speed, the mean being 1, and its inverse. Empty without speeds.
    pub speed: &'a mut [f64],
    pub slowness: &'a mut [f64],
}

impl<const SPEEDS: bool> Board<'_, SPEEDS> {
    /// Keeps the first `gpus` GPUs.
    pub fn fit(&mut self, gpus: usize) {
        self.gpus = gpus;
        self.first = part_mut(core::mem::take(&mut self.first), 0, gpus + 1);
        self.load = part_mut(core::mem::take(&mut self.load), 0, gpus);
        let speeds = if SPEEDS { gpus } else { 0 };
        self.speed = part_mut(core::mem::take(&mut self.speed), 0, speeds);
        self.slowness = part_mut(core::mem::take(&mut self.slowness), 0, speeds);
    }

    #[inline(always)]
    pub fn start(&self, gpu: usize) -> usize {
        at(self.first, gpu) as usize
    }

    #[inline(always)]
    pub fn held(&self, gpu: usize) -> &[u32] {
        part(self.on, self.start(gpu), self.start(gpu + 1))
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
        let mut most = 0;
        for (g, &x) in self.load.iter().enumerate() {
            let here = self.allowed(g, time).saturating_sub(x);
            most = if here > most { here } else { most };
        }
        most
    }

    /// Would `gpu`, giving up rank `leaving`, hold two replicas if the item of rank `coming` came?
    #[inline(always)]
    pub fn collides(&self, gpu: usize, leaving: u32, coming: usize) -> bool {
        let e = at(self.expert, coming);
        e & SPLIT != 0 && self.has_beside(gpu, leaving, e)
    }

    /// Kept out of the walks: few items are replicas, and there the code of this loop many times over only
    /// costs room.
    #[inline(never)]
    fn has_beside(&self, gpu: usize, leaving: u32, e: u32) -> bool {
        let mut hit = false;
        for &r in self.held(gpu) {
            hit |= r != leaving && at(self.expert, r as usize) == e;
        }
        hit
    }

    pub fn holds(&self, gpu: usize, expert: u32) -> bool {
        let mut hit = false;
        for &r in self.held(gpu) {
            hit |= at(self.expert, r as usize) & !SPLIT == expert;
        }
        hit
    }

    /// The first GPU that takes longest and its time, and the least load.
    #[inline(always)]
    pub fn extremes(&self) -> (usize, u64, u64) {
        if !SPEEDS {
            return extremes_of(self.load);
        }
        let (mut g, mut most, mut least) = (0, 0, u64::MAX);
        for (i, &x) in self.load.iter().enumerate() {
            let t = self.time(i, x);
            if t > most {
                most = t;
                g = i;
            }
            least = if x < least { x } else { least };
        }
        (g, most, least)
    }

    pub fn swap(&mut self, a: usize, b: usize) {
        let (p, q) = (at(self.gpu, a), at(self.gpu, b));
        self.replace(p as usize, a, b);
        self.replace(q as usize, b, a);
        put(self.gpu, a, q);
        put(self.gpu, b, p);
    }

    fn replace(&mut self, gpu: usize, old: usize, new: usize) {
        let (from, to) = (self.start(gpu), self.start(gpu + 1));
        for r in part_mut(self.on, from, to) {
            *r = if *r == old as u32 { new as u32 } else { *r };
        }
        let delta = at(self.w, new).wrapping_sub(at(self.w, old));
        if let Some(x) = self.load.get_mut(gpu) {
            *x = x.wrapping_add(delta);
        }
    }
}

fn fixed_capped(x: f64) -> u64 {
    let top = ((1u64 << 52) - 1) as f64;
    fixed(if x < top { x } else { top })
}

/// Four searches side by side, the GPU number below the load so that one comparison settles both.
#[inline(never)]
fn extremes_of(load: &[u64]) -> (usize, u64, u64) {
    let (mut most, mut least) = ([0u64; 4], [u64::MAX; 4]);
    let (fours, rest) = load.as_chunks::<4>();
    let mut tag = 0xffffu64;
    for f in fours {
        for (((m, l), &x), i) in most.iter_mut().zip(least.iter_mut()).zip(f).zip(0u64..) {
            let k = (x << 16) | tag.wrapping_sub(i);
            *m = if k > *m { k } else { *m };
            *l = if x < *l { x } else { *l };
        }
        tag = tag.wrapping_sub(4);
    }
    let (mut m, mut l) = (0, u64::MAX);
    for (&x, &y) in most.iter().zip(&least) {
        m = if x > m { x } else { m };
        l = if y < l { y } else { l };
    }
    for &x in rest {
        let k = (x << 16) | tag;
        m = if k > m { k } else { m };
        l = if x < l { x } else { l };
        tag = tag.wrapping_sub(1);
    }
    ((0xffff - (m & 0xffff)) as usize, m >> 16, l)
}
