//! Balance in seconds: what dispatch makes of a placement, window by window, where active experts cost time.

use crate::base::arena::{Arena, Carve, Need};
use crate::base::keys::widen;
use crate::dispatch::{self, Split, note_tokens};
use crate::problem::{Problem, Shape};

/// What [`balance`] needs: O(E + P + G); nothing where active experts cost no time.
pub fn need(shape: &Shape) -> Need {
    if shape.reads() { dispatch::step_need(shape) } else { Need::default() }
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

/// Dispatches the tokens of a layer when GPUs that leave have left; `None` when an expert that has tokens has no replica.
pub fn dispatched(
    shape: &Shape,
    slots: &[i32],
    tokens: &[u32],
    quota: &mut [u32],
    arena: Arena,
) -> Option<Split> {
    dispatch::split_step(&shape.one_layer().afterwards(), slots, tokens, quota, arena)
}
