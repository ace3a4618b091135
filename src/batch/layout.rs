//! What the slots of a layer hold while copies are looked for, and how many tokens each gets.
//!
//! A replica is known by its slot. The replicas of an expert are a list: its first home, then the others, the newest
//! first. Of several slots of an expert on one GPU the first counts.

use crate::base::arena::Carve;
use crate::base::cells::{NONE, add, at, put, subtract};
use crate::batch::limits::Limits;
use crate::placement::by_gpu;
use crate::problem::Shape;

/// What a slot is: of no use (a dead GPU's, an empty one of a GPU that is leaving, a second one of an expert), a home,
/// spare and free, with a copy of the last batch, with one that is fetched.
const IDLE: u32 = 0;
pub const HOME: u32 = 1;
pub const FREE: u32 = 2;
pub const HELD: u32 = 3;
pub const FETCHED: u32 = 4;

/// The layer.
#[derive(Debug)]
pub struct Layout<'a> {
    /// `[P]` GPU of each slot, what it is, its expert, the next replica of that, who sends it, and what it held before.
    pub gpu: &'a mut [u32],
    pub kind: &'a mut [u32],
    pub expert: &'a mut [u32],
    next: &'a mut [u32],
    pub sender: &'a mut [u32],
    held: &'a mut [u32],
    /// `[P]` tokens of each replica.
    pub tokens: &'a mut [u64],
    /// `[E]` the first replica, how many there are, tokens.
    head: &'a mut [u32],
    count: &'a mut [u32],
    pub total: &'a mut [u64],
    /// `[G]` the slot after the last; fetches in and out.
    end: &'a mut [u32],
    received: &'a mut [u32],
    pub(super) sent: &'a mut [u32],
    /// `[G]` what each has to do, and may, in tokens.
    pub load: &'a mut [u64],
    pub capacity: &'a mut [u64],
    /// `[P]` the slots of the copies that are fetched, in the order in which they were made.
    pub(super) made: &'a mut [u32],
    pub(super) num_made: usize,
    /// `[P]` who is to send each of them.
    pub(super) chosen: &'a mut [u32],
    /// Experts with several replicas.
    num_shared: usize,
    pub limits: Limits,
}

impl<'a> Layout<'a> {
    /// Takes the memory: O(P + E + G).
    #[inline(always)] // what only counts is gone from the code
    pub fn carve(arena: &mut impl Carve<'a>, shape: &Shape) -> Self {
        let (experts, slots) = (shape.num_logical_experts(), shape.num_physical_experts());
        let gpus = shape.topology().num_gpus();
        Layout {
            gpu: arena.u32s(slots),
            kind: arena.u32s(slots),
            expert: arena.u32s(slots),
            next: arena.u32s(slots),
            sender: arena.u32s(slots),
            held: arena.u32s(slots),
            tokens: arena.u64s(slots),
            head: arena.u32s(experts),
            count: arena.u32s(experts),
            total: arena.u64s(experts),
            end: arena.u32s(gpus),
            received: arena.u32s(gpus),
            sent: arena.u32s(gpus),
            load: arena.u64s(gpus),
            capacity: arena.u64s(gpus),
            made: arena.u32s(slots),
            num_made: 0,
            chosen: arena.u32s(slots),
            num_shared: 0,
            limits: Limits::default(),
        }
    }

    /// Lays out the homes, with all tokens of an expert at its first; `total` is filled in. Then the copies of the last
    /// batch, as far as they are of use.
    pub fn begin(&mut self, shape: &Shape, home: &[i32], held: &[i32]) {
        self.head.fill(NONE);
        self.count.fill(0);
        self.load.fill(0);
        self.received.fill(0);
        self.sent.fill(0);
        self.num_made = 0;
        self.num_shared = 0;
        let topology = shape.topology();
        for (gpu, first, slots) in by_gpu(topology, home) {
            let (serves, receives) = (topology.serves(gpu), topology.receives(gpu));
            for (slot, &entry) in (first..).zip(slots) {
                put(self.gpu, slot, gpu as u32);
                put(self.expert, slot, NONE);
                put(self.held, slot, NONE);
                put(self.tokens, slot, 0);
                let kind = if entry >= 0 && serves && !self.is_on(entry as u32, gpu) {
                    HOME
                } else if entry < 0 && receives {
                    FREE
                } else {
                    IDLE
                };
                put(self.kind, slot, kind);
                if kind == HOME {
                    self.link(slot, entry as u32);
                }
            }
            put(self.end, gpu, (first + slots.len()) as u32);
        }
        for (expert, &total) in self.total.iter().enumerate() {
            let first = at(self.head, expert);
            put(self.tokens, first, total);
            if first != NONE {
                add(self.load, at(self.gpu, first), total);
            }
        }
        for (slot, &entry) in held.iter().enumerate() {
            if entry >= 0 && at(self.kind, slot) == FREE {
                self.hold(slot, entry as u32);
            }
        }
    }

