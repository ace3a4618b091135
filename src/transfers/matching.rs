//! One round: which GPUs send to which.
//!
//! A GPU sends at most one expert and receives at most one. With d the largest number of transfers left at
//! one GPU, a round in which every GPU with d left takes part leaves d - 1; so d rounds suffice, if no hazard
//! forbids it (Koenig 1916). Such a matching exists: one that covers these senders, one that covers these
//! receivers, hence one that covers both (Mendelsohn, Dulmage 1958), and it is found in that order by
//! alternating paths. The other GPUs are matched after them, as many as can be.
//!
//! Receivers are GPUs. Senders are GPUs, and one more for each slot whose expert comes from outside.

use crate::base::arena::Carve;
use crate::base::cells::{NONE, add, at, part_mut, put, subtract};
use crate::problem::Shape;
use crate::problem::topology::Topology;
use crate::transfers::contents::{Moves, PENDING};

/// What a transfer does to the content that is read: frees it, leaves it to other readers, or it stays anyway. Below
/// FREES: it is read by so many that those who have received it had better send, 2, 4, 8 of them.
const FREES: u32 = 3;
const SHARED: u32 = 4;
const STAYS: u32 = 5;

/// From here on a GPU has a content of its own to write over: `room` of a round.
pub const READY: u32 = 2;

/// Scratch of a round.
#[derive(Debug)]
pub struct Matching<'a> {
    /// `[G]` transfers to come, in and out.
    receives: &'a mut [u32],
    sends: &'a mut [u32],
    /// `[G]`, `[P]`: the slots that a GPU sends to, those that free most first.
    head: &'a mut [u32],
    next: &'a mut [u32],
    /// `[G]`, `[G + P]`: the slot by which each receiver and sender takes part in this round; NONE = it does not.
    receiver: &'a mut [u32],
    sender: &'a mut [u32],
    /// `[G + P]` of the search: in order; the slot by which each was reached.
    queue: &'a mut [u32],
    by: &'a mut [u32],
    /// the most transfers left at one GPU, at one receiver
    most: u32,
    most_received: u32,
    /// GPU and slot that come first among equals
    first: [usize; 2],
}

impl<'a> Matching<'a> {
    /// Takes O(P + G).
    pub fn carve(arena: &mut impl Carve<'a>, shape: &Shape) -> Self {
        let slots = shape.num_physical_experts();
        let gpus = shape.topology().num_gpus();
        let senders = slots.saturating_add(gpus);
        Matching {
            receives: arena.u32s(gpus),
            sends: arena.u32s(gpus),
            head: arena.u32s(gpus),
            next: arena.u32s(slots),
            receiver: arena.u32s(gpus),
            sender: arena.u32s(senders),
            queue: arena.u32s(senders),
            by: arena.u32s(senders),
            most: 0,
            most_received: 0,
            first: [0; 2],
        }
    }

    /// Starts a schedule: among equals the GPUs from `turn` on come first, taken round.
    pub fn begin(&mut self, moves: &Moves, turn: usize) {
        let gpu = turn.checked_rem(moves.gpus).unwrap_or(0);
        self.first = [gpu, moves.slots_of(gpu).start];
    }

    /// Counts the transfers to come. False when there are none.
    pub fn count(&mut self, moves: &Moves) -> bool {
        self.receives.fill(0);
        self.sends.fill(0);
        for slot in (0..moves.slots).filter(|&slot| at(moves.state, slot) == PENDING) {
            add(self.receives, at(moves.gpu, slot), 1);
            let source = at(moves.source, slot);
            if source != NONE {
                add(self.sends, moves.gpu_of(source), 1);
            }
        }
        let largest = |counts: &[u32]| counts.iter().copied().max().unwrap_or(0);
        self.most_received = largest(self.receives);
        self.most = self.most_received.max(largest(self.sends));
        self.link(moves);
        self.most > 0
    }

    /// The most transfers left at a receiver.
    pub fn most_received(&self) -> u32 {
        self.most_received
    }

    /// Whether a GPU sends more than any receives.
    pub fn fans_out(&self) -> bool {
        self.most > self.most_received
    }

    /// Transfers to come at a receiver.
    pub fn receives(&self, gpu: usize) -> u32 {
        at(self.receives, gpu)
    }

    /// Whether a GPU had better wait: it has transfers to spare, and nothing that this round could free.
    pub fn can_wait(&self, moves: &Moves, gpu: usize) -> bool {
        let first = at(self.head, gpu);
        self.receives(gpu) < self.most
            && (first == NONE || self.class(moves, first as usize) > FREES)
    }

    /// The slot that a GPU receives into in this round; NONE = nothing.
    pub fn received(&self, gpu: usize) -> u32 {
        at(self.receiver, gpu)
    }

