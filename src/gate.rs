//! Whether a new placement is worth the move: seconds gained against seconds paid, layer by layer.
//!
//! The model, in words. A step waits in every layer for the busiest GPU, so a layer's part of the step is in
//! proportion to (busiest GPU / mean), and shrinks with the busiest GPU. What is gained until the next
//! rebalance is that saving times the steps. What is paid is the time in which the links carry the layer's
//! experts. Loads are counts, so part of what the busiest GPU has above the mean is chance; that part is not
//! counted as a gain. And a layer that moved has to earn what it paid before it moves again.

use crate::base::table::{Table, TableMut};
use crate::status::Status;

/// Layers of a call.
pub(crate) const MOST_LAYERS: usize = 4096;
/// What `certainty`, `payback` and `evidence` are when they are 0.
const CERTAINTY: f64 = 3.0;
const PAYBACK: f64 = 2.0;
const EVIDENCE: f64 = 0.2;

/// Prices and times of the gate. The num_* fields, both at least 1, step_seconds, steps and
/// gpu_bandwidth must be set. Numbers are 0 or from 2^-100 to 2^100.
#[allow(non_camel_case_types)] // the C name; Rust code sees it as `eplb::GateConfig`
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct eplb_gate_config {
    /// sizeof(eplb_gate_config).
    pub struct_size: u32,
    /// L, 1 to 4,096.
    pub num_layers: u32,
    /// G: GPUs over which the loads are spread, at least 1.
    pub num_gpus: u32,
    /// 0.
    pub reserved: u32,
    /// Seconds of a step that wait for the experts of all layers; seconds of attention and the like are not
    /// part of it.
    pub step_seconds: f64,
    /// Steps until the next occasion to rebalance: how long a new placement has to earn.
    pub steps: f64,
    /// Steps since the last call with the same states: how much the last move has earned meanwhile.
    pub steps_since: f64,
    /// Bytes of the weights of one expert in one layer.
    pub bytes_per_expert: f64,
    /// Bytes per second that a GPU sends, and receives at the same time.
    pub gpu_bandwidth: f64,
    /// Bytes per second into or out of a node; 0: not a limit.
    pub node_bandwidth: f64,
    /// Part of the transfer time for which serving waits: 1 when it stops meanwhile, less when transfers
    /// run beside it. 0 = 1.
    pub stall: f64,
    /// Seconds that any rebalance costs, however little it moves; 0 and more.
    pub fixed_seconds: f64,
    /// How many standard deviations beyond the largest that chance is expected to show among G GPUs the
    /// busiest GPU must be to count. 0 = 3.
    pub certainty: f64,
    /// A layer moves when it gains this many times what it costs. 0 = 2.
    pub payback: f64,
    /// The part of the step that has to be at stake before anything moves, summed over calls in a row: a
    /// layer that could save a hundredth of the step in each of five calls counts 0.05. So a large gain is
    /// taken at once, a small one when it lasts, and what comes and goes is not. 0 = 0.2.
    pub evidence: f64,
    /// The most seconds that one rebalance may cost, fixed_seconds included; 0 = no limit.
    pub max_cost_seconds: f64,
}

pub use eplb_gate_config as GateConfig;

/// A layer before the gate. Loads in any unit, the same for all three: max_gpu_load and mean_gpu_load of
/// eplb_metrics, both placements measured with the same loads. Best with loads that the new placement was
/// not planned on, such as the newest window: what was planned on looks better than it will be.
#[allow(non_camel_case_types)] // the C name; Rust code sees it as `eplb::GateLayer`
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct eplb_gate_layer {
    /// Mean load of a GPU.
    pub mean: f64,
    /// Load of the busiest GPU now: predicted, or measured per slot.
    pub now: f64,
    /// Load of the busiest GPU after the move.
    pub after: f64,
    /// Tokens of the layer that the loads were counted from, over all experts; 0: the loads are exact.
    pub tokens: f64,
    /// Copies of an expert that go over a link: eplb_transfer_list.layer_moved. Not slots that differ: what changes its
    /// slot within a GPU costs no link.
    pub moved: u32,
    /// The most experts that one GPU sends or receives: eplb_transfer_list.layer_rounds.
    pub rounds: u32,
    /// The most experts that enter or leave one node; 0 when node_bandwidth is.
    pub node_rounds: u32,
    /// 0.
    pub reserved: u32,
}

