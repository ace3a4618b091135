//! The promise that BALANCED is never worse than DEEPSEEK, kept in hierarchical scope.
//!
//! On one node the solver sees to it, as long as experts come in the same order: of equal loads the
//! first decides. So there groups come as DEEPSEEK takes them. On several, the assignment of groups that
//! leaves the busiest node the least to do need not be the one whose nodes pack best: where GPUs have few
//! slots, DEEPSEEK's can be luckier. So its plan is made, too, and taken when it is better and keeps replicas
//! apart.

use crate::balanced::construct::loads::scale;
use crate::balanced::layer::{Layer, keep, restore};
use crate::base::arena::{Arena, Carve, Need};
use crate::base::keys::{descending, sort, sort_buffer};
use crate::compat::hierarchy;
use crate::compat::policy::{self, Policy};
use crate::placement::LayerMaps;
use crate::problem::{Scope, Shape, StaticSplit};
use crate::score;

/// Whether it is a hierarchy that DEEPSEEK can plan, if only a window of it.
fn has_rival(shape: &Shape, scope: Scope) -> bool {
    shape.is_hierarchical(scope) && policy::admit_window(shape, scope).is_ok()
}

/// Whether there is anything to see to: such a hierarchy of more than one node.
pub fn concerns(shape: &Shape, scope: Scope) -> bool {
    shape.topology().num_nodes() > 1 && has_rival(shape, scope)
}

/// What [`or_deepseek`] needs: O(E + P + K + G).
#[inline(never)]
pub fn need(shape: &Shape, scope: Scope) -> Need {
    match policy::recipe(Policy::Deepseek) {
        Some(recipe) if concerns(shape, scope) => {
            let kept = Need { u32s: shape.num_physical_experts(), ..Need::default() };
            hierarchy::need(shape, scope, recipe)
                .max(score::need(shape, scope, false, StaticSplit::Even))
                .plus(kept)
        }
        _ => Need::default(),
    }
}

/// The groups that DEEPSEEK takes in an order of its own: those of a hierarchy of one node.
fn ordered_groups(shape: &Shape, scope: Scope) -> usize {
    let ordered = shape.topology().num_nodes() == 1 && has_rival(shape, scope);
    if ordered { shape.num_groups() } else { 0 }
}

/// What [`order_groups`] takes and, beyond that, needs: O(E + K).
pub fn need_of_order(shape: &Shape, scope: Scope) -> [Need; 2] {
    let groups = ordered_groups(shape, scope);
    let experts = if groups > 0 { shape.num_logical_experts() } else { 0 };
    let keys = Need { u64s: groups, ..Need::default() };
    [keys, Need { u64s: sort_buffer(groups), f32s: experts, ..Need::default() }]
}

/// Keys of the groups in the order in which DEEPSEEK takes them on one node: heaviest first, loads summed as it
/// does, scaled as the solver scales them. None where that is not one node. O(E + K).
#[inline(never)] // off the stack while an instance is solved
pub fn order_groups<'a>(layer: &Layer, load: &[f32], arena: &mut Arena<'a>) -> &'a [u64] {
    let groups = ordered_groups(layer.shape(), layer.scope);
    if groups <= 1 {
        return &[];
    }
    let size = load.len().checked_div(groups).unwrap_or(0).max(1);
    let keys = arena.u64s(groups);
    let mut rest = arena.rest();
    let scaled = rest.f32s(load.len());
    scale(load, scaled);
    for (group, (key, load)) in keys.iter_mut().zip(scaled.chunks_exact(size)).enumerate() {
        *key = descending(load.iter().fold(0.0, |sum, &load| sum + load), group);
    }
    sort(keys, rest.u64s(sort_buffer(groups)));
    keys
}

/// Whether DEEPSEEK promises its bytes for these loads: no overflow of its f32 sums, and no subnormal, on
/// which machines disagree, even after division by a count.
fn is_plain(load: &[f32]) -> bool {
    const TINY: u32 = (127 - 100) << 23;
    // 0 or at least 2^-100, in one comparison of integers: one with 0 may be made one of floats, for which
    // flush-to-zero takes subnormals for 0
    let plain = |load: f32| (load.to_bits() << 1 >> 1).wrapping_sub(1) >= TINY - 1;
    let limit = policy::load_limit(load.len());
    load.iter().all(|&load| plain(load) && load <= limit)
}

/// Puts DEEPSEEK's plan of a window in the place of `slots` where it is better.
#[inline(never)]
pub fn or_deepseek(layer: &Layer, window: usize, arena: &mut Arena, slots: &mut [i32]) {
    let (shape, scope, load) = (layer.shape(), layer.scope, layer.load(window));
    let Some(recipe) = policy::recipe(Policy::Deepseek) else { return };
    if !is_plain(load) {
        return;
    }
    let mut arena = arena.rest();
    let kept = arena.u32s(slots.len());
    keep(slots, kept);
    let largest_load = |slots: &[i32], arena: &mut Arena| {
        score::largest_load(layer.problem, window, layer.index, scope, arena, slots)
    };
    let (ours, _) = largest_load(slots, &mut arena);
    hierarchy::plan_layer(shape, scope, recipe, load, &mut arena, &mut LayerMaps::of(slots));
    let (theirs, duplicates) = largest_load(slots, &mut arena);
    if duplicates > 0 || theirs >= ours {
        restore(kept, slots);
    }
}
