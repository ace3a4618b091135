//! Renaming: a plan made from nothing is laid over the placement in force so that the fewest slots change.
//!
//! GPUs of equal slots, speed and state may take each other's names; in hierarchical scope those of a node,
//! and nodes that look the same GPU by GPU. Which name each gets is an assignment problem (cost: slots that
//! would change), solved exactly for up to 256 GPUs, or GPUs of a node, of a kind; more are cut into blocks
//! of 256 in order of index. Nodes are renamed when there are at most 256. Balance is untouched.

use crate::base::arena::{Arena, Carve, Need};
use crate::base::cells::{at, change, part, part_mut, put};
use crate::problem::Shape;
use crate::problem::topology::Topology;
use crate::rebalance::hungarian::{LIMIT, Scratch as Assignment};

/// A slot that nothing has been put into yet.
const NONE: u32 = u32::MAX;

/// Scratch of renaming.
#[derive(Debug)]
pub struct Scratch<'a> {
    /// `[G]` the GPU of the new plan that each GPU becomes.
    of: &'a mut [u32],
    /// `[G]` first slot of each GPU.
    first: &'a mut [u32],
    /// `[G]` GPUs by node; `[N + 1]` where those of a node begin. Empty unless nodes bind.
    by_node: &'a mut [u32],
    node_first: &'a mut [u32],
    /// `[G]` GPUs of a kind: those of the placement in force, those of the new plan.
    ours: &'a mut [u32],
    theirs: &'a mut [u32],
    /// `[E]` copies on the GPU at hand.
    copies: &'a mut [u32],
    gpus: Assignment<'a>,
    nodes: Assignment<'a>,
}

/// Nodes whose GPUs stay together, when that binds.
fn bound_nodes(shape: &Shape, by_node: bool) -> usize {
    if by_node && shape.topology().num_nodes() > 1 { shape.topology().num_nodes() } else { 0 }
}

/// What [`Scratch::carve`] takes.
pub fn need(shape: &Shape, by_node: bool) -> Need {
    let mut need = Need::default();
    Scratch::list(&mut need, shape, by_node);
    need
}

impl<'a> Scratch<'a> {
    /// Takes the scratch, O(E + G + N) and up to 256 x 256, and notes the topology. `by_node`: GPUs stay on
    /// their node. `arena` holds what [`need`] says.
    #[inline(never)] // what building takes is off the stack afterwards
    pub fn carve(arena: &'a mut Arena, shape: &Shape, by_node: bool) -> Self {
        let mut scratch = Scratch::list(&mut arena.rest(), shape, by_node);
        let bound = scratch.node_first.len().saturating_sub(1);
        scratch.note(shape.topology(), bound);
        scratch
    }

    #[inline(always)]
    fn list(arena: &mut impl Carve<'a>, shape: &Shape, by_node: bool) -> Self {
        let gpus = shape.topology().num_gpus();
        let nodes = bound_nodes(shape, by_node);
        let bound = if nodes > 0 && nodes <= LIMIT { nodes } else { 0 };
        Scratch {
            of: arena.u32s(gpus),
            first: arena.u32s(gpus),
            by_node: arena.u32s(if bound > 0 { gpus } else { 0 }),
            node_first: arena.u32s(if bound > 0 { bound + 1 } else { 0 }),
            ours: arena.u32s(gpus),
            theirs: arena.u32s(gpus),
            copies: arena.u32s(shape.num_logical_experts()),
            gpus: Assignment::carve(arena, gpus.min(LIMIT)),
            nodes: Assignment::carve(arena, bound),
        }
    }

    fn note(&mut self, topology: &Topology, nodes: usize) {
        let mut slots = 0;
        for (gpu, first) in self.first.iter_mut().enumerate() {
            *first = slots as u32;
            slots += topology.slots(gpu);
        }
        let mut next = 0;
        for node in 0..nodes {
            put(self.node_first, node, next as u32);
            // nodes are few here
            for gpu in (0..topology.num_gpus()).filter(|&gpu| topology.node(gpu) == node) {
                put(self.by_node, next, gpu as u32);
                next += 1;
            }
        }
        put(self.node_first, nodes, next as u32);
    }

