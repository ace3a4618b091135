//! eplb_dispatch: tokens of a batch in, quotas and a routing table out.

use crate::base::table::TableMut;
use crate::dispatch::{self, Batch, Lengths, QuotasMut, Split, SplitReport, eplb_split};
use crate::explain;
use crate::explain::placement::Slots;
use crate::explain::text::{Text, say};
use crate::ffi::function::{Function, by_ref, function};
use crate::ffi::maps::{self, SLOTS};
use crate::ffi::memory::{self, Listen, Memory, Workspace};
use crate::ffi::start::Given;
use crate::ffi::structs::{Rows, plain};
use crate::ffi::types::{eplb_options, eplb_placement, eplb_problem};
use crate::options::operation::Operation;
use crate::placement::Placement;
use crate::problem::Shape;
use crate::status::Status;
use core::ffi::c_void;

/// The tokens of a batch.
#[allow(non_camel_case_types)]
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct eplb_batch {
    /// sizeof(eplb_batch).
    pub struct_size: u32,
    /// 0: it is not known, or does not matter, where tokens come from. num_gpus: every GPU sends its own.
    pub num_sources: u32,
    /// [L][E] tokens of each expert; with sources [L][G][E] tokens that each GPU sends to each expert. At most
    /// 2^52 in a layer; none from a dead GPU.
    pub tokens: *const u32,
}

/// Where eplb_dispatch writes. quota is always needed; NULL for the others: not wanted.
///
/// The routing table says which tokens are whose: those of an expert (and source) are numbered from 0, in
/// any order that all ranks agree on, and token i goes to the first place r of the row of route_end with
/// i < route_end[r], that is to physical expert route_slot[r]. eplb_route does that. Without sources the
/// numbers run over all GPUs, so that a rank has to know how many tokens of the expert come before its own.
#[allow(non_camel_case_types)]
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct eplb_quotas {
    /// sizeof(eplb_quotas).
    pub struct_size: u32,
    /// Width of the routing table, at least the largest number of GPUs that serve and hold an expert. Not
    /// looked at when neither route_end nor route_slot is given.
    pub max_replicas: u32,
    /// [L][P] tokens that each physical expert gets; with sources [L][G][P] of each source.
    pub quota: *mut u32,
    /// [L][E][max_replicas], with sources [L][G][E][max_replicas]: one more than the last token of each place;
    /// places beyond the replicas of the expert repeat the last.
    pub route_end: *mut u32,
    /// [L][E][max_replicas] the physical experts of an expert that serve, ascending (of several on one GPU the
    /// first), then -1. The same for all sources.
    pub route_slot: *mut i32,
    /// [L] what is known of each layer.
    pub per_layer: *mut eplb_split,
    /// sizeof(eplb_split).
    pub split_size: usize,
}

plain! {
    eplb_batch to tokens: *const u32, "EPLB_BATCH_INIT";
    eplb_quotas to split_size: usize, "EPLB_QUOTAS_INIT";
    eplb_split to busiest_gpu: u32;
}

function! {
    /// Splits the tokens of a batch over the replicas of their experts: whole tokens, exact, the same on every rank.
    ///
    /// The largest time of a GPU (tokens / speed) is the smallest that any split into whole tokens has. Where the batch
    /// says which GPU sends what, the fewest tokens leave the node of their source, and among such splits the fewest
    /// leave its GPU. Of equally good splits the algorithm of docs/SPEC.md, "Dispatch", takes one. Dead GPUs get
    /// nothing, whatever their slots hold; GPUs that are leaving serve. Of several slots of an expert on one GPU the
    /// first gets all.
    ///
    /// With problem.cost times are seconds. Where an active expert costs some, which replicas are used is part of the
    /// split: with few tokens one of each expert, the fewest on the busiest GPU; with many all; between, what is best of
    /// some choices. The bound says how good that is.
    ///
    /// problem    only sizes, topology and cost matter, of one layer or several; load may be NULL.
    /// options    only effort matters: it bounds the replicas looked at in a layer, 0 = 16,384 for each slot; when it runs
    ///            out, the split is even and marked so.
    /// placement  only physical_to_logical is read.
    /// out        out: quotas, routing table, a report a layer.
    ///
    /// The workspace is the same with sources and without. EPLB_STATUS_DISPATCH_*, EPLB_STATUS_PLACEMENT_EXPERT,
    /// EPLB_STATUS_MAX_REPLICAS; EPLB_STATUS_SHAPE_TOO_LARGE above 65,535 GPUs. About O(E + P + the ways found) a
    /// layer, with sources O(G P) more.
    pub unsafe extern "C" fn eplb_dispatch(
        problem: *const eplb_problem,
        options: *const eplb_options,
        workspace: *mut c_void,
        workspace_size: usize,
        placement: *const eplb_placement,
        batch: *const eplb_batch,
        out: *const eplb_quotas,
    ) -> i32;
    DispatchCall, eplb_explain_dispatch
}