    /// Frees a content of a GPU: its readers read other copies instead, as near and on GPUs that do not become the
    /// busiest by it; when `forced`, any.
    pub fn relieve(
        &mut self,
        topology: &Topology,
        moves: &mut Moves,
        gpu: usize,
        forced: bool,
    ) -> Option<usize> {
        for content in moves.slots_of(gpu) {
            let expert = at(moves.held, content);
            if at(moves.place, content) != NONE || expert == NONE || at(moves.copies, expert) < 2 {
                continue;
            }
            let mut slot = at(self.head, gpu);
            while slot != NONE {
                let next = at(self.next, slot);
                if at(moves.source, slot) == content as u32 {
                    self.read_elsewhere(topology, moves, slot as usize, forced);
                }
                slot = next;
            }
            if at(moves.reads, content) == 0 {
                return Some(content);
            }
        }
        None
    }

    fn read_elsewhere(
        &mut self,
        topology: &Topology,
        moves: &mut Moves,
        slot: usize,
        forced: bool,
    ) {
        let before = at(moves.source, slot);
        let near = moves.is_near(topology, slot, moves.gpu_of(before));
        let mut best = NONE;
        let mut least = (true, u32::MAX);
        let mut other = moves.first_copy(at(moves.want, slot));
        while other != NONE {
            let gpu = moves.gpu_of(other);
            let farther = near && !moves.is_near(topology, slot, gpu);
            let sends = at(self.sends, gpu);
            let rank = (farther, sends);
            let fits = forced || !farther && sends + 1 < self.most;
            if other != before && fits && rank < least {
                (best, least) = (other, rank);
            }
            other = moves.next_copy(other);
        }
        if best != NONE {
            self.redirect(moves, slot, best);
        }
    }

    /// Gives a slot another source; it then is the first of its class there.
    fn redirect(&mut self, moves: &mut Moves, slot: usize, source: u32) {
        let (before, after) = (moves.gpu_of(at(moves.source, slot)), moves.gpu_of(source));
        let last = self.last_before(before, |other| other == slot);
        self.link_behind(before, last, at(self.next, slot));
        subtract(self.sends, before, 1);
        moves.read_from(slot, source);
        add(self.sends, after, 1);
        let class = self.class(moves, slot);
        let last = self.last_before(after, |other| self.class(moves, other) >= class);
        let next = if last == NONE { at(self.head, after) } else { at(self.next, last) };
        put(self.next, slot, next);
        self.link_behind(after, last, slot as u32);
    }

    /// The slot before the first of which `found` holds, in the list of a GPU; NONE = that is the head.
    fn last_before(&self, gpu: usize, found: impl Fn(usize) -> bool) -> u32 {
        let (mut last, mut slot) = (NONE, at(self.head, gpu));
        while slot != NONE && !found(slot as usize) {
            (last, slot) = (slot, at(self.next, slot));
        }
        last
    }

    fn link_behind(&mut self, gpu: usize, last: u32, slot: u32) {
        match last {
            NONE => put(self.head, gpu, slot),
            last => put(self.next, last, slot),
        }
    }

    /// Chooses the transfers of a round; GPUs for which `ready` is 0 receive nothing.
    ///
    /// Among the senders those with most left come first, then those that have to receive and have nothing
    /// free. What frees a content goes before the rest.
    pub fn choose(&mut self, moves: &Moves, ready: &[u32]) {
        self.receiver.fill(NONE);
        self.sender.fill(NONE);
        for urgency in [2, 1, 0] {
            for class in [FREES, STAYS] {
                self.by.fill(NONE);
                for gpu in turned(moves.gpus, self.first[0]) {
                    let open = at(self.sender, gpu) == NONE;
                    if open
                        && self.urgency(gpu, at(ready, gpu)) == urgency
                        && self.match_sender(moves, ready, gpu, class)
                    {
                        part_mut(self.by, 0, moves.gpus).fill(NONE);
                    }
                }
            }
        }
        let critical = self.most_received;
        for (least, class) in [(critical, FREES), (critical, STAYS), (1, FREES), (1, STAYS)] {
            self.by.fill(NONE);
            for gpu in turned(moves.gpus, self.first[0]) {
                let open = at(self.receiver, gpu) == NONE && at(ready, gpu) != 0;
                if open
                    && at(self.receives, gpu) >= least
                    && self.match_receiver(moves, gpu, least, class)
                {
                    self.by.fill(NONE);
                }
            }
        }
    }

    fn urgency(&self, gpu: usize, ready: u32) -> u32 {
        if at(self.sends, gpu) >= self.most_received {
            2
        } else {
            u32::from(ready < READY && at(self.receives, gpu) > 0)
        }
    }

