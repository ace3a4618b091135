//! The load tracker's C face.

use crate::ffi::call::answer;
use crate::ffi::memory::{Deaf, Listen, Memory};
use crate::ffi::read::{Plain, write};
use crate::ffi::windows::eplb_windows;
use crate::load::saved::{HEADER, Header, TrackerConfig, TrackerNeed};
use crate::load::tracker::Tracker;
use crate::status::Status;
use core::ffi::c_void;
use core::mem::offset_of;
use core::slice;

/// What a load tracker is made for. EPLB_TRACKER_CONFIG_INIT sets struct_size and zeroes the rest; the num_*
/// fields, all at least 1 and at most 2^31 - 1, must then be set.
#[allow(non_camel_case_types)]
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct eplb_tracker_config {
    /// sizeof(eplb_tracker_config).
    pub struct_size: u32,
    /// W: windows that the ring keeps.
    pub num_windows: u32,
    /// L: MoE layers.
    pub num_layers: u32,
    /// E: logical experts of a layer.
    pub num_logical_experts: u32,
    /// Steps after which a window closes by itself; 0 = eplb_tracker_close alone closes it.
    pub steps_per_window: u32,
    /// 0.
    pub reserved: u32,
}

// SAFETY: integers; struct_size comes first.
unsafe impl Plain for eplb_tracker_config {
    const FIRST_SIZE: usize = offset_of!(eplb_tracker_config, reserved) + size_of::<u32>();
    const INIT: &'static str = "EPLB_TRACKER_CONFIG_INIT";
}

/// Says how much memory a load tracker takes: 80 + 4 L + 4 L E (W + 1) bytes.
///
/// config  what it is made for.
/// size    out: bytes.
/// align   out: alignment in bytes, a power of two.
///
/// Returns EPLB_STATUS_OK, or a negative code with *size and *align as they were. O(1).
///
/// # Safety
/// Pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eplb_tracker_size(
    config: *const eplb_tracker_config,
    size: *mut usize,
    align: *mut usize,
) -> i32 {
    // SAFETY: the caller's promise, passed on; written to where checked.
    answer(|| unsafe {
        let arrays = &mut Memory::<Deaf>::default();
        let (_, need) = read_config(config, arrays)?;
        arrays.pointer("size", size)?;
        arrays.pointer("align", align)?;
        size.write(need.bytes());
        align.write(align_of::<u32>());
        Ok(())
    })
}

/// Makes a load tracker that has seen nothing in memory of the caller's. Afterwards the memory belongs to the
/// tracker: eplb_tracker_* alone write to it, one call at a time.
///
/// It is plain data without pointers. Copied while no call is running it can be kept in a file and taken up by
/// another process, of the same byte order, at any address: no call is needed for that. A hash guards its
/// header and sums guard the rest.
///
/// config       what it is made for.
/// memory       out: what eplb_tracker_size says; what it holds does not matter.
/// memory_size  its bytes.
///
/// Returns EPLB_STATUS_OK, or a negative code with the memory as it was. O(W L E).
///
/// # Safety
/// Pointers are NULL or valid; memory has memory_size bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eplb_tracker_init(
    config: *const eplb_tracker_config,
    memory: *mut c_void,
    memory_size: usize,
) -> i32 {
    // SAFETY: the caller's promise, passed on. The block holds what `need` says and overlaps nothing.
    answer(|| unsafe {
        let arrays = &mut Memory::<Deaf>::default();
        let (wanted, need) = checked_init(config, memory, memory_size, arrays)?;
        // what was never written must not be read
        core::ptr::write_bytes(memory.cast::<u32>(), 0, need.words + need.floats);
        let (words, ring) = split(memory, &need);
        Tracker::init(wanted, words, ring).map(|_| ())
    })
}

