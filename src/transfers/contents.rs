//! What a layer has to move: each slot of the new placement is there already, has its expert on the GPU, or
//! receives it. The state that sources and rounds work on.
//!
//! Two things have a slot number. A *content* is what a slot of the previous placement holds; a *slot* is a
//! place in the new one. Within a GPU contents may change slots before the first round (that costs no link),
//! so a content keeps the number of its old slot and `place` says where it will stand. That is left open for
//! contents that go away until something is written over them: whatever is free first is overwritten first.

use crate::base::arena::Carve;
use crate::base::cells::{NONE, add, at, part_mut, put, subtract};
use crate::problem::Shape;
use crate::problem::topology::Topology;
use crate::status::Status;

/// The states of a slot of the new placement.
pub const SETTLED: u32 = 0; // holds its expert, readable
pub const EMPTY: u32 = 1; // is to hold nothing
pub const LOCAL: u32 = 2; // a second copy on its GPU, made there after the last round
pub const PENDING: u32 = 3; // waits for its expert
pub const LANDING: u32 = 4; // is written in this round
pub const BUFFERED: u32 = 5; // its expert is in a spare buffer

/// The place of a content that is written over in this round.
const GIVEN_UP: u32 = NONE - 1;

/// A layer on the move.
#[derive(Debug)]
pub struct Moves<'a> {
    pub slots: usize,
    pub gpus: usize,
    /// `[P]` GPU of a slot; `[G + 1]` its first slot.
    pub gpu: &'a mut [u32],
    pub first: &'a mut [u32],
    /// `[P]` expert of each content, of each slot; NONE = empty or unreadable.
    pub held: &'a mut [u32],
    pub want: &'a mut [u32],
    /// `[P]` of each slot: its state; where its expert comes from; the round; the round before which a
    /// buffered expert is copied into the slot, 0 = written directly.
    pub state: &'a mut [u32],
    pub source: &'a mut [u32],
    pub round: &'a mut [u32],
    pub commit: &'a mut [u32],
    /// `[P]` of each content: the slot where it stands; NONE = not settled yet, free to be overwritten once
    /// nobody reads it; GIVEN_UP = is written over in this round.
    pub place: &'a mut [u32],
    /// `[2P]` readers to come of each content, then of each slot that has been written.
    pub reads: &'a mut [u32],
    /// `[E]` readable copies.
    pub copies: &'a mut [u32],
    /// `[E]`, `[2P]`: the copies of each expert, as sources are named: slots that hold it for good, then contents
    /// that go away, those that have gone still among them. While a layer is read: the contents of a GPU.
    pub head: &'a mut [u32],
    pub next: &'a mut [u32],
    /// `[E]` of the GPU at hand: a slot that holds or will hold the expert.
    pub seen: &'a mut [u32],
}

impl<'a> Moves<'a> {
    /// Takes O(P + E + G).
    pub fn carve(arena: &mut impl Carve<'a>, shape: &Shape) -> Self {
        let slots = shape.num_physical_experts();
        let (gpus, experts) = (shape.topology().num_gpus(), shape.num_logical_experts());
        let mut moves = Moves {
            slots,
            gpus,
            gpu: arena.u32s(slots),
            first: arena.u32s(gpus + 1),
            held: arena.u32s(slots),
            want: arena.u32s(slots),
            state: arena.u32s(slots),
            source: arena.u32s(slots),
            round: arena.u32s(slots),
            commit: arena.u32s(slots),
            place: arena.u32s(slots),
            reads: arena.u32s(slots.saturating_mul(2)),
            copies: arena.u32s(experts),
            head: arena.u32s(experts),
            next: arena.u32s(slots.saturating_mul(2)),
            seen: arena.u32s(experts),
        };
        moves.note_gpus(shape.topology());
        moves
    }

    fn note_gpus(&mut self, topology: &Topology) {
        let mut slot = 0;
        for gpu in 0..self.gpus {
            put(self.first, gpu, slot as u32);
            let end = slot + topology.slots(gpu);
            part_mut(self.gpu, slot, end).fill(gpu as u32); // none while sizes are counted
            slot = end;
        }
        put(self.first, self.gpus, slot as u32);
    }

