//! What the gate refuses: numbers out of range, and prices at which nothing can ever move.

use crate::base::table::Table;
use crate::gate::records::{EPLB_GATE_SECONDS, GateConfig, GateLayer, GateState};
use crate::status::Status;

/// Layers of a call.
pub const MOST_LAYERS: usize = 4096;

/// 0, or from 2^-100 to 2^100: no sum or product of a few of them overflows or is subnormal. By bits, so that
/// flush-to-zero does not matter.
pub fn amount(value: f64) -> bool {
    const LEAST: u64 = (1023 - 100) << 52;
    const MOST: u64 = (1023 + 100) << 52;
    value.to_bits() == 0 || (LEAST..=MOST).contains(&value.to_bits())
}

impl GateConfig {
    /// Checks every number, and that they allow any move at all.
    ///
    /// # Errors
    /// [`Status::ShapeZero`], [`Status::UnknownFlag`], [`Status::GateTime`], [`Status::GateBandwidth`],
    /// [`Status::GateNever`].
    pub fn check(&self) -> Result<(), Status> {
        if self.num_gpus == 0 {
            return Err(Status::ShapeZero);
        }
        if self.flags & !EPLB_GATE_SECONDS != 0 {
            return Err(Status::UnknownFlag);
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

    /// Why no layer can ever move, whatever its loads. What a layer gains is at most all of the steps' time, which is
    /// the layers' to say where they are told in seconds; what it costs is at least one round.
    pub fn obstacle(&self) -> Option<Obstacle> {
        /// The sum of evidence grows by at most 1 a call, and from here on rounding swallows that.
        const MOST_EVIDENCE: f64 = (1_u64 << 53) as f64;
        let gain = self.steps * self.step_seconds;
        let cost = self.fixed_seconds + self.round_seconds();
        if self.step_seconds <= 0.0 && !self.in_seconds() {
            Some(Obstacle::Step)
        } else if self.steps <= 0.0 {
            Some(Obstacle::Steps)
        } else if self.max_cost_seconds > 0.0 && cost > self.max_cost_seconds {
            Some(Obstacle::Limit { cost })
        } else if self.payback_or_default() * cost > gain && !self.in_seconds() {
            Some(Obstacle::Price { cost, gain })
        } else if self.evidence > MOST_EVIDENCE {
            Some(Obstacle::Evidence)
        } else {
            None
        }
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
    (0..layers.rows()).try_for_each(|layer| layers.row(layer).check(config))?;
    (0..states.rows()).try_for_each(|layer| states.row(layer).check())
}

impl GateLayer {
    /// # Errors
    /// [`Status::ReservedNotZero`], [`Status::GateLoad`].
    fn check(&self, config: &GateConfig) -> Result<(), Status> {
        if self.reserved != 0 {
            return Err(Status::ReservedNotZero);
        }
        let good = self.loads().into_iter().all(|(_, load)| amount(load));
        let whole = !config.in_seconds() || self.missing().is_none();
        if good && whole { Ok(()) } else { Err(Status::GateLoad) }
    }

    /// One of the three that is 0 though another is not: no placement of tokens takes no time.
    pub fn missing(&self) -> Option<&'static str> {
        let [all @ .., _tokens] = self.loads();
        let (name, _) = all.into_iter().find(|&(_, seconds)| seconds <= 0.0)?;
        all.into_iter().any(|(_, seconds)| seconds > 0.0).then_some(name)
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
