//! A sharper bound by weights, for layers in which the plain one cannot be met.
//!
//! Give every size of replica a weight such that no GPU can hold replicas of more than its slots in weight.
//! When the least weight that an expert can have over all its counts, summed over the experts, exceeds the
//! slots of all GPUs, then the time under test is impossible. The dual of bin packing with a limit on items.
//!
//! The weights are ramps. With S = most slots of a GPU, and sizes as parts of what the fastest GPU does in
//! the time: a replica of up to half weighs between `start` and 1; a larger one S minus the most that S - 1
//! small ones can weigh in the room beside it, since two large ones never share a GPU. Small experts are
//! lightest unsplit, because a ramp from 0 is concave and a start of 1/2 makes two replicas weigh 1 at least;
//! hot experts are tried at every count up to the first that halves.

use crate::base::keys::{bits_of_largest, widen};
use crate::bound::water_level::{Fleet, Need};

/// A weight for replicas by size: `start` at size 0, rising from `foot` to 1 at `top`, 1 up to half a GPU.
/// Above half, the share of the whole GPU (its slots) less the best that can still join: so no GPU ever holds
/// more than its slots. Sizes are fractions of the time under test on the fastest GPU.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Ramp {
    start: f64,
    foot: f64,
    top: f64,
}

/// A ramp at the time under test.
struct Scale {
    start: f64,
    foot: f64,
    top: f64,
    slope: f64,
    /// what the fastest GPU holds in that time
    size: f64,
    /// of the GPU with most
    slots: f64,
    /// up to here a replica leaves room for a full weight in every other slot
    flat: f64,
}

impl Scale {
    fn new(ramp: &Ramp, size: f64, slots: u32) -> Self {
        let (foot, top) = (ramp.foot * size, ramp.top * size);
        let width = top - foot;
        let slope = if width > 0.0 { (1.0 - ramp.start) / width } else { 0.0 };
        let slots = f64::from(slots);
        Scale { start: ramp.start, foot, top, slope, size, slots, flat: size - (slots - 1.0) * top }
    }

    /// Weight of a replica of at most half of `size`.
    fn small(&self, load: f64) -> f64 {
        if load >= self.top {
            1.0
        } else if load > self.foot {
            self.start + (load - self.foot) * self.slope
        } else {
            self.start
        }
    }

    /// Largest weight of up to `slots` small replicas within `room`.
    ///
    /// Above `start`, weight per load is best at the top: fill slots to the top, the last with the rest. From
    /// foot 0 the rise is one line, and the loop is not needed.
    fn best(&self, slots: f64, room: f64) -> f64 {
        if room >= slots * self.top {
            return slots;
        }
        if self.foot <= 0.0 {
            return slots * self.start + room * self.slope;
        }
        let mut full = 0.0;
        let mut left = room;
        while left >= self.top && full < slots {
            left -= self.top;
            full += 1.0;
        }
        if full < slots {
            full + self.small(left) + (slots - full - 1.0) * self.start
        } else {
            slots
        }
    }

    fn weight(&self, load: f64) -> f64 {
        if 2.0 * load <= self.size {
            self.small(load)
        } else if load <= self.flat {
            1.0
        } else {
            self.slots - self.best(self.slots - 1.0, self.size - load)
        }
    }

    /// Whether an expert whose fewest replicas are larger than half of `size`, and weigh 1 each, is lightest so.
    fn is_plain(&self) -> bool {
        let full = if self.foot > 0.0 { self.start * self.size } else { self.size };
        2.0 * self.top <= full
    }

    /// Least weight of all replicas of an expert over its counts from `least` to `most`; for loads above half
    /// of `size`.
    fn lightest(&self, load: f64, least: f64, most: f64) -> f64 {
        let mut count = least;
        let mut lightest = f64::INFINITY;
        // Big replicas may weigh anything up to all slots; from the first count that halves, more only weigh
        // more ...
        while count <= most {
            let flat = load <= count * self.flat && load >= count * self.top;
            let weight = if flat { count } else { count * self.weight(load / count) };
            if weight < lightest {
                lightest = weight;
            }
            if flat || 2.0 * load <= self.size * count {
                break;
            }
            count += 1.0;
        }
        // ... but for a ramp with a foot: below the top it takes more than load / top replicas, each at least
        // `start`.
        if self.foot > 0.0 && count < most {
            let many = self.start * (load / self.top);
            if many < lightest {
                lightest = many;
            }
        }
        lightest
    }
}