/// Adds the tokens of one step of one layer to the open window.
///
/// Counters are 32 bits and stop at 2^32 - 1. With steps_per_window the window closes as soon as every layer
/// has been given so many steps, or when a layer comes that already has them: one that was left out then has
/// fewer. Layers may change placement at different times: the row is of this layer and this step.
///
/// memory               a load tracker.
/// memory_size          its bytes.
/// layer                below L.
/// counts               [num_counts] tokens of each logical expert, or of each slot.
/// num_counts           E, or with a row the slots P of the layer.
/// physical_to_logical  [P] this layer's row of the placement in force, -1 = empty slot, whose count must be
///                      0. NULL: counts are of logical experts.
///
/// Returns EPLB_STATUS_OK, or a negative code with nothing counted. O(E) or O(P); O(L E) when the window
/// closes.
///
/// # Safety
/// Pointers are NULL or valid; memory has memory_size bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eplb_tracker_observe(
    memory: *mut c_void,
    memory_size: usize,
    layer: u32,
    counts: *const u32,
    num_counts: u32,
    physical_to_logical: *const i32,
) -> i32 {
    // SAFETY: the caller's promise, passed on.
    answer(|| unsafe {
        let call =
            ObserveCall { memory, memory_size, layer, counts, num_counts, physical_to_logical };
        let step = checked_observe(&call, &mut Memory::<Deaf>::default())?;
        let Observation { mut tracker, layer, counts, row } = step;
        tracker.observe(layer, counts, row)
    })
}

/// The arguments of eplb_tracker_observe.
#[derive(Clone, Copy)]
pub struct ObserveCall {
    pub memory: *mut c_void,
    pub memory_size: usize,
    pub layer: u32,
    pub counts: *const u32,
    pub num_counts: u32,
    pub physical_to_logical: *const i32,
}

/// A call of [`eplb_tracker_observe`] whose arrays have been checked.
pub struct Observation<'a> {
    pub tracker: Tracker<'a>,
    pub layer: u32,
    pub counts: &'a [u32],
    pub row: Option<&'a [i32]>,
}

/// Checks a call of [`eplb_tracker_observe`], but for what its numbers say.
///
/// # Safety
/// As for [`eplb_tracker_observe`].
pub unsafe fn checked_observe<'a, H: Listen>(
    call: &ObserveCall,
    arrays: &mut Memory<H>,
) -> Result<Observation<'a>, Status> {
    let len = call.num_counts as usize;
    // SAFETY: passed on.
    unsafe {
        let counts = arrays.input("counts", call.counts, len)?;
        let row = arrays.optional_input("physical_to_logical", call.physical_to_logical, len)?;
        let tracker = open(call.memory, call.memory_size, arrays)?;
        Ok(Observation { tracker, layer: call.layer, counts, row })
    }
}

/// Closes the open window: it becomes the newest of the ring, as float, in place of the oldest when the
/// ring is full. Counts up to 2^24 are kept exactly, larger ones rounded to nearest.
///
/// memory       a load tracker.
/// memory_size  its bytes.
///
/// Returns EPLB_STATUS_OK, or a negative code with nothing changed: EPLB_STATUS_TRACKER_EMPTY when nothing
/// was observed since the last window. O(L E).
///
/// # Safety
/// Pointers are NULL or valid; memory has memory_size bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eplb_tracker_close(memory: *mut c_void, memory_size: usize) -> i32 {
    // SAFETY: the caller's promise, passed on.
    answer(|| unsafe { open(memory, memory_size, &mut Memory::<Deaf>::default())?.close() })
}

/// Tells the closed windows: where they lie, how many, and which is the oldest. Checks the whole memory, so
/// call it once after restoring a saved tracker.
///
/// The load that it tells of lies in the tracker's memory and can be a problem's load as it is, with
/// num_windows as told: the order of windows does not matter to a plan. It changes when a window closes.
///
/// memory        a load tracker.
/// memory_size   its bytes.
/// windows       out; window_weight is made NULL, struct_size what windows_size is.
/// windows_size  sizeof(eplb_windows).
///
/// Returns EPLB_STATUS_OK, or a negative code with *windows as it was: EPLB_STATUS_TRACKER_EMPTY while no
/// window has been closed, EPLB_STATUS_TRACKER_TORN when the memory is damaged. O(W L E).
///
/// # Safety
/// Pointers are NULL or valid; memory has memory_size bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eplb_tracker_windows(
    memory: *mut c_void,
    memory_size: usize,
    windows: *mut eplb_windows,
    windows_size: usize,
) -> i32 {
    // SAFETY: the caller's promise, passed on.
    answer(|| unsafe {
        let arrays = &mut Memory::<Deaf>::default();
        let tracker = checked_windows(memory, memory_size, windows, windows_size, arrays)?;
        let found = tracker.windows()?;
        let shape = found.shape();
        let told = eplb_windows {
            struct_size: windows_size as u32,
            num_windows: shape.num_windows() as u32,
            num_layers: shape.num_layers() as u32,
            num_logical_experts: shape.num_logical_experts() as u32,
            oldest: shape.place(0) as u32,
            reserved: 0,
            load_window_stride: (shape.num_layers() * shape.num_logical_experts()) as u64,
            closed: tracker.closed(),
            load: found.load().as_ptr(),
            window_weight: core::ptr::null(),
        };
        write(windows.cast(), windows_size, &told);
        Ok(())
    })
}