/// A call of [`eplb_dispatch`] that has been checked.
pub(crate) struct Dispatch<'a> {
    shape: Shape<'a>,
    placement: Placement<'a>,
    batch: Batch<'a>,
    quotas: QuotasMut<'a>,
    per_layer: Rows<Split>,
    workspace: Workspace,
}

impl Function for DispatchCall {
    type Checked<'a> = Dispatch<'a>;
    const DEEP: bool = true;

    unsafe fn check<'a, H: Listen>(&self, memory: &mut Memory<H>) -> Result<Dispatch<'a>, Status> {
        // SAFETY: the caller's promise, passed on. Slices are made of what `memory` has checked.
        unsafe {
            let given = Given::read(self.problem, self.options, memory)?;
            let maps = memory.read("placement", self.placement)?;
            let batch = memory.read("batch", self.batch)?;
            let out = memory.read("out", self.out)?;
            let start = &given.start(memory);
            let start = by_ref(start)?;
            let need = start.need(Operation::Dispatch, memory)?;
            let gpus = start.shape.topology().num_gpus();
            let by_source = by_source(("batch.num_sources", batch.num_sources), gpus, memory)?;
            let placement = Placement::of(maps::slots(SLOTS, &maps, &start.shape, memory)?);
            let table = !out.route_end.is_null() || !out.route_slot.is_null();
            let max_replicas = if table { out.max_replicas as usize } else { 0 };
            let lengths = Lengths::new(&start.shape, by_source, max_replicas).ok();
            let lengths = memory.fits("out.max_replicas", lengths)?;
            let per_layer = note_quotas(&out, &lengths, start.shape.num_layers(), memory)?;
            let tokens = memory.input("batch.tokens", batch.tokens, lengths.tokens)?;
            let workspace = memory.workspace(self.workspace, self.workspace_size, need)?;
            memory.check_overlap()?;
            let quotas = QuotasMut {
                quota: memory::output(out.quota, lengths.quota).ok_or(Status::NullPointer)?,
                route_end: memory::output(out.route_end, lengths.route_end),
                route_slot: memory::output(out.route_slot, lengths.route_slot),
                max_replicas,
            };
            let batch = Batch { tokens, by_source, effort: start.options.effort };
            let shape = start.shape;
            Ok(Dispatch { shape, placement, batch, quotas, per_layer, workspace })
        }
    }

    unsafe fn run(&self, dispatch: &mut Dispatch) -> Result<(), Status> {
        let Dispatch { shape, placement, batch, quotas, per_layer, workspace } = dispatch;
        let wanted = per_layer.are_wanted();
        let mut report = |layer: usize, split: &Split| per_layer.set(layer, *split);
        let report: Option<SplitReport> = if wanted { Some(&mut report) } else { None };
        // SAFETY: the call has been checked.
        let arena = unsafe { workspace.arena() };
        let quotas = QuotasMut {
            quota: &mut *quotas.quota,
            route_end: quotas.route_end.as_deref_mut(),
            route_slot: quotas.route_slot.as_deref_mut(),
            max_replicas: quotas.max_replicas,
        };
        dispatch::dispatch(shape, arena, placement, batch, quotas, report)
    }

    unsafe fn explain(&self, dispatch: &mut Dispatch, text: &mut Text) -> Result<(), Status> {
        let Dispatch { shape, placement, batch, quotas, workspace, .. } = dispatch;
        let table = quotas.route_end.is_some() || quotas.route_slot.is_some();
        let max_replicas = table.then_some(quotas.max_replicas);
        // SAFETY: the call has been checked.
        let arena = unsafe { workspace.arena() };
        dispatch::check(shape, arena, placement, batch, max_replicas).inspect_err(|&status| {
            let slots = Slots { name: SLOTS, shape, held: placement.physical_to_logical };
            let name = "batch.tokens";
            explain::dispatch::Dispatch { slots, name, batch: *batch, max_replicas }
                .say(text, status);
        })
    }
}

/// Whether the tokens say where they come from.
pub(crate) fn by_source<H: Listen>(
    (name, sources): (&'static str, u32),
    gpus: usize,
    memory: &mut Memory<H>,
) -> Result<bool, Status> {
    if sources == 0 || sources as usize == gpus {
        return Ok(sources != 0);
    }
    memory.refuse(Status::DispatchSources, |text| {
        say!(text; "% is %: 0 for tokens [L][E], or problem.num_gpus, %, for tokens [L][G][E]",
            name, sources, gpus);
    })
}

/// Notes where the quotas go.
///
/// # Safety
/// As for [`eplb_dispatch`].
unsafe fn note_quotas<H: Listen>(
    out: &eplb_quotas,
    lengths: &Lengths,
    layers: usize,
    memory: &mut Memory<H>,
) -> Result<Rows<Split>, Status> {
    memory.output("out.quota", out.quota, lengths.quota)?;
    memory.optional_output("out.route_end", out.route_end, lengths.route_end)?;
    memory.optional_output("out.route_slot", out.route_slot, lengths.route_slot)?;
    let names = ("out.per_layer", "out.split_size");
    // SAFETY: passed on.
    unsafe { memory.optional_rows(names, out.per_layer, out.split_size, layers) }
}