    /// A copy of the last batch in a spare slot.
    fn hold(&mut self, slot: usize, expert: u32) {
        let gpu = at(self.gpu, slot) as usize;
        let count = at(self.count, expert);
        if count == 0 || count >= self.limits.replicas || self.is_on(expert, gpu) {
            return;
        }
        put(self.held, slot, expert);
        put(self.kind, slot, HELD);
        self.link(slot, expert);
    }

    /// The slots of a GPU.
    #[inline]
    pub fn of_gpu(&self, gpu: usize) -> core::ops::Range<usize> {
        let start = if gpu == 0 { 0 } else { at(self.end, gpu - 1) };
        start as usize..at(self.end, gpu) as usize
    }

    /// How many spare slots there are, free or not.
    pub fn num_spare(&self) -> u32 {
        self.kind.iter().filter(|&&kind| kind >= FREE).count() as u32
    }

    /// Whether a GPU has a spare slot, free or not.
    pub fn has_spare(&self, gpu: usize) -> bool {
        self.of_gpu(gpu).any(|slot| at(self.kind, slot) >= FREE)
    }

    /// The replicas of an expert.
    #[inline]
    pub fn of_expert(&self, expert: u32) -> impl Iterator<Item = usize> {
        let mut slot = at_or_none(self.head, expert);
        core::iter::from_fn(move || {
            let here = slot;
            slot = at_or_none(self.next, here);
            (here != NONE).then_some(here as usize)
        })
    }

    /// How many replicas an expert has.
    #[inline]
    pub fn count(&self, expert: u32) -> u32 {
        at(self.count, expert)
    }

    /// Whether a GPU has an expert.
    #[inline]
    pub fn is_on(&self, expert: u32, gpu: usize) -> bool {
        self.of_expert(expert).any(|slot| at(self.gpu, slot) as usize == gpu)
    }

    /// The tokens that a replica can give away.
    #[inline]
    pub fn spare_tokens(&self, slot: usize) -> u64 {
        let keeps = if at(self.kind, slot) == FETCHED { self.limits.least_tokens } else { 0 };
        at(self.tokens, slot).saturating_sub(keeps)
    }

    /// What a GPU has to do beyond what it may.
    #[inline]
    pub fn surplus(&self, gpu: usize) -> u64 {
        at(self.load, gpu).saturating_sub(at(self.capacity, gpu))
    }

    /// What a GPU may do beyond what it has to.
    #[inline]
    pub fn room(&self, gpu: usize) -> u64 {
        at(self.capacity, gpu).saturating_sub(at(self.load, gpu))
    }

    /// The copies that are fetched, in order.
    pub fn made(&self) -> &[u32] {
        self.made.get(..self.num_made).unwrap_or_default()
    }

    fn link(&mut self, slot: usize, expert: u32) {
        put(self.expert, slot, expert);
        let head = at(self.head, expert);
        if head == NONE {
            put(self.head, expert, slot as u32);
            put(self.next, slot, NONE);
        } else {
            put(self.next, slot, at(self.next, head));
            put(self.next, head, slot as u32);
        }
        add(self.count, expert, 1);
        self.num_shared += usize::from(at(self.count, expert) == 2);
    }

    fn unlink(&mut self, slot: usize) {
        let expert = at(self.expert, slot);
        let mut before = at(self.head, expert);
        while before != NONE && at(self.next, before) as usize != slot {
            before = at_or_none(self.next, before);
        }
        put(self.next, before, at(self.next, slot));
        put(self.expert, slot, NONE);
        subtract(self.count, expert, 1);
        self.num_shared -= usize::from(at(self.count, expert) == 1);
    }

    /// Whether any expert has several replicas.
    pub fn is_shared(&self) -> bool {
        self.num_shared > 0
    }

    /// Where a copy on a GPU would go: into a free slot, else over a copy of the last batch that gets nothing.
    pub fn slot_on(&self, gpu: usize) -> Option<usize> {
        if at(self.received, gpu) >= self.limits.fetches_in {
            return None;
        }
        let mut slots = self.of_gpu(gpu);
        let free = |&slot: &usize| at(self.kind, slot) == FREE;
        let unused = |&slot: &usize| at(self.kind, slot) == HELD && at(self.tokens, slot) == 0;
        slots.clone().find(free).or_else(|| slots.find(unused))
    }

    /// Whether a slot may be fetched to, whatever is lost by that: of several that are free on a GPU the first.
    pub fn may_take(&self, slot: usize) -> bool {
        let gpu = at(self.gpu, slot) as usize;
        let free = |&slot: &usize| at(self.kind, slot) == FREE;
        let kind = at(self.kind, slot);
        let first = || self.of_gpu(gpu).find(free) == Some(slot);
        at(self.received, gpu) < self.limits.fetches_in && (kind == HELD || kind == FREE && first())
    }

