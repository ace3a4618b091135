//! eplb_transfers: the list of transfers in the caller's arrays.

use crate::base::arena::Need;
use crate::ffi::call::{answer, checked_options, read_options, shape};
use crate::ffi::memory::{self, Listen, Memory};
use crate::ffi::read::{Plain, write};
use crate::ffi::types::{eplb_options, eplb_placement, eplb_problem};
use crate::options::operation::Operation;
use crate::placement::{Placement, map_lengths};
use crate::plan;
use crate::problem::Shape;
use crate::status::Status;
use crate::transfers::list::{TransferEvent, TransferTotals, Transition, eplb_transfer, transfers};
use core::ffi::c_void;
use core::mem::offset_of;

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

/// Where eplb_transfers writes. EPLB_TRANSFER_LIST_INIT sets the sizes and zeroes the rest. NULL for an array means
/// that it is not wanted.
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
    /// sizeof(eplb_transfer); not looked at when transfers is NULL.
    pub transfer_size: usize,
    /// [L + 1] the index of the first transfer of each layer, and their number at the end.
    pub layer_start: *mut u32,
    /// [L] the transfers of each layer that use a link: what eplb_gate_layer.moved asks for.
    pub layer_moved: *mut u32,
    /// [L] the rounds of each layer.
    pub layer_rounds: *mut u32,
    /// [1] what all layers come to.
    pub totals: *mut eplb_transfer_totals,
    /// sizeof(eplb_transfer_totals); not looked at when totals is NULL.
    pub totals_size: usize,
}

// SAFETY: integers and raw pointers, struct_size first.
unsafe impl Plain for eplb_transfer_list {
    const FIRST_SIZE: usize = offset_of!(eplb_transfer_list, totals_size) + size_of::<usize>();
    const INIT: &'static str = "EPLB_TRANSFER_LIST_INIT";
}

/// The arguments of eplb_transfers.
#[derive(Clone, Copy)]
pub struct TransfersCall {
    pub problem: *const eplb_problem,
    pub options: *const eplb_options,
    pub workspace: *mut c_void,
    pub workspace_size: usize,
    pub from: *const eplb_placement,
    pub to: *const eplb_placement,
    pub spare_buffers: u32,
    pub list: *const eplb_transfer_list,
}

/// Lists the transfers that turn one placement into another: which expert goes from where to where, and in
/// which round. Replayed in order the list is safe: in a round a GPU sends at most one expert and receives at
/// most one, no slot is overwritten before its last reader, and every expert has a slot from which it can
/// be read and served throughout. docs/SPEC.md ("Transfers") says what happens in and between rounds.
///
/// Sources are the nearest GPUs that hold the expert (same node, then any), and among these they are spread
/// as evenly as can be. GPUs that leave are sources, dead ones are not.
///
/// problem         load may be NULL.
/// options         flags: EPLB_FLAG_EXTERNAL_SOURCE allows source -1 for experts that no GPU can be read for. Nothing
///                 else matters; options.previous is not looked at. NULL = all defaults.
/// workspace       as eplb_workspace(EPLB_OPERATION_TRANSFERS) says.
/// workspace_size  its bytes.
/// from            in: the placement in force; only physical_to_logical is read.
/// to              in: the new placement, likewise.
/// spare_buffers   experts of a layer that a GPU can receive beside its slots; 0 and more.
/// list            out: the list, its layers, its totals.
///
/// Returns EPLB_STATUS_OK; EPLB_STATUS_SOURCE_LOST, EPLB_STATUS_NEEDS_BUFFER, EPLB_STATUS_LIST_TOO_SMALL or
/// another negative code with every output as it was; eplb_explain_transfers names the layer. Every layer is worked
/// out twice, since all are checked before the first is written. A layer takes O(rounds (P + transfers x GPUs)) at
/// most, up to 16 times when no order with as few rounds as one GPU has transfers is found.
///
/// # Safety
/// Pointers are NULL or point to as much memory as the struct fields say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eplb_transfers(
    problem: *const eplb_problem,
    options: *const eplb_options,
    workspace: *mut c_void,
    workspace_size: usize,
    from: *const eplb_placement,
    to: *const eplb_placement,
    spare_buffers: u32,
    list: *const eplb_transfer_list,
) -> i32 {
    // SAFETY: the caller's promise, passed on. Written to where it has been checked.
    answer(|| unsafe {
        let call = TransfersCall {
            problem,
            options,
            workspace,
            workspace_size,
            from,
            to,
            spare_buffers,
            list,
        };
        let checked = &memory::unheard(|memory| checked_transfers(&call, memory));
        let Listing { shape, transition, list, capacity, need } =
            checked.as_ref().map_err(|status| *status)?;
        let arena = memory::arena(workspace.cast(), need);
        let mut report = |event: TransferEvent| list.write(event);
        let totals = transfers(shape, transition, arena, *capacity, &mut report)?;
        list.write_totals(&totals);
        Ok(())
    })
}