/// Checks a call of [`eplb_tracker_windows`], but for what the tracker holds.
///
/// # Safety
/// As for [`eplb_tracker_windows`].
pub unsafe fn checked_windows<'a, H: Listen>(
    memory: *mut c_void,
    memory_size: usize,
    windows: *mut eplb_windows,
    windows_size: usize,
    arrays: &mut Memory<H>,
) -> Result<Tracker<'a>, Status> {
    arrays.pointer("windows", windows)?;
    arrays.stride("windows_size", windows_size, eplb_windows::FIRST_SIZE)?;
    arrays.output("windows", windows.cast::<u8>(), windows_size)?;
    // SAFETY: passed on.
    unsafe { open(memory, memory_size, arrays) }
}

/// Checks a call of [`eplb_tracker_init`].
///
/// # Safety
/// As for [`eplb_tracker_init`].
pub unsafe fn checked_init<H: Listen>(
    config: *const eplb_tracker_config,
    memory: *mut c_void,
    memory_size: usize,
    arrays: &mut Memory<H>,
) -> Result<(TrackerConfig, TrackerNeed), Status> {
    // SAFETY: passed on.
    unsafe {
        let (wanted, need) = read_config(config, arrays)?;
        arrays.pointer("memory", memory.cast::<u32>())?;
        arrays.at_least("memory_size", memory_size, need.bytes(), Status::TrackerTooSmall)?;
        arrays.input("config", config, 1)?;
        arrays.output("memory", memory.cast::<u32>(), need.words + need.floats)?;
        arrays.check_overlap()?;
        Ok((wanted, need))
    }
}

/// The config, and what it needs.
///
/// # Safety
/// As [`Memory::read`].
pub unsafe fn read_config<H: Listen>(
    config: *const eplb_tracker_config,
    arrays: &mut Memory<H>,
) -> Result<(TrackerConfig, TrackerNeed), Status> {
    // SAFETY: passed on.
    let config = unsafe { arrays.read("config", config)? };
    arrays.listener.about("config.reserved");
    if config.reserved != 0 {
        return Err(Status::ReservedNotZero);
    }
    let config = TrackerConfig {
        num_windows: config.num_windows,
        num_layers: config.num_layers,
        num_logical_experts: config.num_logical_experts,
        steps_per_window: config.steps_per_window,
    };
    Ok((config, config.need()?))
}

/// The two arrays of a block.
///
/// # Safety
/// The block is aligned for u32, written to, and as long as `need` says, and nothing else uses it meanwhile.
unsafe fn split<'a>(memory: *mut c_void, need: &TrackerNeed) -> (&'a mut [u32], &'a mut [f32]) {
    let words = memory.cast::<u32>();
    // SAFETY: as said; any bits are a u32 and an f32.
    unsafe {
        let ring = words.add(need.words).cast::<f32>();
        (slice::from_raw_parts_mut(words, need.words), slice::from_raw_parts_mut(ring, need.floats))
    }
}

/// The tracker in a block, which overlaps none of `arrays`.
///
/// # Safety
/// `memory` is NULL, misaligned, or has `memory_size` bytes for `'a`.
pub unsafe fn open<'a, H: Listen>(
    memory: *mut c_void,
    memory_size: usize,
    arrays: &mut Memory<H>,
) -> Result<Tracker<'a>, Status> {
    arrays.pointer("memory", memory.cast::<u32>())?;
    let header = HEADER * size_of::<u32>();
    arrays.at_least("memory_size", memory_size, header, Status::TrackerTooSmall)?;
    // SAFETY: the header is inside the block.
    let header = Header::read(unsafe { slice::from_raw_parts(memory.cast::<u32>(), HEADER) })?;
    let need = header.config.need()?;
    arrays.at_least("memory_size", memory_size, need.bytes(), Status::TrackerTooSmall)?;
    arrays.output("memory", memory.cast::<u32>(), need.words + need.floats)?;
    arrays.check_overlap()?;
    // SAFETY: the block is as long as it says, and the call's other arrays are apart from it.
    let (words, ring) = unsafe { split(memory, &need) };
    Tracker::open(words, ring)
}
