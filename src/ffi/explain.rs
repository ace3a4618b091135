//! eplb_explain: what stands in the three structs that most functions take. Each function explains itself.

use crate::explain::content;
use crate::explain::placement::Slots;
use crate::explain::text::say;
use crate::ffi::check::digested;
use crate::ffi::function::{Heard, tell};
use crate::ffi::maps::{self, SLOTS};
use crate::ffi::memory::Memory;
use crate::ffi::start::{Given, Start};
use crate::ffi::types::{eplb_options, eplb_placement, eplb_problem};
use crate::ffi::{evaluate, number, plan};
use crate::options::Options;
use crate::options::operation::Operation;
use crate::status::Status;
use core::ffi::c_char;

/// Says in a sentence why a call is refused: which argument, which place in it, and what to do. For instance:
/// problem.load[window 2][layer 3][expert 17] is NaN: loads are finite and at least 0 (status -40).
///
/// operation  EPLB_OPERATION_*: which function.
/// problem    as it was given, and so are options and placement (of eplb_transfers the new one). placement NULL:
///            eplb_workspace(operation, problem, options) is explained.
/// text       out: the sentence, ASCII, as much of it as fits, and a NUL; NULL: not wanted.
/// size       bytes of text; 0: not wanted.
///
/// Returns the length of the whole sentence, without the NUL, as snprintf does: below 400. It ends with the status as a
/// number, 0 when nothing is wrong. O(W L E + L P (P + E / 64)), up to 8 KB of stack; nothing is linked in a program
/// that does not call it.
///
/// What stands in problem, options and placement is looked at, by the checks of that function. For the other arguments,
/// and for what takes a workspace to find out, each function X has its eplb_explain_X: the arguments of eplb_X as they
/// were given, then text and size. It uses the workspace as eplb_X does, and leaves every output as it is; of an output
/// address and size matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eplb_explain(
    operation: u32,
    problem: *const eplb_problem,
    options: *const eplb_options,
    placement: *const eplb_placement,
    text: *mut c_char,
    size: usize,
) -> usize {
    let memory = &mut Memory::<Heard>::default();
    // SAFETY: the caller's promise, passed on.
    unsafe {
        let found = match Operation::try_from(operation) {
            Ok(Operation::Digest) if !placement.is_null() => {
                digested(problem, placement, memory).map(|_| ())
            }
            Ok(operation) => Given::read(problem, options, memory).and_then(|given| {
                let maps = match placement.is_null() {
                    true => None,
                    false => Some(memory.read("placement", placement)?),
                };
                let start = given.start(memory)?;
                start.need(operation, memory)?;
                maps.map_or(Ok(()), |maps| check(operation, &start, maps, memory))
            }),
            Err(status) => memory.refuse(status, |text| {
                say!(text; "operation is %: use one of EPLB_OPERATION_*, 0 to 8", operation);
            }),
        };
        tell(&mut memory.listener.text, found, text, size)
    }
}

/// The placement, and what the operation reads beside it.
///
/// # Safety
/// As for [`eplb_explain`].
unsafe fn check(
    operation: Operation,
    start: &Start,
    maps: eplb_placement,
    memory: &mut Memory<Heard>,
) -> Result<(), Status> {
    // SAFETY: passed on.
    unsafe {
        match operation {
            Operation::Plan | Operation::Rebalance => {
                let previous = start.previous(memory)?;
                let problem = start.loads(memory)?;
                let maps = plan::note_maps(&maps, &start.shape, memory)?;
                let options = Options { previous, ..start.options };
                memory.check_overlap()?;
                let (table, width) = maps.table();
                let text = &mut memory.listener.text;
                content::check_plan(text, &problem, &options, table, width)
            }
            Operation::Evaluate => {
                evaluate::arrays(start, &maps, memory)?.explain(&mut memory.listener.text)
            }
            Operation::Check => {
                let maps = maps::all(&maps, &start.shape, memory)?;
                let text = &mut memory.listener.text;
                content::check_promises(text, &start.shape, &start.options, &maps)
            }
            Operation::Number => {
                let (held, others) = number::arrays(&start.shape, maps, memory)?;
                memory.check_overlap()?;
                let (table, width) = others.table();
                let slots = Slots { name: SLOTS, shape: &start.shape, held };
                content::check_number(&mut memory.listener.text, &slots, table.then_some(width))
            }
            _ => {
                let held = maps::slots(SLOTS, &maps, &start.shape, memory)?;
                let (text, slots) =
                    (&mut memory.listener.text, &Slots { name: SLOTS, shape: &start.shape, held });
                match operation {
                    Operation::Transfers => content::check_target(text, slots),
                    _ => content::check_all_entries(text, slots),
                }
            }
        }
    }
}