    /// The slots of a GPU.
    pub fn slots_of(&self, gpu: usize) -> core::ops::Range<usize> {
        at(self.first, gpu) as usize..at(self.first, gpu + 1) as usize
    }

    /// The slot in which a source stands: contents by their place, written slots by themselves.
    pub fn slot_of(&self, source: u32) -> usize {
        let source = source as usize;
        if source < self.slots { at(self.place, source) as usize } else { source - self.slots }
    }

    /// The GPU of a source; contents never leave theirs.
    pub fn gpu_of(&self, source: u32) -> usize {
        let source = source as usize;
        let slot = if source < self.slots { source } else { source - self.slots };
        at(self.gpu, slot) as usize
    }

    /// Whether a content may be overwritten now: it goes away, nobody is to read it any more, and its expert
    /// can be read elsewhere.
    pub fn is_free(&self, content: usize) -> bool {
        at(self.place, content) == NONE
            && at(self.reads, content) == 0
            && (at(self.held, content) == NONE || at(self.copies, at(self.held, content)) >= 2)
    }

    /// A slot holds its expert from now on.
    pub fn settle(&mut self, slot: usize) {
        put(self.state, slot, SETTLED);
        self.list_copy(at(self.want, slot), self.slots + slot);
    }

    /// Puts a copy before the others of its expert.
    fn list_copy(&mut self, expert: u32, source: usize) {
        put(self.next, source, at(self.head, expert));
        put(self.head, expert, source as u32);
    }

    /// The first copy of an expert that can be read, and the one after another; NONE = there is none.
    pub fn first_copy(&self, expert: u32) -> u32 {
        self.readable_from(at(self.head, expert))
    }

    /// See [`Moves::first_copy`].
    pub fn next_copy(&self, source: u32) -> u32 {
        self.readable_from(at(self.next, source))
    }

    fn readable_from(&self, mut source: u32) -> u32 {
        while (source as usize) < self.slots && at(self.place, source) != NONE {
            source = at(self.next, source);
        }
        source
    }

    /// Gives a slot that receives a source; NONE is one from outside.
    pub fn read_from(&mut self, slot: usize, source: u32) {
        subtract(self.reads, at(self.source, slot), 1);
        put(self.source, slot, source);
        add(self.reads, source, 1);
    }

    /// Whether a GPU is on the node of a slot.
    pub fn is_near(&self, topology: &Topology, slot: usize, gpu: usize) -> bool {
        topology.node(at(self.gpu, slot) as usize) == topology.node(gpu)
    }

    /// A copy of what a slot is to hold can be read.
    pub fn gain_copy(&mut self, slot: usize) {
        add(self.copies, at(self.want, slot), 1);
    }

    /// It cannot any more.
    pub fn lose_copy(&mut self, slot: usize) {
        subtract(self.copies, at(self.want, slot), 1);
    }

    /// A content will be written over.
    pub fn give_up(&mut self, content: usize) {
        put(self.place, content, GIVEN_UP);
        subtract(self.copies, at(self.held, content), 1);
    }

    /// It will not after all.
    pub fn keep(&mut self, content: usize) {
        put(self.place, content, NONE);
        add(self.copies, at(self.held, content), 1);
    }

    /// Reads a layer of both placements and sorts out what stays. O(P + E).
    ///
    /// # Errors
    /// [`Status::PlacementExpert`], [`Status::PlacementState`], [`Status::PlacementMissing`].
    pub fn read(&mut self, shape: &Shape, old: &[i32], new: &[i32]) -> Result<(), Status> {
        let experts = shape.num_logical_experts();
        let named = |expert: i32| match usize::try_from(expert) {
            Ok(index) if index < experts => Ok(index as u32),
            _ if expert == -1 => Ok(NONE),
            _ => Err(Status::PlacementExpert),
        };
        for (slot, (&old, &new)) in old.iter().zip(new).enumerate() {
            let (old, new) = (named(old)?, named(new)?);
            let gpu = at(self.gpu, slot) as usize;
            let serves = shape.topology().serves(gpu);
            if new != NONE && !serves {
                return Err(Status::PlacementState);
            }
            put(self.held, slot, if serves { old } else { NONE });
            put(self.want, slot, new);
        }
        count_copies(self.want, self.copies);
        if self.copies.contains(&0) {
            return Err(Status::PlacementMissing);
        }
        count_copies(self.held, self.copies);
        self.place.fill(NONE);
        self.source.fill(NONE);
        self.round.fill(NONE);
        self.commit.fill(0);
        self.reads.fill(0);
        self.head.fill(NONE);
        self.seen.fill(NONE);
        for gpu in 0..self.gpus {
            self.sort_out(gpu);
            let receives = shape.topology().receives(gpu);
            if !receives && self.slots_of(gpu).any(|slot| at(self.state, slot) == PENDING) {
                return Err(Status::PlacementState);
            }
        }
        for content in (0..self.slots).rev() {
            if at(self.place, content) == NONE {
                self.list_copy(at(self.held, content), content);
            }
        }
        for slot in (0..self.slots).rev() {
            if at(self.state, slot) == SETTLED {
                self.settle(slot);
            }
        }
        Ok(())
    }

