//! The promise that BALANCED is never worse than DEEPSEEK, kept in hierarchical scope.
//!
//! On one row the joint planner sees to it. But the assignment of groups that leaves the busiest node the
//! least to do need not be the one whose nodes pack best: where GPUs have few slots, DEEPSEEK's can be
//! luckier. So its plan is made, too, and taken when it is better and keeps replicas apart.

use super::hierarchy::{self, Road};
use super::policy::{self, Policy};
use crate::arena::{Arena, Need};
use crate::metrics;
use crate::placement::LayerMaps;
use crate::problem::{Problem, Scope, Shape};

/// Whether there is anything to see to: a hierarchy of more than one node that DEEPSEEK can plan.
pub fn concerns(shape: &Shape, scope: Scope) -> bool {
    shape.topology().num_nodes() > 1
        && shape.is_hierarchical(scope)
        && policy::admit(shape, scope).is_ok()
}

/// What [`or_deepseek`] needs: O(E + P + K + G).
pub fn need(shape: &Shape, scope: Scope) -> Need {
    let mut arena = Arena::counting();
    if concerns(shape, scope) {
        arena.u32s.take(shape.num_physical_experts());
        let road =
            policy::recipe(Policy::Deepseek).map(|recipe| hierarchy::need(shape, scope, recipe));
        arena.part(road.unwrap_or_default().max(metrics::need(shape, scope)));
    }
    arena.need()
}

/// Whether DEEPSEEK promises its bytes for these loads: no overflow of its f32 sums, and no subnormal, on
/// which machines disagree, even after division by a count.
fn is_plain(load: &[f32]) -> bool {
    const TINY: f32 = f32::from_bits((127 - 100) << 23);
    let plain = |load: f32| load.to_bits() << 1 == 0 || load >= TINY;
    let limit = policy::load_limit(load.len());
    load.iter().all(|&load| plain(load) && load <= limit)
}

/// Puts DEEPSEEK's plan of a window of a layer in the place of `slots` where it is better.
#[inline(never)]
pub fn or_deepseek(
    problem: &Problem,
    window: usize,
    layer: usize,
    scope: Scope,
    mut arena: Arena,
    slots: &mut [i32],
) {
    let shape = problem.shape();
    let Some(recipe) = policy::recipe(Policy::Deepseek) else { return };
    if !is_plain(problem.load(window, layer)) {
        return;
    }
    let kept = arena.u32s.take(slots.len());
    for (kept, &slot) in kept.iter_mut().zip(slots.iter()) {
        *kept = slot as u32;
    }
    let ours = metrics::largest_load(problem, window, layer, scope, arena.rest(), slots);

    let road = Road::new(shape, scope);
    let mut scratch = hierarchy::Scratch::carve(&mut arena.rest(), &road, recipe);
    let mut maps = LayerMaps::of(slots);
    hierarchy::plan_layer(&road, recipe, problem.load(window, layer), &mut scratch, &mut maps);
    let theirs = metrics::largest_load(problem, window, layer, scope, arena.rest(), slots);
    if theirs.duplicates > 0 || theirs.max_gpu_load >= ours.max_gpu_load {
        for (slot, &kept) in slots.iter_mut().zip(kept.iter()) {
            *slot = kept as i32;
        }
    }
}
