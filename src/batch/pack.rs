//! What is too much, packed into the rooms, in as few pieces as are found: each piece is a fetch.
//!
//! An item is the surplus of a GPU; a room is of a GPU below its capacity, and takes as many pieces as that has spare
//! slots. The largest item goes first: as much of it as its largest expert has, to the smallest room that takes that;
//! where none does, as much as fits into the largest room. What is left of it is an item again. Then, piece by piece
//! from the end, other rooms are tried while the effort lasts, for one piece fewer each time.

use crate::base::arena::Carve;
use crate::base::cells::{NONE, add, at, copy, put, subtract};
use crate::batch::layout::{FREE, HELD, HOME, Layout};
use crate::problem::Shape;

/// Other rooms that are tried for a piece.
const WIDTH: u32 = 4;

/// Items, rooms, and the pieces of the packing at hand.
#[derive(Debug)]
pub struct Pack<'a> {
    /// `[G]` by item: its GPU, what it has still to give.
    from: &'a mut [u32],
    left: &'a mut [u64],
    num_items: usize,
    /// `[P]` by slot: what a home on a GPU with a surplus has left.
    rest: &'a mut [u64],
    /// `[G]` by room: its GPU, what it takes, in how many pieces.
    gpu: &'a mut [u32],
    room: &'a mut [u64],
    slots: &'a mut [u32],
    num_rooms: usize,
    /// `[P]` by piece: item, who gives, room, amount; rooms tried for it; what all rooms took before it.
    item: &'a mut [u32],
    giver: &'a mut [u32],
    into: &'a mut [u32],
    amount: &'a mut [u64],
    tried: &'a mut [u32],
    before: &'a mut [u64],
    num_pieces: usize,
    /// `[P]` the pieces of the best packing: who gives, room, amount.
    best_giver: &'a mut [u32],
    best_into: &'a mut [u32],
    best_amount: &'a mut [u64],
    num_best: usize,
    /// Items with something left, what is left of all, what all rooms take.
    open: usize,
    total: u64,
    takes: u64,
    /// What a piece costs its room, and the least of a piece.
    cost: u64,
    least: u64,
}

impl<'a> Pack<'a> {
    /// Takes the memory: O(P + G).
    #[inline(always)] // what only counts is gone from the code
    pub fn carve(arena: &mut impl Carve<'a>, shape: &Shape) -> Self {
        let (gpus, slots) = (shape.topology().num_gpus(), shape.num_physical_experts());
        Pack {
            from: arena.u32s(gpus),
            left: arena.u64s(gpus),
            num_items: 0,
            rest: arena.u64s(slots),
            gpu: arena.u32s(gpus),
            room: arena.u64s(gpus),
            slots: arena.u32s(gpus),
            num_rooms: 0,
            item: arena.u32s(slots),
            giver: arena.u32s(slots),
            into: arena.u32s(slots),
            amount: arena.u64s(slots),
            tried: arena.u32s(slots),
            before: arena.u64s(slots),
            num_pieces: 0,
            best_giver: arena.u32s(slots),
            best_into: arena.u32s(slots),
            best_amount: arena.u64s(slots),
            num_best: 0,
            open: 0,
            total: 0,
            takes: 0,
            cost: 0,
            least: 0,
        }
    }

    /// Packs what is too much of a layout whose tokens are stuck, in no fewer pieces than `fewest`: whether it found a
    /// way. It is then made with [`Pack::fetch`].
    pub fn pack(&mut self, layout: &Layout, fewest: u32, effort: &mut u64) -> bool {
        self.collect(layout);
        let mut most = self.item.len();
        let mut found = false;
        loop {
            if !self.search(layout, most, effort) {
                return found;
            }
            found = true;
            self.num_best = self.num_pieces;
            copy(self.best_giver, self.giver.get(..self.num_pieces).unwrap_or_default());
            copy(self.best_into, self.into.get(..self.num_pieces).unwrap_or_default());
            copy(self.best_amount, self.amount.get(..self.num_pieces).unwrap_or_default());
            if self.num_best <= fewest as usize {
                return true;
            }
            most = self.num_best - 1;
        }
    }

    /// Makes the fetches: whether all could be.
    pub fn fetch(&self, layout: &mut Layout) -> bool {
        for piece in 0..self.num_best {
            let giver = at(self.best_giver, piece) as usize;
            let gpu = at(self.gpu, at(self.best_into, piece)) as usize;
            let expert = at(layout.expert, giver);
            let Some(slot) = layout.slot_on(gpu) else { return false };
            if layout.is_on(expert, gpu) || !layout.fetch(expert, slot) {
                return false;
            }
            let more = at(self.best_amount, piece).saturating_sub(at(layout.tokens, slot));
            layout.pass(giver, slot, more.min(layout.spare_tokens(giver)));
        }
        true
    }

    /// Items and rooms.
    fn collect(&mut self, layout: &Layout) {
        (self.num_items, self.num_rooms, self.num_pieces) = (0, 0, 0);
        (self.total, self.takes) = (0, 0);
        self.cost = layout.limits.fetch_tokens;
        self.least = layout.limits.least_tokens;
        for gpu in 0..layout.load.len() {
            if layout.surplus(gpu) > 0 {
                self.collect_item(layout, gpu);
            } else if layout.room(gpu) >= self.cost + self.least {
                let mut slots = 0;
                for slot in layout.of_gpu(gpu) {
                    let kind = at(layout.kind, slot);
                    let unused = kind == HELD && at(layout.tokens, slot) == 0;
                    slots += u32::from(kind == FREE || unused);
                }
                let slots = slots.min(layout.limits.fetches_in);
                if slots > 0 {
                    put(self.gpu, self.num_rooms, gpu as u32);
                    put(self.room, self.num_rooms, layout.room(gpu));
                    put(self.slots, self.num_rooms, slots);
                    self.takes += layout.room(gpu);
                    self.num_rooms += 1;
                }
            }
        }
        self.open = self.num_items;
    }

