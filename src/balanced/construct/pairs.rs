//! Two slots a GPU: for given counts, pairing the items in opposite order is optimal, and LPT does just that;
//! what is left is to find the counts. Hill climbing: one replica from a donor to an expert of the worst
//! pair.

use crate::balanced::construct::counts::Counts;
use crate::balanced::construct::loads::Loads;
use crate::base::cells::{at, copy, part, part_mut, put};

/// The largest sum of the items paired in opposite order, and the first item of the pair that has it.
pub fn worst_pair(loads: &[u64]) -> (u64, usize) {
    let (large, small) = loads.split_at_checked(loads.len() / 2).unwrap_or_default();
    let sums = || large.iter().zip(small.iter().rev()).map(|(a, b)| a + b);
    // two passes: the first is a maximum without branches, the second ends early
    let most = sums().max().unwrap_or(0);
    (most, sums().position(|sum| sum == most).unwrap_or(0))
}

/// What stands in the way of a largest sum below `most`: in a pair with it no item of `large` or more has room for
/// one that is not below `small`, so where the former are more than the latter some pair is too much.
#[derive(Clone, Copy)]
struct Wall {
    small: u64,
    large: u64,
    /// How many more there are.
    excess: i64,
}

impl Wall {
    /// The wall at an item of load `small` among items that are in falling order.
    fn new(loads: &[u64], most: u64, small: u64) -> Self {
        let small = small.min(most / 2);
        let large = most - small;
        let from = |load| loads.partition_point(|&x| x >= load);
        let excess = (from(large) + from(small)) as i64 - loads.len() as i64;
        Wall { small, large, excess }
    }

    /// What items of this load add to the excess.
    #[inline(always)]
    fn part(&self, of: &Replicas) -> i64 {
        i64::from(of.count) * (i64::from(of.load >= self.large) - i64::from(of.load < self.small))
    }

    #[inline(always)]
    fn after(self, change: &Change) -> Self {
        let excess = self.excess + self.part(&change.after) - self.part(&change.before);
        Wall { excess, ..self }
    }
}

/// Whether the wall at `small` proves that counts have a pair of `most` or more. O(log E + experts that are split).
pub fn proves(counts: &Counts, loads: &Loads, most: u64, small: u64) -> bool {
    let (split, rest) = loads.order.split_at_checked(counts.split).unwrap_or_default();
    let mut wall = Wall::new(&[], most, small);
    let from = |load| rest.partition_point(|&key| loads.of_replica(key as u32, 1) >= load);
    wall.excess = (from(wall.large) + from(wall.small)) as i64 - rest.len() as i64;
    for &key in split {
        let (expert, count) = (key as u32, at(counts.of, key as u32));
        wall.excess +=
            wall.part(&Replicas { expert, count, load: loads.of_replica(expert, count) });
    }
    wall.excess > 0
}

/// Walls that a climb remembers.
const WALLS: usize = 4;
/// What a look at a donor costs against making the items anew, of which so many are a unit of effort.
const ITEMS: u64 = 8;

/// The replicas of an expert.
#[derive(Clone, Copy, Default)]
struct Replicas {
    expert: u32,
    count: u32,
    load: u64,
}

/// An expert gets another count.
#[derive(Clone, Copy, Default)]
struct Change {
    before: Replicas,
    after: Replicas,
}

impl Change {
    fn new(counts: &Counts, loads: &Loads, expert: u32, count: u32) -> Self {
        let of = |count| Replicas { expert, count, load: loads.of_replica(expert, count) };
        Change { before: of(at(counts.of, expert)), after: of(count) }
    }
}

/// Hill climbing on the loads of the items alone.
pub struct Climb<'c, 'a> {
    /// Loads of the items in falling order, and as many words.
    pub items: &'c mut [u64],
    pub scratch: &'c mut [u64],
    pub counts: &'c mut Counts<'a>,
    pub loads: &'c Loads<'a>,
    pub effort: &'c mut u64,
}

impl Climb<'_, '_> {
    /// Moves replicas until none helps; whether any was moved.
    #[inline(never)]
    pub fn run(&mut self) -> bool {
        let (mut smalls, mut moved) = ([0; WALLS], false);
        self.counts.note_extras(self.loads);
        while let Some([less, more]) = self.best_step(&mut smalls) {
            exchange(self.items, self.scratch, [less, more]);
            copy(self.items, self.scratch);
            put(self.counts.of, less.before.expert, less.after.count);
            put(self.counts.of, more.before.expert, more.after.count);
            self.counts.note_extras(self.loads);
            moved = true;
        }
        moved
    }

