//! A gate whose figures are wrong, or never let anything through.

use crate::base::table::Table;
use crate::explain::text::{Text, say};
use crate::gate::{GateConfig, GateLayer, GateState, MOST_LAYERS, Obstacle, amount};
use crate::status::Status;

/// Says which figure is wrong.
pub fn say(
    text: &mut Text,
    config: &GateConfig,
    layers: &impl Table<GateLayer>,
    states: &impl Table<GateState>,
    status: Status,
) {
    match status {
        Status::ShapeZero => {
            let name = if config.num_gpus == 0 { "num_gpus" } else { "num_layers" };
            say!(text; "config.% is 0: set it, it is at least 1", name);
        }
        Status::ShapeTooLarge => {
            say!(text; "config.num_layers is %: a call takes % layers at most", layers.rows(), MOST_LAYERS);
        }
        Status::UnknownFlag => {
            say!(text; "config.flags is %: it is 0, or EPLB_GATE_SECONDS", config.flags);
        }
        Status::ReservedNotZero => {
            let mut rows = (0..layers.rows()).map(|layer| (layer, layers.row(layer).reserved));
            if let Some((layer, value)) = rows.find(|&(_, reserved)| reserved != 0) {
                say!(text; "layers[layer %].reserved is %: set it to 0", layer, value);
            }
        }
        Status::GateTime => match bad(config.times()) {
            Some(found) => say_amount(text, found),
            None => {
                say!(text; "config.stall is %: it is the part of the transfers for which serving waits, at most 1",
                    config.stall);
            }
        },
        Status::GateBandwidth => match bad(config.sizes()) {
            Some(found) => say_amount(text, found),
            None => say!(text; "config.gpu_bandwidth is 0: set it, in bytes per second"),
        },
        Status::GateNever => say_never(text, config),
        Status::GateLoad => say_load(text, config, layers),
        Status::GateState => {
            let found = |layer| bad(states.row(layer).numbers()).map(|found| (layer, found));
            if let Some((layer, (name, value))) = (0..states.rows()).find_map(found) {
                say!(text; "states[layer %].% is %: keep what the last call wrote, zeroes before the first",
                    layer, name, value);
            }
        }
        _ => {}
    }
}

/// The first of named figures that is none.
fn bad<const N: usize>(named: [(&'static str, f64); N]) -> Option<(&'static str, f64)> {
    named.into_iter().find(|&(_, value)| !amount(value))
}

fn say_amount(text: &mut Text, (name, value): (&str, f64)) {
    say!(text; "config.% is %: it is 0, or from 2^-100 to 2^100", name, value);
}

fn say_load(text: &mut Text, config: &GateConfig, layers: &impl Table<GateLayer>) {
    for layer in 0..layers.rows() {
        let row = layers.row(layer);
        if let Some((name, value)) = bad(row.loads()) {
            say!(text; "layers[layer %].% is %: it is 0, or from 2^-100 to 2^100", layer, name, value);
            return;
        }
        if let Some(name) = row.missing().filter(|_| config.in_seconds()) {
            say!(text; "layers[layer %].% is 0, not all of mean, now and after: in seconds all are, or none is",
                layer, name);
            return;
        }
    }
}

fn say_never(text: &mut Text, config: &GateConfig) {
    match config.obstacle() {
        None => {}
        Some(Obstacle::Step) => {
            say!(text; "config.step_seconds is 0, so that nothing can be gained: set it to the seconds of a step that \
                wait for the experts, or tell the layers in seconds (EPLB_GATE_SECONDS)");
        }
        Some(Obstacle::Steps) => {
            say!(text; "config.steps is 0, so that nothing can be gained: set it to the steps until the next rebalance");
        }
        Some(Obstacle::Limit { cost }) => {
            say!(text; "config.max_cost_seconds is %, moving one expert costs % s (fixed_seconds and stall x \
                bytes_per_expert / gpu_bandwidth): raise it, or pass 0 for no limit", config.max_cost_seconds, cost);
        }
        Some(Obstacle::Price { cost, gain }) => {
            say!(text; "config.steps x step_seconds is % s, moving one expert costs % s (fixed_seconds and stall x \
                bytes_per_expert / gpu_bandwidth) and has to pay % times: look at the units",
                gain, cost, config.payback_or_default());
        }
        Some(Obstacle::Evidence) => {
            say!(text; "config.evidence is %, which a sum of shares of the step never reaches: 0.2 is usual",
                config.evidence);
        }
    }
}
