//! eplb_gate: plain numbers in, a decision out.

use crate::base::table::TableMut;
use crate::explain;
use crate::explain::text::Text;
use crate::ffi::function::{Function, function};
use crate::ffi::memory::{Listen, Memory};
use crate::ffi::structs::{Rows, plain};
use crate::gate::{
    self, eplb_gate_config, eplb_gate_layer, eplb_gate_state, eplb_gate_total, eplb_gate_verdict,
};
use crate::status::Status;

plain! {
    eplb_gate_config to max_cost_seconds: f64, "EPLB_GATE_CONFIG_INIT";
    eplb_gate_layer to reserved: u32;
    eplb_gate_state to evidence: f64;
    eplb_gate_verdict to order: u32;
    eplb_gate_total to evidence: f64;
}

function! {
    /// Decides, layer by layer, whether a new placement is worth the move: what the steps until the next rebalance gain
    /// by it against what the transfers cost, in seconds. What the busiest GPU may have above the mean by chance is not
    /// counted as a gain (config.certainty). What comes and goes moves nothing (config.evidence), and a layer that has
    /// moved earns what it cost before it moves again (states). docs/SPEC.md ("Gate") has the formulas.
    ///
    /// layers    [L] each layer under both placements.
    /// states    [L] in and out: zeroes before the first call, then what the last one wrote. The gate takes it that the
    ///           caller does what it says.
    /// verdicts  [L] out.
    /// total     out: the layers that move, together; NULL: not wanted.
    ///
    /// EPLB_STATUS_GATE_NEVER when the config allows no move, whatever the loads: no time to gain, a price or a limit
    /// that rules out even one expert, evidence that is never reached. O(L^2), no workspace.
    pub unsafe extern "C" fn eplb_gate(
        config: *const eplb_gate_config,
        layers: *const eplb_gate_layer,
        layer_size: usize,
        states: *mut eplb_gate_state,
        state_size: usize,
        verdicts: *mut eplb_gate_verdict,
        verdict_size: usize,
        total: *mut eplb_gate_total,
        total_size: usize,
    ) -> i32;
    GateCall, eplb_explain_gate
}

/// A call of [`eplb_gate`] whose arrays have been checked.
pub(crate) struct Gate {
    config: eplb_gate_config,
    layers: Rows<eplb_gate_layer>,
    states: Rows<eplb_gate_state>,
    verdicts: Rows<eplb_gate_verdict>,
    total: Rows<eplb_gate_total>,
}

impl Function for GateCall {
    type Checked<'a> = Gate;

    unsafe fn check<'a, H: Listen>(
        &self,
        memory: &mut Memory<H>,
    ) -> Result<Self::Checked<'a>, Status> {
        // SAFETY: the caller's promise, passed on.
        unsafe {
            let config = memory.read("config", self.config)?;
            let count = config.num_layers as usize;
            memory.row_size::<eplb_gate_layer>("layer_size", self.layer_size)?;
            memory.row_size::<eplb_gate_state>("state_size", self.state_size)?;
            memory.row_size::<eplb_gate_verdict>("verdict_size", self.verdict_size)?;
            let (layers, names) = (self.layers.cast_mut(), ("layers", "layer_size"));
            let layers = memory.rows(names, layers, self.layer_size, count, false)?;
            let names = ("states", "state_size");
            let states = memory.rows(names, self.states, self.state_size, count, true)?;
            let names = ("verdicts", "verdict_size");
            let verdicts = memory.rows(names, self.verdicts, self.verdict_size, count, true)?;
            let names = ("total", "total_size");
            let total = memory.optional_rows(names, self.total, self.total_size, 1)?;
            memory.check_overlap()?;
            memory.known("layers", &layers)?;
            memory.known("states", &states)?;
            Ok(Gate { config, layers, states, verdicts, total })
        }
    }

    unsafe fn run(&self, gate: &mut Gate) -> Result<(), Status> {
        let Gate { config, layers, states, verdicts, total } = gate;
        total.set(0, gate::decide(config, layers, states, verdicts)?);
        Ok(())
    }

    unsafe fn explain(&self, gate: &mut Gate, text: &mut Text) -> Result<(), Status> {
        let Gate { config, layers, states, .. } = gate;
        gate::check(config, layers, states)
            .inspect_err(|&status| explain::gate::say(text, config, layers, states, status))
    }
}