/// Keeps rounding on the safe side: GPUs are taken to be this much larger.
const SLACK: f64 = 1.0 + 1e-13;

/// The layer as `refine` reads it.
struct Layer<'a> {
    loads: &'a [f32],
    fleet: &'a Fleet<'a>,
    /// Sum of the loads from i on; E + 1 of them.
    tail: &'a [f64],
    /// most replicas of one expert: a GPU each, and the others need slots
    most: f64,
}

impl Layer<'_> {
    fn tail(&self, i: usize) -> f64 {
        self.tail.get(i).copied().unwrap_or(0.0)
    }

    /// True when the weights prove that no placement ends within `time`. False proves nothing.
    fn refuted(&self, time: f64, ramp: &Ramp) -> bool {
        let (loads, fleet) = (self.loads, self.fleet);
        let time = time * SLACK;
        let size = time * fleet.fastest;
        let scale = Scale::new(ramp, size, fleet.most_slots);
        let room =
            (if fleet.even { fleet.len() as f64 * scale.slots } else { self.room(time, &scale) })
                * (1.0 + 1e-12);
        // Experts of at most half a GPU a replica: the fewest weigh least, so the sum needs only their place on
        // the ramp.
        let least = fleet.least as f64;
        let hot = self.above(0.5 * least * size);
        let at_top = self.above(least * scale.top).max(hot);
        let at_foot = self.above(least * scale.foot).max(at_top);
        let mut weight = least * (at_top - hot) as f64
            + least * (at_foot - at_top) as f64 * (scale.start - scale.foot * scale.slope)
            + scale.slope * (self.tail(at_top) - self.tail(at_foot))
            + least * (loads.len() - at_foot) as f64 * scale.start;
        let plain = fleet.least == 1 && scale.is_plain();
        let (singles, each) = if plain { self.weigh_singles(hot, &scale) } else { (0.0, hot) };
        weight += singles;
        let mut need = Need::new(fleet);
        for &load in loads.get(..each).unwrap_or(&[]).iter().rev() {
            let load = widen(load);
            let Some(count) = need.count(load, time) else { return true };
            let count = count as f64;
            let flat = plain && load <= count * scale.flat && 2.0 * load >= count * scale.size;
            weight += if flat { count } else { scale.lightest(load, count, self.most) };
        }
        weight > room
    }

    /// Experts with more than a load.
    fn above(&self, load: f64) -> usize {
        match bits_of_largest(load) {
            Some(bits) => self.loads.partition_point(|load| load.to_bits() > bits),
            None => self.loads.len(),
        }
    }

    /// Least weight of those of the first `hot` experts that one GPU can serve, as far as sums tell it; how many are
    /// left, the first. For ramps that are plain, where experts have one replica at least.
    fn weigh_singles(&self, hot: usize, scale: &Scale) -> (f64, usize) {
        let many = self.above(scale.size);
        let steep = self.above(scale.flat).min(hot).max(many);
        let flat = (hot - steep) as f64;
        if scale.foot > 0.0 || self.most < 2.0 {
            return (flat, steep);
        }
        // What is beside one replica, and two small ones, weigh by the same slope: up to 2, the most of two.
        let beside = scale.slots - (scale.slots - 1.0) * scale.start - scale.size * scale.slope;
        let base = if beside < 2.0 * scale.start { beside } else { 2.0 * scale.start };
        let two = self.above((2.0 - base) / scale.slope).min(steep).max(many);
        let sum = base * (steep - two) as f64 + scale.slope * (self.tail(two) - self.tail(steep));
        (flat + 2.0 * (two - many) as f64 + sum, many)
    }

    /// The weight that uneven GPUs can hold. One that a big replica fits may come to a full share of the
    /// largest.
    fn room(&self, time: f64, scale: &Scale) -> f64 {
        let mut sum = 0.0;
        for (&speed, &slots) in self.fleet.speeds.iter().zip(self.fleet.slots) {
            let (own, slots) = (time * f64::from(speed), f64::from(slots));
            sum += if 2.0 * own <= scale.size {
                scale.best(slots, own)
            } else if slots < scale.slots {
                scale.slots
            } else {
                slots
            };
        }
        sum
    }
}

