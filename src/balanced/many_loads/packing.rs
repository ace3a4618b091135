//! Experts in slots, and what each GPU then has to do in each window.

use crate::balanced::many_loads::lanes::{self, Block, WIDE};
use crate::base::cells::{at, part, part_mut, put};

pub struct Packing<'a> {
    /// Blocks to an expert or a GPU.
    pub blocks: usize,
    /// By expert: its load in each window, and that of one of its replicas.
    pub load: &'a mut [Block],
    pub replica: &'a mut [Block],
    pub count: &'a mut [u32],
    /// Weight of each window, the largest being 1.
    pub weight: &'a mut [Block],
    /// By slot: expert. GPU g has the slots first[g]..first[g + 1].
    pub expert_at: &'a mut [u32],
    pub first: &'a mut [u32],
    /// By GPU: time for a unit of load, the mean of the speeds being 1; its load in each window; its cost.
    pub slowness: &'a mut [f32],
    pub sum: &'a mut [Block],
    pub cost: &'a mut [f32],
    /// By GPU: the window, as an index into the lanes, in which it costs most.
    pub worst: &'a mut [u32],
}

impl Packing<'_> {
    pub fn gpus(&self) -> usize {
        self.cost.len()
    }

    #[inline(always)]
    pub fn start(&self, gpu: usize) -> usize {
        at(self.first, gpu) as usize
    }

    #[inline(always)]
    pub fn held(&self, gpu: usize) -> &[u32] {
        part(self.expert_at, self.start(gpu), self.start(gpu + 1))
    }

    #[inline(always)]
    pub fn of_expert(&self, expert: u32) -> &[Block] {
        let from = expert as usize * self.blocks;
        part(self.replica, from, from + self.blocks)
    }

    #[inline(always)]
    pub fn of_gpu(&self, gpu: usize) -> &[Block] {
        part(self.sum, gpu * self.blocks, (gpu + 1) * self.blocks)
    }

    /// The load of a replica of an expert, or of a GPU, in one window.
    #[inline(always)]
    pub fn load_of_replica(&self, expert: u32, lane: usize) -> f32 {
        at(self.replica.as_flattened(), expert as usize * WIDE * self.blocks + lane)
    }

    #[inline(always)]
    pub fn load_of_gpu(&self, gpu: usize, lane: usize) -> f32 {
        at(self.sum.as_flattened(), gpu * WIDE * self.blocks + lane)
    }

    /// Would a replica of `expert` meet another on `gpu`? Only an expert with several can.
    #[inline(always)]
    pub fn collides(&self, gpu: usize, expert: u32) -> bool {
        at(self.count, expert as usize) > 1 && self.held(gpu).contains(&expert)
    }

    /// The load of a replica of each expert, from its count.
    pub fn set_replicas(&mut self) {
        for (expert, &count) in self.count.iter().enumerate() {
            let (from, to) = (expert * self.blocks, (expert + 1) * self.blocks);
            lanes::scale(
                part_mut(self.replica, from, to),
                part(self.load, from, to),
                1.0 / count as f32,
            );
        }
    }

    /// Makes a window in which one replica alone is more than the mean count from that replica on: what no
    /// placement can help must not drown the other windows.
    pub fn level_windows(&mut self) {
        let fastest = self.slowness.iter().fold(f32::INFINITY, |a, &b| if b < a { b } else { a });
        for lane in 0..self.blocks * WIDE {
            let lanes = self.replica.as_flattened().iter().skip(lane).step_by(self.blocks * WIDE);
            let most = lanes.fold(0.0, |most, &x| if x > most { x } else { most }) * fastest;
            if most <= 1.0 {
                continue;
            }
            for all in [&mut *self.load, &mut *self.replica] {
                let all = all.as_flattened_mut().iter_mut().skip(lane);
                all.step_by(self.blocks * WIDE).for_each(|x| *x /= most);
            }
        }
    }

    /// Takes all times down together when some are beyond what costs can tell apart, so that the largest of
    /// them count.
    fn lower_times(&mut self) {
        const HIGH: f32 = 4.0;
        let mut most = 0.0;
        for gpu in 0..self.gpus() {
            let time = lanes::largest(self.of_gpu(gpu)) * at(self.slowness, gpu);
            most = if time > most { time } else { most };
        }
        if most > HIGH {
            self.slowness.iter_mut().for_each(|slowness| *slowness *= HIGH / most);
        }
    }

    /// Adds up what all GPUs hold.
    pub fn add_all_up(&mut self) {
        (0..self.gpus()).for_each(|gpu| self.add_up(gpu));
        self.lower_times();
        (0..self.gpus()).for_each(|gpu| self.add_up(gpu));
    }

    /// Adds up what `gpu` holds, in order of its slots, so that sums do not drift.
    #[inline(never)]
    pub fn add_up(&mut self, gpu: usize) {
        let n = self.blocks;
        let sum = part_mut(self.sum, gpu * n, (gpu + 1) * n);
        sum.fill([0.0; WIDE]);
        let (from, to) = (at(self.first, gpu) as usize, at(self.first, gpu + 1) as usize);
        for &expert in part(self.expert_at, from, to) {
            let from = expert as usize * n;
            lanes::add(sum, part(self.replica, from, from + n));
        }
        let (cost, worst) = lanes::cost(sum, self.weight, at(self.slowness, gpu));
        put(self.cost, gpu, cost);
        put(self.worst, gpu, worst as u32);
    }

    /// What all GPUs cost together.
    pub fn total(&self) -> f64 {
        self.cost.iter().fold(0.0, |sum, &cost| sum + f64::from(cost))
    }
}
