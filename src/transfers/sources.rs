//! Who sends: for each expert that a GPU receives one of the GPUs that hold it, the nearest first, so that
//! the largest number of experts that a GPU sends is as small as that allows.
//!
//! The greedy choice (least loaded holder) is followed by cost-reducing paths: a request moves to another
//! holder, one of whose requests moves on, until a GPU is reached that sends two fewer. Without such a path
//! no assignment is more even, by the largest or by any other measure: Harvey, Ladner, Lovasz, Tamir,
//! "Semi-matchings for bipartite graphs and load balancing", 2006.

use crate::base::arena::Carve;
use crate::base::cells::{NONE, add, at, put, subtract};
use crate::problem::Shape;
use crate::problem::topology::Topology;
use crate::status::Status;
use crate::transfers::contents::{Moves, PENDING};

/// Scratch of the choice.
#[derive(Debug)]
pub struct Sources<'a> {
    /// `[E + 1]`, `[P]`: the contents of each expert, one a GPU.
    start: &'a mut [u32],
    holder: &'a mut [u32],
    /// `[G]` experts that a GPU sends.
    load: &'a mut [u32],
    /// `[G]`, `[P]`: the slots that a GPU sends to.
    head: &'a mut [u32],
    next: &'a mut [u32],
    /// `[G]` of the search: GPUs in order; the slot by which each was reached, and its content.
    queue: &'a mut [u32],
    by: &'a mut [u32],
    content: &'a mut [u32],
}

impl<'a> Sources<'a> {
    /// Takes O(P + E + G).
    pub fn carve(arena: &mut impl Carve<'a>, shape: &Shape) -> Self {
        let slots = shape.num_physical_experts();
        let (gpus, experts) = (shape.topology().num_gpus(), shape.num_logical_experts());
        Sources {
            start: arena.u32s(experts + 1),
            holder: arena.u32s(slots),
            load: arena.u32s(gpus),
            head: arena.u32s(gpus),
            next: arena.u32s(slots),
            queue: arena.u32s(gpus),
            by: arena.u32s(gpus),
            content: arena.u32s(gpus),
        }
    }

    /// Gives every slot that receives its source; NONE is one from outside.
    ///
    /// # Errors
    /// [`Status::SourceLost`] when an expert is nowhere and `external` is false.
    pub fn choose(
        &mut self,
        topology: &Topology,
        moves: &mut Moves,
        external: bool,
    ) -> Result<(), Status> {
        self.list_holders(moves);
        self.load.fill(0);
        for slot in 0..moves.slots {
            if at(moves.state, slot) != PENDING {
                continue;
            }
            let near = self.has_near(topology, moves, slot);
            let mut best = NONE;
            let mut least = (u32::MAX, true);
            for holder in self.holders(moves, slot) {
                let content = at(self.holder, holder);
                let gpu = at(moves.gpu, content);
                // among equals one that stays: what goes away is free the sooner
                let rank = (at(self.load, gpu), at(moves.place, content) == NONE);
                if rank < least && near.is_none_or(|node| topology.node(gpu as usize) == node) {
                    (best, least) = (content, rank);
                }
            }
            if best == NONE && !external {
                return Err(Status::SourceLost);
            }
            put(moves.source, slot, best);
            if best != NONE {
                add(self.load, moves.gpu_of(best), 1);
            }
        }
        self.even_out(topology, moves);
        for slot in 0..moves.slots {
            let source = at(moves.source, slot);
            if at(moves.state, slot) == PENDING && source != NONE {
                add(moves.reads, source, 1);
            }
        }
        Ok(())
    }

