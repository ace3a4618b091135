//! Which node takes which group, so that the busiest node (group loads / alive speed) has the least to do.
//!
//! Depth first with pruning, heaviest group first, nodes in ascending order, one of equal nodes only; a
//! strictly better end replaces the best, so the first found of equals stays. Then a polish that never raises
//! the busiest node: moves and swaps between two nodes while the busier of the two falls. `effort` bounds the
//! placements tried, by what these look at; when it runs out, the best so far is polished and `exact` is false. Times
//! within 1e-12 of each other count as equal.

use crate::base::arena::Carve;
use crate::base::cells::{at, put};
use crate::groups::polish::Polish;
use crate::groups::task::{TIE, Task, largest_time, sort_falling};

/// What an assignment is worth: the groups in the order of the search, the node of each, the largest node
/// time.
type Visit<'v> = &'v mut dyn FnMut(&[u32], &[u32], f64) -> f64;

/// What a search has found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// Largest node time of the assignment, loads summed in ascending order of groups; infinite when nothing was
    /// found.
    pub time: f64,
    /// No assignment is below this.
    pub floor: f64,
    /// The effort sufficed. When nothing was found, nothing fits.
    pub exact: bool,
}

/// Memory of the search.
#[derive(Debug)]
pub struct Scratch<'a> {
    /// `[K + 1]` sum of the loads from this place of the order on.
    tail: &'a mut [f64],
    /// `[K]` node load before the group of this depth came.
    saved: &'a mut [f64],
    /// `[N]` node load.
    sum: &'a mut [f64],
    /// `[K]` groups by falling load.
    order: &'a mut [u32],
    /// `[K]` node of each in this order, now and at best.
    choice: &'a mut [u32],
    best: &'a mut [u32],
    /// `[N]` slots left.
    free: &'a mut [u32],
    /// `[N]` most groups that still fit, by the smallest need.
    places: &'a mut [u32],
    /// `[N]` groups that are still to come at least; below 0, as it were, where more have come.
    owed: &'a mut [u32],
}

impl<'a> Scratch<'a> {
    /// Takes the scratch for K groups and N nodes: O(K + N).
    #[inline(always)]
    pub fn carve(arena: &mut impl Carve<'a>, groups: usize, nodes: usize) -> Self {
        Scratch {
            tail: arena.f64s(if groups > 0 { groups.saturating_add(1) } else { 0 }),
            saved: arena.f64s(groups),
            sum: arena.f64s(nodes),
            order: arena.u32s(groups),
            choice: arena.u32s(groups),
            best: arena.u32s(groups),
            free: arena.u32s(nodes),
            places: arena.u32s(nodes),
            owed: arena.u32s(nodes),
        }
    }

    /// `[N]` words that are free between two searches.
    pub fn counter(&mut self) -> &mut [u32] {
        self.owed
    }

    /// `[N]` numbers that are.
    pub fn numbers(&mut self) -> &mut [f64] {
        self.sum
    }
}

/// Groups left from which on looking at all nodes before a step pays.
const DEEP: usize = 3;
/// A placement of a group is one unit of effort for so many nodes, which are all looked at.
const NODES_AT_A_TIME: u32 = 8;

/// A search under way.
pub struct Search<'s, 'a> {
    task: Task<'s>,
    state: &'s mut Scratch<'a>,
}

impl<'s, 'a> Search<'s, 'a> {
    /// `state` was carved for as many groups and nodes.
    pub fn new(task: Task<'s>, state: &'s mut Scratch<'a>) -> Self {
        Search { task, state }
    }

