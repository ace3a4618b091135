//! What a layer pays for a move and saves by it, by the prices of the configuration.

use crate::gate::records::{EPLB_GATE_SECONDS, GateConfig, GateLayer};

/// What `certainty` and `payback` are when they are 0.
const CERTAINTY: f64 = 3.0;
const PAYBACK: f64 = 2.0;

pub(super) fn or_default(value: f64, default: f64) -> f64 {
    if value > 0.0 { value } else { default }
}

impl GateConfig {
    /// The layers are told in seconds of a step.
    pub(crate) fn in_seconds(&self) -> bool {
        self.flags & EPLB_GATE_SECONDS != 0
    }

    /// `payback`, or what it is when it is 0.
    pub(crate) fn payback_or_default(&self) -> f64 {
        or_default(self.payback, PAYBACK)
    }

    /// The seconds for which serving waits for one expert that goes over a link.
    pub(super) fn round_seconds(&self) -> f64 {
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
    pub(super) fn cost(&self, layer: &GateLayer) -> f64 {
        let seconds = f64::from(layer.rounds) * self.bytes_per_expert / self.gpu_bandwidth;
        let node = if self.node_bandwidth > 0.0 {
            f64::from(layer.node_rounds) * self.bytes_per_expert / self.node_bandwidth
        } else {
            0.0
        };
        or_default(self.stall, 1.0) * if node > seconds { node } else { seconds }
    }

    /// The part of the layer's time that is saved for sure.
    pub(super) fn saving(&self, layer: &GateLayer) -> f64 {
        let mut sure = layer.now;
        if layer.tokens > 0.0 && layer.mean > 0.0 {
            let busiest = layer.tokens * (layer.now / layer.mean) / f64::from(self.num_gpus);
            if busiest > 0.0 {
                sure -= sure * (self.deviations() / libm::sqrt(busiest));
            }
        }
        // loads have one mean whatever the placement; seconds have not, and a lower one is no chance
        if self.in_seconds() && sure < layer.mean {
            sure = if layer.mean < layer.now { layer.mean } else { layer.now };
        }
        if sure > layer.after { (sure - layer.after) / layer.now } else { 0.0 }
    }
}
