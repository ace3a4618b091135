//! The last touch on an assignment of groups: moves and swaps between two nodes that lower the busier.

use crate::base::cells::{NONE, at, put};
use crate::groups::task::{TIE, Task};

/// An assignment, and the slots that each node has left.
struct Polish<'a> {
    task: &'a Task<'a>,
    node_of: &'a mut [u32],
    free: &'a mut [u32],
}

/// Moves or swaps groups between two nodes while the busier of the two falls; first found, at most K rounds. `free`
/// holds a word for each node.
pub fn polish(task: &Task, node_of: &mut [u32], free: &mut [u32]) {
    let slots = task.slots.iter().zip(task.speed);
    for (free, (&slots, &speed)) in free.iter_mut().zip(slots) {
        *free = if speed > 0.0 { slots } else { 0 };
    }
    for (&node, &need) in node_of.iter().zip(task.need) {
        put(free, node, at(free, node).saturating_sub(need));
    }
    let mut polish = Polish { task, node_of, free };
    for _ in 0..task.load.len() {
        let relieved = (0..task.load.len()).filter(|&group| polish.relieve(group)).count();
        if relieved == 0 {
            return;
        }
    }
}

impl Polish<'_> {
    /// Moves a group to a less busy node, or swaps it with a group there; whether that was any good.
    fn relieve(&mut self, group: usize) -> bool {
        let task = self.task;
        let here = at(self.node_of, group) as usize;
        let (load_here, speed_here) = (task.load_of(here, self.node_of), at(task.speed, here));
        let time = load_here / speed_here;
        let held = self.node_of.iter().filter(|node| **node as usize == here).count();
        let may_leave = held > at(task.least, here) as usize;
        for (there, &speed_there) in task.speed.iter().enumerate() {
            if there == here || speed_there <= 0.0 {
                continue;
            }
            let load_there = task.load_of(there, self.node_of);
            if load_there / speed_there >= time {
                continue;
            }
            let better = |moved: f64| {
                let limit = time * (1.0 - TIE);
                (load_here - moved) / speed_here < limit
                    && (load_there + moved) / speed_there < limit
            };
            let (load, need) = (at(task.load, group), at(task.need, group));
            let other = if at(self.free, there) >= need && better(load) && may_leave {
                Some(NONE)
            } else {
                self.partner(group, here, there, better)
            };
            if let Some(other) = other {
                self.exchange(group, here, there, other);
                return true;
            }
        }
        false
    }

    /// The first group of another node to swap with.
    fn partner(
        &self,
        group: usize,
        here: usize,
        there: usize,
        better: impl Fn(f64) -> bool,
    ) -> Option<u32> {
        let task = self.task;
        let (load, need) = (at(task.load, group), at(task.need, group));
        let fits = |other: usize| {
            at(self.free, there) + at(task.need, other) >= need
                && at(self.free, here) + need >= at(task.need, other)
        };
        let mut others =
            (0..task.load.len()).filter(|&other| at(self.node_of, other) as usize == there);
        others
            .find(|&other| fits(other) && better(load - at(task.load, other)))
            .map(|other| other as u32)
    }

    /// `other` comes back, unless that is `NONE`.
    fn exchange(&mut self, group: usize, here: usize, there: usize, other: u32) {
        let (need, back) = (at(self.task.need, group), at(self.task.need, other));
        put(self.node_of, group, there as u32);
        put(self.node_of, other, here as u32);
        put(self.free, here, (at(self.free, here) + need).saturating_sub(back));
        put(self.free, there, (at(self.free, there) + back).saturating_sub(need));
    }
}
