//! The C face of explanations: the checks of the functions, told to somebody who keeps what they are about.

mod staged;

mod plan;

mod judge;

#[cfg(not(without = "load"))]
mod loads;

#[cfg(not(without = "previous"))]
mod transfers;

#[cfg(not(without = "previous"))]
mod gate;

#[cfg(not(without = "dispatch"))]
mod dispatch;

#[cfg(not(without = "dispatch"))]
pub use crate::ffi::explain::dispatch::eplb_explain_dispatch;
#[cfg(not(without = "previous"))]
pub use crate::ffi::explain::gate::eplb_explain_gate;
pub use crate::ffi::explain::judge::{eplb_explain_check, eplb_explain_evaluate};
#[cfg(not(without = "load"))]
pub use crate::ffi::explain::loads::{
    eplb_explain_forecast, eplb_explain_tracker_close, eplb_explain_tracker_init,
    eplb_explain_tracker_observe, eplb_explain_tracker_windows, eplb_explain_window_weights,
};
pub use crate::ffi::explain::plan::{eplb_explain, eplb_explain_plan};
#[cfg(not(without = "previous"))]
pub use crate::ffi::explain::transfers::eplb_explain_transfers;

use crate::explain::{self, Fault, Text};
use crate::ffi::memory::{Listen, Memory};
use crate::status::Status;
use core::ffi::c_char;

/// Who keeps what the last check was about: when one fails, that is what is wrong.
#[derive(Debug, Default)]
pub struct Heard {
    name: &'static str,
    fault: Fault,
}

impl Listen for Heard {
    type Name = &'static str;

    fn about(&mut self, name: &'static str) -> &'static str {
        (self.name, self.fault) = (name, Fault::Nothing);
        name
    }

    fn found(&mut self, fault: impl FnOnce() -> Fault) {
        self.fault = fault();
    }

    fn overlap(&mut self, one: &'static str, other: &'static str) {
        self.fault = Fault::Overlap(one, other);
    }
}

/// A call that is being explained: what its checks are about, and what has been said.
#[derive(Default)]
struct Call {
    memory: Memory<Heard>,
    text: Text,
}

impl Call {
    /// Ends the sentence and writes it, as much as fits and a NUL, where there is room; answers how long all of it is.
    ///
    /// # Safety
    /// `to` is NULL or points to `size` writable bytes.
    unsafe fn tell(&mut self, found: Result<(), Status>, to: *mut c_char, size: usize) -> usize {
        match found {
            Ok(()) => self.text.say("nothing is wrong with it", &[]),
            Err(status) if self.text.is_empty() => {
                let Heard { name, fault } = &self.memory.listener;
                explain::argument(&mut self.text, name, *fault, status);
            }
            Err(_) => {}
        }
        explain::finish(&mut self.text, found.err().unwrap_or(Status::Ok));
        let sentence = self.text.as_bytes();
        if !to.is_null() && size > 0 {
            let fits = sentence.len().min(size - 1);
            // SAFETY: at most `size` bytes, of which the last is the NUL; `sentence` is ours.
            unsafe {
                to.cast::<u8>().copy_from_nonoverlapping(sentence.as_ptr(), fits);
                to.add(fits).write(0);
            }
        }
        sentence.len()
    }
}
