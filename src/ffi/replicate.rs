//! eplb_replicate: homes and the tokens of a batch in, copies in spare slots, quotas and fetches out.

use crate::base::table::{Table, TableMut};
use crate::batch::{self, Fetch, ReplicasMut, Replicated, Request, eplb_fetch, eplb_replicated};
use crate::dispatch::{Lengths, QuotasMut};
use crate::explain;
use crate::explain::text::Text;
use crate::ffi::dispatch::by_source;
use crate::ffi::function::{Function, by_ref, function};
use crate::ffi::maps;
use crate::ffi::memory::{self, Listen, Memory, Workspace};
use crate::ffi::start::{Given, Start};
use crate::ffi::structs::{Rows, plain};
use crate::ffi::types::{eplb_options, eplb_placement, eplb_problem};
use crate::options::operation::Operation;
use crate::placement::Placement;
use crate::problem::Shape;
use crate::status::Status;
use core::ffi::c_void;

/// The tokens of a batch, and what copies may be made for them.
#[allow(non_camel_case_types)]
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct eplb_replication {
    /// sizeof(eplb_replication).
    pub struct_size: u32,
    /// 0: it is not known, or does not matter, where tokens come from. num_gpus: every GPU sends its own.
    pub num_sources: u32,
    /// [L][E] tokens of each expert; with sources [L][G][E] tokens that each GPU sends to each expert. At most 2^52 in
    /// a layer; none from a dead GPU.
    pub tokens: *const u32,
    /// [L][P] what the spare slots hold from the last batch, -1 for nothing: such copies need no fetch. Where the home
    /// placement has an expert it is not looked at. NULL: nothing.
    pub held: *const i32,
    /// The largest time may be (1 + tolerance / 1024) times eplb_replicated.bound; at most 2^20. 0: the least, whatever
    /// is fetched for it; 10 is 1 %.
    pub tolerance: u32,
    /// A fetch costs the GPU that receives it as much time as so many tokens.
    pub fetch_tokens: u32,
    /// A copy that is fetched gets at least so many tokens, or is not made; 0 = 1.
    pub least_tokens: u32,
    /// Fetches of a layer into a GPU at most; 0 = as many as it has spare slots.
    pub max_fetches_in: u32,
    /// Fetches of a layer out of a GPU at most; 0 = any number.
    pub max_fetches_out: u32,
    /// 0.
    pub reserved: u32,
}

/// Where eplb_replicate writes. NULL but for physical_to_logical and quota: not wanted.
#[allow(non_camel_case_types)]
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct eplb_replicas {
    /// sizeof(eplb_replicas).
    pub struct_size: u32,
    /// Width of the routing table, at least the largest number of GPUs that serve and are home to an expert; no expert
    /// gets more replicas than that. Not looked at when neither route_end nor route_slot is given.
    pub max_replicas: u32,
    /// [L][P] the home placement, and in its spare slots what they hold for this batch. A copy of the last batch that
    /// is not used stays where no fetch needs its slot.
    pub physical_to_logical: *mut i32,
    /// [L][P] or [L][G][P] tokens that each physical expert gets: see eplb_quotas.
    pub quota: *mut u32,
    /// [L][E][max_replicas] or [L][G][E][max_replicas]: see eplb_quotas.
    pub route_end: *mut u32,
    /// [L][E][max_replicas]: see eplb_quotas.
    pub route_slot: *mut i32,
    /// [capacity] the fetches, layer by layer, by round, then by slot; how many in per_layer.
    pub fetches: *mut eplb_fetch,
    /// sizeof(eplb_fetch).
    pub fetch_size: usize,
    /// Fetches that fit: as many as there are spare slots in all layers, L P at most. Not looked at when fetches is
    /// NULL.
    pub capacity: u32,
    /// 0.
    pub reserved: u32,
    /// [L] what is known of each layer.
    pub per_layer: *mut eplb_replicated,
    /// sizeof(eplb_replicated).
    pub replicated_size: usize,
}

plain! {
    eplb_replication to reserved: u32, "EPLB_REPLICATION_INIT";
    eplb_replicas to replicated_size: usize, "EPLB_REPLICAS_INIT";
    eplb_fetch to tokens: u32;
    eplb_replicated to limit: u32;
}

