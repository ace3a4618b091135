//! Tokens flow from GPUs above their capacity to GPUs below it, along the copies there are.
//!
//! From a GPU above, the GPUs that its tokens can get to are searched, breadth first. When none of them has room, what
//! was reached is a closed set: no split over these copies relieves it, so one of its experts has to be fetched from
//! outside.

use crate::base::arena::Carve;
use crate::base::cells::{NONE, at, put};
use crate::batch::layout::Layout;
use crate::problem::Shape;

/// Scratch of the search.
#[derive(Debug)]
pub struct Reach<'a> {
    /// `[G]` the GPUs reached, in order.
    queue: &'a mut [u32],
    /// `[G]` the search that last reached a GPU, `[E]` an expert.
    gpu_seen: &'a mut [u32],
    expert_seen: &'a mut [u32],
    /// `[G]` the replica that gives on the way to a GPU, NONE where the way starts, and the one that gets.
    giver: &'a mut [u32],
    getter: &'a mut [u32],
    search: u32,
    reached: usize,
}

impl<'a> Reach<'a> {
    /// Takes the scratch: O(G + E).
    #[inline(always)] // what only counts is gone from the code
    pub fn carve(arena: &mut impl Carve<'a>, shape: &Shape) -> Self {
        let (gpus, experts) = (shape.topology().num_gpus(), shape.num_logical_experts());
        Reach {
            queue: arena.u32s(gpus),
            gpu_seen: arena.u32s(gpus),
            expert_seen: arena.u32s(experts),
            giver: arena.u32s(gpus),
            getter: arena.u32s(gpus),
            search: 0,
            reached: 0,
        }
    }

    /// Forgets all searches.
    pub fn begin(&mut self) {
        self.gpu_seen.fill(0);
        self.expert_seen.fill(0);
        self.search = 0;
    }

    /// Brings a GPU down to its capacity as far as the copies allow: whether that is all the way. If not, the closed
    /// set is what [`Reach::closed`] says.
    pub fn relieve(&mut self, layout: &mut Layout, from: usize) -> bool {
        while layout.surplus(from) > 0 {
            let Some(to) = self.find(layout, from) else { return false };
            self.push(layout, from, to);
        }
        true
    }

    /// The GPUs that the last search has reached.
    pub fn closed(&self) -> &[u32] {
        self.queue.get(..self.reached).unwrap_or_default()
    }

    /// Brings all GPUs down to their capacity as far as the copies allow: whether that is all the way.
    pub fn relieve_all(&mut self, layout: &mut Layout) -> bool {
        let mut all = true;
        for gpu in 0..layout.load.len() {
            all &= layout.surplus(gpu) == 0 || self.relieve(layout, gpu);
        }
        all
    }

    /// Finds the closed set of all GPUs that are above their capacity, when none of them can be relieved: the smallest
    /// of all cuts between what is too much and what is free, the same whichever way the tokens went.
    pub fn close(&mut self, layout: &Layout) {
        self.start();
        for gpu in (0..layout.load.len()).filter(|&gpu| layout.surplus(gpu) > 0) {
            self.enter(gpu, NONE, NONE);
        }
        self.go_on(layout);
    }

    /// Whether the last search has reached a GPU.
    #[inline]
    pub fn is_closed(&self, gpu: usize) -> bool {
        at(self.gpu_seen, gpu) == self.search
    }

    /// The first GPU with room that tokens of `from` can get to.
    fn find(&mut self, layout: &Layout, from: usize) -> Option<usize> {
        self.start();
        self.enter(from, NONE, NONE);
        self.go_on(layout)
    }

    fn start(&mut self) {
        self.search = self.search.wrapping_add(1);
        if self.search == 0 {
            self.begin();
            self.search = 1;
        }
        self.reached = 0;
    }

    #[inline]
    fn enter(&mut self, gpu: usize, giver: u32, getter: u32) {
        put(self.gpu_seen, gpu, self.search);
        put(self.giver, gpu, giver);
        put(self.getter, gpu, getter);
        put(self.queue, self.reached, gpu as u32);
        self.reached += 1;
    }

    /// Searches on from the GPUs that are reached.
    fn go_on(&mut self, layout: &Layout) -> Option<usize> {
        let mut next = 0;
        while next < self.reached {
            let gpu = at(self.queue, next) as usize;
            next += 1;
            for giver in layout.of_gpu(gpu) {
                let expert = at(layout.expert, giver);
                if layout.count(expert) < 2
                    || at(self.expert_seen, expert) == self.search
                    || layout.spare_tokens(giver) == 0
                {
                    continue;
                }
                put(self.expert_seen, expert, self.search);
                for getter in layout.of_expert(expert) {
                    let to = at(layout.gpu, getter) as usize;
                    if at(self.gpu_seen, to) == self.search {
                        continue;
                    }
                    self.enter(to, giver as u32, getter as u32);
                    if layout.room(to) > 0 {
                        return Some(to);
                    }
                }
            }
        }
        None
    }

    /// Sends along the way found as much as is above, fits and can pass.
    fn push(&self, layout: &mut Layout, from: usize, to: usize) {
        let mut amount = layout.surplus(from).min(layout.room(to));
        for pass in [false, true] {
            let mut here = to;
            while here != from {
                let (giver, getter) = (at(self.giver, here) as usize, at(self.getter, here));
                if pass {
                    layout.pass(giver, getter as usize, amount);
                } else {
                    amount = amount.min(layout.spare_tokens(giver));
                }
                here = at(layout.gpu, giver) as usize;
            }
        }
    }
}