    /// No order has fewer rounds: one GPU receives as many, one expert travels so often when each copy sends
    /// in every round, or the only copies of some experts are on one GPU, which sends them one after another.
    pub fn least_rounds(&mut self) -> u32 {
        let wanted = &mut *self.seen;
        wanted.fill(0);
        for slot in (0..self.slots).filter(|&slot| at(self.state, slot) == PENDING) {
            add(wanted, at(self.want, slot), 1);
        }
        let mut least = 0;
        for gpu in 0..self.gpus {
            let range = at(self.first, gpu) as usize..at(self.first, gpu + 1) as usize;
            let pending = range.clone().filter(|&slot| at(self.state, slot) == PENDING);
            least = least.max(pending.count() as u32);
            // the experts by the rounds that they take
            let mut only = [0_u32; 33];
            for content in range {
                let expert = at(self.held, content);
                let (wanted, copies) = (at(wanted, expert), at(self.copies, expert));
                if expert != NONE && wanted > 0 {
                    let rounds = doublings(copies, wanted);
                    least = least.max(rounds);
                    if copies == 1 {
                        add(&mut only, rounds, 1);
                    }
                }
            }
            let mut before = 0;
            for (rounds, &experts) in (0..33).zip(&only).rev() {
                before += experts;
                if experts > 0 {
                    least = least.max(before + rounds - 1);
                }
            }
        }
        least
    }

    /// Finds each slot of a GPU its content: the one that stands there, else the first other of the same
    /// expert; else it is a copy of one that is on the GPU, or is received.
    fn sort_out(&mut self, gpu: usize) {
        let range = self.slots_of(gpu);
        for slot in range.clone().rev() {
            let (held, want) = (at(self.held, slot), at(self.want, slot));
            if want == NONE {
                put(self.state, slot, EMPTY);
            } else if held == want {
                put(self.state, slot, SETTLED);
                put(self.place, slot, slot as u32);
                put(self.seen, want, slot as u32);
                continue;
            } else {
                put(self.state, slot, PENDING);
            }
            if held != NONE {
                put(self.next, slot, at(self.head, held));
                put(self.head, held, slot as u32);
            }
        }
        for slot in range.clone() {
            if at(self.state, slot) != PENDING {
                continue;
            }
            let want = at(self.want, slot) as usize;
            let (content, seen) = (at(self.head, want), at(self.seen, want));
            if content != NONE {
                put(self.head, want, at(self.next, content));
                put(self.place, content, slot as u32);
                put(self.state, slot, SETTLED);
            } else if seen != NONE {
                put(self.state, slot, LOCAL);
                put(self.source, slot, self.slots as u32 + seen);
                continue;
            }
            put(self.seen, want, slot as u32);
        }
        for slot in range {
            for expert in [at(self.held, slot), at(self.want, slot)] {
                put(self.head, expert, NONE);
                put(self.seen, expert, NONE);
            }
        }
    }
}

fn count_copies(experts: &[u32], copies: &mut [u32]) {
    copies.fill(0);
    experts.iter().for_each(|&expert| add(copies, expert, 1)); // NONE is beyond them
}

/// The rounds until `copies` have become `wanted` more, if each is copied in each.
fn doublings(copies: u32, wanted: u32) -> u32 {
    let mut rounds = 0;
    let mut there = u64::from(copies);
    while there < u64::from(copies) + u64::from(wanted) {
        there *= 2;
        rounds += 1;
    }
    rounds
}
