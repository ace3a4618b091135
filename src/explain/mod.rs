//! Why a call is refused: one sentence that names the argument, the place in it and what to do.
//!
//! Nothing here decides. The checks of the other rooms say which status a call has, and what is here looks for the
//! place with the predicates that they use; where it finds none, which would be a fault of ours, the text of the
//! status is what remains. No memory but the caller's is needed: what the checks count in a workspace is counted a
//! few experts at a time. A sentence ends with its status as a number, so that a log line has both.

mod admission;
mod argument;
mod call;
mod dispatch;
mod float;
mod gate;
mod left_out;
mod load;
mod placement;
mod previous;
mod promise;
mod shape;
mod text;
mod tracker;
mod transfers;
mod windows;

pub(crate) use crate::explain::argument::{Fault, Numbers, say as argument};
pub use crate::explain::call::{Refusal, explain};
pub(crate) use crate::explain::call::{Stage, check_content};
pub(crate) use crate::explain::dispatch::Dispatch;
pub(crate) use crate::explain::gate::say as gate;
pub(crate) use crate::explain::placement::Slots;
pub(crate) use crate::explain::previous::{say_beyond_repair, say_moves};
pub(crate) use crate::explain::shape::say as shape;
pub use crate::explain::text::Text;
pub(crate) use crate::explain::tracker::{Step, say_memory};
pub(crate) use crate::explain::transfers::{Transfers, say_too_many};
pub(crate) use crate::explain::windows::{Given, say_change, say_forecast, say_sizes};

use crate::status::Status;

/// Ends a sentence: with the text of the status where nothing has been said, and with its number.
pub(crate) fn finish(text: &mut Text, status: Status) {
    if text.is_empty() {
        text.say(status.text().to_str().unwrap_or_default(), &[]);
    }
    text.say(" (status %)", &[status.code().into()]);
}