pub use eplb_gate_layer as GateLayer;

/// What the gate remembers of a layer; the caller keeps it from call to call. Zeroes at the start.
#[allow(non_camel_case_types)] // the C name; Rust code sees it as `eplb::GateState`
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct eplb_gate_state {
    /// Seconds that the last move cost and has not earned yet.
    pub debt_seconds: f64,
    /// Seconds a step that it is expected to earn.
    pub seconds_per_step: f64,
    /// Part of the step that the layer could have saved, summed over the last calls in a row.
    pub evidence: f64,
}

pub use eplb_gate_state as GateState;

/// What the gate says about a layer.
#[allow(non_camel_case_types)] // the C name; Rust code sees it as `eplb::GateVerdict`
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct eplb_gate_verdict {
    /// Seconds gained until the next rebalance, chance taken off; 0 and more.
    pub gain_seconds: f64,
    /// Seconds that the transfers hold up serving.
    pub cost_seconds: f64,
    /// Seconds that the last move still has to earn.
    pub debt_seconds: f64,
    /// 1: take the new placement of this layer. 0: keep the old one.
    pub move_layer: u32,
    /// Which to move first, from 0, by net gain per byte; with move_layer 0: 2^32 - 1.
    pub order: u32,
}

pub use eplb_gate_verdict as GateVerdict;

/// What the gate says about all layers.
#[allow(non_camel_case_types)] // the C name; Rust code sees it as `eplb::GateTotal`
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct eplb_gate_total {
    /// Layers that move.
    pub moved_layers: u32,
    /// Copies of an expert that go over a link for it: the sum of their eplb_gate_layer.moved, at most 2^32 - 1.
    pub moved: u32,
    /// Seconds gained by the layers that move.
    pub gain_seconds: f64,
    /// What they cost, fixed_seconds included; 0 when none moves.
    pub cost_seconds: f64,
    /// Bytes that move.
    pub bytes: f64,
    /// Sum of the evidence of the layers, this call included; eplb_gate_config.evidence is what it takes.
    pub evidence: f64,
}

pub use eplb_gate_total as GateTotal;

/// 0, or from 2^-100 to 2^100: no sum or product of a few of them overflows or is subnormal. By bits, so that
/// flush-to-zero does not matter.
pub(crate) fn amount(value: f64) -> bool {
    const LEAST: u64 = (1023 - 100) << 52;
    const MOST: u64 = (1023 + 100) << 52;
    value.to_bits() == 0 || (LEAST..=MOST).contains(&value.to_bits())
}

fn or_default(value: f64, default: f64) -> f64 {
    if value > 0.0 { value } else { default }
}

impl GateConfig {
    /// Checks every number, and that they allow any move at all.
    ///
    /// # Errors
    /// [`Status::ShapeZero`], [`Status::ReservedNotZero`], [`Status::GateTime`], [`Status::GateBandwidth`],
    /// [`Status::GateNever`].
    pub fn check(&self) -> Result<(), Status> {
        if self.num_gpus == 0 {
            return Err(Status::ShapeZero);
        }
        if self.reserved != 0 {
            return Err(Status::ReservedNotZero);
        }
        if !self.times().into_iter().all(|(_, time)| amount(time)) || self.stall > 1.0 {
            return Err(Status::GateTime);
        }
        let sizes = self.sizes().into_iter().all(|(_, size)| amount(size));
        if !sizes || self.gpu_bandwidth <= 0.0 {
            return Err(Status::GateBandwidth);
        }
        if self.obstacle().is_some() { Err(Status::GateNever) } else { Ok(()) }
    }

