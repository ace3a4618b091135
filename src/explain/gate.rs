//! A gate whose figures are wrong, or never let anything through.

use crate::base::table::Table;
use crate::explain::text::Text;
use crate::gate::{GateConfig, GateLayer, GateState, MOST_LAYERS, Obstacle, amount};
use crate::status::Status;

/// The limits of every figure, behind what it is.
const LIMITS: &str = ": it is 0, or from 2^-100 to 2^100";

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
            text.say("config.% is 0: set it, it is at least 1", &[name.into()]);
        }
        Status::ShapeTooLarge => text.say(
            "config.num_layers is %: a call takes % layers at most",
            &[layers.rows().into(), MOST_LAYERS.into()],
        ),
        Status::ReservedNotZero => say_reserved(text, config, layers),
        Status::GateTime | Status::GateBandwidth => say_config(text, config, status),
        Status::GateNever => say_never(text, config),
        Status::GateLoad => {
            let found = (0..layers.rows()).find_map(|layer| {
                let mut loads = layers.row(layer).loads().into_iter();
                loads.find(|&(_, load)| !amount(load)).map(|(name, load)| (layer, name, load))
            });
            if let Some((layer, name, load)) = found {
                text.say("layers[layer %].% is %", &[layer.into(), name.into(), load.into()]);
                text.say(LIMITS, &[]);
            }
        }
        Status::GateState => {
            let found = (0..states.rows()).find_map(|layer| {
                let mut numbers = states.row(layer).numbers().into_iter();
                numbers.find(|&(_, value)| !amount(value)).map(|(name, value)| (layer, name, value))
            });
            if let Some((layer, name, value)) = found {
                text.say("states[layer %].% is %", &[layer.into(), name.into(), value.into()]);
                text.say(": keep what the last call wrote, zeroes before the first", &[]);
            }
        }
        _ => {}
    }
}

fn say_reserved(text: &mut Text, config: &GateConfig, layers: &impl Table<GateLayer>) {
    if config.reserved != 0 {
        let value = config.reserved.into();
        return text.say("config.reserved is %: start from EPLB_GATE_CONFIG_INIT", &[value]);
    }
    let mut rows = (0..layers.rows()).map(|layer| (layer, layers.row(layer).reserved));
    if let Some((layer, value)) = rows.find(|&(_, reserved)| reserved != 0) {
        text.say("layers[layer %].reserved is %: set it to 0", &[layer.into(), value.into()]);
    }
}

fn say_config(text: &mut Text, config: &GateConfig, status: Status) {
    let mut times = config.times().into_iter();
    let mut sizes = config.sizes().into_iter();
    let found = if status == Status::GateTime {
        times.find(|&(_, time)| !amount(time))
    } else {
        sizes.find(|&(_, size)| !amount(size))
    };
    if let Some((name, value)) = found {
        text.say("config.% is %", &[name.into(), value.into()]);
        text.say(LIMITS, &[]);
    } else if status == Status::GateTime {
        text.say(
            "config.stall is %: it is the part of the transfers for which serving waits, at most 1",
            &[config.stall.into()],
        );
    } else {
        text.say("config.gpu_bandwidth is 0: set it, in bytes per second", &[]);
    }
}

fn say_never(text: &mut Text, config: &GateConfig) {
    match config.obstacle() {
        None => {}
        Some(Obstacle::Step) => text.say(
            "config.step_seconds is 0, so that nothing can be gained: set it to the seconds of a \
             step that wait for the experts",
            &[],
        ),
        Some(Obstacle::Steps) => text.say(
            "config.steps is 0, so that nothing can be gained: set it to the steps until the next \
             rebalance",
            &[],
        ),
        Some(Obstacle::Limit { cost }) => text.say(
            "config.max_cost_seconds is %, moving one expert costs % s (fixed_seconds and stall x \
             bytes_per_expert / gpu_bandwidth): raise it, or pass 0 for no limit",
            &[config.max_cost_seconds.into(), cost.into()],
        ),
        Some(Obstacle::Price { cost, gain }) => text.say(
            "config.steps x step_seconds is % s, moving one expert costs % s (fixed_seconds and \
             stall x bytes_per_expert / gpu_bandwidth) and has to pay % times: look at the units",
            &[gain.into(), cost.into(), config.payback_or_default().into()],
        ),
        Some(Obstacle::Evidence) => text.say(
            "config.evidence is %, which a sum of shares of the step never reaches: 0.2 is usual",
            &[config.evidence.into()],
        ),
    }
}
