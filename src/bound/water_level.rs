//! The plain lower bound on the largest GPU time of a layer: the mean, and the water level, which is the
//! smallest largest replica that the slots can pay for.
//!
//! It holds for every placement in which an expert has one to G replicas on different GPUs, all of one size
//! (load / count), and GPU g holds at most `slots[g]` of them.
//!
//! Proof of the water level. With c replicas on different GPUs the slowest is at best on the c-th fastest, of
//! speed v, and takes load / (c v). So within a time T an expert needs the smallest c with c v T >= load.
//! When these counts sum to more than the slots, or one exceeds the GPUs, T is impossible. Both ends of the
//! search snap to times at which a count changes, so that the level is exact but for rounding.
//!
//! Where every expert must be on two GPUs, or nodes, it needs two replicas at least, and no GPU of a pair that may
//! hold them is better than the slower one of the best pair: counts start at two, and v is at most that speed.

use crate::base::keys::widen;

/// The usable GPUs of a layer, fastest first, and their sums. GPUs without slots stay out.
#[derive(Clone, Copy)]
pub struct Fleet<'a> {
    /// By falling speed.
    pub speeds: &'a [f32],
    /// Slots of each, in the same order.
    pub slots: &'a [u32],
    pub total_speed: f64,
    pub total_slots: u64,
    pub fastest: f64,
    pub most_slots: u32,
    /// All alike.
    pub even: bool,
    /// Replicas that an expert has at least: one or two.
    pub least: usize,
    /// Speed that the slowest of several replicas is not above.
    pub apart: f64,
}

impl<'a> Fleet<'a> {
    /// `speeds` descending and positive, `slots` positive, in the same order.
    pub fn new(speeds: &'a [f32], slots: &'a [u32]) -> Self {
        let first = (speeds.first().copied().unwrap_or(0.0), slots.first().copied().unwrap_or(0));
        let mut fleet = Fleet {
            speeds,
            slots,
            total_speed: 0.0,
            total_slots: 0,
            fastest: f64::from(first.0),
            most_slots: 0,
            even: true,
            least: 1,
            apart: f64::INFINITY,
        };
        for (&speed, &count) in speeds.iter().zip(slots) {
            fleet.total_speed += f64::from(speed);
            fleet.total_slots += u64::from(count);
            fleet.even &= (speed, count) == first;
            if count > fleet.most_slots {
                fleet.most_slots = count;
            }
        }
        fleet
    }

    /// The same for experts that must have two replicas. `apart`: the slower of the two fastest GPUs that they may be
    /// on.
    pub fn for_two(self, apart: f64) -> Self {
        Fleet { least: 2, apart, ..self }
    }

    /// Number of GPUs.
    pub fn len(&self) -> usize {
        self.speeds.len()
    }

    /// What an expert with the fewest replicas has done in a time, for each unit of it.
    fn reach(&self) -> f64 {
        if self.least == 1 { self.fastest } else { 2.0 * self.apart }
    }
}

/// Walks the counts that an expert needs so that its slowest replica ends within a time.
///
/// c replicas sit at best on the c fastest GPUs; the last of these then takes load / (c x its speed). That is
/// not monotone in c, but the smallest c that serves is monotone in the load: ask for rising loads and the
/// walk never turns.
pub struct Need<'a> {
    rest: core::slice::Iter<'a, f32>,
    count: u64,
    reach: f64,
    /// best reach of the smaller counts
    short: f64,
    apart: f64,
}

impl<'a> Need<'a> {
    pub fn new(fleet: &Fleet<'a>) -> Self {
        let rest = fleet.speeds.get(fleet.least..).unwrap_or_default().iter();
        let count = fleet.least as u64;
        Need { rest, count, reach: fleet.reach(), short: 0.0, apart: fleet.apart }
    }

    /// Smallest count for `load` within `time`, or None when not even all GPUs together serve.
    pub fn count(&mut self, load: f64, time: f64) -> Option<u64> {
        while self.reach * time < load {
            if self.reach > self.short {
                self.short = self.reach;
            }
            let speed = f64::from(*self.rest.next()?);
            self.count += 1;
            self.reach = self.count as f64 * if speed < self.apart { speed } else { self.apart };
        }
        Some(self.count)
    }
}

/// What a time asks of the slots.
enum Verdict {
    /// The slots suffice, and even for this time, which is no later.
    Serves(f64),
    /// They do not, nor for any time before this one, which is later.
    Fails(f64),
}

/// `budget`: slots beyond the fewest for each expert. `loads` descending.
fn try_time(loads: &[f32], fleet: &Fleet, budget: u64, time: f64) -> Verdict {
    // An expert that the fewest replicas serve needs no more; these are the tail.
    let (reach, least) = (fleet.reach(), fleet.least as u64);
    let hot = loads.partition_point(|&l| widen(l) > time * reach);
    let mut need = Need::new(fleet);
    let mut extra = 0;
    let mut level = widen(loads.get(hot).copied().unwrap_or(0.0)) / reach;
    let mut next = f64::INFINITY;
    let mut served = true;
    for &load in loads.get(..hot).unwrap_or(&[]).iter().rev() {
        let load = widen(load);
        if let Some(count) = need.count(load, time) {
            extra += count - least;
            let own = load / need.reach;
            if own > level {
                level = own;
            }
        } else {
            served = false;
        }
        // The demand falls only where some expert gets by with fewer.
        let own = load / need.short;
        if own < next {
            next = own;
        }
    }
    if served && extra <= budget { Verdict::Serves(level) } else { Verdict::Fails(next) }
}

/// The larger of the mean and the water level. `loads` descending, `total` their sum.
///
/// Cost: when the mean holds, one pass over the experts hotter than it; else about ten such passes, as both
/// ends of the interval snap to times at which a count changes.
pub fn plain(loads: &[f32], total: f64, fleet: &Fleet) -> f64 {
    if fleet.total_speed <= 0.0 || total <= 0.0 {
        return 0.0;
    }
    let mean = total / fleet.total_speed;
    let budget = fleet.total_slots.saturating_sub((loads.len() * fleet.least) as u64);
    let Verdict::Fails(mut low) = try_time(loads, fleet, budget, mean) else { return mean };
    // The fewest replicas always serve.
    let mut high = widen(loads.first().copied().unwrap_or(0.0)) / fleet.reach();
    for _ in 0..64 {
        if low >= high * (1.0 - 1e-14) {
            break;
        }
        match try_time(loads, fleet, budget, 0.5 * (low + high)) {
            Verdict::Serves(level) => high = level,
            Verdict::Fails(next) => low = next,
        }
    }
    let level = if low < high { low } else { high };
    if level > mean { level } else { mean }
}
