//! eplb_transfers: the list of transfers in the caller's arrays.

use crate::base::cells::put;
use crate::base::table::TableMut;
use crate::explain::text::{Text, say};
use crate::explain::transfers::Transfers;
use crate::ffi::function::{Function, by_ref, function};
use crate::ffi::maps;
use crate::ffi::memory::{self, Listen, Memory, Workspace};
use crate::ffi::start::Given;
use crate::ffi::structs::{Rows, plain};
use crate::ffi::types::{eplb_options, eplb_placement, eplb_problem};
use crate::options::operation::Operation;
use crate::placement::Placement;
use crate::problem::Shape;
use crate::status::Status;
use crate::transfers::list::{TransferEvent, Transition, eplb_transfer, transfers, unreported};
use core::ffi::c_void;

/// What a list of transfers comes to.
#[allow(non_camel_case_types)]
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct eplb_transfer_totals {
    /// Entries of the list.
    pub count: u32,
    /// Those that use a link: copies of an expert that travel. The others are copies within a GPU.
    pub moved: u32,
    /// Layers in which any travels.
    pub moved_layers: u32,
    /// The most rounds of a layer.
    pub rounds: u32,
}

/// Where eplb_transfers writes. An array that is NULL is not wanted.
#[allow(non_camel_case_types)]
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct eplb_transfer_list {
    /// sizeof(eplb_transfer_list).
    pub struct_size: u32,
    /// Transfers that fit; 2 * L * P always suffice. Not looked at when transfers is NULL.
    pub capacity: u32,
    /// [capacity] the first totals.count are written; layer by layer, in the order in which they happen. NULL: they
    /// are only counted.
    pub transfers: *mut eplb_transfer,
    /// sizeof(eplb_transfer).
    pub transfer_size: usize,
    /// [L + 1] the index of the first transfer of each layer, and their number at the end.
    pub layer_start: *mut u32,
    /// [L] the transfers of each layer that use a link: what eplb_gate_layer.moved asks for.
    pub layer_moved: *mut u32,
    /// [L] the rounds of each layer.
    pub layer_rounds: *mut u32,
    /// [1] what all layers come to.
    pub totals: *mut eplb_transfer_totals,
    /// sizeof(eplb_transfer_totals).
    pub totals_size: usize,
}

plain! {
    eplb_transfer_list to totals_size: usize, "EPLB_TRANSFER_LIST_INIT";
    eplb_transfer to commit: u32;
    eplb_transfer_totals to rounds: u32;
}

function! {
    /// Lists the transfers that turn one placement into another: which expert goes from where to where, and in which
    /// round. Replayed in order the list is safe: in a round a GPU sends at most one expert and receives at most one,
    /// no slot is overwritten before its last reader, and every expert has a slot from which it can be read and served
    /// throughout. docs/SPEC.md ("Transfers") says what happens in and between rounds. Sources are the nearest GPUs
    /// that hold the expert (same node, then any), spread as evenly as can be; those that have received it may send it
    /// on. GPUs that leave are sources, dead ones are not.
    ///
    /// problem        load may be NULL.
    /// options        only EPLB_FLAG_EXTERNAL_SOURCE matters: it allows source -1 for experts that no GPU can be read for.
    /// from           the placement in force; only physical_to_logical is read.
    /// to             the new placement, likewise.
    /// spare_buffers  experts of a layer that a GPU can receive beside its slots. One always suffices.
    /// list           out: the list, its layers, its totals.
    ///
    /// EPLB_STATUS_SOURCE_LOST, EPLB_STATUS_NEEDS_BUFFER (without a spare buffer only), EPLB_STATUS_LIST_TOO_SMALL:
    /// eplb_explain_transfers names the layer. A layer takes O(rounds (P + transfers x GPUs)) at most, twice, since all
    /// are checked before the first is written, and up to 8 times (4 from 4,096 slots on) when no order is found that
    /// provably has the fewest rounds.
    pub unsafe extern "C" fn eplb_transfers(
        problem: *const eplb_problem,
        options: *const eplb_options,
        workspace: *mut c_void,
        workspace_size: usize,
        from: *const eplb_placement,
        to: *const eplb_placement,
        spare_buffers: u32,
        list: *const eplb_transfer_list,
    ) -> i32;
    TransfersCall, eplb_explain_transfers
}

/// A call of [`eplb_transfers`] that has been checked.
pub(crate) struct Listing<'a> {
    shape: Shape<'a>,
    transition: Transition<'a>,
    list: List<'a>,
    workspace: Workspace,
}

/// Where the list goes, and what it can hold.
struct List<'a> {
    capacity: usize,
    transfers: Rows<eplb_transfer>,
    layer_start: Option<&'a mut [u32]>,
    layer_moved: Option<&'a mut [u32]>,
    layer_rounds: Option<&'a mut [u32]>,
    totals: Rows<eplb_transfer_totals>,
}

impl Function for TransfersCall {
    type Checked<'a> = Listing<'a>;
    const DEEP: bool = true;