    /// Node of each group into `node_of`, which is left alone where nothing is found. A time of `enough` ends the
    /// search, which then is not exact.
    pub fn assign(&mut self, enough: f64, effort: u32, node_of: &mut [u32]) -> Outcome {
        let (speed, fastest) = self.begin();
        let nothing = Outcome { time: f64::INFINITY, floor: f64::INFINITY, exact: true };
        if speed <= 0.0 {
            return nothing;
        }
        let floor = self.floor(speed, fastest);
        let goal = if enough > floor { enough } else { floor };
        let mut time = self.greedy();
        let mut exact = time <= goal * (1.0 + TIE);
        if !exact {
            // what is not good enough is not worth finding
            let end = goal * (1.0 + 2.0 * TIE);
            let limit = if goal > floor && end < time { end } else { time };
            let (found, all) = self.run(limit, goal, effort, &mut |_, _, worst| worst);
            time = if found < limit { found } else { time };
            exact = all;
        }
        exact &= goal == floor;
        if time == f64::INFINITY {
            return if exact {
                nothing
            } else {
                Outcome { floor: floor * (1.0 - TIE), exact, ..nothing }
            };
        }
        for (&group, &node) in self.state.order.iter().zip(&*self.state.best) {
            put(node_of, group, node);
        }
        self.polish(node_of).run();
        let time = largest_time(self.state.sum.iter().copied(), self.task.speed);
        let floor = if exact { time * (1.0 - 2.0 * TIE) } else { floor * (1.0 - TIE) };
        Outcome { time, floor, exact }
    }

    /// What makes an assignment better.
    pub fn polish<'p>(&'p mut self, node_of: &'p mut [u32]) -> Polish<'p> {
        let Scratch { free, sum, places, choice, .. } = &mut *self.state;
        Polish { task: &self.task, node_of, free, load: sum, first: places, next: choice }
    }

    /// Visits the assignments whose busiest node is below `limit`, which falls to the least value that `visit`
    /// gives, until none is left, or `effort` placements of a group were tried, or the limit is not above 0.
    /// `visit` gets the groups, in the order of the search, the node of each, and the time of the busiest node.
    pub fn visit(&mut self, limit: f64, effort: u32, visit: Visit) {
        if self.begin().0 > 0.0 {
            self.state.sum.fill(0.0);
            self.run(limit, 0.0, effort, visit);
        }
    }

    /// Groups by falling load, nodes empty; answers the speed of all nodes and of the fastest.
    #[inline(never)] // off the stack while searching
    fn begin(&mut self) -> (f64, f64) {
        let (task, state) = (&self.task, &mut *self.state);
        sort_falling(task.load, state.order);
        let mut sum = 0.0;
        put(state.tail, state.order.len(), 0.0);
        for (tail, &group) in state.tail.iter_mut().zip(&*state.order).rev() {
            sum += at(task.load, group);
            *tail = sum;
        }
        let (mut speed, mut fastest) = (0.0, 0.0);
        let nodes = state.free.iter_mut().zip(state.places.iter_mut()).zip(state.owed.iter_mut());
        for (node, ((free, places), owed)) in nodes.enumerate() {
            let own = at(task.speed, node);
            *owed = at(task.least, node);
            *free = if own > 0.0 { at(task.slots, node) } else { 0 };
            let needs = (0..task.load.len()).map(|group| task.need(group, node));
            *places = free.checked_div(needs.min().unwrap_or(1)).unwrap_or(0);
            if *free > 0 {
                speed += own;
                fastest = if own > fastest { own } else { fastest };
            }
        }
        (speed, fastest)
    }

    /// No assignment is below the mean, nor below the heaviest group on the fastest node, nor below what a node gets
    /// because there are more groups than nodes.
    #[inline(never)] // off the stack while searching
    fn floor(&self, speed: f64, fastest: f64) -> f64 {
        let mean = at(self.state.tail, 0) / speed;
        let heaviest = at(self.task.load, at(self.state.order, 0)) / fastest;
        let crowd = self.crowd() / fastest;
        let floor = if heaviest > mean { heaviest } else { mean };
        if crowd > floor { crowd } else { floor }
    }

