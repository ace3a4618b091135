//! Renaming: a plan made from nothing is laid over the placement in force so that the fewest slots change.
//!
//! GPUs of equal slots, speed and state may take each other's names; in hierarchical scope those of a node,
//! and nodes that look the same GPU by GPU. Which name each gets is an assignment problem (cost: slots that
//! would change), solved exactly for up to 256 GPUs, or GPUs of a node, of a kind; more are cut into blocks
//! of 256 in order of index. Nodes are renamed when there are at most 256. Balance is untouched.

use crate::base::arena::{Arena, Carve, Need};
use crate::base::cells::{NONE, add, at, part, part_mut, put};
use crate::problem::Shape;
use crate::problem::topology::Topology;
use crate::rebalance::hungarian::{LIMIT, Scratch as Assignment};

/// What a node gains less for each slot that changes.
const FAR: u64 = (u32::MAX >> 8) as u64;

/// What is laid over what.
#[derive(Clone, Copy)]
struct Plans<'p> {
    topology: &'p Topology<'p>,
    old: &'p [i32],
    new: &'p [i32],
}

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
    /// `[E + 1]` copies on the GPU at hand, of each expert and of none; the last slot of the new plan with each.
    copies: &'a mut [u32],
    last: &'a mut [u32],
    /// `[P]` the slot of the new plan before with the same.
    previous: &'a mut [u32],
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
    /// Takes the scratch, O(E + P + G + N) and up to 256 x 256, and notes the topology. `by_node`: GPUs stay on
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
            copies: arena.u32s(shape.num_logical_experts().saturating_add(1)),
            last: arena.u32s(shape.num_logical_experts().saturating_add(1)),
            previous: arena.u32s(shape.num_physical_experts()),
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
        let plans = &Plans { topology, old, new };
        self.copies.fill(0);
        self.last.fill(NONE);
        for (gpu, of) in self.of.iter_mut().enumerate() {
            *of = gpu as u32;
        }
        let nodes = self.node_first.len().saturating_sub(1);
        if nodes == 0 {
            for (gpu, (a, b)) in self.ours.iter_mut().zip(self.theirs.iter_mut()).enumerate() {
                (*a, *b) = (gpu as u32, gpu as u32);
            }
            self.rename(plans, topology.num_gpus(), from);
        } else {
            self.rename_nodes(plans, nodes, from);
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

    fn rename_nodes(&mut self, plans: &Plans, nodes: usize, aside: &mut [u32]) {
        self.nodes.begin(nodes);
        for ours in 0..nodes {
            for theirs in 0..nodes {
                if self.same_shape(plans.topology, ours, theirs) {
                    let changed = self.rename_node(plans, ours, theirs, aside);
                    self.nodes.add_gain(nodes, ours, theirs, FAR.saturating_sub(changed) as u32);
                }
            }
        }
        self.nodes.solve(nodes);
        for ours in 0..nodes {
            let theirs = at(self.nodes.column, ours) as usize;
            self.rename_node(plans, ours, theirs, aside);
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
    fn rename_node(&mut self, plans: &Plans, ours: usize, theirs: usize, aside: &mut [u32]) -> u64 {
        let (from, to) = (at(self.node_first, ours), at(self.node_first, ours + 1));
        let other = at(self.node_first, theirs);
        let count = to.wrapping_sub(from) as usize;
        for i in 0..count {
            let gpu = at(self.by_node, from as usize + i);
            put(self.ours, i, gpu);
            let gpu = at(self.by_node, other as usize + i);
            put(self.theirs, i, gpu);
        }
        self.rename(plans, count, aside)
    }

    /// Renames the first `left` of `theirs` to those of `ours`, kind by kind; answers how many slots change.
    fn rename(&mut self, plans: &Plans, mut left: usize, aside: &mut [u32]) -> u64 {
        let topology = plans.topology;
        let mut changed = 0;
        while left > 0 {
            // those of the kind of the first go to the front, up to a block of them, the others keep order
            let kind = at(self.ours, 0) as usize;
            let n = gather(self.ours, left, |gpu| alike(topology, kind, gpu));
            let m = gather(self.theirs, left, |gpu| alike(topology, kind, gpu));
            let n = n.min(m).min(LIMIT);
            if n == 0 {
                break;
            }
            let slots = topology.slots(kind);
            self.note_kept(plans, n, slots, aside);
            changed += ((n * slots) as u64).saturating_sub(self.gpus.solve(n));
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

    /// Notes how many slots each of the first `n` GPUs keeps under each name. `names`: the name of each slot.
    fn note_kept(&mut self, plans: &Plans, n: usize, slots: usize, names: &mut [u32]) {
        let none = self.copies.len().saturating_sub(1);
        let place = |expert: i32| usize::try_from(expert).unwrap_or(none);
        self.gpus.begin(n);
        for theirs in 0..n {
            let first = at(self.first, at(self.theirs, theirs)) as usize;
            for (slot, &expert) in (first..).zip(part(plans.new, first, first + slots)) {
                put(names, slot, theirs as u32);
                if let Some(last) = self.last.get_mut(place(expert)) {
                    put(self.previous, slot, *last);
                    *last = slot as u32;
                }
            }
        }
        for ours in 0..n {
            let first = at(self.first, at(self.ours, ours)) as usize;
            let held = part(plans.old, first, first + slots);
            for &expert in held {
                add(self.copies, place(expert), 1);
            }
            for &expert in held {
                self.note_expert([n, ours], place(expert), names);
            }
        }
        for theirs in 0..n {
            let first = at(self.first, at(self.theirs, theirs)) as usize;
            for &expert in part(plans.new, first, first + slots) {
                put(self.last, place(expert), NONE);
            }
        }
    }

    /// The same of one expert, or none, and one of the `n` GPUs, at the first of its copies there.
    fn note_expert(&mut self, [n, ours]: [usize; 2], place: usize, names: &[u32]) {
        let Some(copies) = self.copies.get_mut(place).map(core::mem::take) else { return };
        let (mut name, mut left) = (NONE, 0);
        let mut slot = self.last.get(place).copied().filter(|_| copies > 0).unwrap_or(NONE);
        while slot != NONE {
            let here = at(names, slot);
            if here != name {
                (name, left) = (here, copies);
            }
            if left > 0 {
                left -= 1;
                self.gpus.add_gain(n, ours, here as usize, 1);
            }
            slot = self.previous.get(slot as usize).copied().unwrap_or(NONE);
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
