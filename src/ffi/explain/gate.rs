//! Explanations of the gate.

use crate::explain;
use crate::ffi::explain::Call;
use crate::ffi::gate::{Gate, GateCall, checked_gate};
use crate::gate::{
    self, eplb_gate_config, eplb_gate_layer, eplb_gate_state, eplb_gate_total, eplb_gate_verdict,
};
use core::ffi::c_char;

/// Explains a call of eplb_gate: see eplb_explain.
///
/// # Safety
/// As for eplb_explain.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eplb_explain_gate(
    config: *const eplb_gate_config,
    layers: *const eplb_gate_layer,
    layer_size: usize,
    states: *mut eplb_gate_state,
    state_size: usize,
    verdicts: *mut eplb_gate_verdict,
    verdict_size: usize,
    total: *mut eplb_gate_total,
    total_size: usize,
    text: *mut c_char,
    size: usize,
) -> usize {
    let given = GateCall {
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
    let mut call = Call::default();
    // SAFETY: the caller's promise, passed on.
    unsafe {
        let checked = checked_gate(&given, &mut call.memory);
        let found = checked.and_then(|Gate { config, layers, states, .. }| {
            gate::check(&config, &layers, &states).inspect_err(|&status| {
                explain::gate(&mut call.text, &config, &layers, &states, status);
            })
        });
        call.tell(found, text, size)
    }
}