    /// Load that some node gets because there are more groups than nodes.
    ///
    /// Of the q N + 1 heaviest groups, q + 1 share a node: at least the lightest of these. With two places a node
    /// at most, the best pairs are heaviest with lightest (no group counts as a group of load 0).
    fn crowd(&self) -> f64 {
        let Scratch { order, tail, places, .. } = &*self.state;
        let nodes = places.iter().filter(|&&places| places > 0).count();
        let mut worst = 0.0;
        let mut note = |sum: f64| worst = if sum > worst { sum } else { worst };
        let mut share = 1;
        let mut place = nodes;
        while place < order.len() && nodes > 0 {
            note(at(tail, place.saturating_sub(share)) - at(tail, place + 1));
            share += 1;
            place += nodes;
        }
        if places.iter().all(|&places| places <= 2) {
            for (place, &light) in order.iter().enumerate().skip(nodes) {
                let Some(heavy) = (2 * nodes).checked_sub(place + 1) else { break };
                note(at(self.task.load, at(order, heavy)) + at(self.task.load, light));
            }
        }
        worst * (1.0 - TIE)
    }

    /// The group of a depth, and its load.
    fn group_at(&self, depth: usize) -> (u32, f64) {
        let group = at(self.state.order, depth);
        (group, at(self.task.load, group))
    }

    /// Gives the group of a depth to a node.
    fn give(&mut self, depth: usize, node: usize) {
        let (group, load) = self.group_at(depth);
        let need = self.task.need(group, node);
        let state = &mut *self.state;
        let before = at(state.sum, node);
        put(state.saved, depth, before);
        put(state.sum, node, before + load);
        put(state.free, node, at(state.free, node).saturating_sub(need));
        put(state.places, node, at(state.places, node).saturating_sub(1));
        put(state.owed, node, at(state.owed, node).wrapping_sub(1));
        put(state.choice, depth, node as u32);
    }

    /// Takes it back.
    fn take_back(&mut self, depth: usize) {
        let node = at(self.state.choice, depth);
        let need = self.task.need(self.group_at(depth).0, node);
        let state = &mut *self.state;
        put(state.sum, node, at(state.saved, depth));
        put(state.free, node, at(state.free, node) + need);
        put(state.places, node, at(state.places, node) + 1);
        put(state.owed, node, at(state.owed, node).wrapping_add(1));
    }

    /// Groups that a node is still to get at least.
    fn owed(&self, node: usize) -> u32 {
        still(at(self.state.owed, node))
    }

    /// Whether as many groups are owed to nodes as are left: then only these may take one.
    fn all_owed(&self, left: usize) -> bool {
        left as u32 <= self.state.owed.iter().fold(0, |sum, &owed| sum + still(owed))
    }

    /// Heaviest first, each to the node that ends least late; infinite when it gets stuck. Leaves the nodes
    /// empty again.
    #[inline(never)] // off the stack while searching
    fn greedy(&mut self) -> f64 {
        self.state.sum.fill(0.0);
        let groups = self.state.order.len();
        let (mut worst, mut given) = (0.0, 0);
        while given < groups {
            let Some((node, end)) = self.soonest(given) else { break };
            self.give(given, node);
            given += 1;
            worst = if end > worst { end } else { worst };
        }
        if given == groups {
            self.keep();
        }
        (0..given).rev().for_each(|depth| self.take_back(depth));
        if given == groups { worst } else { f64::INFINITY }
    }

    /// The node that is done soonest with the group of a depth, and when.
    fn soonest(&self, depth: usize) -> Option<(usize, f64)> {
        let (group, load) = self.group_at(depth);
        let all_owed = self.all_owed(self.state.order.len() - depth);
        let mut soonest = (None, f64::INFINITY);
        for (node, (&sum, &speed)) in self.state.sum.iter().zip(self.task.speed).enumerate() {
            let end = (sum + load) / speed;
            let wanted = !all_owed || self.owed(node) > 0;
            let free = at(self.state.free, node);
            let fits = free >= self.task.need(group, node) && at(self.state.places, node) > 0;
            if fits && wanted && end < soonest.1 {
                soonest = (Some(node), end);
            }
        }
        Some((soonest.0?, soonest.1))
    }