function! {
    /// Decides for one batch, whose tokens are known, which experts are copied into the spare slots of a placement, and
    /// splits the tokens over homes and copies: the largest time of a GPU within a tolerance of the least, by the fewest
    /// fetches, then with the fewest tokens that leave their homes.
    ///
    /// Homes are never touched, and no expert comes to a GPU twice. Spare slots are those that hold -1 on GPUs that are
    /// alive; GPUs that leave serve and receive none. Small layers are searched whole; of others fetches_bound says how
    /// few there could be. Where no copies bring the largest time within the tolerance it is the least that was found,
    /// and limit says what it was kept by. Whole tokens, total orders: the same on every rank.
    ///
    /// problem  only sizes and topology matter, of one layer or several; load may be NULL, cost must be.
    /// options  only effort matters: it bounds the slots looked at in a layer while fewer fetches are searched for; 0 =
    ///          131,072 where E P is at most 4,096 and all sets of fetches are tried, 2,048 for better packings.
    /// home     only physical_to_logical is read: any placement, with -1 in the spare slots.
    /// request  the tokens, what is held, the limits.
    /// out      out: slots, quotas, routing table, fetches, a report a layer.
    ///
    /// The workspace is the same with sources and without, whatever the number of layers. EPLB_STATUS_TOLERANCE,
    /// EPLB_STATUS_LIST_TOO_SMALL, EPLB_STATUS_UNSUPPORTED_COST, and those of eplb_dispatch. About
    /// O(E + P + fetches x the copies looked at) a layer, with sources O(G P) more.
    pub unsafe extern "C" fn eplb_replicate(
        problem: *const eplb_problem,
        options: *const eplb_options,
        workspace: *mut c_void,
        workspace_size: usize,
        home: *const eplb_placement,
        request: *const eplb_replication,
        out: *const eplb_replicas,
    ) -> i32;
    ReplicateCall, eplb_explain_replicate
}

/// A call of [`eplb_replicate`] that has been checked.
pub(crate) struct Replicating<'a> {
    shape: Shape<'a>,
    home: Placement<'a>,
    request: Request<'a>,
    slots: &'a mut [i32],
    quotas: QuotasMut<'a>,
    fetches: Rows<Fetch>,
    per_layer: Rows<Replicated>,
    workspace: Workspace,
}

/// What the home placement is called.
const HOME: &str = "home.physical_to_logical";

impl Function for ReplicateCall {
    type Checked<'a> = Replicating<'a>;
    const DEEP: bool = true;

    unsafe fn check<'a, H: Listen>(
        &self,
        memory: &mut Memory<H>,
    ) -> Result<Replicating<'a>, Status> {
        // SAFETY: the caller's promise, passed on. Slices are made of what `memory` has checked.
        unsafe {
            let given = Given::read(self.problem, self.options, memory)?;
            let home = memory.read("home", self.home)?;
            let request = memory.read("request", self.request)?;
            let out = memory.read("out", self.out)?;
            memory.zero("request.reserved", request.reserved)?;
            memory.zero("out.reserved", out.reserved)?;
            let start = &given.start(memory);
            let start = by_ref(start)?;
            let need = start.need(Operation::Replicate, memory)?;
            let home = Placement::of(maps::slots(HOME, &home, &start.shape, memory)?);
            let (request, lengths) = read_request(&request, &out, start, memory)?;
            let (fetches, per_layer) = note_out(&out, &lengths, &start.shape, memory)?;
            let workspace = memory.workspace(self.workspace, self.workspace_size, need)?;
            memory.check_overlap()?;
            let slots = memory::output(out.physical_to_logical, home.physical_to_logical.len());
            let quotas = QuotasMut {
                quota: memory::output(out.quota, lengths.quota).ok_or(Status::NullPointer)?,
                route_end: memory::output(out.route_end, lengths.route_end),
                route_slot: memory::output(out.route_slot, lengths.route_slot),
                max_replicas: width(&out),
            };
            let slots = slots.ok_or(Status::NullPointer)?;
            let shape = start.shape;
            Ok(Replicating { shape, home, request, slots, quotas, fetches, per_layer, workspace })
        }
    }

    unsafe fn run(&self, call: &mut Replicating) -> Result<(), Status> {
        // SAFETY: the call has been checked.
        let arena = unsafe { call.workspace.arena() };
        let (wanted, per_layer) = (call.per_layer.are_wanted(), &mut call.per_layer);
        let mut report = |layer: usize, found: &Replicated| per_layer.set(layer, *found);
        let out = ReplicasMut {
            physical_to_logical: &mut *call.slots,
            quotas: QuotasMut {
                quota: &mut *call.quotas.quota,
                route_end: call.quotas.route_end.as_deref_mut(),
                route_slot: call.quotas.route_slot.as_deref_mut(),
                max_replicas: call.quotas.max_replicas,
            },
            fetches: match call.fetches.are_wanted() {
                true => Some(&mut call.fetches),
                false => None,
            },
        };
        let report: Option<batch::ReplicateReport> = if wanted { Some(&mut report) } else { None };
        batch::replicate(&call.shape, arena, &call.home, &call.request, out, report).map(|_| ())
    }

    unsafe fn explain(&self, call: &mut Replicating, text: &mut Text) -> Result<(), Status> {
        let Replicating { shape, home, request, quotas, fetches, workspace, .. } = call;
        let widths = batch::Widths {
            table: quotas.has_table().then_some(quotas.max_replicas),
            list: fetches.are_wanted().then(|| fetches.rows()),
        };
        // SAFETY: the call has been checked.
        let arena = unsafe { workspace.arena() };
        batch::check(shape, arena, home, request, widths).inspect_err(|&status| {
            explain::replicate::Replicate { shape, home: (HOME, home), request, widths }
                .say(text, status);
        })
    }
}

