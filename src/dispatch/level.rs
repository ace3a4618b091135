//! The water level: the largest time that every GPU is allowed, and the whole tokens that fit into it.
//!
//! With equal speeds the level is a number of tokens, and all is integer. With speeds it is a time, tokens /
//! speed rounded to f64 as the score does it: rounding keeps the order of times, so the least level is the
//! rounded least time.

use crate::base::arena::Carve;
use crate::base::cells::{add, at, put};
use crate::base::tournament::Tournament;
use crate::problem::Shape;
use crate::problem::topology::Topology;

/// More tokens than any layer has, and still exact as f64.
const PLENTY: u64 = 1 << 53;

/// The level and what it allows.
#[derive(Debug)]
pub struct Level<'a> {
    /// `[G]` tokens that a GPU may get.
    pub capacity: &'a mut [u64],
    /// `[G]` tokens of the GPUs of a set while the level is sought; empty with equal speeds, as is:
    least: &'a mut [u64],
    /// memory of the tournament of who takes one more.
    keys: &'a mut [u64],
    equal: bool,
    tokens: u64,
    time: f64,
}

impl<'a> Level<'a> {
    /// Takes the scratch: O(G).
    pub fn carve(arena: &mut impl Carve<'a>, shape: &Shape) -> Self {
        let topology = shape.topology();
        let equal = topology.equal_speeds();
        let gpus = topology.num_gpus();
        let keys = Tournament::<[u64; 2]>::nodes(gpus).saturating_mul(2);
        Level {
            capacity: arena.u64s(gpus),
            least: arena.u64s(if equal { 0 } else { gpus }),
            keys: arena.u64s(if equal { 0 } else { keys }),
            equal,
            tokens: 0,
            time: 0.0,
        }
    }

    /// Back to the ground.
    pub fn drain(&mut self) {
        self.capacity.fill(0);
        self.tokens = 0;
        self.time = 0.0;
    }

    /// The level as a time.
    pub fn time(&self, topology: &Topology) -> f64 {
        if self.equal { self.tokens as f64 / f64::from(topology.speed(0)) } else { self.time }
    }

    /// Raises the level to where each GPU can do what it holds: what no split can move.
    pub fn raise_to_loads(&mut self, topology: &Topology, load: &[u64]) {
        if self.equal {
            let most = load.iter().copied().max().unwrap_or(0);
            self.tokens = self.tokens.max(most);
        } else {
            for (gpu, &load) in load.iter().enumerate() {
                let time = time(load, topology.speed(gpu));
                if time > self.time {
                    self.time = time;
                }
            }
        }
        self.allow(topology);
    }

    /// Raises the level to the least at which the GPUs of `set` have room for `load` tokens: no split into
    /// whole tokens is done sooner when nowhere else may have them. The level is below that.
    pub fn raise(&mut self, topology: &Topology, set: &[u32], load: u64) {
        if self.equal {
            let gpus = set.len() as u64;
            let each = load.saturating_add(gpus.saturating_sub(1)).checked_div(gpus).unwrap_or(0);
            self.tokens = self.tokens.max(each);
        } else {
            let time = self.least_time(topology, set, load);
            if time > self.time {
                self.time = time;
            }
        }
        self.allow(topology);
    }

    /// Starts each GPU a little below load / speed of the set, then lets the one that is done soonest with one
    /// token more have it, until all are given away.
    fn least_time(&mut self, topology: &Topology, set: &[u32], load: u64) -> f64 {
        let speed = |gpu: u32| topology.speed(gpu as usize);
        let speeds = set.iter().fold(0.0, |sum, &gpu| sum + f64::from(speed(gpu)));
        // n - 1 sums, a quotient and a product, each off by half an epsilon at most: twice that, to be safe. Not
        // more, since what is missing of 2^51 units, as the score has them, is given away one by one
        let error = (set.len() + 4) as f64 * f64::EPSILON;
        let start = load as f64 / speeds * (1.0 - error);
        let mut latest = 0.0;
        let mut left = load;
        for (place, &gpu) in set.iter().enumerate() {
            let tokens = fitting(start, speed(gpu)).max(at(self.capacity, gpu));
            put(self.least, place, tokens);
            left = left.saturating_sub(tokens);
            let time = time(tokens, speed(gpu));
            if time > latest {
                latest = time;
            }
        }
        let least = &mut *self.least;
        let next = |least: &[u64], place: usize| {
            let gpu = set.get(place).copied().unwrap_or(0);
            [time(at(least, place) + 1, speed(gpu)).to_bits(), place as u64]
        };
        let mut soonest =
            Tournament::<[u64; 2]>::new(self.keys, set.len(), |place| next(least, place));
        while left > 0 {
            let [bits, place] = soonest.best();
            add(least, place as usize, 1);
            soonest.set(place as usize, next(least, place as usize));
            let time = f64::from_bits(bits);
            if time > latest {
                latest = time;
            }
            left -= 1;
        }
        latest
    }

