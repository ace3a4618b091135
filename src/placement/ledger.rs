//! What the check of a placement keeps in mind while it walks over a layer. Who has no memory looks again.

use crate::base::arena::{Carve, Need};
use crate::base::cells::{at, put};
use crate::placement::maps::given;
use crate::placement::walk::each_slot;
use crate::problem::Shape;

/// A layer under check.
#[derive(Clone, Copy)]
pub struct Layer<'p> {
    pub shape: &'p Shape<'p>,
    pub index: usize,
    /// `[P]`.
    pub slots: &'p [i32],
    /// `[P]` or empty.
    pub ranks: &'p [i32],
    /// `[E][width]`, where there is a table.
    pub table: Option<&'p [i32]>,
    pub width: usize,
}

impl<'p> Layer<'p> {
    /// The expert that a slot holds.
    pub fn expert(&self, slot: usize) -> Option<usize> {
        self.slots.get(slot).and_then(|&entry| usize::try_from(entry).ok())
    }

    /// Its group. Experts beyond the last group, where they do not divide into groups, are in none.
    pub fn group(&self, slot: usize) -> Option<usize> {
        let groups = self.shape.num_groups();
        let size = self.shape.num_logical_experts().checked_div(groups)?;
        self.expert(slot)?.checked_div(size).filter(|&group| group < groups)
    }

    /// The row of an expert in the table.
    pub fn row(&self, expert: usize) -> &'p [i32] {
        given(self.table, expert, self.width)
    }
}

/// Answers about what a walk over the slots, or over the table, has passed: each is asked once a place, in ascending
/// order. From arrays at once; without them O(P) an answer.
#[derive(Debug)]
pub struct Ledger<'a> {
    /// Replicas of the experts from `first` on: of all, where there is memory.
    count: &'a mut [u32],
    first: usize,
    /// `[E]` or empty: one more than the last GPU on which the expert was seen; then where its ranks start.
    mark: &'a mut [u32],
    /// `[P]` or empty: ranks, then slots already seen.
    seen: &'a mut [u32],
    /// `[K]` or empty: one more than the node of a group.
    group_node: &'a mut [u32],
}

impl<'a> Ledger<'a> {
    /// In arrays of O(E + P + K).
    pub fn carve(arena: &mut impl Carve<'a>, shape: &Shape) -> Self {
        Ledger {
            count: arena.u32s(shape.num_logical_experts()),
            first: 0,
            mark: arena.u32s(shape.num_logical_experts()),
            seen: arena.u32s(shape.num_physical_experts()),
            group_node: arena.u32s(shape.num_groups()),
        }
    }

    /// What that comes to.
    pub fn need(shape: &Shape) -> Need {
        let mut need = Need::default();
        Ledger::carve(&mut need, shape);
        need
    }

    /// Without memory: `count` is for as many experts as are counted at a time.
    pub fn without_memory(count: &'a mut [u32]) -> Self {
        Ledger { count, first: 0, mark: &mut [], seen: &mut [], group_node: &mut [] }
    }

    /// A layer begins.
    pub fn begin(&mut self, layer: &Layer) {
        self.count_from(layer, 0);
        self.mark.fill(0);
        self.group_node.fill(0);
    }

    /// The walk over the ranks begins.
    pub fn begin_ranks(&mut self) {
        let mut start = 0;
        for (mark, &count) in self.mark.iter_mut().zip(self.count.iter()) {
            *mark = start;
            start += count;
        }
        self.seen.fill(0);
    }

    /// The walk over the table begins.
    pub fn begin_table(&mut self) {
        self.seen.fill(0);
    }

    /// Replicas of an expert in the layer.
    pub fn count(&mut self, layer: &Layer, expert: usize) -> u32 {
        if expert.wrapping_sub(self.first) >= self.count.len() {
            self.count_from(layer, expert);
        }
        at(self.count, expert - self.first)
    }

    fn count_from(&mut self, layer: &Layer, first: usize) {
        self.first = first;
        self.count.fill(0);
        for &entry in layer.slots {
            if let Some(count) = self.count.get_mut((entry as usize).wrapping_sub(first)) {
                *count += 1;
            }
        }
    }

    /// Whether a GPU holds an expert in an earlier slot: `before` are those.
    pub fn is_again(&mut self, expert: i32, gpu: usize, before: &[i32]) -> bool {
        let here = gpu as u32 + 1;
        match self.mark.get_mut(expert as usize) {
            Some(mark) => core::mem::replace(mark, here) == here,
            None => before.contains(&expert),
        }
    }

    /// The node of the first slot that a group has; `node` is that of a slot that it has.
    pub fn home(&mut self, layer: &Layer, group: usize, node: usize) -> usize {
        match self.group_node.get(group) {
            Some(0) => {
                put(self.group_node, group, node as u32 + 1);
                node
            }
            Some(&home) => home as usize - 1,
            None => {
                let topology = layer.shape.topology();
                let first = each_slot(topology, layer.slots, |slot, gpu, _| {
                    if layer.group(slot) == Some(group) { Err(topology.node(gpu)) } else { Ok(()) }
                });
                first.err().unwrap_or(node)
            }
        }
    }

    /// Whether an earlier slot has the rank of a slot, which is one that its expert has.
    pub fn is_taken(&mut self, layer: &Layer, slot: usize) -> bool {
        let (expert, rank) = (at(layer.slots, slot), at(layer.ranks, slot));
        match self.mark.get(expert as usize) {
            Some(&start) => self.note(start as usize + rank as usize),
            None => {
                let mut before = layer.slots.iter().zip(layer.ranks).take(slot);
                before.any(|(&other, &taken)| (other, taken) == (expert, rank))
            }
        }
    }

    /// Whether a slot is listed at an earlier place of its expert's row of the table: `before` are those. No other row
    /// lists it, since it holds one expert.
    pub fn is_listed(&mut self, slot: usize, before: &[i32]) -> bool {
        if self.seen.is_empty() { before.contains(&(slot as i32)) } else { self.note(slot) }
    }

    /// Puts a mark at a place; whether there was one.
    fn note(&mut self, place: usize) -> bool {
        self.seen.get_mut(place).is_some_and(|seen| core::mem::replace(seen, 1) == 1)
    }
}
