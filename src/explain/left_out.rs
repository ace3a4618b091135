//! What this build was made without: refusals that a whole library does not know.

use crate::afresh::FROM_NOTHING;
use crate::explain::text::Text;
use crate::options::Options;
use crate::options::flags::Flags;
use crate::options::operation::Operation;
use crate::parts;
use crate::status::Status;

/// The part that the status is about, when the build does without it.
fn part(operation: Operation, options: &Options, status: Status) -> Option<&'static str> {
    let (previous, dispatch) = ((parts::PREVIOUS, "previous"), (parts::DISPATCH, "dispatch"));
    let (is_there, name) = match (status, operation) {
        (Status::UnsupportedPolicy, _) => (parts::COMPAT, "compat"),
        (Status::UnsupportedPrevious, _) => previous,
        (Status::UnsupportedFlag, _) if !FROM_NOTHING.contains(options.flags) => previous,
        (Status::UnsupportedFlag, _) if options.flags.contains(Flags::DISPATCH) => dispatch,
        (Status::UnknownOperation, Operation::Dispatch) => dispatch,
        (Status::UnknownOperation, _) => previous,
        _ => return None,
    };
    (!is_there).then_some(name)
}

/// Says so, where that is what is wrong.
pub fn say(text: &mut Text, operation: Operation, options: &Options, status: Status) {
    if let Some(name) = part(operation, options, status) {
        text.say(
            "this library was built without the part \"%\", which the call needs: build it with",
            &[name.into()],
        );
    }
}

/// Several windows, which sizes alone ask for.
pub fn say_windows(text: &mut Text, windows: u32) {
    text.say(
        "problem.num_windows is %, and this library was built without the part \"windows\": build \
         it with, or set it to 1",
        &[windows.into()],
    );
}