    unsafe fn check<'a, H: Listen>(&self, memory: &mut Memory<H>) -> Result<Listing<'a>, Status> {
        // SAFETY: the caller's promise, passed on. Slices are made of what `memory` has checked.
        unsafe {
            let given = Given::read(self.problem, self.options, memory)?;
            let (from, to) = (memory.read("from", self.from)?, memory.read("to", self.to)?);
            let list = memory.read("list", self.list)?;
            let start = &given.start(memory);
            let start = by_ref(start)?;
            let need = start.need(Operation::Transfers, memory)?;
            let slots = |name, map: &eplb_placement, memory: &mut Memory<H>| {
                maps::slots(name, map, &start.shape, memory).map(Placement::of)
            };
            let from = slots("from.physical_to_logical", &from, memory)?;
            let to = slots("to.physical_to_logical", &to, memory)?;
            let layers = start.shape.num_layers();
            let (transfers, totals) = note_list(&list, layers, memory)?;
            let workspace = memory.workspace(self.workspace, self.workspace_size, need)?;
            memory.check_overlap()?;
            let list = List {
                capacity: if transfers.are_wanted() { list.capacity } else { u32::MAX } as usize,
                transfers,
                layer_start: memory::output(list.layer_start, layers + 1),
                layer_moved: memory::output(list.layer_moved, layers),
                layer_rounds: memory::output(list.layer_rounds, layers),
                totals,
            };
            let (spare_buffers, flags) = (self.spare_buffers, start.options.flags);
            let transition = Transition { from, to, spare_buffers, flags };
            Ok(Listing { shape: start.shape, transition, list, workspace })
        }
    }

    unsafe fn run(&self, listing: &mut Listing) -> Result<(), Status> {
        let Listing { shape, transition, list, workspace } = listing;
        // SAFETY: the call has been checked.
        let arena = unsafe { workspace.arena() };
        let (capacity, report) = (list.capacity, &mut |event: TransferEvent| list.write(event));
        let totals = transfers(shape, transition, arena, capacity, report)?;
        let told = eplb_transfer_totals {
            count: totals.entries as u32,
            moved: totals.moved as u32,
            moved_layers: totals.moved_layers as u32,
            rounds: totals.rounds,
        };
        list.totals.set(0, told);
        Ok(())
    }

    unsafe fn explain(&self, listing: &mut Listing, text: &mut Text) -> Result<(), Status> {
        let Listing { shape, transition, list, workspace } = listing;
        // SAFETY: the call has been checked; one at a time.
        let arena = || unsafe { workspace.arena() };
        // counted, and not yet held against the capacity
        match transfers(shape, transition, arena(), usize::MAX, &mut unreported) {
            Ok(totals) if totals.entries > list.capacity => {
                say!(text; "list.capacity is %, there are % transfers: raise it (2 x L x P always suffice), or count them \
                    first with list.transfers NULL", list.capacity, totals.entries);
                Err(Status::ListTooSmall)
            }
            Ok(_) => Ok(()),
            Err(status) => {
                Transfers::of(shape, transition).say(text, transition, arena(), status);
                Err(status)
            }
        }
    }
}

/// Notes where the list goes.
///
/// # Safety
/// As for [`eplb_transfers`].
unsafe fn note_list<H: Listen>(
    list: &eplb_transfer_list,
    layers: usize,
    memory: &mut Memory<H>,
) -> Result<(Rows<eplb_transfer>, Rows<eplb_transfer_totals>), Status> {
    let (names, capacity) = (("list.transfers", "list.transfer_size"), list.capacity as usize);
    // SAFETY: passed on.
    let transfers =
        unsafe { memory.optional_rows(names, list.transfers, list.transfer_size, capacity)? };
    memory.optional_output("list.layer_start", list.layer_start, layers + 1)?;
    memory.optional_output("list.layer_moved", list.layer_moved, layers)?;
    memory.optional_output("list.layer_rounds", list.layer_rounds, layers)?;
    let names = ("list.totals", "list.totals_size");
    // SAFETY: passed on.
    let totals = unsafe { memory.optional_rows(names, list.totals, list.totals_size, 1)? };
    Ok((transfers, totals))
}

impl List<'_> {
    /// Writes what has been told.
    fn write(&mut self, event: TransferEvent) {
        let note = |array: &mut Option<&mut [u32]>, index: usize, value: usize| {
            put(array.as_deref_mut().unwrap_or_default(), index, value as u32);
        };
        match event {
            TransferEvent::Transfer(index, transfer) => self.transfers.set(index, *transfer),
            TransferEvent::Layer { layer, end, moved, rounds } => {
                if layer == 0 {
                    note(&mut self.layer_start, 0, 0);
                }
                note(&mut self.layer_start, layer + 1, end);
                note(&mut self.layer_moved, layer, moved);
                note(&mut self.layer_rounds, layer, rounds as usize);
            }
        }
    }
}
