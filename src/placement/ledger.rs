//! What the check of a placement keeps in mind while it walks over a layer: in arrays of the caller's workspace, or,
//! for who has none, by looking again. The rules, in `check.rs`, are the same for both.

use crate::base::arena::{Carve, Need};
use crate::placement::each_slot;
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

/// The walks over a layer, one after another.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Walk {
    Count,
    Distinct,
    Nodes,
    Ranks,
    Table,
}

/// Answers about what a walk has passed. Each is asked once a place, in ascending order.
pub trait Ledger {
    /// A walk begins.
    fn begin(&mut self, walk: Walk, layer: &Layer);
    /// Replicas of an expert in the layer.
    fn count(&mut self, layer: &Layer, expert: usize) -> u32;
    /// Whether the expert of a slot is in an earlier slot of its GPU.
    fn is_again(&mut self, layer: &Layer, slot: usize, gpu: usize) -> bool;
    /// The node of the first slot that a group has; `node` when this is it.
    fn home(&mut self, layer: &Layer, group: usize, node: usize) -> usize;
    /// Whether an earlier slot has the rank of a slot, which is one that its expert has.
    fn is_taken(&mut self, layer: &Layer, slot: usize) -> bool;
    /// Whether a slot is listed at an earlier place of the table than this one of its expert's row.
    fn is_listed(&mut self, layer: &Layer, expert: usize, place: usize, slot: usize) -> bool;
}

/// The ledger in arrays: every answer at once.
#[derive(Debug)]
pub struct Arrays<'a> {
    /// `[E]` replicas found.
    count: &'a mut [u32],
    /// `[E]` one more than the last GPU on which the expert was seen; then where its ranks start.
    mark: &'a mut [u32],
    /// `[P]` ranks or slots already seen.
    seen: &'a mut [u32],
    /// `[K]` one more than the node of a group.
    group_node: &'a mut [u32],
}

impl<'a> Arrays<'a> {
    /// Takes O(E + P + K).
    pub fn carve(arena: &mut impl Carve<'a>, shape: &Shape) -> Self {
        Arrays {
            count: arena.u32s(shape.num_logical_experts()),
            mark: arena.u32s(shape.num_logical_experts()),
            seen: arena.u32s(shape.num_physical_experts()),
            group_node: arena.u32s(shape.num_groups()),
        }
    }

    /// What that comes to.
    pub fn need(shape: &Shape) -> Need {
        let mut need = Need::default();
        Arrays::carve(&mut need, shape);
        need
    }

    /// Puts a mark at a place; whether there was one.
    fn mark_seen(&mut self, place: usize) -> bool {
        self.seen.get_mut(place).is_some_and(|seen| core::mem::replace(seen, 1) == 1)
    }
}

impl Ledger for Arrays<'_> {
    fn begin(&mut self, walk: Walk, layer: &Layer) {
        match walk {
            Walk::Count => {
                self.count.fill(0);
                for &entry in layer.slots {
                    if let Some(count) = self.count.get_mut(entry as usize) {
                        *count += 1;
                    }
                }
            }
            Walk::Distinct => self.mark.fill(0),
            Walk::Nodes => self.group_node.fill(0),
            Walk::Ranks => {
                let mut start = 0;
                for (mark, &count) in self.mark.iter_mut().zip(self.count.iter()) {
                    *mark = start;
                    start += count;
                }
                self.seen.fill(0);
            }
            Walk::Table => self.seen.fill(0),
        }
    }

    fn count(&mut self, _: &Layer, expert: usize) -> u32 {
        self.count.get(expert).copied().unwrap_or(0)
    }

    fn is_again(&mut self, layer: &Layer, slot: usize, gpu: usize) -> bool {
        let expert = layer.expert(slot).unwrap_or(usize::MAX);
        let here = gpu as u32 + 1;
        self.mark.get_mut(expert).is_some_and(|mark| core::mem::replace(mark, here) == here)
    }

    fn home(&mut self, _: &Layer, group: usize, node: usize) -> usize {
        let Some(home) = self.group_node.get_mut(group) else { return node };
        if *home == 0 {
            *home = node as u32 + 1;
        }
        *home as usize - 1
    }

    fn is_taken(&mut self, layer: &Layer, slot: usize) -> bool {
        let start = layer.expert(slot).and_then(|expert| self.mark.get(expert)).copied();
        let rank = layer.ranks.get(slot).copied().unwrap_or(0);
        self.mark_seen(start.unwrap_or(0) as usize + rank.max(0) as usize)
    }

    fn is_listed(&mut self, _: &Layer, _: usize, _: usize, slot: usize) -> bool {
        self.mark_seen(slot)
    }
}

/// Experts that are counted in one walk.
const BLOCK: usize = 64;

/// The ledger that keeps next to nothing, and looks again: O(P) an answer.
#[derive(Debug)]
pub struct Glances {
    /// Replicas of the experts from `first` on.
    count: [u32; BLOCK],
    first: usize,
}

impl Glances {
    /// Nothing looked at yet.
    pub fn new() -> Self {
        Glances { count: [0; BLOCK], first: usize::MAX }
    }
}

impl Ledger for Glances {
    fn begin(&mut self, walk: Walk, _: &Layer) {
        if walk == Walk::Count {
            self.first = usize::MAX;
        }
    }

