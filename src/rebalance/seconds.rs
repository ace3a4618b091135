//! Balance in seconds: what dispatch makes of a placement, window by window, where active experts cost time.

use crate::base::arena::{Arena, Carve, Need};
use crate::base::keys::widen;
use crate::dispatch::{self, Batch, QuotasMut, Split};
use crate::placement::Placement;
use crate::problem::{Problem, Shape};

/// The most tokens of an expert in a step.
const MOST: f64 = (1_u32 << 30) as f64;

/// What [`balance`] needs: O(E + P + G); nothing where active experts cost no time.
#[inline(never)] // sizing is over before planning takes the stack
pub fn need(shape: &Shape) -> Need {
    let mut need = Need::default();
    if !shape.reads() {
        return need;
    }
    need.u32s(shape.num_logical_experts());
    need.u32s(shape.num_physical_experts());
    // has been admitted
    need.plus(dispatch::need(&shape.one_layer()).unwrap_or_default())
}

/// Weighted mean over the windows of mean / largest time of a GPU, the tokens of a mean step dispatched; the mean is that
/// of experts in one piece. `None` when an expert that has tokens has no replica.
pub fn balance(problem: &Problem, layer: usize, slots: &[i32], arena: &mut Arena) -> Option<f64> {
    let shape = problem.shape();
    let mut rest = arena.rest();
    let tokens = rest.u32s(shape.num_logical_experts());
    let (mut sum, mut all) = (0.0, 0.0);
    for window in 0..shape.num_windows() {
        let weight = widen(problem.window_weight(window, layer).abs());
        if weight > 0.0 {
            note_tokens(problem, (window, layer), tokens);
            sum += weight * balance_of(shape, slots, tokens, &mut rest)?;
            all += weight;
        }
    }
    Some(if all > 0.0 { sum / all } else { 1.0 })
}

/// Whole tokens of each expert in a mean step of a window: one at least where there is any load.
pub fn note_tokens(problem: &Problem, (window, layer): (usize, usize), tokens: &mut [u32]) {
    let load = problem.load(window, layer);
    let total = load.iter().fold(0.0, |sum, &load| sum + widen(load.abs()));
    let per_load = problem.shape().seconds().map_or(1.0, |cost| cost.per_load(window, total));
    for (tokens, &load) in tokens.iter_mut().zip(load) {
        let mean = widen(load.abs()) * per_load + 0.5;
        let mean = if mean < MOST { mean as u32 } else { MOST as u32 };
        *tokens = if widen(load.abs()) > 0.0 { mean.max(1) } else { 0 };
    }
}

fn balance_of(shape: &Shape, slots: &[i32], tokens: &[u32], arena: &mut Arena) -> Option<f64> {
    let seconds = shape.seconds()?;
    let topology = shape.topology();
    let gpus = (0..topology.num_gpus()).filter(|&gpu| topology.receives(gpu));
    let speed = gpus.fold(0.0, |sum, gpu| sum + widen(topology.speed(gpu)));
    let whole = tokens.iter().fold(0.0, |sum, &tokens| sum + seconds.counted(f64::from(tokens)));
    let mut rest = arena.rest();
    let quota = rest.u32s(slots.len());
    let slowest = dispatched(shape, slots, tokens, quota, rest)?.largest_time - seconds.layer;
    Some(if slowest > 0.0 { whole / speed / slowest } else { 1.0 })
}

/// Dispatches the tokens of a layer; `None` when an expert that has tokens has no replica.
#[inline(never)] // off the stack of the search
pub fn dispatched(
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
    let placement = Placement::of(slots);
    dispatch::dispatch(
        &shape.one_layer().afterwards(),
        arena,
        &placement,
        &batch,
        out,
        Some(report),
    )
    .ok()?;
    Some(split)
}