    /// Sets the level to a number that grows with it: tokens with equal speeds, else the bits of a time.
    pub fn set_height(&mut self, topology: &Topology, height: u64) {
        if self.equal {
            self.tokens = height;
        } else {
            self.time = f64::from_bits(height);
        }
        self.allow(topology);
    }

    /// The height that is the level and so many 1024ths of it more: rounded down to tokens.
    pub fn height_with(&self, tolerance: u32) -> u64 {
        let more = u64::from(tolerance);
        if self.equal {
            self.tokens + (self.tokens >> 10) * more + (((self.tokens & 1023) * more) >> 10)
        } else {
            (self.time * (1.0 + f64::from(tolerance) / 1024.0)).to_bits()
        }
    }

    /// A step of the height that tells levels apart: finely, or by a thousandth.
    pub fn grain(&self, finely: bool) -> u64 {
        match (self.equal, finely) {
            (true, true) => 1,
            (true, false) => (self.tokens >> 10).max(1),
            // a token of all is a part of the level, and this a fraction of that
            (false, true) => (1_u64 << 48).checked_div(self.tokens).unwrap_or(1).clamp(1, 1 << 30),
            (false, false) => 1 << 42,
        }
    }

    /// The height at which a GPU has so many tokens.
    pub fn height_of(&self, topology: &Topology, gpu: usize, tokens: u64) -> u64 {
        if self.equal { tokens } else { time(tokens, topology.speed(gpu)).to_bits() }
    }

    fn allow(&mut self, topology: &Topology) {
        if self.equal {
            for (gpu, capacity) in self.capacity.iter_mut().enumerate() {
                *capacity = if topology.serves(gpu) { self.tokens } else { 0 };
            }
        } else {
            for (gpu, capacity) in self.capacity.iter_mut().enumerate() {
                let fits = topology.serves(gpu);
                *capacity = if fits { fitting(self.time, topology.speed(gpu)) } else { 0 };
            }
        }
    }
}

/// What a GPU of that speed needs for the tokens.
#[inline]
pub fn time(tokens: u64, speed: f32) -> f64 {
    tokens as f64 / f64::from(speed)
}

/// The most tokens that are done within `limit`.
fn fitting(limit: f64, speed: f32) -> u64 {
    // off by one at most: the product is rounded, and so is the quotient that decides
    let mut tokens = ((limit * f64::from(speed)) as u64).min(PLENTY);
    while tokens > 0 && time(tokens, speed) > limit {
        tokens -= 1;
    }
    while tokens < PLENTY && time(tokens + 1, speed) <= limit {
        tokens += 1;
    }
    tokens
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    extern crate std;
    use super::*;
    use crate::base::arena::{Arena, Need};
    use crate::problem::Spec;
    use std::vec;
    use std::vec::Vec;

    /// The least of all times of whole tokens within which the GPUs have room for the load.
    fn least_time(speeds: &[f32], load: u64) -> f64 {
        let times = |&speed: &f32| (1..=load).map(move |tokens| time(tokens, speed));
        let room = |limit: f64| speeds.iter().flat_map(times).filter(|&t| t <= limit).count();
        let has_room = |&limit: &f64| room(limit) as u64 >= load;
        let least = speeds.iter().flat_map(times).filter(has_room).reduce(f64::min);
        least.unwrap_or(0.0)
    }

    #[test]
    fn the_level_is_the_least_time_with_room() {
        for round in 0..200 {
            let count = 1 + round % 5;
            let speed = |gpu: usize| [0.5, 1.0, 0.3, 3.0][(round / 5 + gpu * gpu) % 4];
            let speeds: Vec<f32> = (0..count).map(speed).collect();
            let [num_gpus, num_logical_experts, num_physical_experts] = [count as u32; 3];
            let sizes =
                Spec { num_gpus, num_logical_experts, num_physical_experts, ..Spec::default() };
            let spec = Spec { num_layers: 1, gpu_speed: Some(&speeds), ..sizes };
            let shape = Shape::new(&spec).unwrap();
            let mut need = Need::default();
            Level::carve(&mut need, &shape);
            let mut memory = vec![7; need.u64s];
            let mut arena = Arena::new(&mut memory, &mut [], &mut [], &mut []);
            let mut level = Level::carve(&mut arena, &shape);
            let gpus: Vec<u32> = (0..num_gpus).collect();
            level.drain();
            level.raise(shape.topology(), &gpus, round as u64 * 7 % 23);
            let expected = least_time(&speeds, round as u64 * 7 % 23);
            assert_eq!(level.time(shape.topology()), expected, "{speeds:?} {round}");
        }
    }
}
