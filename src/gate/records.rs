//! What goes in and out of the gate, as C has it.

/// eplb_gate_config.flags: mean, now and after of the layers are seconds of a step, as eplb_metrics
/// has them with a problem.cost. The step is the sum of now: step_seconds is not looked at.
pub const EPLB_GATE_SECONDS: u32 = 1;

/// Prices and times of the gate. The num_* fields, both at least 1, step_seconds, steps and gpu_bandwidth must be set.
/// Numbers are 0 or from 2^-100 to 2^100.
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
    /// EPLB_GATE_SECONDS, or 0: the layers are told in loads.
    pub flags: u32,
    /// Seconds of a step that wait for the experts of all layers; seconds of attention and the like are not
    /// part of it. Not looked at with EPLB_GATE_SECONDS.
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
/// eplb_metrics; with EPLB_GATE_SECONDS max_gpu_seconds and mean_gpu_seconds, where tokens are dispatched
/// dispatch_seconds in the place of the first. Both placements are measured with the same loads, best with some that
/// the new one was not planned on, such as the newest window: what was planned on looks better than it will be.
#[allow(non_camel_case_types)] // the C name; Rust code sees it as `eplb::GateLayer`
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct eplb_gate_layer {
    /// Mean load of a GPU now.
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
    /// The rounds of the transfers: eplb_transfer_list.layer_rounds.
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