/// Ramps worth a look: tops as fractions of a GPU, and shapes (start, foot as a fraction of the top). A ramp
/// from 0 is concave, and with a start of 1/2 two replicas weigh at least 1, the most that a small one can:
/// either way splitting a small expert never lowers its weight, on which `refuted` relies. Without spare
/// slots nothing can be split, and any shape is sound; where two replicas are the fewest, three of 1/2 may be less than
/// two of 1.
const TOPS: [f64; 12] = [0.01, 0.02, 0.03, 0.045, 0.065, 0.085, 0.11, 0.14, 0.18, 0.24, 0.32, 0.42];
const SHAPES: [(f64, f64); 5] = [(0.0, 0.0), (0.15, 0.0), (0.3, 0.0), (0.5, 0.5), (0.5, 0.95)];
const CONCAVE: &[(f64, f64)] = SHAPES.split_at(3).0;
const UNSPLIT: [(f64, f64); 5] = [(0.0, 0.0), (0.0, 0.3), (0.0, 0.6), (0.0, 0.9), (0.5, 0.5)];

/// Raises a proven time as far as single ramps can; `enough` (a plan's time) ends the search early.
///
/// `loads` descending; `tail` is scratch for E + 1 sums. `effort` bounds the ramps weighed; where the plain
/// ramps prove nothing it stops after twelve. O(E log E) a ramp at most.
#[inline(never)] // apart from what sorted the loads
pub fn refine(
    loads: &[f32],
    fleet: &Fleet,
    proven: f64,
    enough: f64,
    effort: u32,
    tail: &mut [f64],
) -> f64 {
    let count = loads.len();
    if tail.len() <= count || proven <= 0.0 {
        return proven;
    }
    let mut sum = 0.0;
    if let Some(end) = tail.get_mut(count) {
        *end = 0.0;
    }
    for (cell, &load) in tail.iter_mut().zip(loads).rev() {
        sum += widen(load);
        *cell = sum;
    }
    let least = fleet.least as u64;
    let spare = fleet.total_slots.saturating_sub(least * count as u64);
    let most = (fleet.len() as u64).min(spare.saturating_add(least));
    let layer = Layer { loads, fleet, tail, most: most as f64 };
    let mut climb = Climb { layer, time: proven, enough, left: effort, ramp: None };
    let shapes: &[(f64, f64)] = match (spare, least) {
        (0, _) => &UNSPLIT,
        (_, 1) => &SHAPES,
        _ => CONCAVE,
    };
    for &(start, foot) in shapes {
        for &top in &TOPS {
            climb.weigh(Ramp { start, foot: foot * top, top });
        }
        // The plain ramps come first; where they prove nothing, the others hardly ever do.
        if climb.ramp.is_none() {
            break;
        }
    }
    climb.polish(spare > 0);
    climb.time
}

struct Climb<'a> {
    layer: Layer<'a>,
    time: f64,
    enough: f64,
    left: u32,
    /// that proved `time`
    ramp: Option<Ramp>,
}

impl Climb<'_> {
    /// Climbs with one ramp: a small step first, as most ramps prove nothing more; then doubling, then
    /// halving.
    fn weigh(&mut self, ramp: Ramp) -> bool {
        const STEP: f64 = 1.0 / 4096.0;
        if !self.step(&ramp, STEP) {
            return false;
        }
        let mut step = 2.0 * STEP;
        while self.step(&ramp, step) {
            step *= 2.0;
        }
        while step > STEP {
            step *= 0.5;
            self.step(&ramp, step);
        }
        self.ramp = Some(ramp);
        true
    }

    fn step(&mut self, ramp: &Ramp, step: f64) -> bool {
        let next = self.time * (1.0 + step);
        // A time that some plan reaches cannot be refuted: do not try.
        if self.left == 0 || next >= self.enough {
            return false;
        }
        self.left -= 1;
        let proved = self.layer.refuted(next, ramp);
        if proved {
            self.time = next;
        }
        proved
    }

    /// Small changes of the ramp that proved most so far.
    fn polish(&mut self, split: bool) {
        for scale in [0.15, 0.07, 0.03] {
            let Some(ramp) = self.ramp else { return };
            self.weigh(Ramp {
                top: ramp.top * (1.0 + scale),
                foot: ramp.foot * (1.0 + scale),
                ..ramp
            });
            self.weigh(Ramp {
                top: ramp.top * (1.0 - scale),
                foot: ramp.foot * (1.0 - scale),
                ..ramp
            });
            if ramp.foot <= 0.0 || !split {
                self.weigh(Ramp { start: ramp.start + scale, ..ramp });
                if ramp.start > scale {
                    self.weigh(Ramp { start: ramp.start - scale, ..ramp });
                }
            }
            if ramp.foot > 0.0 {
                self.weigh(Ramp { foot: ramp.foot * (1.0 - scale), ..ramp });
            }
        }
    }
}
