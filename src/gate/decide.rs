//! Which layers move, and in which order.

use crate::base::table::{Table, TableMut};
use crate::gate::prices::or_default;
use crate::gate::records::{GateConfig, GateLayer, GateState, GateTotal, GateVerdict};
use crate::gate::refusals::{amount, check};
use crate::status::Status;

/// What `evidence` is when it is 0.
const EVIDENCE: f64 = 0.2;

/// Decides for each layer whether to move. `states` are updated as if the caller did what is said. O(L^2).
///
/// # Errors
/// Those of [`GateConfig::check`]; [`Status::ArrayLength`], [`Status::ShapeZero`], [`Status::ShapeTooLarge`]
/// above 4,096 layers, [`Status::ReservedNotZero`], [`Status::GateLoad`], [`Status::GateState`]; nothing has
/// then been written.
pub fn gate(
    config: &GateConfig,
    layers: &[GateLayer],
    states: &mut [GateState],
    verdicts: &mut [GateVerdict],
) -> Result<GateTotal, Status> {
    decide(config, &layers, &mut { states }, &mut { verdicts })
}

/// The same for tables whose rows lie anywhere.
pub fn decide(
    config: &GateConfig,
    layers: &impl Table<GateLayer>,
    states: &mut impl TableMut<GateState>,
    verdicts: &mut impl TableMut<GateVerdict>,
) -> Result<GateTotal, Status> {
    check(config, layers, states)?;
    if verdicts.rows() != layers.rows() {
        return Err(Status::ArrayLength);
    }
    measure(config, layers, states, verdicts);
    let evidence = (0..states.rows()).fold(0.0, |sum, layer| sum + states.row(layer).evidence);
    let mut total = GateTotal::default();
    if evidence >= or_default(config.evidence, EVIDENCE) {
        total = choose(config, layers, verdicts);
    }
    if total.moved_layers > 0 {
        for layer in 0..layers.rows() {
            let (mut state, verdict) = (states.row(layer), verdicts.row(layer));
            state.evidence = 0.0;
            if verdict.move_layer != 0 {
                state.debt_seconds = verdict.cost_seconds;
                state.seconds_per_step = sane(verdict.gain_seconds / config.steps);
            }
            states.set(layer, state);
        }
    }
    Ok(GateTotal { evidence, ..total })
}

/// A layer that would pay for its move and for the one before.
fn pays(config: &GateConfig, layer: &GateLayer, verdict: &GateVerdict) -> bool {
    let price = config.payback_or_default() * verdict.cost_seconds + verdict.debt_seconds;
    layer.moved > 0 && verdict.gain_seconds > 0.0 && verdict.gain_seconds >= price
}

/// A number that the next call will accept.
fn sane(value: f64) -> f64 {
    if amount(value) { value } else { 0.0 }
}

/// How long a layer waits for its busiest GPU: in seconds, or in units of a layer whose GPUs are all even.
fn wait(config: &GateConfig, layer: &GateLayer) -> f64 {
    if config.in_seconds() {
        layer.now
    } else if layer.mean > 0.0 {
        layer.now / layer.mean
    } else {
        0.0
    }
}

/// Gain, cost and debt of each layer; brings debt and evidence up to date.
fn measure(
    config: &GateConfig,
    layers: &impl Table<GateLayer>,
    states: &mut impl TableMut<GateState>,
    verdicts: &mut impl TableMut<GateVerdict>,
) {
    let waits = (0..layers.rows()).fold(0.0, |sum, layer| sum + wait(config, &layers.row(layer)));
    let step = if config.in_seconds() { waits } else { config.step_seconds };
    for index in 0..layers.rows() {
        let (layer, mut state) = (&layers.row(index), states.row(index));
        let part = if waits > 0.0 { wait(config, layer) / waits } else { 0.0 };
        let saved = part * config.saving(layer);
        state.debt_seconds = sane(state.debt_seconds - state.seconds_per_step * config.steps_since);
        let verdict = GateVerdict {
            gain_seconds: config.steps * step * saved,
            cost_seconds: config.cost(layer),
            debt_seconds: state.debt_seconds,
            move_layer: 0,
            order: u32::MAX,
        };
        let paying = pays(config, layer, &verdict);
        state.evidence = if paying { sane(state.evidence + saved) } else { 0.0 };
        states.set(index, state);
        verdicts.set(index, verdict);
    }
}

/// Takes the layers that pay, by net gain per byte, as far as the seconds go; none when together they do not
/// pay for the fixed part.
fn choose(
    config: &GateConfig,
    layers: &impl Table<GateLayer>,
    verdicts: &mut impl TableMut<GateVerdict>,
) -> GateTotal {
    let payback = config.payback_or_default();
    let mut total = GateTotal { cost_seconds: config.fixed_seconds, ..GateTotal::default() };
    while let Some(index) = next(config, layers, verdicts, total.cost_seconds) {
        let (layer, mut verdict) = (layers.row(index), verdicts.row(index));
        (verdict.move_layer, verdict.order) = (1, total.moved_layers);
        verdicts.set(index, verdict);
        total.moved_layers += 1;
        total.moved = total.moved.saturating_add(layer.moved);
        total.gain_seconds += verdict.gain_seconds;
        total.cost_seconds += verdict.cost_seconds;
        total.bytes += f64::from(layer.moved) * config.bytes_per_expert;
    }
    if total.moved_layers == 0 || total.gain_seconds < payback * total.cost_seconds {
        for index in 0..layers.rows() {
            let stays = GateVerdict { move_layer: 0, order: u32::MAX, ..verdicts.row(index) };
            verdicts.set(index, stays);
        }
        return GateTotal::default();
    }
    total
}

/// The layer that gains most per byte of those that are left and that `seconds` already spent leave room for.
fn next(
    config: &GateConfig,
    layers: &impl Table<GateLayer>,
    verdicts: &impl Table<GateVerdict>,
    seconds: f64,
) -> Option<usize> {
    let mut best: Option<(f64, usize)> = None;
    for index in 0..layers.rows() {
        let (layer, verdict) = (&layers.row(index), &verdicts.row(index));
        let (gain, cost) = (verdict.gain_seconds, verdict.cost_seconds);
        let fits = config.max_cost_seconds <= 0.0 || seconds + cost <= config.max_cost_seconds;
        if verdict.move_layer != 0 || !pays(config, layer, verdict) || !fits {
            continue;
        }
        // all experts are of a size, so that their number stands for the bytes
        let rate = (gain - cost) / f64::from(layer.moved);
        if best.is_none_or(|(most, _)| rate > most) {
            best = Some((rate, index));
        }
    }
    best.map(|(_, index)| index)
}
