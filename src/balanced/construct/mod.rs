//! The solver for one load: counts and packing decided together, near the optimum.
//!
//! See [`stages`] for the order of the steps and docs/DESIGN.md for why each is there.

mod capped;
pub mod counts;
mod ejection_chains;
mod exhaustive;
pub mod gale_ryser;
mod items;
pub mod loads;
mod lpt;
mod other_counts;
mod packing;
mod packing_bound;
mod pairs;
mod recount;
mod rematch;
mod solver;
mod stages;
mod state;
mod swaps;

use crate::balanced::instance::Instance;
use crate::base::arena::{Arena, Need};
use solver::Solver;

/// Units of effort when the caller does not say.
const EFFORT: u64 = 200_000;

/// The effort when the caller asks for `asked`, 0 being the default.
pub fn effort(asked: u32) -> u64 {
    if asked == 0 { EFFORT } else { u64::from(asked) }
}

/// What instances of up to these sizes need: O(E + P + G).
pub fn need(experts: usize, slots: usize, gpus: usize) -> Need {
    Solver::<true>::need(experts, slots, gpus)
}

/// Solves an instance. Its loads: tokens of each expert, finite, not negative, no -0.0. `expert_at`: the answer; `arena`
/// holds what [`need`] says for these sizes. Gives what is left of the effort.
pub fn solve(instance: &Instance<&[f32]>, arena: &mut Arena, expert_at: &mut [u32]) -> u64 {
    let mut speeds = instance.used_gpus().map(|(_, speed)| speed.to_bits());
    let first = speeds.next();
    if speeds.any(|speed| Some(speed) != first) {
        run::<true>(instance, arena, expert_at)
    } else {
        run::<false>(instance, arena, expert_at)
    }
}

#[inline(never)] // one of the two on the stack
fn run<const SPEEDS: bool>(
    instance: &Instance<&[f32]>,
    arena: &mut Arena,
    expert_at: &mut [u32],
) -> u64 {
    let (experts, gpus) = (instance.loads.len(), instance.used_gpus().count());
    let mut solver = Solver::<SPEEDS>::carve(arena, experts, gpus, expert_at);
    solver.solve(instance)
}