    /// Times, numbers of steps and factors, by name.
    pub fn times(&self) -> [(&'static str, f64); 9] {
        [
            ("step_seconds", self.step_seconds),
            ("steps", self.steps),
            ("steps_since", self.steps_since),
            ("stall", self.stall),
            ("fixed_seconds", self.fixed_seconds),
            ("certainty", self.certainty),
            ("payback", self.payback),
            ("evidence", self.evidence),
            ("max_cost_seconds", self.max_cost_seconds),
        ]
    }

    /// Bytes and bandwidths, by name.
    pub fn sizes(&self) -> [(&'static str, f64); 3] {
        [
            ("bytes_per_expert", self.bytes_per_expert),
            ("gpu_bandwidth", self.gpu_bandwidth),
            ("node_bandwidth", self.node_bandwidth),
        ]
    }

    /// Why no layer can ever move, whatever its loads. What a layer gains is at most all of the steps' time, what it
    /// costs is at least one round.
    pub fn obstacle(&self) -> Option<Obstacle> {
        /// The sum of evidence grows by at most 1 a call, and from here on rounding swallows that.
        const MOST_EVIDENCE: f64 = (1_u64 << 53) as f64;
        let gain = self.steps * self.step_seconds;
        let cost = self.fixed_seconds + self.round_seconds();
        if self.step_seconds <= 0.0 {
            Some(Obstacle::Step)
        } else if self.steps <= 0.0 {
            Some(Obstacle::Steps)
        } else if self.max_cost_seconds > 0.0 && cost > self.max_cost_seconds {
            Some(Obstacle::Limit { cost })
        } else if self.payback_or_default() * cost > gain {
            Some(Obstacle::Price { cost, gain })
        } else if self.evidence > MOST_EVIDENCE {
            Some(Obstacle::Evidence)
        } else {
            None
        }
    }

    /// `payback`, or what it is when it is 0.
    pub(crate) fn payback_or_default(&self) -> f64 {
        or_default(self.payback, PAYBACK)
    }

    /// The seconds for which serving waits for one expert that goes over a link.
    fn round_seconds(&self) -> f64 {
        or_default(self.stall, 1.0) * (self.bytes_per_expert / self.gpu_bandwidth)
    }

    /// Standard deviations that the busiest of G GPUs may be off by chance: sqrt(2 ln G), which bounds the
    /// mean of the largest of G normal variables, and `certainty` more.
    fn deviations(&self) -> f64 {
        // ln by halving: the exponent, and the mantissa rounded up to the next quarter of a power
        let gpus = f64::from(self.num_gpus);
        let mut power = 1.0;
        let mut quarters = 0.0;
        while power < gpus {
            power *= 1.189_207_115_002_721_2; // 2^(1/4)
            quarters += 1.0;
        }
        let ln = quarters * (0.25 * core::f64::consts::LN_2);
        libm::sqrt(2.0 * ln) + or_default(self.certainty, CERTAINTY)
    }

    /// The seconds in which the links are busy with a layer, as far as serving waits for them.
    fn cost(&self, layer: &GateLayer) -> f64 {
        let seconds = f64::from(layer.rounds) * self.bytes_per_expert / self.gpu_bandwidth;
        let node = if self.node_bandwidth > 0.0 {
            f64::from(layer.node_rounds) * self.bytes_per_expert / self.node_bandwidth
        } else {
            0.0
        };
        or_default(self.stall, 1.0) * if node > seconds { node } else { seconds }
    }

    /// The part of the layer's time that is saved for sure.
    fn saving(&self, layer: &GateLayer) -> f64 {
        let mut now = layer.now;
        if layer.tokens > 0.0 && layer.mean > 0.0 {
            let busiest = layer.tokens * (layer.now / layer.mean) / f64::from(self.num_gpus);
            if busiest > 0.0 {
                now -= now * (self.deviations() / libm::sqrt(busiest));
            }
        }
        if now > layer.after { (now - layer.after) / layer.now } else { 0.0 }
    }
}

/// Why a gate never opens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Obstacle {
    /// A step takes no time.
    Step,
    /// There are no steps in which to earn anything.
    Steps,
    /// The least that a move costs is above the most that it may.
    Limit {
        /// `fixed_seconds` and one round.
        cost: f64,
    },
    /// The least that a move costs, `payback` times, is above the most that it can gain.
    Price {
        /// `fixed_seconds` and one round.
        cost: f64,
        /// All steps.
        gain: f64,
    },
    /// More evidence is asked for than a sum of shares can reach.
    Evidence,
}

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
    weigh(config, layers, states, verdicts);
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

/// All that can be wrong but for the number of verdicts.
///
/// # Errors
/// Those of [`gate`].
pub fn check(
    config: &GateConfig,
    layers: &impl Table<GateLayer>,
    states: &impl Table<GateState>,
) -> Result<(), Status> {
    config.check()?;
    if layers.rows() == 0 {
        return Err(Status::ShapeZero);
    }
    if layers.rows() > MOST_LAYERS {
        return Err(Status::ShapeTooLarge);
    }
    if states.rows() != layers.rows() {
        return Err(Status::ArrayLength);
    }
    (0..layers.rows()).try_for_each(|layer| layers.row(layer).check())?;
    (0..states.rows()).try_for_each(|layer| states.row(layer).check())
}

impl GateLayer {
    /// # Errors
    /// [`Status::ReservedNotZero`], [`Status::GateLoad`].
    fn check(&self) -> Result<(), Status> {
        if self.reserved != 0 {
            return Err(Status::ReservedNotZero);
        }
        let good = self.loads().into_iter().all(|(_, load)| amount(load));
        if good { Ok(()) } else { Err(Status::GateLoad) }
    }