    fn count(&mut self, layer: &Layer, expert: usize) -> u32 {
        let first = expert - expert % BLOCK;
        if first != self.first {
            (self.first, self.count) = (first, [0; BLOCK]);
            for &entry in layer.slots {
                if let Some(count) = self.count.get_mut((entry as usize).wrapping_sub(first)) {
                    *count += 1;
                }
            }
        }
        self.count.get(expert - first).copied().unwrap_or(0)
    }

    fn is_again(&mut self, layer: &Layer, slot: usize, gpu: usize) -> bool {
        let topology = layer.shape.topology();
        let first = (0..gpu).fold(0, |sum, before| sum + topology.slots(before));
        let here = layer.slots.get(first..slot).unwrap_or_default();
        layer.slots.get(slot).is_some_and(|entry| *entry >= 0 && here.contains(entry))
    }

    fn home(&mut self, layer: &Layer, group: usize, node: usize) -> usize {
        let mut home = node;
        let _found: Result<(), ()> =
            each_slot(layer.shape.topology(), layer.slots, |slot, gpu, _| {
                let found = layer.group(slot) == Some(group);
                if found {
                    home = layer.shape.topology().node(gpu);
                }
                if found { Err(()) } else { Ok(()) }
            });
        home
    }

    fn is_taken(&mut self, layer: &Layer, slot: usize) -> bool {
        let mut before = layer.slots.iter().zip(layer.ranks).take(slot);
        let own = (layer.slots.get(slot), layer.ranks.get(slot));
        before.any(|(entry, rank)| (Some(entry), Some(rank)) == own)
    }

    fn is_listed(&mut self, layer: &Layer, expert: usize, place: usize, slot: usize) -> bool {
        // a slot holds one expert, so that no other row lists it
        let row = layer.row(expert).get(..place).unwrap_or_default();
        row.contains(&(slot as i32))
    }
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
        crate::placement::row(self.table, expert, self.width)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    extern crate std;
    use crate::base::arena::Arena;
    use crate::placement::check::{check, check_slowly};
    use crate::placement::ledger::Arrays;
    use crate::placement::{Numbering, Placement, Promises, number};
    use crate::problem::{Scope, Shape, Spec};
    use std::vec;

    /// Both ledgers find the same violation: random placements, a few entries of each map off.
    #[test]
    fn arrays_and_glances_agree() {
        let mut state = 88_172_645_463_325_252_u64;
        let mut below = |n: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 33) as usize % n
        };
        let mut kinds = [0; 10];
        for round in 0..30_000 {
            let experts = if round % 40 == 0 { 64 + below(100) } else { 1 + below(9) };
            let (gpus, layers) = (1 + below(5), 1 + below(2));
            let gpu_slots: vec::Vec<u32> =
                (0..gpus).map(|_| (experts / gpus + below(4)) as u32).collect();
            let slots = gpu_slots.iter().sum::<u32>() as usize;
            let gpu_state: vec::Vec<u8> = (0..gpus).map(|_| (below(9) / 7) as u8).collect();
            let spec = Spec {
                num_layers: layers as u32,
                num_logical_experts: experts as u32,
                num_physical_experts: slots as u32,
                num_groups: [1, 2, 3, experts][below(4)] as u32,
                num_nodes: 1 + below(gpus) as u32,
                num_gpus: gpus as u32,
                gpu_slots: Some(&gpu_slots),
                gpu_state: Some(&gpu_state),
                ..Spec::default()
            };
            let Ok(shape) = Shape::new(&spec) else { continue };
            let mut held: vec::Vec<i32> =
                (0..layers * slots).map(|slot| (slot % slots % experts) as i32).collect();
            for _ in 0..below(3) {
                let (one, other) = (below(held.len()), below(held.len()));
                held.swap(one, other);
            }
            let max_replicas = 1 + below(4);
            let mut ranks = vec![0; held.len()];
            let mut counts = vec![0; layers * experts];
            let mut table = vec![-1; layers * experts * max_replicas];
            let maps = Numbering {
                replica_rank: Some(&mut ranks),
                logical_count: Some(&mut counts),
                logical_to_physical: Some(&mut table),
                max_replicas,
            };
            let _wide_enough_or_not = number(&shape, &held, maps);
            for map in [&mut held, &mut ranks, &mut counts, &mut table] {
                if below(5) == 0 {
                    let at = below(map.len());
                    map[at] = [-1, -2, 0, 1, experts as i32, i32::MIN, i32::MAX][below(7)];
                }
            }
            let promises = Promises {
                scope: [Scope::Auto, Scope::Global, Scope::Hierarchical][below(3)],
                full: below(2) == 0,
                distinct: below(2) == 0,
            };
            let placement = Placement {
                physical_to_logical: &held,
                replica_rank: (below(3) > 0).then_some(&ranks[..]),
                logical_count: (below(3) > 0).then_some(&counts[..]),
                logical_to_physical: (below(3) > 0).then_some(&table[..]),
                max_replicas,
            };
            let mut memory = vec![7; Arrays::need(&shape).u32s];
            let arena = Arena::new(&mut [], &mut [], &mut memory, &mut []);
            let found = check(&shape, &promises, arena, &placement).unwrap();
            assert_eq!(found, check_slowly(&shape, &promises, &placement), "{spec:?} {held:?}");
            kinds[found.map_or(0, |found| found.kind as usize)] += 1;
        }
        assert!(kinds.iter().all(|&times| times > 50), "{kinds:?}");
    }
}
