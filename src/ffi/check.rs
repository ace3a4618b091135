//! eplb_check and eplb_digest: what is asked of a placement.

use crate::base::table::TableMut;
use crate::explain::promise;
use crate::explain::text::Text;
use crate::ffi::function::{Function, answer, by_ref, function};
use crate::ffi::maps::{self, SLOTS};
use crate::ffi::memory::{Deaf, Listen, Memory, Workspace};
use crate::ffi::start::Given;
use crate::ffi::structs::Rows;
use crate::ffi::types::{eplb_options, eplb_placement, eplb_problem};
use crate::options::operation::Operation;
use crate::placement::{self, Placement, Promises, Violation, eplb_violation};
use crate::problem::Shape;
use crate::status::Status;
use core::ffi::c_void;

function! {
    /// Checks that a placement keeps its promises, those of eplb_violation_kind.
    ///
    /// problem    load may be NULL.
    /// options    only policy and scope matter.
    /// placement  the other maps are checked as far as they are not NULL.
    /// first      out: the first broken promise, EPLB_VIOLATION_KIND_NONE when there is none; NULL: not wanted.
    ///
    /// EPLB_STATUS_PLACEMENT_INVALID with *first filled in when one is broken. O(L (P + E max_replicas)).
    pub unsafe extern "C" fn eplb_check(
        problem: *const eplb_problem,
        options: *const eplb_options,
        workspace: *mut c_void,
        workspace_size: usize,
        placement: *const eplb_placement,
        first: *mut eplb_violation,
        first_size: usize,
    ) -> i32;
    CheckCall, eplb_explain_check
}

/// A call of [`eplb_check`] that has been checked.
pub(crate) struct Check<'a> {
    shape: Shape<'a>,
    promises: Promises,
    maps: Placement<'a>,
    workspace: Workspace,
    first: Rows<Violation>,
}

impl Check<'_> {
    /// # Safety
    /// The call has been checked.
    unsafe fn find(&self) -> Result<Option<Violation>, Status> {
        let Check { shape, promises, maps, workspace, .. } = self;
        // SAFETY: as said.
        let arena = unsafe { workspace.arena() };
        placement::check(shape, promises, arena, maps)
    }
}

impl Function for CheckCall {
    type Checked<'a> = Check<'a>;

    unsafe fn check<'a, H: Listen>(&self, memory: &mut Memory<H>) -> Result<Check<'a>, Status> {
        // SAFETY: the caller's promise, passed on. Slices are made of what `memory` has checked.
        unsafe {
            let given = Given::read(self.problem, self.options, memory)?;
            let maps = memory.read("placement", self.placement)?;
            let start = &given.start(memory);
            let start = by_ref(start)?;
            let need = start.need(Operation::Check, memory)?;
            let maps = maps::all(&maps, &start.shape, memory)?;
            let names = ("first", "first_size");
            let first = memory.optional_rows(names, self.first, self.first_size, 1)?;
            let workspace = memory.workspace(self.workspace, self.workspace_size, need)?;
            memory.check_overlap()?;
            let promises = start.options.promises();
            Ok(Check { shape: start.shape, promises, maps, workspace, first })
        }
    }

    unsafe fn run(&self, check: &mut Check) -> Result<(), Status> {
        // SAFETY: the call has been checked.
        let found = unsafe { check.find()? };
        check.first.set(0, found.unwrap_or(Violation::NONE));
        if found.is_some() { Err(Status::PlacementInvalid) } else { Ok(()) }
    }

    unsafe fn explain(&self, check: &mut Check, text: &mut Text) -> Result<(), Status> {
        // SAFETY: the call has been checked.
        let Some(found) = (unsafe { check.find()? }) else { return Ok(()) };
        promise::say(text, &check.shape, &check.maps, &found);
        Err(Status::PlacementInvalid)
    }
}

/// Digests physical_to_logical into 64 bits, the same on every machine, that ranks can compare to see whether they hold
/// the same plan. Not cryptographic.
///
/// problem    only num_layers and num_physical_experts matter.
/// placement  only physical_to_logical is read.
/// digest     out.
///
/// O(L P), no workspace.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eplb_digest(
    problem: *const eplb_problem,
    placement: *const eplb_placement,
    digest: *mut u64,
) -> i32 {
    // SAFETY: the caller's promise, passed on; written to where checked.
    answer(|| unsafe {
        let memory = &mut Memory::<Deaf>::default();
        memory.pointer("digest", digest)?;
        let slots = digested(problem, placement, memory)?;
        memory.output("digest", digest, 1)?;
        memory.check_overlap()?;
        digest.write(placement::digest(slots));
        Ok(())
    })
}

/// What is digested.
///
/// # Safety
/// As for [`eplb_digest`].
pub(crate) unsafe fn digested<'a, H: Listen>(
    problem: *const eplb_problem,
    placement: *const eplb_placement,
    memory: &mut Memory<H>,
) -> Result<&'a [i32], Status> {
    // SAFETY: the caller's promise, passed on.
    unsafe {
        let problem = memory.read("problem", problem)?;
        let maps = memory.read("placement", placement)?;
        let layers = problem.num_layers as usize;
        let slots = layers.checked_mul(problem.num_physical_experts as usize);
        let slots = memory.fits(SLOTS, slots)?;
        if slots == 0 {
            return Err(Status::ShapeZero);
        }
        memory.input(SLOTS, maps.physical_to_logical, slots)
    }
}