    /// Loads and tokens, by name.
    pub fn loads(&self) -> [(&'static str, f64); 4] {
        [("mean", self.mean), ("now", self.now), ("after", self.after), ("tokens", self.tokens)]
    }
}

impl GateState {
    /// # Errors
    /// [`Status::GateState`].
    fn check(&self) -> Result<(), Status> {
        let good = self.numbers().into_iter().all(|(_, number)| amount(number));
        if good { Ok(()) } else { Err(Status::GateState) }
    }

    /// All of it, by name.
    pub fn numbers(&self) -> [(&'static str, f64); 3] {
        [
            ("debt_seconds", self.debt_seconds),
            ("seconds_per_step", self.seconds_per_step),
            ("evidence", self.evidence),
        ]
    }
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

/// How long a layer waits for its busiest GPU, in units of a layer whose GPUs are all even.
fn wait(layer: &GateLayer) -> f64 {
    if layer.mean > 0.0 { layer.now / layer.mean } else { 0.0 }
}

/// Gain, cost and debt of each layer; brings debt and evidence up to date.
fn weigh(
    config: &GateConfig,
    layers: &impl Table<GateLayer>,
    states: &mut impl TableMut<GateState>,
    verdicts: &mut impl TableMut<GateVerdict>,
) {
    let waits = (0..layers.rows()).fold(0.0, |sum, layer| sum + wait(&layers.row(layer)));
    for index in 0..layers.rows() {
        let (layer, mut state) = (&layers.row(index), states.row(index));
        let part = if waits > 0.0 { wait(layer) / waits } else { 0.0 };
        let saved = part * config.saving(layer);
        state.debt_seconds = sane(state.debt_seconds - state.seconds_per_step * config.steps_since);
        let verdict = GateVerdict {
            gain_seconds: config.steps * config.step_seconds * saved,
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
