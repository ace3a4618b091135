//! The C face of dispatch: tokens of a batch in, quotas and a routing table out.

use crate::base::arena::Need;
use crate::dispatch::{self, Batch, Lengths, QuotasMut, Split, SplitReport, eplb_split};
use crate::ffi::call::{answer, checked_options, read_options, shape};
use crate::ffi::memory::{self, Listen, Memory};
use crate::ffi::read::{Plain, write};
use crate::ffi::types::{eplb_options, eplb_placement, eplb_problem};
use crate::options::operation::Operation;
use crate::placement::{Placement, map_lengths};
use crate::plan;
use crate::problem::Shape;
use crate::status::Status;
use core::ffi::c_void;
use core::mem::offset_of;

/// The tokens of a batch. EPLB_BATCH_INIT sets struct_size and zeroes the rest.
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

/// Where eplb_dispatch writes. EPLB_QUOTAS_INIT sets the sizes and zeroes the rest. quota is always needed;
/// NULL for the others means that they are not wanted. Every element of every array that is given is written, or
/// none at all.
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
    /// sizeof(eplb_split); not looked at when per_layer is NULL.
    pub split_size: usize,
}

// All zero is a value of both: integers and raw pointers.
// SAFETY: as said; and struct_size comes first.
unsafe impl Plain for eplb_batch {
    const FIRST_SIZE: usize = offset_of!(eplb_batch, tokens) + size_of::<*const u32>();
    const INIT: &'static str = "EPLB_BATCH_INIT";
}
// SAFETY: as above.
unsafe impl Plain for eplb_quotas {
    const FIRST_SIZE: usize = offset_of!(eplb_quotas, split_size) + size_of::<usize>();
    const INIT: &'static str = "EPLB_QUOTAS_INIT";
}

/// The arguments of eplb_dispatch.
#[derive(Clone, Copy)]
pub struct DispatchCall {
    pub problem: *const eplb_problem,
    pub options: *const eplb_options,
    pub workspace: *mut c_void,
    pub workspace_size: usize,
    pub placement: *const eplb_placement,
    pub batch: *const eplb_batch,
    pub out: *const eplb_quotas,
}

/// Splits the tokens of a batch over the replicas of their experts: whole tokens, exact, the same on every rank.
///
/// The largest time of a GPU (tokens / speed) is the smallest that any split into whole tokens has. Where the
/// batch says which GPU sends what, the fewest tokens leave the node of their source, and among such splits the
/// fewest leave its GPU. Of equally good splits the algorithm of docs/SPEC.md, "Dispatch", takes one: a function
/// of its input alone. Dead GPUs get nothing, whatever their slots hold; GPUs that are leaving serve. Of several
/// slots of an expert on one GPU the first gets all that the GPU gets.
///
/// problem         sizes and topology, of one layer or several; load may be NULL, groups do not matter.
/// options         effort bounds the replicas looked at in a layer, 0 = 16,384 for each slot; when it runs out,
///                 the split is even and marked so. Nothing else matters. NULL = all defaults.
/// workspace       scratch, of the size and alignment that eplb_workspace(EPLB_OPERATION_DISPATCH) says: the
///                 same with sources and without.
/// workspace_size  its bytes.
/// placement       in: physical_to_logical; nothing else is looked at.
/// batch           in: tokens.
/// out             out: quotas, routing table, a report a layer.
///
/// Returns EPLB_STATUS_OK, or a negative code with every output as it was: EPLB_STATUS_DISPATCH_NO_REPLICA,
/// EPLB_STATUS_DISPATCH_DEAD_SOURCE, EPLB_STATUS_DISPATCH_TOKENS, EPLB_STATUS_DISPATCH_SOURCES,
/// EPLB_STATUS_PLACEMENT_EXPERT, EPLB_STATUS_MAX_REPLICAS for this call alone; EPLB_STATUS_SHAPE_TOO_LARGE
/// above 65,535 GPUs. About O(E + P + the ways found) a layer, with sources O(G P) more.
///
/// # Safety
/// Pointers are NULL or point to as much memory as the struct fields say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eplb_dispatch(
    problem: *const eplb_problem,
    options: *const eplb_options,
    workspace: *mut c_void,
    workspace_size: usize,
    placement: *const eplb_placement,
    batch: *const eplb_batch,
    out: *const eplb_quotas,
) -> i32 {
    // SAFETY: the caller's promise, passed on. The arena and the quotas are made of what has been checked.
    answer(|| unsafe {
        let call =
            DispatchCall { problem, options, workspace, workspace_size, placement, batch, out };
        let checked = &memory::unheard(|memory| checked_dispatch(&call, memory));
        let Dispatch { shape, placement, batch, out, max_replicas, need } =
            checked.as_ref().map_err(|status| *status)?;
        let lengths = Lengths::new(shape, batch.by_source, *max_replicas)?;
        let quotas = QuotasMut {
            quota: memory::output(out.quota, lengths.quota).ok_or(Status::NullPointer)?,
            route_end: memory::output(out.route_end, lengths.route_end),
            route_slot: memory::output(out.route_slot, lengths.route_slot),
            max_replicas: *max_replicas,
        };
        let (per_layer, size) = (out.per_layer, out.split_size);
        let mut report = |layer: usize, split: &Split| {
            write(per_layer.cast::<u8>().add(layer * size), size, split);
        };
        let report: Option<SplitReport> =
            if per_layer.is_null() { None } else { Some(&mut report) };
        let arena = memory::arena(workspace.cast(), need);
        dispatch::dispatch(shape, arena, placement, batch, quotas, report)
    })
}

