//! The schedule of a layer: rounds without a hazard.
//!
//! A round is planned at a time, from what is true at its start. A GPU can receive when a content of its own
//! is free (nobody will read it, its expert is readable elsewhere) and is written over in the round, or when a
//! spare buffer is free. After the round the buffers are emptied into the contents that have become free.

use crate::base::arena::Carve;
use crate::base::cells::{NONE, add, at, put, subtract};
use crate::problem::Shape;
use crate::problem::topology::Topology;
use crate::status::Status;
use crate::transfers::contents::{BUFFERED, LANDING, Moves};
use crate::transfers::matching::{Matching, READY};
use crate::transfers::rings::{closed_ring, enter_rings};
use crate::transfers::sources::Sources;

/// Where a GPU can receive: nowhere, a buffer, or content c as `CONTENT + c`.
const NOWHERE: u32 = 0;
const BUFFER: u32 = 1;
const CONTENT: u32 = READY;

/// One way to schedule a layer. Ways differ in who comes first among equals, and in when a reader is sent to
/// another copy.
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
    /// Which.
    pub turn: usize,
    /// Spare buffers of a GPU.
    pub spare: u32,
    /// Whether nothing else can be done: readers may be sent to any copy.
    pub forced: bool,
}

impl Attempt {
    /// Ways that are tried at most: fewer where there are many slots, as they make others likely.
    pub fn most(slots: usize) -> usize {
        16_384_usize.checked_div(slots).unwrap_or(0).clamp(4, 8)
    }

    /// Whether readers are sent elsewhere for a GPU that has nothing free and `buffers` left. Without spare
    /// buffers nothing else helps. With some the first two ways do without, as that changes who sends most;
    /// the third does it before it would have to wait, the fourth before it takes a buffer; and so on.
    fn relays(self, buffers: u32) -> bool {
        match self.turn & 3 {
            _ if self.spare == 0 || self.forced => true,
            0 | 1 => false,
            2 => buffers == 0,
            _ => true,
        }
    }
}

/// Scratch of the schedule.
#[derive(Debug)]
pub struct Rounds<'a> {
    matching: Matching<'a>,
    /// `[G]` room for the expert of this round.
    room: &'a mut [u32],
    /// `[G]` buffers in use.
    used: &'a mut [u32],
    /// `[P]` content that a buffered slot takes; NONE = it has to wait.
    taken: &'a mut [u32],
}

impl<'a> Rounds<'a> {
    /// Takes O(P + G).
    pub fn carve(arena: &mut impl Carve<'a>, shape: &Shape) -> Self {
        let gpus = shape.topology().num_gpus();
        Rounds {
            matching: Matching::carve(arena, shape),
            room: arena.u32s(gpus),
            used: arena.u32s(gpus),
            taken: arena.u32s(shape.num_physical_experts()),
        }
    }

    /// Gives every slot that receives its round, and finds every content its place. Answers the rounds.
    ///
    /// # Errors
    /// [`Status::NeedsBuffer`]: no order is safe.
    pub fn schedule(
        &mut self,
        topology: &Topology,
        moves: &mut Moves,
        sources: &mut Sources,
        attempt: Attempt,
    ) -> Result<u32, Status> {
        let mut round = 0;
        self.used.fill(0);
        self.matching.begin(moves, attempt.turn);
        while self.matching.count(moves) {
            if self.matching.fans_out() && round > 0 {
                // those that have received may send, too
                sources.even_out(topology, moves, self.matching.most_received());
                self.matching.count(moves);
            }
            if !self.start(topology, moves, attempt, round) {
                self.unblock(topology, moves, round);
                if !self.start(topology, moves, Attempt { forced: true, ..attempt }, round) {
                    round += enter_rings(moves);
                    break;
                }
            }
            round += 1;
            self.finish(moves, round);
        }
        if closed_ring(moves).is_some() {
            return Err(Status::NeedsBuffer);
        }
        self.place_the_rest(moves);
        Ok(round)
    }

    /// Starts a round. False when nothing can be received.
    fn start(
        &mut self,
        topology: &Topology,
        moves: &mut Moves,
        attempt: Attempt,
        round: u32,
    ) -> bool {
        self.find_room(topology, moves, attempt);
        self.matching.choose(moves, self.room);
        self.run(moves, round)
    }

    /// Empties buffers into contents that are free once their readers go elsewhere.
    fn unblock(&mut self, topology: &Topology, moves: &mut Moves, round: u32) {
        for gpu in 0..moves.gpus {
            if at(self.used, gpu) > 0 && self.matching.relieve(topology, moves, gpu, true).is_some()
            {
                self.empty_buffers(moves, round);
            }
        }
    }

