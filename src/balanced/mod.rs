//! BALANCED: counts and packing decided together, on any topology.

pub mod improve;
pub mod layer;
pub mod many_loads;
pub mod never_worse;
pub mod one_load;
pub mod rows;
pub mod windows;

use crate::base::arena::{Arena, Need};
use crate::options::Options;
use crate::options::flags::Flags;
use crate::placement::PlacementMut;
use crate::problem::{Problem, Scope, Shape};
use layer::Layer;

/// What a layer needs.
pub fn need(shape: &Shape, scope: Scope) -> Need {
    let numbers = Need { u32s: shape.num_logical_experts(), ..Need::default() };
    layer::need(shape, scope).max(never_worse::need(shape, scope)).max(numbers)
}

/// Plans a layer and writes its maps.
#[inline(never)] // the stack holds one of the two ways
pub fn plan_layer(
    problem: &Problem,
    options: &Options,
    index: usize,
    arena: &mut Arena,
    maps: &mut PlacementMut,
) {
    let (shape, scope) = (problem.shape(), options.scope);
    let most_replicas = if maps.max_replicas == 0 { usize::MAX } else { maps.max_replicas };
    let row = Layer {
        problem,
        index,
        most_replicas,
        effort: options.effort,
        may_stay_empty: options.flags.contains(Flags::EMPTY_SLOTS),
    };
    let slots = maps.slots_mut(shape, index);
    if let Some(window) = layer::plan_layer(&row, scope, arena, slots)
        && never_worse::concerns(shape, scope)
        && most_replicas > shape.num_physical_experts() - shape.num_logical_experts()
    {
        never_worse::or_deepseek(problem, window, index, scope, arena, slots);
    }
    maps.number(shape, index, arena);
}
