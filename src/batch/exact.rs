//! All sets of fetches that could do, for layers that are small enough.
//!
//! When tokens are stuck, every answer fetches an expert of the closed set to a GPU outside of it: each such fetch is
//! tried, with all that can follow. What has been tried need not be part of what is tried after it. A branch ends where
//! the bound says that the fetches left are too few.

use crate::base::arena::Carve;
use crate::base::cells::{NONE, at, put};
use crate::batch::bound::Bound;
use crate::batch::layout::Layout;
use crate::batch::reach::Reach;
use crate::problem::Shape;

/// Experts times slots of a layer that is small.
const SMALL: usize = 1 << 12;

/// Scratch of the search.
#[derive(Debug)]
pub struct Exact<'a> {
    /// `[E][P]` one more than the depth at which a fetch has been tried, 0 when it has not; empty for large layers.
    tried: &'a mut [u32],
    /// `[P]` the fetch of each depth.
    chosen: &'a mut [u32],
}

/// What a search has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Fetches, which are made.
    Answer,
    /// That there are none.
    Nothing,
    /// The effort ran out.
    Unknown,
}

impl<'a> Exact<'a> {
    /// Takes the scratch: O(E P) where that is small, else none.
    #[inline(always)] // what only counts is gone from the code
    pub fn carve(arena: &mut impl Carve<'a>, shape: &Shape) -> Self {
        let (experts, slots) = (shape.num_logical_experts(), shape.num_physical_experts());
        let pairs = experts.saturating_mul(slots);
        let small = pairs <= SMALL;
        Exact {
            tried: arena.u32s(if small { pairs } else { 0 }),
            chosen: arena.u32s(if small { slots } else { 0 }),
        }
    }

    /// Whether the layer is small enough.
    pub fn is_open(&self) -> bool {
        !self.tried.is_empty()
    }

    /// Looks for `most` fetches or fewer; nothing is fetched yet, and afterwards if there is no answer.
    pub fn search(
        &mut self,
        layout: &mut Layout,
        (reach, bound): (&mut Reach, &mut Bound),
        most: u32,
        effort: &mut u64,
    ) -> Found {
        self.tried.fill(0);
        let slots = layout.gpu.len();
        let mut next = 0;
        loop {
            let depth = layout.made().len();
            *effort = effort.saturating_sub(slots as u64);
            if *effort == 0 {
                layout.undo_all();
                return Found::Unknown;
            }
            if reach.relieve_all(layout) {
                return Found::Answer;
            }
            let left = most.saturating_sub(depth as u32);
            let chosen = if bound.fewest(layout, reach) > left {
                NONE
            } else {
                self.choose(layout, reach, next, depth as u32 + 1)
            };
            if chosen != NONE {
                put(self.chosen, depth, chosen);
                next = 0;
                continue;
            }
            for tried in self.tried.iter_mut().filter(|tried| **tried == depth as u32 + 1) {
                *tried = 0;
            }
            let Some(above) = depth.checked_sub(1) else { return Found::Nothing };
            layout.undo();
            next = at(self.chosen, above) + 1;
        }
    }

    /// Makes the next fetch out of the closed set that has not been tried: which.
    fn choose(&mut self, layout: &mut Layout, reach: &Reach, next: u32, mark: u32) -> u32 {
        let slots = layout.gpu.len() as u32;
        for pair in next..self.tried.len() as u32 {
            let expert = pair.checked_div(slots).unwrap_or(0);
            let slot = (pair - expert * slots) as usize;
            let closed = |slot: usize| reach.is_closed(at(layout.gpu, slot) as usize);
            if at(self.tried, pair) == 0
                && layout.may_take(slot)
                && !closed(slot)
                && at(layout.total, expert) > 0
                && layout.of_expert(expert).all(closed)
                && layout.fetch(expert, slot)
            {
                put(self.tried, pair, mark);
                return pair;
            }
        }
        NONE
    }
}
