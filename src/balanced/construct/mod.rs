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

/// Solves an instance. Its loads: tokens of each expert, finite, not negative, no -0.0. `expert_at`: the answer;
/// `arena` holds what [`need`] says for these sizes. Gives what is left of the effort.
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

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use crate::base::cells::NONE;
    use crate::base::used::{Part, taken};
    use std::collections::BTreeMap;
    use std::vec::Vec;

    /// Loads in (0, 1), drawn by a seed and raised to a power: the higher it is, the fewer experts are hot.
    fn loads(experts: usize, power: i32, seed: u64) -> Vec<f32> {
        let mut state = seed;
        let mut next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            ((state >> 40) as f32 + 1.0) / (1 << 24) as f32
        };
        (0..experts).map(|_| (0..power).fold(1.0, |load, _| load * next())).collect()
    }

    fn solve_one(loads: &[f32], slots: &[u32], speed: &[f32]) {
        let all = slots.iter().sum::<u32>() as usize;
        let need = need(loads.len(), all, slots.len());
        let (mut u64s, mut f64s) = (std::vec![0; need.u64s], std::vec![0.0; need.f64s]);
        let (mut u32s, mut f32s) = (std::vec![0; need.u32s], std::vec![0.0; need.f32s]);
        let mut arena = Arena::new(&mut u64s, &mut f64s, &mut u32s, &mut f32s);
        let instance = Instance {
            loads,
            slots,
            speed,
            mean_speed: speed.iter().map(|&s| f64::from(s)).sum::<f64>() / speed.len() as f64,
            max_replicas: slots.len() as u32,
            effort: effort(0),
            may_stay_empty: false,
        };
        let mut expert_at = std::vec![NONE; all];
        solve(&instance, &mut arena, &mut expert_at);
        assert!(!expert_at.contains(&NONE));
    }

    /// In how many of these 630 problems each part decides something. One that falls to 0 is not worth its lines.
    #[test]
    fn every_part_is_used() {
        let shapes = [
            (8, 12, 4),
            (16, 24, 12),
            (64, 96, 32),
            (128, 160, 32),
            (256, 288, 32),
            (256, 320, 64),
            (128, 256, 128),
        ];
        let mut count = BTreeMap::<Part, usize>::new();
        let mut note = || taken().into_iter().for_each(|part| *count.entry(part).or_default() += 1);
        for (experts, slots, gpus) in shapes {
            for power in 1..=6 {
                for seed in 1..=5 {
                    let loads = loads(experts, power, seed * 1000 + power as u64);
                    let mut here = std::vec![(slots / gpus) as u32; gpus];
                    solve_one(&loads, &here, &std::vec![1.0; gpus]);
                    note();
                    let speed: Vec<f32> =
                        (0..gpus).map(|gpu| if gpu % 4 == 0 { 0.5 } else { 1.0 }).collect();
                    here.iter_mut().step_by(2).for_each(|slots| *slots += 1);
                    solve_one(&loads, &here, &speed);
                    note();
                    here.fill(2);
                    if let Some(first) = here.first_mut() {
                        *first = experts as u32; // nearly every expert is there
                    }
                    solve_one(&loads, &here, &speed);
                    note();
                }
            }
        }
        let used = [
            (Part::PackingBound, 79),
            // and `Construct`: LPT places nearly all that can be placed, it all
            (Part::Rematch, 76),
            (Part::Swap, 357),
            (Part::EjectionChain, 255),
            (Part::OtherCounts, 342),
            (Part::CountsOfPairs, 60),
            (Part::Recount, 9),
            (Part::UphillRecount, 178),
            (Part::PreferPlain, 8),
            (Part::Exhaustive, 20),
        ];
        assert_eq!(count.into_iter().collect::<Vec<_>>(), used);
    }
}
