//! An assignment of groups made better by exchanges: a group moves, or swaps nodes with another.

use crate::base::cells::{NONE, at, change, put};
use crate::groups::task::{TIE, Task};

/// An assignment, and what it gives the nodes.
pub struct Polish<'a> {
    pub task: &'a Task<'a>,
    /// `[K]` the node of each group.
    pub node_of: &'a mut [u32],
    /// `[N]` slots left; load, groups in ascending order; first group.
    pub free: &'a mut [u32],
    pub load: &'a mut [f64],
    pub first: &'a mut [u32],
    /// `[K]` the next group on the same node, in ascending order.
    pub next: &'a mut [u32],
}

impl Polish<'_> {
    /// Exchanges groups between two nodes while the busier of the two falls; first found, at most K rounds.
    pub fn run(&mut self) {
        self.count();
        for _ in 0..self.next.len() {
            let relieved = (0..self.next.len()).filter(|&group| self.relieve(group)).count();
            if relieved == 0 {
                return;
            }
        }
    }

    /// Exchanges a group of `node` so that it and the other node have less to do than `below`, as soon as `accept`
    /// likes the node of each group when these two nodes have changed; whether it did.
    pub fn run_node(
        &mut self,
        node: usize,
        below: f64,
        mut accept: impl FnMut(&[u32], [usize; 2]) -> bool,
    ) -> bool {
        self.count();
        (0..self.next.len()).any(|group| {
            at(self.node_of, group) as usize == node && self.exchange_one(group, below, &mut accept)
        })
    }

    /// Counts slots and lists groups.
    fn count(&mut self) {
        for node in 0..self.task.speed.len() {
            let takes = at(self.task.speed, node) > 0.0;
            put(self.free, node, if takes { at(self.task.slots, node) } else { 0 });
        }
        for (group, &node) in self.node_of.iter().enumerate() {
            put(self.free, node, at(self.free, node).saturating_sub(self.task.need(group, node)));
        }
        self.list();
    }

    /// Lists the groups of every node, and adds their loads up.
    fn list(&mut self) {
        self.first.fill(NONE);
        for (group, &node) in self.node_of.iter().enumerate().rev() {
            put(self.next, group, at(self.first, node));
            put(self.first, node, group as u32);
        }
        self.load.fill(0.0);
        for (&node, &load) in self.node_of.iter().zip(self.task.load) {
            change(self.load, node, |sum| sum + load);
        }
    }

    /// Exchanges a group so that the busier of two nodes has less to do; whether it could.
    fn relieve(&mut self, group: usize) -> bool {
        let here = at(self.node_of, group);
        let time = at(self.load, here) / at(self.task.speed, here);
        self.exchange_one(group, time * (1.0 - TIE), &mut |_, _| true)
    }

    /// Moves or swaps a group so that both nodes have less to do than `below`, if `accept` likes it; whether it did.
    #[inline(always)] // what accepts everything costs nothing
    fn exchange_one(
        &mut self,
        group: usize,
        below: f64,
        accept: &mut impl FnMut(&[u32], [usize; 2]) -> bool,
    ) -> bool {
        let task = self.task;
        let here = at(self.node_of, group) as usize;
        let excess = at(self.load, here) - below * at(task.speed, here);
        let mut held = 0;
        let mut listed = at(self.first, here);
        while listed != NONE {
            held += 1;
            listed = at(self.next, listed);
        }
        let may_leave = held > at(task.least, here);
        for there in 0..self.load.len() {
            let room = below * at(task.speed, there) - at(self.load, there);
            if there == here || room <= 0.0 {
                continue;
            }
            let mut offer = |polish: &mut Self, other: u32| {
                let moved = at(task.load, group) - at(task.load, other);
                let pair = [group as u32, other];
                excess < moved
                    && moved < room
                    && polish.fits(pair, [here, there])
                    && !polish.are_alike(pair, [here, there])
                    && polish.exchange(pair, [here, there], accept)
            };
            if may_leave && offer(self, NONE) {
                return true;
            }
            let mut other = at(self.first, there);
            while other != NONE {
                let after = at(self.next, other);
                if offer(self, other) {
                    return true;
                }
                other = after;
            }
        }
        false
    }

    /// Whether both nodes have slots when a group leaves and another comes, or none, `NONE`.
    fn fits(&self, [leaves, comes]: [u32; 2], [here, there]: [usize; 2]) -> bool {
        let free =
            |node, less, more| at(self.free, node) + self.need(less, node) >= self.need(more, node);
        free(here, leaves, comes) && free(there, comes, leaves)
    }

    /// Whether the exchange would only rename two nodes: these groups are all that nodes of the same kind have.
    fn are_alike(&self, groups: [u32; 2], [here, there]: [usize; 2]) -> bool {
        let alone = |(group, node): (u32, usize)| {
            at(self.first, node) == group && (group == NONE || at(self.next, group) == NONE)
        };
        at(self.task.kind, here) == at(self.task.kind, there)
            && groups.into_iter().zip([here, there]).all(alone)
    }

    fn need(&self, group: u32, node: usize) -> u32 {
        if group == NONE { 0 } else { self.task.need(group, node) }
    }

    /// Exchanges two groups if `accept` likes it; whether it does.
    fn exchange(
        &mut self,
        pair: [u32; 2],
        nodes: [usize; 2],
        accept: &mut impl FnMut(&[u32], [usize; 2]) -> bool,
    ) -> bool {
        self.swap(pair, nodes);
        let accepted = accept(self.node_of, nodes);
        if !accepted {
            let [leaves, comes] = pair;
            self.swap([comes, leaves], nodes);
        }
        accepted
    }

    fn swap(&mut self, [leaves, comes]: [u32; 2], [here, there]: [usize; 2]) {
        put(self.node_of, leaves, there as u32);
        put(self.node_of, comes, here as u32);
        for (node, less, more) in [(here, leaves, comes), (there, comes, leaves)] {
            let free = at(self.free, node) + self.need(less, node);
            put(self.free, node, free.saturating_sub(self.need(more, node)));
        }
        self.list();
    }
}
