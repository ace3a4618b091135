//! eplb_transfers: the list of transfers in the caller's arrays.

use super::memory::{self, Memory};
use super::read::{Plain, check_stride, read, write};
use super::types::{eplb_options, eplb_placement, eplb_problem};
use super::{answer, checked_options, read_options, shape};
use crate::migrate;
use crate::migrate::transfers::{TransferEvent, eplb_transfer, transfers};
use crate::placement::{Placement, map_lengths};
use crate::plan::Operation;
use crate::status::Status;
use core::ffi::c_void;
use core::mem::offset_of;

/// The caller's arrays for the transfers, and what they came to. EPLB_TRANSFER_LIST_INIT sets struct_size and
/// transfer_size and zeroes the rest.
#[allow(non_camel_case_types)]
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct eplb_transfer_list {
    /// sizeof(eplb_transfer_list).
    pub struct_size: u32,
    /// sizeof(eplb_transfer).
    pub transfer_size: u32,
    /// In: transfers that fit; 2 * L * P always suffice.
    pub capacity: u32,
    /// Out: entries of the list.
    pub count: u32,
    /// Out: those that use a link; the others are copies within a GPU.
    pub moved: u32,
    /// Out: the most rounds of a layer.
    pub rounds: u32,
    /// [capacity] out: the first count are written; layer by layer, in the order in which they happen.
    /// NULL: they are only counted, and capacity is not looked at.
    pub transfers: *mut eplb_transfer,
    /// [L + 1] out: the index of the first transfer of each layer, and count at the end. NULL: not wanted.
    pub layer_start: *mut u32,
    /// [L] out: the rounds of each layer. NULL: not wanted.
    pub layer_rounds: *mut u32,
}

// SAFETY: integers and raw pointers, struct_size first.
unsafe impl Plain for eplb_transfer_list {
    const FIRST_SIZE: usize = offset_of!(eplb_transfer_list, layer_rounds) + size_of::<*mut u32>();
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
/// options         previous: the old placement, needed. flags: EPLB_FLAG_EXTERNAL_SOURCE allows source -1 for
///                 experts that no GPU can be read for. Nothing else matters.
/// workspace       as eplb_workspace(EPLB_OPERATION_TRANSFERS) says.
/// workspace_size  its bytes.
/// placement       in: the new placement; only physical_to_logical is read.
/// spare_buffers   experts of a layer that a GPU can receive beside its slots; 0 and more.
/// list            in: the arrays; out: the sums.
///
/// Returns EPLB_STATUS_OK; EPLB_STATUS_SOURCE_LOST, EPLB_STATUS_NEEDS_BUFFER, EPLB_STATUS_LIST_TOO_SMALL or
/// another negative code with every output as it was. Every layer is worked out twice, since all are checked
/// before the first is written. A layer takes O(rounds (P + transfers x GPUs)) at most, up to 16 times when no
/// order with as few rounds as one GPU has transfers is found.
///
/// # Safety
/// Pointers are NULL or point to as much memory as the struct fields say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eplb_transfers(
    problem: *const eplb_problem,
    options: *const eplb_options,
    workspace: *mut c_void,
    workspace_size: usize,
    placement: *const eplb_placement,
    spare_buffers: u32,
    list: *mut eplb_transfer_list,
) -> i32 {
    // SAFETY: the caller's promise, passed on. Slices are made of what `memory` has checked.
    answer(|| unsafe {
        let problem = read(problem)?;
        let options = read_options(options)?;
        let maps = read(placement)?;
        let arrays = read(list.cast_const())?;
        check_stride(arrays.transfer_size as usize, size_of::<eplb_transfer>())?;
        let mut memory = Memory::default();
        let shape = shape(&problem, &mut memory)?;
        let [slots, ..] = map_lengths(&shape, 0)?;
        let previous = memory.input(options.previous, slots)?;
        let options = checked_options(&options, Some(previous))?;
        let need = migrate::workspace(Operation::Transfers, &shape, &options)?;
        let new = memory.input(maps.physical_to_logical, slots)?;

        let stride = arrays.transfer_size as usize;
        let counts = arrays.transfers.is_null();
        let capacity = if counts { u32::MAX } else { arrays.capacity } as usize;
        let bytes = capacity.checked_mul(stride).ok_or(Status::ShapeTooLarge)?;
        memory.output(list.cast::<u32>(), offset_of!(eplb_transfer_list, transfers) / 4)?;
        if !counts {
            super::read::check_pointer(arrays.transfers)?;
            memory.output(arrays.transfers.cast::<u8>(), bytes)?;
        }
        memory.optional_output(arrays.layer_start, shape.num_layers() + 1)?;
        memory.optional_output(arrays.layer_rounds, shape.num_layers())?;
        memory.workspace(workspace.cast(), workspace_size, &need)?;
        memory.check_overlap()?;

        let arena = memory::arena(workspace.cast(), &need);
        let put = |array: *mut u32, index: usize, value: usize| {
            if !array.is_null() {
                array.add(index).write(value as u32);
            }
        };
        let mut report = |event: TransferEvent| match event {
            TransferEvent::Transfer(index, transfer) => {
                if !counts {
                    write(arrays.transfers.cast::<u8>().add(index * stride), stride, transfer);
                }
            }
            TransferEvent::Layer { layer, end, rounds } => {
                if layer == 0 {
                    put(arrays.layer_start, 0, 0);
                }
                put(arrays.layer_start, layer + 1, end);
                put(arrays.layer_rounds, layer, rounds as usize);
            }
        };
        let placement = Placement::of(new);
        let totals =
            transfers(&shape, &options, arena, &placement, spare_buffers, capacity, &mut report)?;
        (&raw mut (*list).count).write(totals.entries as u32);
        (&raw mut (*list).moved).write(totals.moved as u32);
        (&raw mut (*list).rounds).write(totals.rounds);
        Ok(())
    })
}
