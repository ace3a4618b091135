//! A layer, what limits its plan, and slots that are put aside.

use crate::options::Options;
use crate::options::flags::Flags;
use crate::problem::{Problem, Scope, Shape};

/// A layer and what limits its plan.
#[derive(Clone, Copy, Debug)]
pub struct Layer<'a> {
    pub problem: &'a Problem<'a>,
    pub index: usize,
    pub scope: Scope,
    /// Replicas that an expert may have.
    pub max_replicas: usize,
    /// `options.effort`.
    pub effort: u32,
    /// A slot may stay empty where that is better.
    pub may_stay_empty: bool,
}

impl<'a> Layer<'a> {
    /// `max_replicas`: 0 for any number.
    pub fn new(
        problem: &'a Problem<'a>,
        options: &Options,
        index: usize,
        max_replicas: usize,
    ) -> Self {
        Layer {
            problem,
            index,
            scope: options.scope,
            max_replicas: if max_replicas == 0 { usize::MAX } else { max_replicas },
            effort: options.effort,
            may_stay_empty: options.flags.contains(Flags::EMPTY_SLOTS),
        }
    }

    pub fn shape(&self) -> &'a Shape<'a> {
        self.problem.shape()
    }

    /// `[E]` the loads of a window.
    pub fn load(&self, window: usize) -> &'a [f32] {
        self.problem.load(window, self.index)
    }
}

/// Puts the slots of a layer aside; -1 becomes [`NONE`](crate::base::cells::NONE).
pub fn keep(slots: &[i32], kept: &mut [u32]) {
    kept.iter_mut().zip(slots).for_each(|(kept, &slot)| *kept = slot as u32);
}

/// Slots as they were put aside.
pub fn restore(kept: &[u32], slots: &mut [i32]) {
    slots.iter_mut().zip(kept).for_each(|(slot, &kept)| *slot = kept as i32);
}

/// Slots trade places with those put aside.
pub fn exchange(kept: &mut [u32], slots: &mut [i32]) {
    for (slot, kept) in slots.iter_mut().zip(kept) {
        (*slot, *kept) = (*kept as i32, *slot as u32);
    }
}