    /// Finds the names. `old` and `new` hold `[P]` each; `from[slot]` becomes the slot of `new` whose expert,
    /// and rank, `slot` of the answer holds: those that stay are where they were, the others follow in order.
    pub fn lay_over(&mut self, shape: &Shape, old: &[i32], new: &[i32], from: &mut [u32]) {
        let topology = shape.topology();
        self.copies.fill(0);
        for (gpu, of) in self.of.iter_mut().enumerate() {
            *of = gpu as u32;
        }
        let nodes = self.node_first.len().saturating_sub(1);
        if nodes == 0 {
            let gpus = topology.num_gpus();
            for (gpu, (a, b)) in self.ours.iter_mut().zip(self.theirs.iter_mut()).enumerate() {
                (*a, *b) = (gpu as u32, gpu as u32);
            }
            self.rename(topology, gpus, gpus, old, new);
        } else {
            self.rename_nodes(topology, nodes, old, new);
        }
        for gpu in 0..topology.num_gpus() {
            let of = at(self.of, gpu) as usize;
            self.order_slots(topology.slots(gpu), [gpu, of], old, new, from);
        }
    }

    /// The same with every GPU keeping its name: only the slots within each are put in order.
    pub fn arrange(&self, shape: &Shape, old: &[i32], new: &[i32], from: &mut [u32]) {
        for gpu in 0..shape.topology().num_gpus() {
            self.order_slots(shape.topology().slots(gpu), [gpu, gpu], old, new, from);
        }
    }

    fn rename_nodes(&mut self, topology: &Topology, nodes: usize, old: &[i32], new: &[i32]) {
        for ours in 0..nodes {
            for theirs in 0..nodes {
                let cost = if self.same_shape(topology, ours, theirs) {
                    self.rename_node(topology, ours, theirs, old, new)
                } else {
                    u64::from(u32::MAX >> 8)
                };
                put(self.nodes.cost, ours * nodes + theirs, cost.min(u64::from(u32::MAX)) as u32);
            }
        }
        self.nodes.solve(nodes);
        for ours in 0..nodes {
            let theirs = at(self.nodes.column, ours) as usize;
            self.rename_node(topology, ours, theirs, old, new);
        }
    }

    fn members(&self, node: usize) -> &[u32] {
        let (from, to) = (at(self.node_first, node), at(self.node_first, node + 1));
        self.by_node.get(from as usize..to as usize).unwrap_or_default()
    }

    fn same_shape(&self, topology: &Topology, a: usize, b: usize) -> bool {
        let (a, b) = (self.members(a), self.members(b));
        a.len() == b.len()
            && a.iter().zip(b).all(|(&a, &b)| alike(topology, a as usize, b as usize))
    }

    /// Renames the GPUs of `theirs` to those of `ours`; answers how many slots change.
    fn rename_node(
        &mut self,
        topology: &Topology,
        ours: usize,
        theirs: usize,
        old: &[i32],
        new: &[i32],
    ) -> u64 {
        let (from, to) = (at(self.node_first, ours), at(self.node_first, ours + 1));
        let other = at(self.node_first, theirs);
        let count = to.wrapping_sub(from) as usize;
        for i in 0..count {
            let gpu = at(self.by_node, from as usize + i);
            put(self.ours, i, gpu);
            let gpu = at(self.by_node, other as usize + i);
            put(self.theirs, i, gpu);
        }
        self.rename(topology, count, count, old, new)
    }

    /// Renames the first `gpus` of `theirs` to those of `ours`, kind by kind; `left` of them are still to do.
    fn rename(
        &mut self,
        topology: &Topology,
        gpus: usize,
        mut left: usize,
        old: &[i32],
        new: &[i32],
    ) -> u64 {
        let mut changed = 0;
        while left > 0 {
            // those of the kind of the first go to the front, up to a block of them, the others keep order
            let kind = at(self.ours, 0) as usize;
            let n = gather(self.ours, left, |gpu| alike(topology, kind, gpu));
            let m = gather(self.theirs, left, |gpu| alike(topology, kind, gpu));
            let n = n.min(m).min(LIMIT).min(gpus);
            if n == 0 {
                break;
            }
            for theirs in 0..n {
                self.count_changes(topology, n, theirs, old, new);
            }
            changed += self.gpus.solve(n);
            for ours in 0..n {
                let theirs = at(self.theirs, at(self.gpus.column, ours) as usize);
                put(self.of, at(self.ours, ours) as usize, theirs);
            }
            for i in n..left {
                let (ours, theirs) = (at(self.ours, i), at(self.theirs, i));
                put(self.ours, i - n, ours);
                put(self.theirs, i - n, theirs);
            }
            left -= n;
        }
        changed
    }

