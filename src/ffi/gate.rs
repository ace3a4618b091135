//! eplb_gate: plain numbers in, a decision out.

use crate::ffi::call::answer;
use crate::ffi::memory::{Deaf, Listen, Memory};
use crate::ffi::read::{Plain, write};
use crate::ffi::rows::Rows;
use crate::gate::{
    decide, eplb_gate_config, eplb_gate_layer, eplb_gate_state, eplb_gate_total, eplb_gate_verdict,
};
use crate::status::Status;

// SAFETY: integers and floats, struct_size first.
unsafe impl Plain for eplb_gate_config {
    const FIRST_SIZE: usize = size_of::<eplb_gate_config>();
    const INIT: &'static str = "EPLB_GATE_CONFIG_INIT";
}

/// The arguments of eplb_gate.
#[derive(Clone, Copy)]
pub struct GateCall {
    pub config: *const eplb_gate_config,
    pub layers: *const eplb_gate_layer,
    pub layer_size: usize,
    pub states: *mut eplb_gate_state,
    pub state_size: usize,
    pub verdicts: *mut eplb_gate_verdict,
    pub verdict_size: usize,
    pub total: *mut eplb_gate_total,
    pub total_size: usize,
}

/// Decides, layer by layer, whether a new placement is worth the move: what the steps until the next
/// rebalance gain by it against what the transfers cost, in seconds.
///
/// What the busiest GPU may have above the mean by chance is not counted as a gain (config.certainty). What
/// comes and goes moves nothing (config.evidence), and a layer that has moved earns what it cost before it
/// moves again (states). docs/SPEC.md ("Gate") has the formulas.
///
/// config        prices and times.
/// layers        [L] in: each layer under both placements.
/// layer_size    sizeof(eplb_gate_layer).
/// states        [L] in and out: zeroes before the first call, then what the last one wrote. The gate takes it
///               that the caller does what it says.
/// state_size    sizeof(eplb_gate_state).
/// verdicts      [L] out.
/// verdict_size  sizeof(eplb_gate_verdict).
/// total         out: the layers that move, together; NULL = not wanted.
/// total_size    sizeof(eplb_gate_total); not looked at when total is NULL.
///
/// Returns EPLB_STATUS_OK, or a negative code with every output as it was: EPLB_STATUS_GATE_NEVER when the config
/// allows no move, whatever the loads: no time to gain, a price or a limit that rules out even one expert, evidence
/// that is never reached. O(L^2), no workspace.
///
/// # Safety
/// Pointers are NULL or point to as much memory as the struct fields say.
#[unsafe(no_mangle)]
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
) -> i32 {
    // SAFETY: the caller's promise, passed on; written to where checked.
    answer(|| unsafe {
        let call = GateCall {
            config,
            layers,
            layer_size,
            states,
            state_size,
            verdicts,
            verdict_size,
            total,
            total_size,
        };
        let mut gate = checked_gate(&call, &mut Memory::<Deaf>::default())?;
        let sums = decide(&gate.config, &gate.layers, &mut gate.states, &mut gate.verdicts)?;
        if !total.is_null() {
            write(total.cast(), total_size, &sums);
        }
        Ok(())
    })
}

/// A call of [`eplb_gate`] whose arrays have been checked.
pub struct Gate {
    pub config: eplb_gate_config,
    pub layers: Rows<eplb_gate_layer>,
    pub states: Rows<eplb_gate_state>,
    pub verdicts: Rows<eplb_gate_verdict>,
}

/// Checks a call of [`eplb_gate`], but for its numbers.
///
/// # Safety
/// As for [`eplb_gate`].
pub unsafe fn checked_gate<H: Listen>(
    call: &GateCall,
    memory: &mut Memory<H>,
) -> Result<Gate, Status> {
    // SAFETY: passed on.
    unsafe {
        let config = memory.read("config", call.config)?;
        let count = config.num_layers as usize;
        memory.stride("layer_size", call.layer_size, size_of::<eplb_gate_layer>())?;
        memory.stride("state_size", call.state_size, size_of::<eplb_gate_state>())?;
        memory.stride("verdict_size", call.verdict_size, size_of::<eplb_gate_verdict>())?;
        let layers =
            memory.rows("layers", call.layers.cast_mut(), count, call.layer_size, false)?;
        let states = memory.rows("states", call.states, count, call.state_size, true)?;
        let verdicts = memory.rows("verdicts", call.verdicts, count, call.verdict_size, true)?;
        if !call.total.is_null() {
            memory.pointer("total", call.total)?;
            memory.stride("total_size", call.total_size, size_of::<eplb_gate_total>())?;
            memory.output("total", call.total.cast::<u8>(), call.total_size)?;
        }
        memory.check_overlap()?;
        memory.known("layers", &layers)?;
        memory.known("states", &states)?;
        Ok(Gate { config, layers, states, verdicts })
    }
}
