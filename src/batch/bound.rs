//! No fewer fetches will do: what each closed set has to send out, and how many others have to take it in.
//!
//! Where tokens are stuck, the GPUs that they can get to fall into sets without an expert in common. Each set has to
//! lose its surplus by fetches of its own experts, and a fetch takes no more than all tokens of one. The GPUs with room
//! fall into sets, too: what enters one can get to any room of it and to no other. So as many have to be entered as it
//! takes to hold the surplus of all; and to lay the surpluses end to end into the rooms cuts each into as many pieces at
//! least as it takes of the largest rooms to hold it alone, which is no more than a connected set of fetches has.

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
    /// `[G]` by first GPU: what is too much in its set, or the room of the set.
    sum: &'a mut [u64],
    /// `[G]` the rooms as a heap, the largest first; what the largest ones hold together, as far as was asked.
    rooms: &'a mut [u64],
    held: &'a mut [u64],
    num_held: usize,
}

impl<'a> Bound<'a> {
    /// Takes the scratch: O(G).
    #[inline(always)] // what only counts is gone from the code
    pub fn carve(arena: &mut impl Carve<'a>, shape: &Shape) -> Self {
        let gpus = shape.topology().num_gpus();
        Bound {
            parent: arena.u32s(gpus),
            sum: arena.u64s(gpus),
            rooms: arena.u64s(gpus),
            held: arena.u64s(gpus),
            num_held: 0,
        }
    }

    /// Fetches that it takes at least beyond those that are made, when no GPU can be relieved by what there is; all
    /// when there is no room for the surplus anywhere. Leaves `reach` with the closed set of all.
    pub fn fewest(&mut self, layout: &Layout, reach: &mut Reach) -> u32 {
        reach.close(layout);
        let apart = self.find_sets(layout, reach);
        self.sum.fill(0);
        let mut surplus = 0;
        for gpu in 0..self.sum.len() {
            let root = self.root(gpu);
            if reach.is_closed(gpu) {
                surplus += layout.surplus(gpu);
                add(self.sum, root, layout.surplus(gpu));
            } else if layout.is_shared() || layout.has_spare(gpu) {
                add(self.sum, root, layout.room(gpu));
            }
        }
        self.heap_rooms(layout, reach);
        let (mut sent, mut pieces) = (0_u32, 0_u32);
        for gpu in 0..self.sum.len() {
            let stuck = at(self.sum, gpu);
            if stuck > 0 && reach.is_closed(gpu) {
                sent = sent.saturating_add(self.senders(layout, reach, gpu, stuck));
                let rooms = if apart { self.rooms_for(stuck) } else { 0 };
                pieces = pieces.saturating_add(rooms);
            }
        }
        sent.max(pieces).max(self.rooms_for(surplus))
    }

    /// The rooms, the largest first.
    fn heap_rooms(&mut self, layout: &Layout, reach: &Reach) {
        self.num_held = 0;
        for (gpu, (room, &sum)) in self.rooms.iter_mut().zip(self.sum.iter()).enumerate() {
            let sum = if reach.is_closed(gpu) { 0 } else { sum };
            *room = !sum.saturating_sub(layout.limits.fetch_tokens); // the heap has the smallest first
        }
        heap::build(self.rooms);
    }

    /// How many sets with room it takes to hold so much.
    fn rooms_for(&mut self, surplus: u64) -> u32 {
        let mut rooms = 0;
        loop {
            if rooms == self.num_held {
                let largest = !heap::top(self.rooms);
                if largest == 0 {
                    return u32::MAX;
                }
                let before = rooms.checked_sub(1).map_or(0, |before| at(self.held, before));
                put(self.held, rooms, before.saturating_add(largest));
                self.num_held += 1;
                heap::replace_top(self.rooms, u64::MAX);
            }
            rooms += 1;
            if at(self.held, rooms - 1) >= surplus {
                return rooms as u32;
            }
        }
    }

    /// Sets of GPUs that share experts: within the closed set, and outside. Whether no set within shares one with a set
    /// outside: tokens can come in by it for nothing, once there is room.
    fn find_sets(&mut self, layout: &Layout, reach: &Reach) -> bool {
        for (gpu, parent) in self.parent.iter_mut().enumerate() {
            *parent = gpu as u32;
        }
        let mut apart = true;
        if !layout.is_shared() {
            return apart;
        }
        for expert in 0..layout.total.len() as u32 {
            if layout.count(expert) < 2 || at(layout.total, expert) == 0 {
                continue;
            }
            // what is at home in both has all its tokens outside: it can carry none from there into the closed set
            let closed = |slot: &usize| reach.is_closed(at(layout.gpu, *slot) as usize);
            let inside = layout.of_expert(expert).all(|slot| closed(&slot));
            apart &= inside || !layout.of_expert(expert).any(|slot| closed(&slot));
            let mut gpus = layout.of_expert(expert).filter(|slot| closed(slot) == inside);
            if let Some(first) = gpus.next() {
                for other in gpus {
                    self.join(at(layout.gpu, first) as usize, at(layout.gpu, other) as usize);
                }
            }
        }
        apart
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
}
