//! Problem, options and placement of a call, stage by stage: what every function on a problem checks first.

use crate::explain::{self, Numbers, Stage};
use crate::ffi::call::{checked_options, load_arrays, read_options, spec};
use crate::ffi::check::{checked_digest, input_maps};
use crate::ffi::explain::Call;
use crate::ffi::plan::note_maps;
use crate::ffi::types::{eplb_options, eplb_placement, eplb_problem};
use crate::options::operation::Operation;
use crate::placement::{Placement, map_lengths};
use crate::problem::{Problem, Shape};
use crate::status::Status;

/// The three structs. Without a placement it is a call of eplb_workspace.
#[derive(Clone, Copy)]
pub struct Structs {
    pub problem: *const eplb_problem,
    pub options: *const eplb_options,
    pub placement: *const eplb_placement,
}

impl Call {
    /// Checks what stands in the three structs, and says what is wrong with it.
    ///
    /// # Safety
    /// Pointers are NULL or point to as much memory as the struct fields say.
    pub(super) unsafe fn check(
        &mut self,
        operation: Operation,
        given: &Structs,
    ) -> Result<(), Status> {
        let Call { memory, text } = self;
        // SAFETY: the caller's promise, passed on.
        unsafe {
            if operation == Operation::Digest && !given.placement.is_null() {
                return checked_digest(given.problem, given.placement, memory).map(|_| ());
            }
            let problem = memory.read("problem", given.problem)?;
            let numbers = read_options(given.options, memory)?;
            let placement = match given.placement.is_null() {
                true => None,
                false => Some(memory.read("placement", given.placement)?),
            };
            let spec = &spec(&problem, memory)?;
            let shape = &Shape::new(spec).inspect_err(|&s| explain::shape(text, spec, s))?;
            let plans = matches!(operation, Operation::Plan | Operation::Rebalance);
            let previous = match placement {
                Some(_) if plans => {
                    let slots = map_lengths(shape, 0)?[0];
                    memory.optional_input("options.previous", numbers.previous, slots)?
                }
                None => (!numbers.previous.is_null()).then_some(&[][..]),
                Some(_) => None,
            };
            let options = &checked_options(&numbers, previous, memory).inspect_err(|&status| {
                let eplb_options { policy, scope, flags, .. } = numbers;
                Numbers { policy, scope, flags }.say(text, status);
            })?;
            let mut stage = Stage { operation, shape, options, problem: None, measured: None };
            stage.check_admission(text)?;
            let Some(maps) = placement else { return Ok(()) };
            self.check_arrays(&problem, &maps, &mut stage)
        }
    }

    /// The loads and the maps, for a call whose sizes and options are good.
    ///
    /// # Safety
    /// As [`Call::check`].
    unsafe fn check_arrays(
        &mut self,
        problem: &eplb_problem,
        maps: &eplb_placement,
        stage: &mut Stage,
    ) -> Result<(), Status> {
        let Call { memory, text } = self;
        let (operation, shape) = (stage.operation, stage.shape);
        let slots = map_lengths(shape, 0)?[0];
        // SAFETY: passed on.
        unsafe {
            if operation == Operation::Evaluate {
                stage.measured =
                    memory.optional_input("placement.physical_load", maps.physical_load, slots)?;
            }
            let mut loaded: Option<Problem> = None;
            if stage.reads_loads() {
                let (load, weight) = load_arrays(problem, shape, memory)?;
                loaded = Some(stage.check_loads(text, load, weight)?);
            }
            let stage = &Stage { problem: loaded.as_ref(), ..*stage };
            let table = !maps.logical_to_physical.is_null();
            let held = match operation {
                Operation::Plan | Operation::Rebalance => {
                    note_maps(maps, shape, memory)?;
                    Placement::of(&[]) // is to be written
                }
                Operation::Check => input_maps(maps, shape, memory)?,
                _ => {
                    let first = "placement.physical_to_logical";
                    Placement::of(memory.input(first, maps.physical_to_logical, slots)?)
                }
            };
            if operation == Operation::Number {
                let width = if table { maps.max_replicas as usize } else { 0 };
                let [slots, counts, table] = map_lengths(shape, width)?;
                memory.optional_output("placement.replica_rank", maps.replica_rank, slots)?;
                memory.optional_output("placement.logical_count", maps.logical_count, counts)?;
                let last = "placement.logical_to_physical";
                memory.optional_output(last, maps.logical_to_physical, table)?;
            }
            memory.check_overlap()?;
            let wanted = match held.logical_to_physical {
                None if table && operation != Operation::Check => Some(&[][..]),
                map => map,
            };
            let width = maps.max_replicas as usize;
            let held = Placement { logical_to_physical: wanted, max_replicas: width, ..held };
            explain::check_content(text, stage, &held)
        }
    }
}
