//! No fewer fetches will do: what each closed set has to send out, and how many others have to take it in.
//!
//! Where tokens are stuck, the GPUs that they can get to fall into sets without an expert in common. Each set has to
//! lose its surplus by fetches of its own experts, and a fetch takes no more than all tokens of one. The GPUs with room
//! fall into sets, too: what enters one can get to any room of it and to no other, so as many have to be entered as it
//! takes to hold the surplus of all.

use crate::base::arena::Carve;
use crate::base::cells::{add, at, put};
use crate::base::keys::heap;
use crate::batch::layout::Layout;
use crate::batch::reach::Reach;
use crate::problem::Shape;

/// Scratch of the bound.
#[derive(Debug)]
pub struct Bound<'a> {
    /// `[G]` the way to the first GPU of each set.
    parent: &'a mut [u32],
    /// `[G]` by first GPU: what is too much in its set, or the room; then the rooms as a heap, the largest first.
    sum: &'a mut [u64],
}

impl<'a> Bound<'a> {
    /// Takes the scratch: O(G).
    #[inline(always)] // what only counts is gone from the code
    pub fn carve(arena: &mut impl Carve<'a>, shape: &Shape) -> Self {
        let gpus = shape.topology().num_gpus();
        Bound { parent: arena.u32s(gpus), sum: arena.u64s(gpus) }
    }

    /// Fetches that it takes at least beyond those that are made, when no GPU can be relieved by what there is; all
    /// when there is no room for the surplus anywhere. Leaves `reach` with the closed set of all.
    pub fn fewest(&mut self, layout: &Layout, reach: &mut Reach) -> u32 {
        reach.close(layout);
        self.find_sets(layout, reach);
        let mut surplus = 0;
        let mut fetches = 0_u32;
        self.sum.fill(0);
        for &gpu in reach.closed() {
            let root = self.root(gpu as usize);
            surplus += layout.surplus(gpu as usize);
            add(self.sum, root, layout.surplus(gpu as usize));
        }
        for gpu in 0..self.sum.len() {
            let stuck = core::mem::take(self.sum.get_mut(gpu).unwrap_or(&mut 0));
            if stuck > 0 {
                fetches = fetches.saturating_add(self.senders(layout, reach, gpu, stuck));
            }
        }
        for gpu in (0..self.sum.len()).filter(|&gpu| !reach.is_closed(gpu)) {
            let root = self.root(gpu);
            add(self.sum, root, layout.room(gpu));
        }
        fetches.max(self.receivers(layout, reach, surplus))
    }

    /// Sets of GPUs that share experts: within the closed set, and outside.
    fn find_sets(&mut self, layout: &Layout, reach: &Reach) {
        for (gpu, parent) in self.parent.iter_mut().enumerate() {
            *parent = gpu as u32;
        }
        if !layout.is_shared() {
            return;
        }
        for expert in 0..layout.total.len() as u32 {
            if layout.count(expert) < 2 || at(layout.total, expert) == 0 {
                continue;
            }
            // what is at home in both has all its tokens outside: it can carry none from there into the closed set
            let closed = |slot: &usize| reach.is_closed(at(layout.gpu, *slot) as usize);
            let inside = layout.of_expert(expert).all(|slot| closed(&slot));
            let mut gpus = layout.of_expert(expert).filter(|slot| closed(slot) == inside);
            if let Some(first) = gpus.next() {
                for other in gpus {
                    self.join(at(layout.gpu, first) as usize, at(layout.gpu, other) as usize);
                }
            }
        }
    }

    fn root(&self, gpu: usize) -> usize {
        let mut here = gpu;
        while at(self.parent, here) as usize != here {
            here = at(self.parent, here) as usize;
        }
        here
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        put(self.parent, a.max(b), a.min(b) as u32);
    }

    /// How many of the largest experts of a closed set it takes to send out so much.
    fn senders(&self, layout: &Layout, reach: &Reach, root: usize, surplus: u64) -> u32 {
        let mut last = (u64::MAX, u32::MAX);
        let (mut sent, mut fetches) = (0_u64, 0);
        while sent < surplus {
            let mut largest = (0, 0);
            for &gpu in reach.closed().iter().filter(|&&gpu| self.root(gpu as usize) == root) {
                for slot in layout.of_gpu(gpu as usize) {
                    let expert = at(layout.expert, slot);
                    let total = at(layout.total, expert);
                    if (total, expert) < last && (total, expert) > largest {
                        largest = (total, expert);
                    }
                }
            }
            if largest.0 == 0 {
                return u32::MAX; // all of it would have to go
            }
            sent += largest.0;
            fetches += 1;
            last = largest;
        }
        fetches
    }

    /// How many sets with room it takes to hold so much; `sum` has their rooms.
    fn receivers(&mut self, layout: &Layout, reach: &Reach, surplus: u64) -> u32 {
        for gpu in (0..self.sum.len()).filter(|&gpu| !reach.is_closed(gpu)) {
            if layout.has_spare(gpu) {
                continue;
            }
            // a set that no fetch can enter; one with another GPU that it can keeps its room
            let alone = at(self.parent, gpu) as usize == gpu && !layout.is_shared();
            if alone {
                put(self.sum, gpu, 0);
            }
        }
        for sum in self.sum.iter_mut() {
            *sum = !sum.saturating_sub(layout.limits.fetch_tokens); // the largest is first in a heap of the smallest
        }
        heap::build(self.sum);
        let (mut held, mut fetches) = (0_u64, 0);
        while held < surplus {
            let largest = !heap::top(self.sum);
            if largest == 0 {
                return u32::MAX;
            }
            held = held.saturating_add(largest);
            fetches += 1;
            heap::replace_top(self.sum, u64::MAX);
        }
        fetches
    }
}
