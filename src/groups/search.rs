//! Which node takes which group, so that the busiest node (group loads / alive speed) has the least to do.
//!
//! Depth first with pruning, heaviest group first, nodes in ascending order, one of equal nodes only; a
//! strictly better end replaces the best, so the first found of equals stays. Then a polish that never raises
//! the busiest node: moves and swaps between two nodes while the busier of the two falls. `effort` bounds the
//! placements tried; when it runs out, the best so far is polished and `exact` is false. Times within 1e-12
//! of each other count as equal.

use crate::base::arena::Carve;
use crate::groups::polish::{measure, polish};

/// What an assignment is worth: the groups in the order of the search, the node of each, the largest node
/// time.
type Visit<'v> = &'v mut dyn FnMut(&[u32], &[u32], f64) -> f64;

/// A node as the search sees it.
#[derive(Clone, Copy)]
pub struct Nodes<'a> {
    /// sum of the speeds of its alive GPUs; 0: takes nothing
    pub speed: &'a [f64],
    /// slots on its alive GPUs
    pub slots: &'a [u32],
    /// groups that it gets at least; together no more than there are, on each no more than fit
    pub least: &'a [u32],
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// largest node time of the assignment, loads summed in ascending order of groups
    pub time: f64,
    /// no assignment is below this
    pub floor: f64,
    pub exact: bool,
}

/// Scratch of the search.
#[derive(Debug)]
pub struct Scratch<'a> {
    tail: &'a mut [f64],
    saved: &'a mut [f64],
    sum: &'a mut [f64],
    order: &'a mut [u32],
    choice: &'a mut [u32],
    best: &'a mut [u32],
    free: &'a mut [u32],
    places: &'a mut [u32],
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
}

impl Scratch<'_> {
    /// `[N]` words that are free between two searches.
    pub fn counter(&mut self) -> &mut [u32] {
        self.owed
    }
}

/// Groups left from which on looking at all nodes before a step pays.
const DEEP: usize = 3;

pub(super) const NONE: u32 = u32::MAX;
/// Relative width of a tie.
pub(super) const TIE: f64 = 1e-12;

pub(super) fn float(floats: &[f64], i: usize) -> f64 {
    floats.get(i).copied().unwrap_or(0.0)
}

pub(super) fn word(words: &[u32], i: usize) -> u32 {
    words.get(i).copied().unwrap_or(0)
}

pub(super) fn put<T>(cells: &mut [T], i: usize, value: T) {
    if let Some(cell) = cells.get_mut(i) {
        *cell = value;
    }
}

/// Node of each group into `node_of`. The time is infinite when nothing was found: then nothing
/// fits if `exact`, and `node_of` is left alone.
///
/// `loads` and `needs` (slots, at least 1) per group. A time of `enough` ends the search, which then is not exact.
pub fn assign(
    loads: &[f64],
    needs: &[u32],
    nodes: &Nodes,
    (enough, effort): (f64, u32),
    scratch: &mut Scratch,
    node_of: &mut [u32],
) -> Outcome {
    let search = &mut Search::new(loads, needs, nodes, scratch);
    let (speed, fastest) = search.note();
    let nothing = Outcome { time: f64::INFINITY, floor: f64::INFINITY, exact: true };
    if speed <= 0.0 {
        return nothing;
    }
    // No assignment is below the mean, nor below the heaviest group on the fastest node.
    let mean = float(search.tail, 0) / speed;
    let heaviest = float(loads, word(search.order, 0) as usize) / fastest;
    let crowd = crowded(loads, search.order, search.tail, search.places) / fastest;
    let floor = if heaviest > mean { heaviest } else { mean };
    let floor = if crowd > floor { crowd } else { floor };

    let goal = if enough > floor { enough } else { floor };
    let mut time = search.greedy();
    let mut exact = time <= goal * (1.0 + TIE);
    if !exact {
        (time, exact) = search.run(time, goal, effort, &mut |_, _, worst| worst);
    }
    exact &= goal == floor || time > goal * (1.0 + TIE);
    if time == f64::INFINITY {
        return if exact {
            nothing
        } else {
            Outcome { floor: floor * (1.0 - TIE), exact, ..nothing }
        };
    }
    for (i, &node) in search.best.iter().enumerate() {
        put(node_of, word(search.order, i) as usize, node);
    }
    polish(loads, needs, nodes, node_of, search.free);
    let time = measure(loads, nodes, node_of);
    Outcome {
        time,
        floor: if exact { time * (1.0 - 2.0 * TIE) } else { floor * (1.0 - TIE) },
        exact,
    }
}