    /// Lists what each GPU sends: first what is read once more and then free, then what is read by several,
    /// then what stays anyway.
    fn link(&mut self, moves: &Moves) {
        self.head.fill(NONE);
        for slot in 0..moves.slots {
            let sent = at(moves.state, slot) == PENDING && at(moves.source, slot) != NONE;
            put(self.queue, slot, if sent { self.class(moves, slot) } else { NONE });
        }
        let first = if self.fans_out() { 0 } else { FREES };
        for class in (first..=STAYS).rev() {
            for slot in turned(moves.slots, self.first[1]).rev() {
                if at(self.queue, slot) == class {
                    let gpu = moves.gpu_of(at(moves.source, slot));
                    put(self.next, slot, at(self.head, gpu));
                    put(self.head, gpu, slot as u32);
                }
            }
        }
    }

    /// The class of a transfer.
    fn class(&self, moves: &Moves, slot: usize) -> u32 {
        let source = at(moves.source, slot);
        let reads = at(moves.reads, source);
        let sends = at(self.sends, moves.gpu_of(source));
        if source != NONE && sends > self.most_received && reads > 1 {
            return FREES - reads.ilog2().min(FREES);
        }
        let goes = (source as usize) < moves.slots && at(moves.place, source) == NONE;
        match reads {
            _ if !goes => STAYS,
            1 => FREES,
            _ => SHARED,
        }
    }

    fn sender_of(moves: &Moves, slot: u32) -> usize {
        match at(moves.source, slot) {
            NONE => moves.gpus + slot as usize,
            source => moves.gpu_of(source),
        }
    }

    /// A path from a sender to a receiver that is open; all GPUs matched before stay so. Without one whoever was
    /// reached stays marked in `by`: no later path leads over them.
    fn match_sender(&mut self, moves: &Moves, ready: &[u32], from: usize, class: u32) -> bool {
        put(self.queue, 0, from as u32);
        let (mut done, mut found) = (0, 1);
        while done < found {
            let mut slot = at(self.head, at(self.queue, done));
            done += 1;
            while slot != NONE && self.class(moves, slot as usize) <= class {
                let gpu = at(moves.gpu, slot) as usize;
                if at(ready, gpu) != 0 && at(self.by, gpu) == NONE {
                    put(self.by, gpu, slot);
                    let other = at(self.receiver, gpu);
                    if other == NONE {
                        self.turn_senders(moves, from, gpu);
                        return true;
                    }
                    // one from outside has no other receiver
                    let sender = Self::sender_of(moves, other);
                    if sender < moves.gpus {
                        put(self.queue, found, sender as u32);
                        found += 1;
                    }
                }
                slot = at(self.next, slot);
            }
        }
        false
    }

    fn turn_senders(&mut self, moves: &Moves, from: usize, open: usize) {
        let mut gpu = open;
        loop {
            let slot = at(self.by, gpu);
            let sender = Self::sender_of(moves, slot);
            let before = at(self.sender, sender);
            put(self.receiver, gpu, slot);
            put(self.sender, sender, slot);
            if sender == from || before == NONE {
                return;
            }
            gpu = at(moves.gpu, before) as usize;
        }
    }

    /// A path from a receiver to a sender that is open, or to a receiver with fewer than `least` transfers
    /// left, which then is open instead. Senders matched before stay so.
    fn match_receiver(&mut self, moves: &Moves, from: usize, least: u32, class: u32) -> bool {
        put(self.queue, 0, from as u32);
        let (mut done, mut found) = (0, 1);
        while done < found {
            let gpu = at(self.queue, done) as usize;
            done += 1;
            for slot in moves.slots_of(gpu) {
                if at(moves.state, slot) != PENDING || self.class(moves, slot) > class {
                    continue;
                }
                let sender = Self::sender_of(moves, slot as u32);
                if at(self.by, sender) != NONE {
                    continue;
                }
                put(self.by, sender, slot as u32);
                let other = at(self.sender, sender);
                if other == NONE {
                    self.turn_receivers(moves, from, sender);
                    return true;
                }
                let rival = at(moves.gpu, other) as usize;
                if at(self.receives, rival) < least {
                    put(self.receiver, rival, NONE);
                    self.turn_receivers(moves, from, sender);
                    return true;
                }
                put(self.queue, found, rival as u32);
                found += 1;
            }
        }
        false
    }

    fn turn_receivers(&mut self, moves: &Moves, from: usize, open: usize) {
        let mut sender = open;
        loop {
            let slot = at(self.by, sender);
            let gpu = at(moves.gpu, slot) as usize;
            let before = at(self.receiver, gpu);
            put(self.receiver, gpu, slot);
            put(self.sender, sender, slot);
            if gpu == from || before == NONE {
                return;
            }
            sender = Self::sender_of(moves, before);
        }
    }
}

/// 0 .. len, but from `first` on and round.
fn turned(len: usize, first: usize) -> impl DoubleEndedIterator<Item = usize> {
    (first..len).chain(0..first)
}
