//! eplb_gate: plain numbers in, a decision out.

use super::answer;
use super::memory::{self, Memory};
use super::read::{Plain, check_pointer, check_stride, read, write};
use crate::migrate::gate::{
    eplb_gate_config, eplb_gate_layer, eplb_gate_state, eplb_gate_total, eplb_gate_verdict, gate,
};
use crate::status::Status;

// SAFETY: integers and floats, struct_size first.
unsafe impl Plain for eplb_gate_config {
    const FIRST_SIZE: usize = size_of::<eplb_gate_config>();
}

/// Decides, layer by layer, whether a new placement is worth the move: what the steps until the next
/// rebalance gain by it against what the transfers cost, in seconds.
///
/// What the busiest GPU may have above the mean by chance is not counted as a gain (config.certainty). What
/// comes and goes moves nothing (config.evidence), and a layer that has moved earns what it cost before it
/// moves again (states). docs/SPEC.md ("Gate") has the formulas.
///
/// config    prices and times.
/// layers    [L] in: each layer under both placements.
/// states    [L] in and out: zeroes before the first call, then what the last one wrote. The gate takes it
///           that the caller does what it says.
/// verdicts  [L] out.
/// total     out: the layers that move, together; NULL = not wanted.
///
/// Returns EPLB_STATUS_OK, or a negative code with every output as it was. O(L^2), no workspace.
///
/// # Safety
/// Pointers are NULL or point to as much memory as the struct fields say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eplb_gate(
    config: *const eplb_gate_config,
    layers: *const eplb_gate_layer,
    states: *mut eplb_gate_state,
    verdicts: *mut eplb_gate_verdict,
    total: *mut eplb_gate_total,
) -> i32 {
    // SAFETY: the caller's promise, passed on. Slices are made of what `memory` has checked.
    answer(|| unsafe {
        let config = read(config)?;
        let sizes = [config.layer_size, config.state_size, config.verdict_size];
        let known = [
            size_of::<eplb_gate_layer>(),
            size_of::<eplb_gate_state>(),
            size_of::<eplb_gate_verdict>(),
        ];
        // these have not grown yet
        if sizes.map(|size| size as usize) != known {
            return Err(Status::StructSize);
        }
        let total_size = match check_pointer(total) {
            Ok(()) => total.cast::<u32>().read() as usize,
            Err(Status::NullPointer) => size_of::<eplb_gate_total>(),
            Err(status) => return Err(status),
        };
        check_stride(total_size, size_of::<eplb_gate_total>())?;
        let count = config.num_layers as usize;
        let mut memory = Memory::default();
        let layers = memory.input(layers, count)?;
        memory.output(states, count)?;
        memory.output(verdicts, count)?;
        memory.optional_output(total.cast::<u8>(), total_size)?;
        memory.check_overlap()?;
        let states = memory::output(states, count).ok_or(Status::NullPointer)?;
        let verdicts = memory::output(verdicts, count).ok_or(Status::NullPointer)?;
        let sums = gate(&config, layers, states, verdicts)?;
        if !total.is_null() {
            let sums = eplb_gate_total { struct_size: total_size as u32, ..sums };
            write(total.cast(), total_size, &sums);
        }
        Ok(())
    })
}