/// Visits the assignments whose busiest node is below `limit`, which falls to the least value that `visit`
/// gives, until none is left, or `effort` placements of a group were tried, or the limit is not above 0.
/// `visit` gets the groups, in the order of the search, the node of each, and the time of the busiest node.
pub fn visit(
    loads: &[f64],
    needs: &[u32],
    nodes: &Nodes,
    limit: f64,
    effort: u32,
    scratch: &mut Scratch,
    visit: Visit,
) {
    let search = &mut Search::new(loads, needs, nodes, scratch);
    if search.note().0 > 0.0 {
        search.sum.fill(0.0);
        search.run(limit, 0.0, effort, visit);
    }
}

/// Load that some node gets because there are more groups than nodes.
///
/// Of the q N + 1 heaviest groups, q + 1 share a node: at least the lightest of these. With two places a node
/// at most, the best pairs are heaviest with lightest (no group counts as a group of load 0).
fn crowded(loads: &[f64], order: &[u32], tail: &[f64], places: &[u32]) -> f64 {
    let nodes = places.iter().filter(|&&p| p > 0).count();
    let mut worst = 0.0;
    let mut share = 1;
    let mut at = nodes;
    while at < order.len() && nodes > 0 {
        let sum = float(tail, at.saturating_sub(share)) - float(tail, at + 1);
        if sum > worst {
            worst = sum;
        }
        share += 1;
        at += nodes;
    }
    if places.iter().all(|&p| p <= 2) {
        for (i, &light) in order.iter().enumerate().skip(nodes) {
            let Some(heavy) = (2 * nodes).checked_sub(i + 1) else { break };
            let sum = float(loads, word(order, heavy) as usize) + float(loads, light as usize);
            if sum > worst {
                worst = sum;
            }
        }
    }
    worst * (1.0 - TIE)
}

struct Search<'a> {
    loads: &'a [f64],
    needs: &'a [u32],
    nodes: &'a Nodes<'a>,
    /// sum of the loads from this place of the order on
    tail: &'a mut [f64],
    /// node load before the group of this depth came
    saved: &'a mut [f64],
    sum: &'a mut [f64],
    order: &'a mut [u32],
    choice: &'a mut [u32],
    best: &'a mut [u32],
    free: &'a mut [u32],
    /// most groups that still fit, by the smallest need
    places: &'a mut [u32],
    /// groups that are still to come at least; below 0, as it were, where more have come
    owed: &'a mut [u32],
}

impl<'a> Search<'a> {
    #[inline(never)] // what building takes is off the stack while searching
    fn new(
        loads: &'a [f64],
        needs: &'a [u32],
        nodes: &'a Nodes<'a>,
        scratch: &'a mut Scratch,
    ) -> Self {
        let (k, n) = (loads.len(), nodes.speed.len());
        Search {
            loads,
            needs,
            nodes,
            tail: scratch.tail.get_mut(..k + 1).unwrap_or_default(),
            saved: scratch.saved.get_mut(..k).unwrap_or_default(),
            sum: scratch.sum.get_mut(..n).unwrap_or_default(),
            order: scratch.order.get_mut(..k).unwrap_or_default(),
            choice: scratch.choice.get_mut(..k).unwrap_or_default(),
            best: scratch.best.get_mut(..k).unwrap_or_default(),
            free: scratch.free.get_mut(..n).unwrap_or_default(),
            places: scratch.places.get_mut(..n).unwrap_or_default(),
            owed: scratch.owed.get_mut(..n).unwrap_or_default(),
        }
    }
}

