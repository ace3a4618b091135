//! A first packing for several windows: experts by falling mean, each replica to the GPU whose largest time over the
//! windows stays smallest, when every slot left gets half of a mean replica of what is left. Experts that peak in the
//! same window thereby avoid each other.

use crate::balanced::improve::lanes::{self, Lanes};
use crate::base::cells::{NONE, add, at, part, part_mut, put};
use crate::base::keys::{descending, index_of, sort};

/// What the slots left will get, as a part of the mean replica of what is left.
const TO_COME: f32 = 0.5;

/// The packing under way.
pub struct Greedy<'a> {
    /// Blocks to an expert or a GPU.
    pub blocks: usize,
    /// By expert: the load of a replica in each window; replicas; the mean over the windows.
    pub replica: &'a mut [Lanes<8>],
    pub count: &'a mut [u32],
    pub mean: &'a mut [f32],
    /// By GPU: its first slot, and one more; slots that are filled; its load in each window, the time that a unit
    /// takes, and its largest time, infinite when it is full.
    pub first: &'a mut [u32],
    pub filled: &'a mut [u32],
    pub sum: &'a mut [Lanes<8>],
    pub slowness: &'a mut [f32],
    pub time: &'a mut [f32],
}

impl Greedy<'_> {
    /// Fills the slots. `keys`: `[E]`, `buffer` for [`sort`]. Gives up, answering false, when a replica finds no GPU
    /// with room that does not hold its expert, even after another has moved for it.
    pub fn pack(&mut self, keys: &mut [u64], buffer: &mut [u64], expert_at: &mut [u32]) -> bool {
        for (expert, (key, &mean)) in keys.iter_mut().zip(self.mean.iter()).enumerate() {
            *key = descending(mean, expert);
        }
        sort(keys, buffer);
        self.filled.fill(0);
        self.sum.fill([0.0; 8]);
        (0..self.time.len()).for_each(|gpu| self.note(gpu));
        let mut load = self.mean.iter().fold(0.0, |sum, &mean| sum + mean);
        let mut slots = expert_at.len() as f32;
        for &key in keys.iter() {
            let expert = index_of(key) as u32;
            let share = at(self.mean, expert) / at(self.count, expert) as f32;
            for _ in 0..at(self.count, expert) {
                let rest = TO_COME * if load > 0.0 { load / slots } else { 0.0 };
                let to = self.lightest(expert_at, expert, rest);
                load -= share;
                slots -= 1.0;
                if to != NONE {
                    self.place(expert_at, to as usize, expert);
                } else if !self.make_room(expert_at, expert) {
                    return false;
                }
            }
        }
        true
    }

    fn slots_left(&self, gpu: usize) -> u32 {
        (at(self.first, gpu + 1) - at(self.first, gpu)).saturating_sub(at(self.filled, gpu))
    }

    fn of_expert(&self, expert: u32) -> &[Lanes<8>] {
        let from = expert as usize * self.blocks;
        part(self.replica, from, from + self.blocks)
    }

    fn held<'p>(&self, expert_at: &'p [u32], gpu: usize) -> &'p [u32] {
        let from = at(self.first, gpu) as usize;
        part(expert_at, from, from + at(self.filled, gpu) as usize)
    }

    fn holds(&self, expert_at: &[u32], gpu: usize, expert: u32) -> bool {
        self.held(expert_at, gpu).contains(&expert)
    }

    fn place(&mut self, expert_at: &mut [u32], gpu: usize, expert: u32) {
        let n = self.blocks;
        put(expert_at, (at(self.first, gpu) + at(self.filled, gpu)) as usize, expert);
        add(self.filled, gpu, 1);
        let from = expert as usize * n;
        let replica = part(self.replica, from, from + n);
        lanes::add(part_mut(self.sum, gpu * n, (gpu + 1) * n), replica, 1.0);
        self.note(gpu);
    }

    fn note(&mut self, gpu: usize) {
        let sum = part(self.sum, gpu * self.blocks, (gpu + 1) * self.blocks);
        let time = lanes::largest(sum.as_flattened()) * at(self.slowness, gpu);
        let full = self.slots_left(gpu) == 0;
        put(self.time, gpu, if full { f32::INFINITY } else { time });
    }

    /// The GPU with room that ends lowest, lowest index first; `rest`: what each slot left will get.
    fn lightest(&self, expert_at: &[u32], expert: u32, rest: f32) -> u32 {
        let several = at(self.count, expert) > 1;
        let (mut best, mut to) = (f32::INFINITY, NONE);
        let load = self.of_expert(expert);
        let gpus = self.sum.chunks_exact(self.blocks.max(1)).zip(self.slowness.iter());
        for (gpu, ((sum, &slowness), &now)) in gpus.zip(self.time.iter()).enumerate() {
            // full, or no candidate even with nothing more
            if now >= best {
                continue;
            }
            let to_come = rest * self.slots_left(gpu).saturating_sub(1) as f32;
            let time = (lanes::largest_with(sum, load) + to_come) * slowness;
            if time < best && !(several && self.holds(expert_at, gpu, expert)) {
                best = time;
                to = gpu as u32;
            }
        }
        to
    }

    /// When every GPU with room holds `expert`: something of a GPU without it goes to one with room.
    #[cold]
    fn make_room(&mut self, expert_at: &mut [u32], expert: u32) -> bool {
        let gpus = self.time.len();
        for to in (0..gpus).filter(|&gpu| at(self.time, gpu) < f32::INFINITY) {
            for from in (0..gpus).filter(|&from| from != to) {
                if self.holds(expert_at, from, expert) {
                    continue;
                }
                let held = self.held(expert_at, from).iter();
                let mut movable =
                    held.enumerate().filter(|(_, other)| !self.holds(expert_at, to, **other));
                if let Some((place, &other)) = movable.next() {
                    self.place(expert_at, to, other);
                    put(expert_at, at(self.first, from) as usize + place, expert);
                    self.add_up(expert_at, from);
                    return true;
                }
            }
        }
        false
    }

    /// The load of a GPU, anew.
    fn add_up(&mut self, expert_at: &[u32], gpu: usize) {
        let n = self.blocks;
        let sum = part_mut(self.sum, gpu * n, (gpu + 1) * n);
        sum.fill([0.0; 8]);
        let from = at(self.first, gpu) as usize;
        for &expert in part(expert_at, from, from + at(self.filled, gpu) as usize) {
            let from = expert as usize * n;
            lanes::add(sum, part(self.replica, from, from + n), 1.0);
        }
        self.note(gpu);
    }
}
