//! A balance that is enough: the fewest moves that reach it.

use crate::balanced::improve::instance::{Found, Goal};
use crate::balanced::layer::{keep, restore};
use crate::base::arena::Arena;
use crate::options::TARGET_ONE;
use crate::placement::PlacementMut;
use crate::rebalance::balance;
use crate::rebalance::mode::{COUNTED, Mode};
use crate::rebalance::planner::{Planner, Scratch};
use crate::rebalance::slots::{differing, permute};

/// The search sees balances rounded: by less than this.
const ROUNDED: f64 = 1.0 / 524_288.0;

impl Planner<'_> {
    /// The balance that is enough; infinite: none is.
    fn enough(&self) -> f64 {
        match self.options.target {
            0 => f64::INFINITY,
            target => f64::from(target) / f64::from(TARGET_ONE),
        }
    }

    /// Whether one placement, by its balance and its moves, is better than another.
    pub fn is_better(&self, new: (f64, u32), than: (f64, u32)) -> bool {
        let enough = self.enough();
        match (new.0 >= enough, than.0 >= enough) {
            (true, true) => new.1 < than.1,
            (false, false) => new.0 > than.0,
            (new_is_enough, _) => new_is_enough,
        }
    }

    /// Steps from `old`, into `slots`; answers the balance and the moves. `None`: limits do not allow what must be
    /// done.
    #[inline(always)] // no frame of its own
    pub fn steps(
        &self,
        layer: usize,
        old: &[i32],
        kept: &mut [u32],
        turns: &mut Arena,
        slots: &mut [i32],
    ) -> Option<(f64, u32)> {
        let enough = self.enough();
        let here = balance::under_load(self.problem, layer, enough);
        let mut more = -ROUNDED;
        loop {
            keep(old, kept);
            let found = self.step_to(layer, old, here + more, kept, turns)?;
            restore(kept, slots);
            let balance = self.balance(layer, slots, turns);
            if balance >= enough || !found.is_enough {
                return Some((balance, found.moved));
            }
            // the search took for enough what is not: it is to find a little more, or all it can
            more = if more < 0.0 { ROUNDED } else { f64::INFINITY };
        }
    }

    #[inline(never)] // its task is on the stack only while it searches
    fn step_to(
        &self,
        layer: usize,
        old: &[i32],
        enough: f64,
        kept: &mut [u32],
        turns: &mut Arena,
    ) -> Option<Found> {
        let goal = match self.how.mode {
            Mode::Repair => Goal::Repaired,
            _ => Goal::Balanced,
        };
        let task = &mut self.task(layer, old);
        task.enough = enough;
        if task.moves == u32::MAX {
            task.moves = COUNTED;
        }
        task.search(goal, kept, turns)
    }

    /// Steps from the placement in force, where they are better than the plan from nothing that the maps hold.
    #[inline(never)] // off the stack of the plan from nothing
    pub fn or_steps(
        &self,
        layer: usize,
        old: &[i32],
        scratch: &mut Scratch,
        turns: &mut Arena,
        maps: &mut PlacementMut,
    ) {
        let shape = self.problem.shape();
        let slots = maps.slots_mut(shape, layer);
        let anew = (self.balance(layer, slots, turns), differing(shape, old, slots));
        keep(slots, scratch.from);
        let Some(steps) = self.steps(layer, old, scratch.kept, turns, slots) else { return };
        if self.is_better(anew, steps) {
            restore(scratch.from, slots);
        } else {
            self.arrange(old, slots, scratch.from, turns);
            permute(scratch.from, scratch.kept, slots);
        }
        maps.number(shape, layer, turns);
    }
}
