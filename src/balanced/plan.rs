//! A layer of BALANCED: groups onto nodes where scope asks for it, then each node's experts and GPUs as one instance,
//! then the maps. Global is one instance of everything.
//!
//! Any topology: GPUs that do not receive stay empty, slots and speeds may differ, nodes may be anywhere.

use crate::balanced::gather::{Experts, Gathered};
use crate::balanced::layer::Layer;
use crate::balanced::nodes::{self, Nodes, has_groups};
use crate::balanced::windows::Windows;
use crate::balanced::{construct, many_windows, never_worse, one_load};
use crate::base::arena::{Arena, Need};
use crate::options::Options;
use crate::placement::PlacementMut;
use crate::problem::{Problem, Scope, Shape};

/// What a layer needs.
pub fn need(shape: &Shape, scope: Scope) -> Need {
    let numbers = Need { u32s: shape.num_logical_experts(), ..Need::default() };
    need_of_slots(shape, scope).max(never_worse::need(shape, scope)).max(numbers)
}

/// O(E + P + G + N + K), with several windows O(W (E + G)) more.
#[inline(never)]
fn need_of_slots(shape: &Shape, scope: Scope) -> Need {
    let mut need = Need::default();
    Gathered::list(&mut need, shape);
    if has_groups(shape, scope) {
        Nodes::list(&mut need, shape);
    }
    let (experts, slots) = (shape.num_logical_experts(), shape.num_physical_experts());
    let (gpus, windows) = (shape.topology().num_gpus(), shape.num_windows());
    let [order, to_sort] = never_worse::need_of_order(shape, scope);
    let solver =
        one_load::need(experts, slots, gpus, one_load::searches(shape)).max(to_sort).plus(order);
    if windows == 1 {
        return need.plus(solver);
    }
    Windows::list(&mut need, shape);
    if has_groups(shape, scope) {
        need = need.plus(nodes::need_of_windows(shape));
    }
    need.plus(solver.max(many_windows::need(experts, slots, gpus, windows)))
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
    let shape = problem.shape();
    let layer = &Layer::new(problem, options, index, maps.max_replicas);
    let slots = maps.slots_mut(shape, index);
    if let Some(window) = fill_slots(layer, arena, slots)
        && never_worse::concerns(shape, layer.scope)
        && layer.max_replicas > shape.num_physical_experts() - shape.num_logical_experts()
    {
        never_worse::or_deepseek(layer, window, arena, slots);
    }
    maps.number(shape, index, arena);
}

/// Windows that differ are planned for together; else any that counts stands for all, and the answer is which.
#[inline(always)] // no frame of its own
fn fill_slots(layer: &Layer, arena: &mut Arena, slots: &mut [i32]) -> Option<usize> {
    let arena = &mut arena.rest();
    let (shape, scope) = (layer.shape(), layer.scope);
    let gathered = &mut Gathered::carve(arena, shape);
    gathered.note_gpus(shape, has_groups(shape, scope));
    slots.fill(-1);
    let window = match shape.num_windows() {
        1 => 0,
        _ => plan_windows(layer, gathered, arena, slots)?,
    };
    let load = layer.load(window);
    if has_groups(shape, scope) {
        nodes::plan(layer, load, gathered, arena, slots);
    } else {
        let experts = Experts::All(never_worse::order_groups(layer, load, arena));
        gathered.effort = construct::effort(layer.effort);
        gathered.plan_load(layer, load, experts, arena, slots);
    }
    Some(window)
}

/// Plans for windows that differ. Where none does nothing is planned, and the answer is one that stands for all.
#[inline(never)]
fn plan_windows(
    layer: &Layer,
    gathered: &mut Gathered,
    arena: &mut Arena,
    slots: &mut [i32],
) -> Option<usize> {
    let arena = &mut arena.rest();
    let windows = &mut Windows::carve(arena, layer.shape());
    windows.note(layer, gathered.num_gpus());
    if windows.alike(layer) {
        return Some(windows.first());
    }
    if has_groups(layer.shape(), layer.scope) {
        nodes::plan_windows(layer, windows, gathered, arena, slots);
    } else {
        gathered.plan_windows(layer, windows, Experts::All(&[]), arena, slots);
    }
    None
}