    /// Improves on `time` until nothing better is left (true) or `effort` is spent (false). `visit` says what
    /// an assignment, given as groups in the order of the search and the node of each, is worth; its largest
    /// node time, the last argument, at least.
    fn run(&mut self, mut time: f64, floor: f64, effort: u32, visit: Visit) -> (f64, bool) {
        let last = self.state.order.len();
        let price = (self.task.speed.len() as u32).div_ceil(NODES_AT_A_TIME);
        let (mut left, mut depth, mut next) = (effort, 0, 0);
        loop {
            if let Some(node) = self.next_node(depth, next, time) {
                let Some(rest) = left.checked_sub(price) else { return (time, false) };
                left = rest;
                self.give(depth, node);
                depth += 1;
                if depth < last {
                    next = 0;
                    continue;
                }
                let worst = largest_time(self.state.sum.iter().copied(), self.task.speed);
                let value = visit(self.state.order, self.state.choice, worst);
                if value < time {
                    time = value;
                    self.keep();
                }
                if time <= floor * (1.0 + TIE) {
                    return (time, true);
                }
            } else if depth == 0 {
                return (time, true);
            }
            // back, to the next node of the group before
            depth -= 1;
            self.take_back(depth);
            next = at(self.state.choice, depth) as usize + 1;
        }
    }

    /// The first node from `next` on where the group of a depth may lead to something below `time`.
    fn next_node(&self, depth: usize, next: usize, time: f64) -> Option<usize> {
        let last = self.state.order.len();
        if depth >= last || self.is_hopeless(depth, time) {
            return None;
        }
        let (group, load) = self.group_at(depth);
        let total = self.state.places.iter().fold(0_u32, |sum, &places| sum.saturating_add(places));
        let after = (last - depth - 1) as u32;
        let all_owed = self.all_owed(last - depth);
        (next..self.task.speed.len()).find(|&node| {
            let limit = time * (1.0 - TIE) * at(self.task.speed, node);
            let (free, places) = (at(self.state.free, node), at(self.state.places, node));
            let end = at(self.state.sum, node) + load;
            let fits = places > 0 && end < limit && free >= self.task.need(group, node);
            if !fits || self.is_twin(node) {
                return false;
            }
            if all_owed && self.owed(node) == 0 {
                return false;
            }
            // groups that no other node has a place for come here too, at best the lightest
            let forced = after.saturating_sub(total.saturating_sub(places)) as usize;
            forced == 0 || end + at(self.state.tail, last.saturating_sub(forced)) < limit
        })
    }

    /// True when what is left cannot go below `time`: a node takes no more than it lacks to `time`, nothing
    /// when the lightest group is already too much, and no more than the heaviest groups that it has places
    /// for.
    fn is_hopeless(&self, depth: usize, time: f64) -> bool {
        let Scratch { sum, tail, places, order, .. } = &*self.state;
        let last = order.len();
        if last.saturating_sub(depth) < DEEP {
            return false;
        }
        let left = at(tail, depth);
        let lightest = at(tail, last.saturating_sub(1));
        let mut open = 0.0;
        for ((&sum, &speed), &places) in sum.iter().zip(self.task.speed).zip(places.iter()) {
            let room = time * speed - sum;
            if places > 0 && room > lightest {
                let heaviest = left - at(tail, (depth + places as usize).min(last));
                open += if room < heaviest { room } else { heaviest };
            }
        }
        left > open * (1.0 + TIE)
    }

    fn keep(&mut self) {
        for (best, &choice) in self.state.best.iter_mut().zip(&*self.state.choice) {
            *best = choice;
        }
    }

    /// True when an earlier node is in the same state: it has been tried for this group.
    fn is_twin(&self, node: usize) -> bool {
        let Scratch { sum, free, .. } = &*self.state;
        let state = |i: usize| (at(sum, i), at(free, i), at(self.task.kind, i), self.owed(i));
        let own = state(node);
        (0..node).any(|other| state(other) == own)
    }
}

/// What is owed, nothing when more has come.
fn still(owed: u32) -> u32 {
    (owed as i32).max(0) as u32
}