/// The width of the routing table.
fn width(out: &eplb_replicas) -> usize {
    let table = !out.route_end.is_null() || !out.route_slot.is_null();
    if table { out.max_replicas as usize } else { 0 }
}

/// What is asked for, and the lengths that follow from it.
///
/// # Safety
/// As for [`eplb_replicate`].
unsafe fn read_request<'a, H: Listen>(
    given: &eplb_replication,
    out: &eplb_replicas,
    start: &Start<'a>,
    memory: &mut Memory<H>,
) -> Result<(Request<'a>, Lengths), Status> {
    let shape = &start.shape;
    let gpus = shape.topology().num_gpus();
    let by_source = by_source(("request.num_sources", given.num_sources), gpus, memory)?;
    let lengths = Lengths::new(shape, by_source, width(out)).ok();
    let lengths = memory.fits("out.max_replicas", lengths)?;
    let slots = shape.num_layers() * shape.num_physical_experts();
    // SAFETY: passed on.
    let (tokens, held) = unsafe {
        let tokens = memory.input("request.tokens", given.tokens, lengths.tokens)?;
        (tokens, memory.optional_input("request.held", given.held, slots)?)
    };
    let request = Request {
        tokens,
        by_source,
        tolerance: given.tolerance,
        fetch_tokens: given.fetch_tokens,
        least_tokens: given.least_tokens,
        max_fetches_in: given.max_fetches_in,
        max_fetches_out: given.max_fetches_out,
        held,
        effort: start.options.effort,
    };
    Ok((request, lengths))
}

/// Notes where the answer goes.
///
/// # Safety
/// As for [`eplb_replicate`].
unsafe fn note_out<H: Listen>(
    out: &eplb_replicas,
    lengths: &Lengths,
    shape: &Shape,
    memory: &mut Memory<H>,
) -> Result<(Rows<Fetch>, Rows<Replicated>), Status> {
    let layers = shape.num_layers();
    let slots = layers * shape.num_physical_experts();
    memory.output("out.physical_to_logical", out.physical_to_logical, slots)?;
    memory.output("out.quota", out.quota, lengths.quota)?;
    memory.optional_output("out.route_end", out.route_end, lengths.route_end)?;
    memory.optional_output("out.route_slot", out.route_slot, lengths.route_slot)?;
    let (fetches, rows) =
        (("out.fetches", "out.fetch_size"), ("out.per_layer", "out.replicated_size"));
    // SAFETY: passed on.
    unsafe {
        let capacity = out.capacity as usize;
        Ok((
            memory.optional_rows(fetches, out.fetches, out.fetch_size, capacity)?,
            memory.optional_rows(rows, out.per_layer, out.replicated_size, layers)?,
        ))
    }
}