/// A call of [`eplb_transfers`] that has been checked.
pub struct Listing<'a> {
    pub shape: Shape<'a>,
    pub transition: Transition<'a>,
    pub list: eplb_transfer_list,
    pub capacity: usize,
    pub need: Need,
}

/// Checks a call of [`eplb_transfers`].
///
/// # Safety
/// As for [`eplb_transfers`].
pub unsafe fn checked_transfers<'a, H: Listen>(
    call: &TransfersCall,
    memory: &mut Memory<H>,
) -> Result<Listing<'a>, Status> {
    // SAFETY: the caller's promise, passed on. Slices are made of what `memory` has checked.
    unsafe {
        let problem = memory.read("problem", call.problem)?;
        let options = read_options(call.options, memory)?;
        let from = memory.read("from", call.from)?;
        let to = memory.read("to", call.to)?;
        let list = memory.read("list", call.list)?;
        let shape = shape(&problem, memory)?;
        let options = checked_options(&options, None, memory)?;
        let need = plan::workspace(Operation::Transfers, &shape, &options)?;
        let [slots, ..] = map_lengths(&shape, 0)?;
        let from = memory.input("from.physical_to_logical", from.physical_to_logical, slots)?;
        let to = memory.input("to.physical_to_logical", to.physical_to_logical, slots)?;
        let capacity = note_list(&list, &shape, memory)?;
        memory.workspace(call.workspace.cast(), call.workspace_size, &need)?;
        memory.check_overlap()?;
        let transition = Transition {
            from: Placement::of(from),
            to: Placement::of(to),
            spare_buffers: call.spare_buffers,
            flags: options.flags,
        };
        Ok(Listing { shape, transition, list, capacity, need })
    }
}

/// Notes where the list goes; answers what it can hold.
fn note_list<H: Listen>(
    list: &eplb_transfer_list,
    shape: &Shape,
    memory: &mut Memory<H>,
) -> Result<usize, Status> {
    let layers = shape.num_layers();
    let mut capacity = u32::MAX as usize;
    if !list.transfers.is_null() {
        capacity = list.capacity as usize;
        memory.pointer("list.transfers", list.transfers)?;
        memory.stride("list.transfer_size", list.transfer_size, size_of::<eplb_transfer>())?;
        let bytes = capacity.checked_mul(list.transfer_size).ok_or(Status::ShapeTooLarge)?;
        memory.output("list.transfers", list.transfers.cast::<u8>(), bytes)?;
    }
    memory.optional_output("list.layer_start", list.layer_start, layers + 1)?;
    memory.optional_output("list.layer_moved", list.layer_moved, layers)?;
    memory.optional_output("list.layer_rounds", list.layer_rounds, layers)?;
    if !list.totals.is_null() {
        memory.pointer("list.totals", list.totals)?;
        let first = size_of::<eplb_transfer_totals>();
        memory.stride("list.totals_size", list.totals_size, first)?;
        memory.output("list.totals", list.totals.cast::<u8>(), list.totals_size)?;
    }
    Ok(capacity)
}

impl eplb_transfer_list {
    /// Writes what has been told.
    ///
    /// # Safety
    /// [`note_list`] and [`Memory::check_overlap`] have accepted the arrays, and the list fits.
    unsafe fn write(&self, event: TransferEvent) {
        let put = |array: *mut u32, index: usize, value: usize| {
            if !array.is_null() {
                // SAFETY: the arrays have a place for every layer.
                unsafe { array.add(index).write(value as u32) };
            }
        };
        match event {
            TransferEvent::Transfer(index, transfer) => {
                if !self.transfers.is_null() {
                    // SAFETY: `index` is below the capacity.
                    unsafe {
                        let to = self.transfers.cast::<u8>().add(index * self.transfer_size);
                        write(to, self.transfer_size, transfer);
                    }
                }
            }
            TransferEvent::Layer { layer, end, moved, rounds } => {
                if layer == 0 {
                    put(self.layer_start, 0, 0);
                }
                put(self.layer_start, layer + 1, end);
                put(self.layer_moved, layer, moved);
                put(self.layer_rounds, layer, rounds as usize);
            }
        }
    }

    /// # Safety
    /// As [`eplb_transfer_list::write`].
    unsafe fn write_totals(&self, totals: &TransferTotals) {
        let told = eplb_transfer_totals {
            count: totals.entries as u32,
            moved: totals.moved as u32,
            moved_layers: totals.moved_layers as u32,
            rounds: totals.rounds,
        };
        if !self.totals.is_null() {
            // SAFETY: as said.
            unsafe { write(self.totals.cast(), self.totals_size, &told) };
        }
    }
}