    /// Lists the contents by expert: of several on a GPU one that stays, else the first.
    fn list_holders(&mut self, moves: &mut Moves) {
        // `next` marks the contents that stand for their GPU
        self.next.fill(0);
        for gpu in 0..moves.gpus {
            for staying in [true, false] {
                for content in moves.slots_of(gpu) {
                    let expert = at(moves.held, content);
                    let stays = at(moves.place, content) != NONE;
                    let seen = at(moves.seen, expert) == gpu as u32;
                    if expert != NONE && stays == staying && !seen {
                        put(moves.seen, expert, gpu as u32);
                        put(self.next, content, 1);
                    }
                }
            }
        }
        self.start.fill(0);
        let marked = |next: &[u32], content: usize| at(next, content) == 1;
        for content in (0..moves.slots).filter(|&content| marked(self.next, content)) {
            add(self.start, at(moves.held, content), 1);
        }
        let mut sum = 0;
        for start in self.start.iter_mut() {
            sum += *start;
            *start = sum;
        }
        for content in (0..moves.slots).rev().filter(|&content| marked(self.next, content)) {
            let expert = at(moves.held, content) as usize;
            let place = at(self.start, expert).wrapping_sub(1);
            put(self.start, expert, place);
            put(self.holder, place, content as u32);
        }
    }

    /// Where the contents that can be sent to a slot stand in `holder`.
    fn holders(&self, moves: &Moves, slot: usize) -> core::ops::Range<usize> {
        let expert = at(moves.want, slot) as usize;
        at(self.start, expert) as usize..at(self.start, expert + 1) as usize
    }

    /// The node of the slot, when one of its GPUs holds the expert.
    fn has_near(&self, topology: &Topology, moves: &Moves, slot: usize) -> Option<usize> {
        let node = topology.node(at(moves.gpu, slot) as usize);
        let near = |holder: usize| {
            let content = at(self.holder, holder) as usize;
            topology.node(at(moves.gpu, content) as usize) == node
        };
        self.holders(moves, slot).any(near).then_some(node)
    }

    fn even_out(&mut self, topology: &Topology, moves: &mut Moves) {
        self.head.fill(NONE);
        for slot in (0..moves.slots).rev() {
            let source = at(moves.source, slot);
            if at(moves.state, slot) == PENDING && source != NONE {
                self.link(moves.gpu_of(source), slot);
            }
        }
        let mut changed = true;
        while changed {
            changed = false;
            let least = self.load.iter().copied().min().unwrap_or(0);
            for gpu in 0..moves.gpus {
                while at(self.load, gpu) >= least + 2 && self.relieve(topology, moves, gpu) {
                    changed = true;
                }
            }
        }
    }

    fn link(&mut self, gpu: usize, slot: usize) {
        put(self.next, slot, at(self.head, gpu));
        put(self.head, gpu, slot as u32);
    }

    fn unlink(&mut self, gpu: usize, slot: u32) {
        let after = at(self.next, slot);
        let mut before = at(self.head, gpu);
        if before == slot {
            put(self.head, gpu, after);
            return;
        }
        while before != NONE && at(self.next, before) != slot {
            before = at(self.next, before);
        }
        put(self.next, before, after);
    }

    /// Looks for a path from a GPU to one that sends at least two fewer, and shifts one request along it.
    fn relieve(&mut self, topology: &Topology, moves: &mut Moves, from: usize) -> bool {
        self.by.fill(NONE);
        put(self.queue, 0, from as u32);
        let (mut done, mut found) = (0, 1);
        while done < found {
            let gpu = at(self.queue, done) as usize;
            done += 1;
            let mut slot = at(self.head, gpu);
            while slot != NONE {
                let near = self.has_near(topology, moves, slot as usize);
                for holder in self.holders(moves, slot as usize) {
                    let content = at(self.holder, holder);
                    let other = at(moves.gpu, content) as usize;
                    if other == from
                        || at(self.by, other) != NONE
                        || near.is_some_and(|node| topology.node(other) != node)
                    {
                        continue;
                    }
                    put(self.by, other, slot);
                    put(self.content, other, content);
                    if at(self.load, other) + 2 <= at(self.load, from) {
                        self.shift(moves, from, other);
                        return true;
                    }
                    put(self.queue, found, other as u32);
                    found += 1;
                }
                slot = at(self.next, slot);
            }
        }
        false
    }

    fn shift(&mut self, moves: &mut Moves, from: usize, to: usize) {
        add(self.load, to, 1);
        subtract(self.load, from, 1);
        let mut gpu = to;
        while gpu != from {
            let slot = at(self.by, gpu);
            let sender = moves.gpu_of(at(moves.source, slot));
            self.unlink(sender, slot);
            put(moves.source, slot, at(self.content, gpu));
            self.link(gpu, slot as usize);
            gpu = sender;
        }
    }
}