impl Search<'_> {
    /// Groups by falling load, nodes empty; answers the speed of all nodes and of the fastest.
    #[inline(never)] // apart, as `new` is
    fn note(&mut self) -> (f64, f64) {
        let (loads, k) = (self.loads, self.loads.len());
        sort_falling(loads, self.order);
        let mut acc = 0.0;
        put(self.tail, k, 0.0);
        for (i, cell) in self.tail.iter_mut().enumerate().take(k).rev() {
            acc += float(loads, word(self.order, i) as usize);
            *cell = acc;
        }
        let least_need = self.needs.iter().copied().min().unwrap_or(1);
        let mut speed = 0.0;
        let mut fastest = 0.0;
        let cells = self.free.iter_mut().zip(self.places.iter_mut()).zip(self.owed.iter_mut());
        for (node, ((free, places), owed)) in cells.enumerate() {
            let own = float(self.nodes.speed, node);
            *owed = word(self.nodes.least, node);
            *free = if own > 0.0 { word(self.nodes.slots, node) } else { 0 };
            *places = free.checked_div(least_need).unwrap_or(0);
            if *free > 0 {
                speed += own;
                if own > fastest {
                    fastest = own;
                }
            }
        }
        (speed, fastest)
    }

    fn depth_load(&self, depth: usize) -> (f64, u32) {
        let group = word(self.order, depth) as usize;
        (float(self.loads, group), word(self.needs, group))
    }

    fn lay(&mut self, depth: usize, node: usize, load: f64, need: u32) {
        let before = float(self.sum, node);
        put(self.saved, depth, before);
        put(self.sum, node, before + load);
        if let (Some(free), Some(places)) = (self.free.get_mut(node), self.places.get_mut(node)) {
            *free = free.saturating_sub(need);
            *places = places.saturating_sub(1);
        }
        put(self.owed, node, word(self.owed, node).wrapping_sub(1));
        put(self.choice, depth, node as u32);
    }

    fn lift(&mut self, depth: usize) {
        let node = word(self.choice, depth) as usize;
        let need = self.depth_load(depth).1;
        put(self.sum, node, float(self.saved, depth));
        if let (Some(free), Some(places)) = (self.free.get_mut(node), self.places.get_mut(node)) {
            *free += need;
            *places += 1;
        }
        put(self.owed, node, word(self.owed, node).wrapping_add(1));
    }

    /// Groups that nodes are still to get at least.
    fn owed(&self) -> u32 {
        self.owed.iter().fold(0, |sum, &owed| sum + still(owed))
    }

    /// Heaviest first, each to the node that ends least late; infinite when it gets stuck. Leaves the nodes
    /// empty again.
    fn greedy(&mut self) -> f64 {
        self.sum.fill(0.0);
        let mut worst = 0.0;
        let mut laid = 0;
        for depth in 0..self.order.len() {
            let (load, need) = self.depth_load(depth);
            let mut pick = None;
            let mut least = f64::INFINITY;
            let all_owed = (self.order.len() - depth) as u32 <= self.owed();
            for (node, (&sum, &speed)) in self.sum.iter().zip(self.nodes.speed).enumerate() {
                let end = (sum + load) / speed;
                let wanted = !all_owed || still(word(self.owed, node)) > 0;
                if word(self.free, node) >= need
                    && word(self.places, node) > 0
                    && wanted
                    && end < least
                {
                    least = end;
                    pick = Some(node);
                }
            }
            let Some(node) = pick else { break };
            self.lay(depth, node, load, need);
            laid = depth + 1;
            if least > worst {
                worst = least;
            }
        }
        let done = laid == self.order.len();
        if done {
            self.keep();
        }
        for depth in (0..laid).rev() {
            self.lift(depth);
        }
        if done { worst } else { f64::INFINITY }
    }

    /// Improves on `time` until nothing better is left (true) or `effort` is spent (false). `visit` says what
    /// an assignment, given as groups in the order of the search and the node of each, is worth; its largest
    /// node time, the last argument, at least.
    fn run(&mut self, mut time: f64, floor: f64, effort: u32, visit: Visit) -> (f64, bool) {
        let last = self.order.len();
        let count = self.nodes.speed.len();
        let mut left = effort;
        let mut depth = 0;
        let mut next = 0;
        loop {
            let mut pick = None;
            let (load, need) = self.depth_load(depth);
            if depth < last && !self.hopeless(depth, time) {
                let total: u32 = self.places.iter().fold(0, |a, &p| a.saturating_add(p));
                let after = (last - depth - 1) as u32;
                let all_owed = after < self.owed();
                for node in next..count {
                    let speed = float(self.nodes.speed, node);
                    let limit = time * (1.0 - TIE) * speed;
                    let (free, places) = (word(self.free, node), word(self.places, node));
                    let end = float(self.sum, node) + load;
                    if free < need || places == 0 || end >= limit || self.twin(node) {
                        continue;
                    }
                    if all_owed && still(word(self.owed, node)) == 0 {
                        continue;
                    }
                    // Groups that no other node has a place for come here too, at best the lightest.
                    let forced = (after.saturating_sub(total.saturating_sub(places))) as usize;
                    if forced > 0 && end + float(self.tail, last.saturating_sub(forced)) >= limit {
                        continue;
                    }
                    pick = Some(node);
                    break;
                }
            }
            if let Some(node) = pick {
                if left == 0 {
                    return (time, false);
                }
                left -= 1;
                self.lay(depth, node, load, need);
                depth += 1;
                next = 0;
                if depth == last {
                    let value = visit(self.order, self.choice, self.worst());
                    if value < time {
                        time = value;
                        self.keep();
                    }
                    if time <= floor * (1.0 + TIE) {
                        return (time, true);
                    }
                } else {
                    continue;
                }
            }
            // Back: to the next node of the group before.
            if depth == 0 {
                return (time, true);
            }
            depth -= 1;
            self.lift(depth);
            next = word(self.choice, depth) as usize + 1;
        }
    }

    /// True when what is left cannot go below `time`: a node takes no more than it lacks to `time`, nothing
    /// when the lightest group is already too much, and no more than the heaviest groups that it has places
    /// for.
    fn hopeless(&self, depth: usize, time: f64) -> bool {
        let last = self.order.len();
        if last.saturating_sub(depth) < DEEP {
            return false;
        }
        let left = float(self.tail, depth);
        let lightest = float(self.tail, last.saturating_sub(1));
        let mut open = 0.0;
        for ((&sum, &speed), &places) in
            self.sum.iter().zip(self.nodes.speed).zip(self.places.iter())
        {
            let room = time * speed - sum;
            if places > 0 && room > lightest {
                let heaviest = left - float(self.tail, (depth + places as usize).min(last));
                open += if room < heaviest { room } else { heaviest };
            }
        }
        left > open * (1.0 + TIE)
    }

    fn keep(&mut self) {
        for (best, &choice) in self.best.iter_mut().zip(self.choice.iter()) {
            *best = choice;
        }
    }

    /// True when an earlier node is in the same state: it has been tried for this group.
    fn twin(&self, node: usize) -> bool {
        let owed = |i: usize| still(word(self.owed, i));
        let state =
            |i: usize| (self.sum.get(i), self.free.get(i), self.nodes.speed.get(i), owed(i));
        let own = state(node);
        (0..node).any(|other| state(other) == own)
    }

    fn worst(&self) -> f64 {
        let mut worst = 0.0;
        for (&sum, &speed) in self.sum.iter().zip(self.nodes.speed) {
            if sum > 0.0 {
                let end = sum / speed;
                if end > worst {
                    worst = end;
                }
            }
        }
        worst
    }
}

/// What is owed, nothing when more has come.
fn still(owed: u32) -> u32 {
    (owed as i32).max(0) as u32
}

/// Group numbers by falling load, ties by rising number. K is small: insertion.
fn sort_falling(loads: &[f64], order: &mut [u32]) {
    for filled in 0..order.len() {
        let load = float(loads, filled);
        let mut at = filled;
        while at > 0 {
            let before = word(order, at - 1);
            if float(loads, before as usize) >= load {
                break;
            }
            put(order, at, before);
            at -= 1;
        }
        put(order, at, filled as u32);
    }
}