/// A call of [`eplb_dispatch`] that has been checked.
pub struct Dispatch<'a> {
    pub shape: Shape<'a>,
    pub placement: Placement<'a>,
    pub batch: Batch<'a>,
    pub out: eplb_quotas,
    /// 0 when no table is wanted.
    pub max_replicas: usize,
    pub need: Need,
}

/// Checks a call of [`eplb_dispatch`].
///
/// # Safety
/// As for [`eplb_dispatch`].
pub unsafe fn checked_dispatch<'a, H: Listen>(
    call: &DispatchCall,
    memory: &mut Memory<H>,
) -> Result<Dispatch<'a>, Status> {
    // SAFETY: the caller's promise, passed on. Slices are made of what `memory` has checked.
    unsafe {
        let problem = memory.read("problem", call.problem)?;
        let options = read_options(call.options, memory)?;
        let maps = memory.read("placement", call.placement)?;
        let batch = memory.read("batch", call.batch)?;
        let out = memory.read("out", call.out)?;
        let shape = shape(&problem, memory)?;
        let options = checked_options(&options, None, memory)?;
        let need = plan::workspace(Operation::Dispatch, &shape, &options)?;
        let by_source = batch.num_sources != 0;
        if by_source && batch.num_sources != problem.num_gpus {
            return Err(Status::DispatchSources);
        }
        let slots = map_lengths(&shape, 0)?[0];
        let slots =
            memory.input("placement.physical_to_logical", maps.physical_to_logical, slots)?;
        let max_replicas = note_quotas(&out, &shape, by_source, memory)?;
        let tokens = Lengths::new(&shape, by_source, max_replicas)?.tokens;
        let tokens = memory.input("batch.tokens", batch.tokens, tokens)?;
        memory.workspace(call.workspace.cast(), call.workspace_size, &need)?;
        memory.check_overlap()?;
        Ok(Dispatch {
            shape,
            placement: Placement::of(slots),
            batch: Batch { tokens, by_source, effort: options.effort },
            out,
            max_replicas,
            need,
        })
    }
}

/// Notes where the quotas go; answers the width of the table, 0 when none is wanted.
fn note_quotas<H: Listen>(
    out: &eplb_quotas,
    shape: &Shape,
    by_source: bool,
    memory: &mut Memory<H>,
) -> Result<usize, Status> {
    let table = !out.route_end.is_null() || !out.route_slot.is_null();
    let max_replicas = if table { out.max_replicas as usize } else { 0 };
    memory.listener.about("out.max_replicas");
    let lengths = Lengths::new(shape, by_source, max_replicas)?;
    memory.output("out.quota", out.quota, lengths.quota)?;
    memory.optional_output("out.route_end", out.route_end, lengths.route_end)?;
    memory.optional_output("out.route_slot", out.route_slot, lengths.route_slot)?;
    if !out.per_layer.is_null() {
        memory.pointer("out.per_layer", out.per_layer)?;
        memory.stride("out.split_size", out.split_size, size_of::<Split>())?;
        let bytes = shape.num_layers().checked_mul(out.split_size);
        let bytes = bytes.ok_or(Status::ShapeTooLarge)?;
        memory.output("out.per_layer", out.per_layer.cast::<u8>(), bytes)?;
    }
    Ok(max_replicas)
}