    /// The tokens of each slot are changed: so are the loads.
    pub fn reload(&mut self) {
        self.load.fill(0);
        for (slot, &tokens) in self.tokens.iter().enumerate() {
            let fetched = at(self.kind, slot) == FETCHED;
            let cost = if fetched { self.limits.fetch_tokens } else { 0 };
            add(self.load, at(self.gpu, slot), tokens + cost);
        }
    }

    /// Whether a slot has a copy that is fetched, and gets less than that may.
    pub fn is_short(&self, slot: usize, tokens: u64) -> bool {
        at(self.kind, slot) == FETCHED && tokens < self.limits.least_tokens
    }

    /// The tokens that a GPU may get beside what its fetches cost.
    pub fn token_capacity(&self, gpu: usize) -> u64 {
        let cost = self.limits.fetch_tokens * u64::from(at(self.received, gpu));
        at(self.capacity, gpu).saturating_sub(cost)
    }

    /// Who can send an expert: a home, else a copy that is fetched.
    fn sender_of(&self, expert: u32) -> Option<usize> {
        let can = |&slot: &usize| at(self.sent, at(self.gpu, slot)) < self.limits.fetches_out;
        let of =
            |kind: u32| self.of_expert(expert).filter(move |&slot| at(self.kind, slot) == kind);
        of(HOME).find(can).or_else(|| of(FETCHED).find(can))
    }

    /// Whether an expert can be sent.
    pub fn is_sent(&self, expert: u32) -> bool {
        self.sender_of(expert).is_some()
    }

    /// Fetches an expert into a spare slot, in place of a copy of the last batch if one is there; the copy gets the
    /// least that a copy gets. False, with nothing done, when it cannot.
    pub fn fetch(&mut self, expert: u32, slot: usize) -> bool {
        let least = self.limits.least_tokens;
        let gpu = at(self.gpu, slot) as usize;
        let given: u64 = self.of_expert(expert).map(|slot| self.spare_tokens(slot)).sum();
        let Some(sender) = self.sender_of(expert) else { return false };
        if given < least || at(self.count, expert) >= self.limits.replicas {
            return false;
        }
        if at(self.kind, slot) == HELD {
            self.send_home(slot);
            self.unlink(slot);
        }
        put(self.kind, slot, FETCHED);
        put(self.sender, slot, sender as u32);
        add(self.sent, at(self.gpu, sender), 1);
        add(self.received, gpu, 1);
        add(self.load, gpu, self.limits.fetch_tokens);
        put(self.made, self.num_made, slot as u32);
        self.num_made += 1;
        let mut left = least;
        let mut giver = at(self.head, expert);
        while giver != NONE && left > 0 {
            let amount = left.min(self.spare_tokens(giver as usize));
            self.pass(giver as usize, slot, amount);
            left -= amount;
            giver = at_or_none(self.next, giver);
        }
        self.link(slot, expert);
        true
    }

    /// Takes all fetches back.
    pub fn undo_all(&mut self) {
        while self.num_made > 0 {
            self.undo();
        }
    }

    /// Takes the last fetch back; its tokens go home.
    pub fn undo(&mut self) {
        let Some(last) = self.num_made.checked_sub(1) else { return };
        self.num_made = last;
        let slot = at(self.made, last) as usize;
        let gpu = at(self.gpu, slot) as usize;
        self.send_home(slot);
        self.unlink(slot);
        subtract(self.load, gpu, self.limits.fetch_tokens);
        subtract(self.received, gpu, 1);
        subtract(self.sent, at(self.gpu, at(self.sender, slot)), 1);
        put(self.kind, slot, FREE);
        let held = at(self.held, slot);
        if held != NONE {
            put(self.kind, slot, HELD);
            self.link(slot, held);
        }
    }

    /// The tokens of a copy go to the first home of its expert.
    fn send_home(&mut self, slot: usize) {
        let first = at(self.head, at(self.expert, slot)) as usize;
        self.pass(slot, first, at(self.tokens, slot));
    }

    /// Tokens go from one replica to another.
    #[inline]
    pub fn pass(&mut self, giver: usize, getter: usize, amount: u64) {
        subtract(self.tokens, giver, amount);
        add(self.tokens, getter, amount);
        subtract(self.load, at(self.gpu, giver), amount);
        add(self.load, at(self.gpu, getter), amount);
    }

    /// The tokens of each slot.
    pub fn write_tokens(&self, quota: &mut [u32]) {
        for (to, &tokens) in quota.iter_mut().zip(self.tokens.iter()) {
            *to = tokens as u32; // at most those of the expert, which are a u32
        }
    }

    /// What the slots hold in the end.
    pub fn write(&self, home: &[i32], slots: &mut [i32]) {
        for (slot, (to, &entry)) in slots.iter_mut().zip(home).enumerate() {
            *to = match at(self.kind, slot) {
                FETCHED | HELD => at(self.expert, slot) as i32,
                _ => entry,
            };
        }
    }
}

/// An entry of a list, which ends in NONE.
#[inline(always)]
fn at_or_none(list: &[u32], place: u32) -> u32 {
    list.get(place as usize).copied().unwrap_or(NONE)
}