    /// Finds each GPU that waits room for one expert. A content that is found is taken out of the readable
    /// copies, so that two GPUs do not rely on each other's.
    fn find_room(&mut self, topology: &Topology, moves: &mut Moves, attempt: Attempt) {
        for gpu in 0..moves.gpus {
            let mut room = NOWHERE;
            if self.matching.receives(gpu) > 0 {
                let buffers = attempt.spare.saturating_sub(at(self.used, gpu));
                let mut free = moves.slots_of(gpu).find(|&content| moves.is_free(content));
                if free.is_none() && attempt.relays(buffers) {
                    free = self.matching.relieve(topology, moves, gpu, attempt.forced);
                }
                if let Some(content) = free {
                    moves.give_up(content);
                    room = CONTENT + content as u32;
                } else if buffers > 1
                    || buffers == 1 && (attempt.forced || !self.matching.can_wait(moves, gpu))
                {
                    room = BUFFER;
                }
            }
            put(self.room, gpu, room);
        }
    }

    /// Starts the transfers that were chosen. False when there are none.
    fn run(&mut self, moves: &mut Moves, round: u32) -> bool {
        let mut any = false;
        for gpu in 0..moves.gpus {
            let (slot, mut room) = (self.matching.received(gpu), at(self.room, gpu));
            if room >= CONTENT && (slot == NONE || room != CONTENT + slot) {
                // give it back: not needed, or the content of the slot itself may do
                let content = (room - CONTENT) as usize;
                moves.keep(content);
                if slot != NONE {
                    let own = slot as usize;
                    let content = if moves.is_free(own) { own } else { content };
                    moves.give_up(content);
                    room = CONTENT + content as u32;
                }
            }
            if slot == NONE {
                continue;
            }
            any = true;
            let slot = slot as usize;
            put(moves.round, slot, round);
            if room >= CONTENT {
                put(moves.place, room - CONTENT, slot as u32);
                put(moves.state, slot, LANDING);
            } else {
                put(moves.state, slot, BUFFERED);
                add(self.used, gpu, 1);
            }
        }
        any
    }

    /// Ends a round: what was read is read, what was written is readable, buffers are emptied.
    fn finish(&mut self, moves: &mut Moves, round: u32) {
        for gpu in 0..moves.gpus {
            let slot = self.matching.received(gpu) as usize;
            let source = at(moves.source, slot);
            if slot < moves.slots && source != NONE {
                subtract(moves.reads, source, 1);
            }
            if slot < moves.slots && at(moves.state, slot) == LANDING {
                moves.settle(slot);
                moves.gain_copy(slot);
            }
        }
        self.empty_buffers(moves, round);
    }

    /// Copies from buffers into free contents, as many as can be at once: each may rely on the copies that
    /// the others make. Starts from all of them, and leaves out those that find no content until all do.
    fn empty_buffers(&mut self, moves: &mut Moves, round: u32) {
        for slot in 0..moves.slots {
            if at(moves.state, slot) == BUFFERED {
                put(self.taken, slot, 0);
                moves.gain_copy(slot);
            }
        }
        while !self.take_contents(moves) {
            for slot in 0..moves.slots {
                // undo, but for those that were left out
                if at(moves.state, slot) == BUFFERED && at(self.taken, slot) != NONE {
                    let content = at(self.taken, slot) as usize;
                    moves.keep(content);
                }
            }
        }
        for slot in 0..moves.slots {
            if at(moves.state, slot) == BUFFERED && at(self.taken, slot) != NONE {
                moves.settle(slot);
                put(moves.commit, slot, round);
                subtract(self.used, at(moves.gpu, slot), 1);
            }
        }
    }

    /// One attempt. False when a slot had to be left out.
    fn take_contents(&mut self, moves: &mut Moves) -> bool {
        let mut all = true;
        for slot in 0..moves.slots {
            if at(moves.state, slot) != BUFFERED || at(self.taken, slot) == NONE {
                continue;
            }
            let gpu = at(moves.gpu, slot) as usize;
            let own = moves.is_free(slot).then_some(slot);
            let free = own.or_else(|| moves.slots_of(gpu).find(|&content| moves.is_free(content)));
            if let Some(content) = free {
                put(self.taken, slot, content as u32);
                moves.give_up(content);
                put(moves.place, content, slot as u32);
            } else {
                put(self.taken, slot, NONE);
                moves.lose_copy(slot);
                all = false;
            }
        }
        all
    }

    /// Contents that nothing is written over stand where no content stands: in their own slot if they can.
    fn place_the_rest(&mut self, moves: &mut Moves) {
        let stood_on = &mut *self.taken;
        stood_on.fill(0);
        for &place in moves.place.iter() {
            put(stood_on, place, 1);
        }
        for slot in 0..moves.slots {
            if at(moves.place, slot) == NONE && at(stood_on, slot) == 0 {
                put(moves.place, slot, slot as u32);
                put(stood_on, slot, 1);
            }
        }
        for gpu in 0..moves.gpus {
            let mut open = moves.slots_of(gpu);
            for content in moves.slots_of(gpu) {
                if at(moves.place, content) == NONE
                    && let Some(slot) = open.find(|&slot| at(stood_on, slot) == 0)
                {
                    put(moves.place, content, slot as u32);
                }
            }
        }
    }
}