    /// The surplus of a GPU, and what its homes have.
    fn collect_item(&mut self, layout: &Layout, gpu: usize) {
        for slot in layout.of_gpu(gpu) {
            let expert = at(layout.expert, slot);
            let fixed =
                at(layout.kind, slot) != HOME || layout.count(expert) >= layout.limits.replicas;
            put(self.rest, slot, if fixed { 0 } else { at(layout.tokens, slot) });
        }
        let surplus = layout.surplus(gpu).max(self.least);
        put(self.from, self.num_items, gpu as u32);
        put(self.left, self.num_items, surplus);
        self.num_items += 1;
        self.total += surplus;
    }

    /// Goes on to a packing of at most so many pieces, from the one at hand.
    fn search(&mut self, layout: &Layout, most: usize, effort: &mut u64) -> bool {
        let mut forward = self.num_pieces == 0;
        if self.total > self.takes {
            return false;
        }
        loop {
            if !forward {
                let work = (self.num_items + self.num_rooms) as u64;
                if *effort < work || !self.take_back() {
                    return false;
                }
                *effort -= work;
            }
            let fits = self.num_pieces + self.open <= most
                && self.total + self.cost * self.open as u64 <= self.takes;
            forward = fits && self.place(layout, forward, self.num_pieces + self.open < most);
            if forward && self.open == 0 {
                return true;
            }
        }
    }

    /// Takes the last piece back; the next room for it comes next.
    fn take_back(&mut self) -> bool {
        let Some(piece) = self.num_pieces.checked_sub(1) else { return false };
        self.num_pieces = piece;
        let (item, room) = (at(self.item, piece), at(self.into, piece));
        let amount = at(self.amount, piece);
        self.open += usize::from(at(self.left, item) == 0);
        add(self.left, item, amount);
        add(self.rest, at(self.giver, piece), amount);
        self.total += amount;
        add(self.room, room, amount + self.cost);
        add(self.slots, room, 1);
        self.takes = at(self.before, piece);
        true
    }

    /// Places the next piece, of the item with most left: all that its largest expert has, or a part of it if it may be
    /// split and fits nowhere. Not where it has been tried: `afresh` it has not been yet. False when there is no room
    /// for it.
    fn place(&mut self, layout: &Layout, afresh: bool, split: bool) -> bool {
        let (item, left, giver, most) = self.next_item(layout);
        let piece = self.num_pieces;
        let tries = if afresh { 0 } else { at(self.tried, piece) };
        if most < self.least.max(1) || tries >= WIDTH {
            return false;
        }
        let last = if afresh { None } else { Some(at(self.room, at(self.into, piece))) };
        let whole = most + self.cost;
        let (mut room, size) = self.next_room(whole, last);
        let mut amount = most;
        if room == NONE {
            let part = size.1.saturating_sub(self.cost).min(most);
            amount = part.min(left.saturating_sub(self.least));
            if !split || last.is_some_and(|last| last >= whole) || amount < self.least.max(1) {
                return false;
            }
            room = size.0;
        }
        put(self.item, piece, item as u32);
        put(self.giver, piece, giver as u32);
        put(self.into, piece, room);
        put(self.amount, piece, amount);
        put(self.tried, piece, tries + 1);
        put(self.before, piece, self.takes);
        self.num_pieces += 1;
        subtract(self.rest, giver, amount);
        subtract(self.left, item, amount);
        self.total -= amount;
        self.open -= usize::from(amount == left);
        subtract(self.room, room, amount + self.cost);
        subtract(self.slots, room, 1);
        self.takes -= amount + self.cost;
        if at(self.slots, room) == 0 {
            self.takes -= at(self.room, room);
        }
        true
    }

    /// The item with most left, how much that is; the replica that gives next, and how much.
    fn next_item(&self, layout: &Layout) -> (usize, u64, usize, u64) {
        let (mut item, mut left) = (0, 0);
        for (place, &here) in self.left.iter().take(self.num_items).enumerate() {
            if here > left {
                (item, left) = (place, here);
            }
        }
        let (mut giver, mut has) = (0, 0);
        for slot in layout.of_gpu(at(self.from, item) as usize) {
            if at(self.rest, slot) > has {
                (giver, has) = (slot, at(self.rest, slot));
            }
        }
        (item, left, giver, left.min(has))
    }

    /// The smallest room that takes so much, NONE when none does, and the largest that does not, with its size; those
    /// after the one tried last.
    fn next_room(&self, whole: u64, last: Option<u64>) -> (u32, (u32, u64)) {
        let mut smallest = (NONE, u64::MAX);
        let mut largest = (NONE, 0);
        let rooms = self.room.iter().zip(self.slots.iter()).take(self.num_rooms);
        for (place, (&room, &slots)) in rooms.enumerate() {
            if slots == 0 {
                continue;
            }
            if room >= whole {
                if last.is_none_or(|last| room > last) && room < smallest.1 {
                    smallest = (place as u32, room);
                }
            } else if last.is_none_or(|last| room < last) && room > largest.1 {
                largest = (place as u32, room);
            }
        }
        (smallest.0, largest)
    }
}
