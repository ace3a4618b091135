//! Primaries: one replica of each expert that has any load, so spread that no GPU has more of them than it must.
//!
//! A GPU reads the weights of every expert that has any token. Where tokens are few dispatch uses one replica of each
//! expert, and a step takes as long as the GPU with most of these. How few there can be is a matter of slots and
//! speeds; whether they are depends on where replicas are: experts go to GPUs that hold them by augmenting ways. An
//! expert that finds no way gets one by the step that costs the packing least: what the ways reach goes to a GPU with room
//! in place of what is no primary there. Where none is allowed, the GPU that is done first gets one too many. From then on
//! the search trades primaries for primaries and others for others, so each GPU keeps its number.

use crate::balanced::improve::marks::Marks;
use crate::balanced::improve::neighborhood::Neighborhood;
use crate::balanced::improve::packing::{Packing, Step};
use crate::base::arena::Carve;
use crate::base::cells::{NONE, add, at, put, subtract};

/// By GPU: the primaries that it is to have at most, and those that it has; and what a search for a way notes.
pub struct Primaries<'a> {
    most: &'a mut [u32],
    has: &'a mut [u32],
    /// The GPUs reached, in order; the search that last reached each.
    queue: &'a mut [u32],
    seen: &'a mut [u32],
    /// The slot that is to be a primary there, and the one that is none any more on the GPU before; [`NONE`] at the
    /// start.
    getter: &'a mut [u32],
    giver: &'a mut [u32],
    search: u32,
}

impl<'a> Primaries<'a> {
    #[inline(always)]
    pub fn list(arena: &mut impl Carve<'a>, gpus: usize) -> Self {
        Primaries {
            most: arena.u32s(gpus),
            has: arena.u32s(gpus),
            queue: arena.u32s(gpus),
            seen: arena.u32s(gpus),
            getter: arena.u32s(gpus),
            giver: arena.u32s(gpus),
            search: 0,
        }
    }

    /// Chooses the primaries of a packing that holds every expert, and swaps where that takes it.
    #[inline(never)] // off the stack of the search
    pub fn settle<const N: usize>(&mut self, p: &mut Packing<N>, marks: &mut Marks) {
        self.deal(p);
        self.has.fill(0);
        self.seen.fill(0);
        self.search = 0;
        for expert in p.read() {
            self.serve(p, expert);
        }
        for expert in p.read() {
            let served = p.holders(expert).any(|slot| p.is_primary(slot));
            if !served && !self.serve(p, expert) {
                self.make_way(p, marks, expert);
                self.serve(p, expert);
            }
        }
        p.known = 0; // what may be given away is another
    }

    /// How many each GPU is to have at most: as if one after the other went to the GPU that is done first with it.
    fn deal<const N: usize>(&mut self, p: &Packing<N>) {
        self.most.fill(0);
        let mut last = 0.0;
        for expert in p.read() {
            let mut best: Option<(f32, usize)> = None;
            for gpu in 0..p.gpus() {
                let done = self.done_with_one_more(p, gpu);
                let may = self.has_slot(p, gpu) && p.allowed(gpu, expert);
                if may && best.is_none_or(|(least, _)| done < least) {
                    best = Some((done, gpu));
                }
            }
            let Some((done, gpu)) = best else { continue };
            last = if done > last { done } else { last };
            add(self.most, gpu, 1);
        }
        // what takes no longer is no loss
        for gpu in 0..p.gpus() {
            while self.has_slot(p, gpu) && self.done_with_one_more(p, gpu) <= last {
                add(self.most, gpu, 1);
            }
        }
    }

    fn done_with_one_more<const N: usize>(&self, p: &Packing<N>, gpu: usize) -> f32 {
        (at(self.most, gpu) + 1) as f32 * at(p.slowness, gpu)
    }

    /// Whether a GPU has slots for more than it is to have at most.
    fn has_slot<const N: usize>(&self, p: &Packing<N>, gpu: usize) -> bool {
        (at(self.most, gpu) as usize) < p.held(gpu).len()
    }

    fn has_room(&self, gpu: usize) -> bool {
        at(self.has, gpu) < at(self.most, gpu)
    }

    /// Gives an expert a primary, others making way; false when no way leads to a GPU with room.
    fn serve<const N: usize>(&mut self, p: &mut Packing<N>, expert: u32) -> bool {
        let Some(mut gpu) = self.find_way(p, expert) else { return false };
        add(self.has, gpu, 1);
        loop {
            let giver = at(self.giver, gpu);
            put(p.primary, at(self.getter, gpu), 1);
            if giver == NONE {
                return true;
            }
            put(p.primary, giver, 0);
            gpu = at(p.gpu_of, giver) as usize;
        }
    }

    /// A GPU with room that a way leads to, breadth first. What was reached is in `seen`.
    fn find_way<const N: usize>(&mut self, p: &Packing<N>, expert: u32) -> Option<usize> {
        self.search += 1;
        let mut reached = 0;
        self.reach(p, (expert, NONE), &mut reached);
        let mut next = 0;
        while next < reached {
            let gpu = at(self.queue, next) as usize;
            next += 1;
            if self.has_room(gpu) {
                return Some(gpu);
            }
            for slot in p.start(gpu)..p.start(gpu + 1) {
                if p.is_primary(slot) {
                    self.reach(p, (at(p.expert_at, slot), slot as u32), &mut reached);
                }
            }
        }
        None
    }