    /// The best donor and receiver, or none. `smalls`: of the last walls.
    fn best_step(&mut self, smalls: &mut [u64; WALLS]) -> Option<[Change; 2]> {
        let (mut most, first) = worst_pair(self.items);
        let last = self.items.len() - 1;
        let mut found = None;
        smalls.rotate_right(1);
        put(smalls, 0, at(self.items, last - first));
        for item in [first, last - first] {
            let Some(to) = self.expert_of(at(self.items, item)) else { continue };
            let count = at(self.counts.of, to);
            if count >= self.counts.most {
                continue;
            }
            let more = Change::new(self.counts, self.loads, to, count + 1);
            let mut walls = smalls.map(|small| Wall::new(self.items, most, small).after(&more));
            let mut oldest = 1;
            let mut before = to;
            for extra in 0..self.counts.dealt {
                let from = at(self.counts.extra, extra);
                let again = core::mem::replace(&mut before, from) == from;
                if again || from == to || *self.effort == 0 {
                    continue;
                }
                let count = at(self.counts.of, from);
                *self.effort -= 1;
                let less = Change::new(self.counts, self.loads, from, count - 1);
                let stands =
                    |wall: &Wall| wall.excess + wall.part(&less.after) > wall.part(&less.before);
                if walls.iter().any(stands) {
                    continue;
                }
                *self.effort = self.effort.saturating_sub(self.items.len() as u64 / ITEMS);
                exchange(self.items, self.scratch, [less, more]);
                let (worst, first) = worst_pair(self.scratch);
                let small = at(self.scratch, last - first);
                put(smalls, oldest, small);
                if worst < most {
                    most = worst;
                    found = Some([less, more]);
                    walls = smalls.map(|small| Wall::new(self.items, most, small).after(&more));
                } else {
                    put(&mut walls, oldest, Wall::new(self.items, most, small).after(&more));
                }
                oldest = (oldest + 1) % WALLS;
            }
        }
        found
    }

    /// An expert with replicas of this load.
    fn expert_of(&self, load: u64) -> Option<u32> {
        let of = |expert: u32| self.loads.of_replica(expert, at(self.counts.of, expert));
        let order = self.loads.order.iter();
        let place =
            self.loads.order.partition_point(|&key| self.loads.of_replica(key as u32, 1) > load);
        let one = order.skip(place).map(|&key| key as u32).next();
        let several = || self.counts.extras().iter().copied();
        one.filter(|&expert| of(expert) == load)
            .or_else(|| several().find(|&expert| of(expert) == load))
    }
}

/// The items, in falling order, after two experts have got other counts; `less` of one is below that before.
#[inline(never)]
fn exchange(items: &[u64], out: &mut [u64], [less, more]: [Change; 2]) {
    // falling: a replica of fewer is larger
    let mut a = [(less.after, true), (less.before, false)].into_iter().peekable();
    let mut b = [(more.before, false), (more.after, true)].into_iter().peekable();
    let (mut from, mut to) = (0, 0);
    let load = |next: Option<&(Replicas, bool)>| next.map_or(0, |(of, _)| of.load);
    while let Some((of, comes)) = if load(a.peek()) > load(b.peek()) { a.next() } else { b.next() }
    {
        let until = from.max(items.partition_point(|&item| item > of.load));
        copy(part_mut(out, to, to + until - from), part(items, from, until));
        (from, to) = (until, to + until - from);
        if comes {
            part_mut(out, to, to + of.count as usize).fill(of.load);
            to += of.count as usize;
        } else {
            from += of.count as usize;
        }
    }
    copy(part_mut(out, to, items.len()), part(items, from, items.len()));
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::worst_pair;
    use std::vec;

    #[test]
    fn the_worst_pair_of_many() {
        const HALF: usize = 70_000; // more than 16 bits
        let mut loads = vec![5; HALF];
        loads.push(3);
        loads.resize(2 * HALF, 1);
        assert_eq!(worst_pair(&loads), (8, HALF - 1));
        assert_eq!(worst_pair(&[9, 9, 1, 1]), (10, 0));
    }
}