    /// Fills a column of the costs: slots that change when a GPU of the new plan takes each name.
    fn count_changes(
        &mut self,
        topology: &Topology,
        n: usize,
        theirs: usize,
        old: &[i32],
        new: &[i32],
    ) {
        let gpu = at(self.theirs, theirs) as usize;
        let first = at(self.first, gpu) as usize;
        let here = new.iter().skip(first).take(topology.slots(gpu));
        let mut empty_here = 0;
        for &expert in here.clone() {
            empty_here += u32::from(expert < 0);
            change(self.copies, expert as usize, |copies| copies + 1);
        }
        for ours in 0..n {
            let gpu = at(self.ours, ours) as usize;
            let first = at(self.first, gpu) as usize;
            let held = old.iter().skip(first).take(topology.slots(gpu));
            let (mut changed, mut empty) = (0, empty_here);
            for &expert in held.clone() {
                let copies = if expert < 0 {
                    Some(&mut empty)
                } else {
                    self.copies.get_mut(expert as usize)
                };
                match copies {
                    Some(copies) if *copies > 0 && *copies <= u32::MAX / 2 => *copies -= 1,
                    // below zero, as it were: put back below
                    Some(copies) => {
                        *copies = copies.wrapping_sub(1);
                        changed += 1;
                    }
                    None => changed += 1,
                }
            }
            for &expert in held {
                change(self.copies, expert as usize, |copies| copies.wrapping_add(1));
            }
            put(self.gpus.cost, ours * n + theirs, changed);
        }
        for &expert in here {
            change(self.copies, expert as usize, |_| 0);
        }
    }

    /// Puts what a GPU gets from another, of as many slots, into its slots.
    fn order_slots(
        &self,
        len: usize,
        [gpu, of]: [usize; 2],
        old: &[i32],
        new: &[i32],
        from: &mut [u32],
    ) {
        let (first, other) = (at(self.first, gpu) as usize, at(self.first, of) as usize);
        let from = part_mut(from, first, first + len);
        keep_places(part(old, first, first + len), part(new, other, other + len), from);
        from.iter_mut().for_each(|from| *from += other as u32);
    }
}

/// The order in which the slots of a GPU take over what it is to hold: `from[i]` is the index in `new` for
/// slot i. What was there stays where it was; the rest follows in order. O(slots^2).
pub fn keep_places(old: &[i32], new: &[i32], from: &mut [u32]) {
    from.fill(NONE);
    for (index, &expert) in new.iter().enumerate() {
        let mut places = old.iter().zip(from.iter_mut());
        if let Some((_, from)) = places.find(|(was, from)| **was == expert && **from == NONE) {
            *from = index as u32;
        }
    }
    for index in 0..new.len() {
        if !from.contains(&(index as u32))
            && let Some(free) = from.iter_mut().find(|from| **from == NONE)
        {
            *free = index as u32;
        }
    }
}

/// Whether two GPUs may take each other's names.
fn alike(topology: &Topology, a: usize, b: usize) -> bool {
    a == b
        || (topology.receives(a)
            && topology.receives(b)
            && topology.slots(a) == topology.slots(b)
            && topology.speed(a).to_bits() == topology.speed(b).to_bits())
}

/// Moves the entries for which `wanted` holds to the front of the first `len`, in order; up to a block of
/// them, the others stay in order behind. Answers how many.
fn gather(gpus: &mut [u32], len: usize, wanted: impl Fn(usize) -> bool) -> usize {
    let mut found = 0;
    for i in 0..len {
        let gpu = at(gpus, i);
        if found < LIMIT && wanted(gpu as usize) {
            for k in (found..i).rev() {
                let passed = at(gpus, k);
                put(gpus, k + 1, passed);
            }
            put(gpus, found, gpu);
            found += 1;
        }
    }
    found
}
