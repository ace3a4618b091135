//! Who sends: for each expert that a GPU receives one of the GPUs that hold it, the nearest first, so that
//! the largest number of experts that a GPU sends is as small as that allows.
//!
//! The greedy choice (least loaded holder) is followed by cost-reducing paths: a request moves to another
//! holder, one of whose requests moves on, until a GPU is reached that sends two fewer. Without such a path
//! no assignment is more even, by the largest or by any other measure: Harvey, Ladner, Lovasz, Tamir,
//! "Semi-matchings for bipartite graphs and load balancing", 2006.
//!
//! Copies that have arrived can be read, too (relay). So while a GPU sends more than any receives, the requests
//! are evened out again before each round: those of one expert then double the senders with every round.

use crate::base::arena::Carve;
use crate::base::cells::{NONE, add, at, put, subtract};
use crate::problem::Shape;
use crate::problem::topology::Topology;
use crate::status::Status;
use crate::transfers::contents::{Moves, PENDING};

/// Scratch of the choice.
#[derive(Debug)]
pub struct Sources<'a> {
    /// `[G]` experts that a GPU sends.
    load: &'a mut [u32],
    /// `[G]`, `[P]`: the slots that a GPU sends to.
    head: &'a mut [u32],
    next: &'a mut [u32],
    /// `[G]` of the search: GPUs in order; the slot by which each was reached, and its source.
    queue: &'a mut [u32],
    by: &'a mut [u32],
    source: &'a mut [u32],
    /// `[G]` 1: no path leads from here to a GPU that sends less.
    closed: &'a mut [u32],
}

impl<'a> Sources<'a> {
    /// Takes O(P + G).
    pub fn carve(arena: &mut impl Carve<'a>, shape: &Shape) -> Self {
        let slots = shape.num_physical_experts();
        let gpus = shape.topology().num_gpus();
        Sources {
            load: arena.u32s(gpus),
            head: arena.u32s(gpus),
            next: arena.u32s(slots),
            queue: arena.u32s(gpus),
            by: arena.u32s(gpus),
            source: arena.u32s(gpus),
            closed: arena.u32s(gpus),
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
        self.load.fill(0);
        for slot in 0..moves.slots {
            if at(moves.state, slot) != PENDING {
                continue;
            }
            let source = self.least_loaded(topology, moves, slot);
            if source == NONE && !external {
                return Err(Status::SourceLost);
            }
            moves.read_from(slot, source);
            if source != NONE {
                add(self.load, moves.gpu_of(source), 1);
            }
        }
        self.even_out(topology, moves, 1);
        Ok(())
    }

    /// The copy to read: near if there is one, on the GPU that sends least, one that stays: what goes away is
    /// free the sooner.
    fn least_loaded(&self, topology: &Topology, moves: &Moves, slot: usize) -> u32 {
        let mut best = NONE;
        let mut least = (true, u32::MAX);
        let mut source = moves.first_copy(at(moves.want, slot));
        while source != NONE {
            let gpu = moves.gpu_of(source);
            let rank = (!moves.is_near(topology, slot, gpu), at(self.load, gpu));
            if rank < least {
                (best, least) = (source, rank);
            }
            source = moves.next_copy(source);
        }
        best
    }

    /// Shifts requests from GPUs that send more than `enough` to others, among them those that have received
    /// meanwhile.
    pub fn even_out(&mut self, topology: &Topology, moves: &mut Moves, enough: u32) {
        self.link_all(moves);
        self.closed.fill(0);
        loop {
            let open = |&gpu: &usize| at(self.closed, gpu) == 0;
            let loads = (0..moves.gpus).filter(open).map(|gpu| at(self.load, gpu));
            let most = loads.max().unwrap_or(0);
            if most <= enough {
                return;
            }
            for gpu in 0..moves.gpus {
                if at(self.load, gpu) == most
                    && at(self.closed, gpu) == 0
                    && !self.relieve(topology, moves, gpu)
                {
                    // whoever was reached sends at most one fewer, and so does whoever they could reach
                    for other in (0..moves.gpus).filter(|&other| at(self.by, other) != NONE) {
                        put(self.closed, other, 1);
                    }
                    put(self.closed, gpu, 1);
                }
            }
        }
    }

    fn link_all(&mut self, moves: &Moves) {
        self.load.fill(0);
        self.head.fill(NONE);
        for slot in (0..moves.slots).rev() {
            let source = at(moves.source, slot);
            if at(moves.state, slot) == PENDING && source != NONE {
                add(self.load, moves.gpu_of(source), 1);
                self.link(moves.gpu_of(source), slot);
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
                let far = !moves.is_near(topology, slot as usize, gpu);
                let mut source = moves.first_copy(at(moves.want, slot));
                while source != NONE {
                    let other = moves.gpu_of(source);
                    let fits = far || moves.is_near(topology, slot as usize, other);
                    let new = other != from && at(self.by, other) == NONE;
                    if fits && new && at(self.closed, other) == 0 {
                        put(self.by, other, slot);
                        put(self.source, other, source);
                        if at(self.load, other) + 2 <= at(self.load, from) {
                            self.shift(moves, from, other);
                            return true;
                        }
                        put(self.queue, found, other as u32);
                        found += 1;
                    }
                    source = moves.next_copy(source);
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
            moves.read_from(slot as usize, at(self.source, gpu));
            self.link(gpu, slot as usize);
            gpu = sender;
        }
    }
}