    /// Reaches the GPUs that hold an expert whose primary is to be elsewhere.
    fn reach<const N: usize>(
        &mut self,
        p: &Packing<N>,
        (expert, giver): (u32, u32),
        reached: &mut u32,
    ) {
        for slot in p.holders(expert) {
            let gpu = at(p.gpu_of, slot) as usize;
            if at(self.seen, gpu) != self.search {
                put(self.seen, gpu, self.search);
                put(self.getter, gpu, slot as u32);
                put(self.giver, gpu, giver);
                put(self.queue, *reached, gpu as u32);
                *reached += 1;
            }
        }
    }

    /// Makes way for an expert that found none: by a step, else by one more on the GPU reached that is done first with it.
    fn make_way<const N: usize>(&mut self, p: &mut Packing<N>, marks: &mut Marks, expert: u32) {
        p.know();
        // what takes one move first: as in a repair
        let budgets = if p.priced { 1..=2 } else { 2..=2 };
        let found = budgets
            .flat_map(|most| [(most, true), (most, false)])
            .find_map(|(most, near)| self.find_step(p, (expert, near), marks.budget.min(most)));
        match found {
            Some((from, step, price)) => {
                marks.budget -= price;
                self.make(p, (from, step));
            }
            None => {
                let reached = (0..p.gpus()).filter(|&gpu| at(self.seen, gpu) == self.search);
                let best = reached.fold(None, |best: Option<(f32, usize)>, gpu| {
                    let done = self.done_with_one_more(p, gpu);
                    if best.is_none_or(|(least, _)| done < least) {
                        Some((done, gpu))
                    } else {
                        best
                    }
                });
                best.into_iter().for_each(|(_, gpu)| add(self.most, gpu, 1));
            }
        }
    }

    /// The step that costs the packing least: a replica of the expert, or a primary that the last search reached, goes to
    /// a GPU with room in place of what is no primary there, by a swap, or as one replica more. `near`: only from GPUs
    /// that hold the expert, which are few.
    fn find_step<const N: usize>(
        &self,
        p: &Packing<N>,
        (expert, near): (u32, bool),
        budget: i32,
    ) -> Option<(usize, Step, i32)> {
        let slots = |gpu| p.start(gpu)..p.start(gpu + 1);
        let reached = (0..p.gpus()).filter(|&gpu| {
            at(self.seen, gpu) == self.search && (at(self.giver, gpu) == NONE) == near
        });
        let leaving = |&from: &usize| p.is_primary(from) || at(p.expert_at, from) == expert;
        let roomy = (0..p.gpus()).filter(|&gpu| self.has_room(gpu));
        let mut all = Neighborhood::at_any_cost(p, budget);
        let mut best = None;
        for from in reached.flat_map(slots).filter(leaving) {
            for to in roomy.clone().flat_map(slots).filter(|&to| !p.is_primary(to)) {
                let before = all.score;
                all.offer_swap(from, to);
                all.offer_copy(from, to);
                if all.score > before {
                    best = all.step.map(|step| (from, step, all.price));
                }
            }
        }
        best
    }

    /// What was a primary in one slot is one in the other.
    fn make<const N: usize>(&mut self, p: &mut Packing<N>, (from, step): (usize, Step)) {
        let (Step::Swap(_, to) | Step::Recount(to, _)) = step;
        if p.is_primary(from) {
            subtract(self.has, at(p.gpu_of, from), 1);
            add(self.has, at(p.gpu_of, to), 1);
            put(p.primary, from, 0);
            put(p.primary, to, 1);
        }
        p.make(step);
    }
}

impl<'a, const N: usize> Packing<'a, N> {
    /// The experts that are to have a primary.
    fn read(&self) -> impl Iterator<Item = u32> + use<'a, N> {
        let read: &'a [u32] = self.limits.primaries;
        (0..).zip(read).filter(|&(_, &read)| read != 0).map(|(expert, _)| expert)
    }
}

impl<const N: usize> Neighborhood<'_, '_, N> {
    /// Offers a swap of two slots, if limits allow it, whatever is a primary.
    fn offer_swap(&mut self, from: usize, to: usize) {
        let p = self.p;
        let gpu = |slot: usize| at(p.gpu_of, slot) as usize;
        let together = at(p.cost, gpu(from)) + at(p.cost, gpu(to));
        let (x, y) = (at(p.expert_at, from), at(p.expert_at, to));
        let gain = together - p.cost_of_swap((gpu(from), x), (gpu(to), y));
        if (p.priced || gain > self.score)
            && let Some(price) = self.swap_price(from, to)
        {
            self.offer(Step::Swap(from, to), (gain, together), price);
        }
    }

    /// Offers that a slot takes the expert of another in place of its own, if that has other replicas.
    fn offer_copy(&mut self, from: usize, to: usize) {
        let p = self.p;
        let (x, y) = (at(p.expert_at, from), at(p.expert_at, to));
        let is_spare = y == p.empty() || at(p.count, y as usize) > 1 && p.is_spare(to, y);
        let hopes = at(p.relief, x as usize) + at(p.cost, at(p.gpu_of, to) as usize);
        if hopes > self.score && is_spare && self.may_take(to, x) {
            let price = self.price_of(to, x);
            self.score_recount(to, x, price);
        }
    }
}
