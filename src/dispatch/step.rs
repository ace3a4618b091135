//! A mean step of a window, dispatched: its tokens as whole numbers.

use crate::base::arena::{Arena, Carve, Need};
use crate::base::keys::widen;
use crate::dispatch::batch::{Batch, QuotasMut, Split};
use crate::dispatch::split::{dispatch, need};
use crate::placement::Placement;
use crate::problem::{Problem, Shape};

/// The most tokens of an expert in a step.
const MOST: f64 = (1_u32 << 30) as f64;

/// What the tokens of a step, their quotas and [`split_step`] need, for a shape that is admitted: O(E + P + G).
#[inline(never)] // sizing is over before planning takes the stack
pub fn step_need(shape: &Shape) -> Need {
    let mut all = Need::default();
    all.u32s(shape.num_logical_experts());
    all.u32s(shape.num_physical_experts());
    all.plus(need(&shape.one_layer()).unwrap_or_default())
}

/// Whole tokens of each expert in a mean step of a window: one at least where there is any load.
pub fn note_tokens(problem: &Problem, (window, layer): (usize, usize), tokens: &mut [u32]) {
    let load = problem.load(window, layer);
    let total = load.iter().fold(0.0, |sum, &load| sum + widen(load.abs()));
    let per_load = problem.shape().seconds().map_or(1.0, |cost| cost.per_load(window, total));
    for (tokens, &load) in tokens.iter_mut().zip(load) {
        let load = widen(load.abs());
        let mean = load * per_load + 0.5;
        let mean = if mean < MOST { mean as u32 } else { MOST as u32 };
        *tokens = if load > 0.0 { mean.max(1) } else { 0 };
    }
}

/// Dispatches the tokens of a layer, whose shape is of one; `None` when an expert that has tokens has no replica.
#[inline(never)] // off the stack of who asks
pub fn split_step(
    shape: &Shape,
    slots: &[i32],
    tokens: &[u32],
    quota: &mut [u32],
    arena: Arena,
) -> Option<Split> {
    let out = QuotasMut { quota, route_end: None, route_slot: None, max_replicas: 0 };
    let batch = Batch { tokens, by_source: false, effort: 0 };
    let mut split = Split::default();
    let report: &mut dyn FnMut(usize, &Split) = &mut |_, found| split = *found;
    dispatch(shape, arena, &Placement::of(slots), &batch, out, Some(report)).ok()?;
    Some(split)
}
