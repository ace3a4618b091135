//! The load tracker.

use crate::base::table::TableMut;
use crate::explain::text::{Text, say};
use crate::explain::tracker::Step;
use crate::explain::windows::say_shape;
use crate::ffi::function::{Function, answer, function};
use crate::ffi::memory::{Deaf, Listen, Memory};
use crate::ffi::structs::{Rows, plain};
use crate::ffi::windows::eplb_windows;
use crate::load::saved::{HEADER, Header, TrackerConfig, TrackerNeed};
use crate::load::tracker::Tracker;
use crate::status::Status;
use core::ffi::c_void;
use core::slice;

/// What a load tracker is made for. The num_* fields, all 1 to 2^31 - 1, must be set.
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

plain! {
    eplb_tracker_config to reserved: u32, "EPLB_TRACKER_CONFIG_INIT";
}

/// Says how much memory a load tracker takes: 80 + 4 L + 4 L E (W + 1) bytes.
///
/// size   out: bytes.
/// align  out: alignment in bytes, a power of two.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eplb_tracker_size(
    config: *const eplb_tracker_config,
    size: *mut usize,
    align: *mut usize,
) -> i32 {
    // SAFETY: the caller's promise, passed on; written to where checked.
    answer(|| unsafe {
        let memory = &mut Memory::<Deaf>::default();
        let (_, need) = read_config(config, memory)?;
        memory.pointer("size", size)?;
        memory.pointer("align", align)?;
        size.write(need.bytes());
        align.write(align_of::<u32>());
        Ok(())
    })
}

function! {
    /// Makes a load tracker that has seen nothing in memory of the caller's, whatever it holds. Afterwards the memory
    /// belongs to the tracker: eplb_tracker_* alone write to it, one call at a time.
    ///
    /// It is plain data without pointers. Copied while no call is running it can be kept in a file and taken up by
    /// another process, of the same byte order, at any address, without a call. A hash guards its header, sums the
    /// rest. O(W L E).
    pub unsafe extern "C" fn eplb_tracker_init(
        config: *const eplb_tracker_config,
        memory: *mut c_void,
        memory_size: usize,
    ) -> i32;
    InitCall, eplb_explain_tracker_init
}

impl Function for InitCall {
    type Checked<'a> = (TrackerConfig, TrackerNeed);

    unsafe fn check<'a, H: Listen>(
        &self,
        arrays: &mut Memory<H>,
    ) -> Result<Self::Checked<'a>, Status> {
        // SAFETY: the caller's promise, passed on.
        unsafe {
            let (wanted, need) = read_config(self.config, arrays)?;
            check_size(self.memory, self.memory_size, need.bytes(), arrays)?;
            arrays.input("config", self.config, 1)?;
            arrays.output("memory", self.memory.cast::<u32>(), need.words + need.floats)?;
            arrays.check_overlap()?;
            Ok((wanted, need))
        }
    }

    unsafe fn run(&self, (wanted, need): &mut (TrackerConfig, TrackerNeed)) -> Result<(), Status> {
        // SAFETY: the block holds what `need` says and overlaps nothing; what was never written must not be read.
        let (words, ring) = unsafe {
            self.memory.cast::<u32>().write_bytes(0, need.words + need.floats);
            split(self.memory, need)
        };
        Tracker::init(*wanted, words, ring).map(|_| ())
    }

    unsafe fn explain(
        &self,
        _: &mut (TrackerConfig, TrackerNeed),
        _: &mut Text,
    ) -> Result<(), Status> {
        Ok(())
    }
}

function! {
    /// Adds the tokens of one step of one layer to the open window.
    ///
    /// layer                below L.
    /// counts               [num_counts] tokens of each logical expert, or of each slot.
    /// num_counts           E, or with a row the slots P of the layer.
    /// physical_to_logical  [P] this layer's row of the placement in force at this step, -1 = empty slot, whose count must
    ///                      be 0. NULL: counts are of logical experts.
    ///
    /// Counters are 32 bits and stop at 2^32 - 1. With steps_per_window the window closes as soon as every layer has
    /// been given so many steps, or when a layer comes that already has them: one that was left out then has fewer.
    /// O(E) or O(P); O(L E) when the window closes.
    pub unsafe extern "C" fn eplb_tracker_observe(
        memory: *mut c_void,
        memory_size: usize,
        layer: u32,
        counts: *const u32,
        num_counts: u32,
        physical_to_logical: *const i32,
    ) -> i32;
    ObserveCall, eplb_explain_tracker_observe
}

impl Function for ObserveCall {
    type Checked<'a> = (Tracker<'a>, Step<'a>);

    unsafe fn check<'a, H: Listen>(
        &self,
        arrays: &mut Memory<H>,
    ) -> Result<(Tracker<'a>, Step<'a>), Status> {
        let (layer, len) = (self.layer, self.num_counts as usize);
        // SAFETY: the caller's promise, passed on.
        unsafe {
            let counts = arrays.input("counts", self.counts, len)?;
            let row =
                arrays.optional_input("physical_to_logical", self.physical_to_logical, len)?;
            let tracker = open(self.memory, self.memory_size, arrays)?;
            Ok((tracker, Step { layer, counts, row }))
        }
    }

    unsafe fn run(&self, (tracker, step): &mut (Tracker, Step)) -> Result<(), Status> {
        tracker.observe(step.layer, step.counts, step.row)
    }

    unsafe fn explain(
        &self,
        (tracker, step): &mut (Tracker, Step),
        text: &mut Text,
    ) -> Result<(), Status> {
        let Step { layer, counts, row } = *step;
        tracker
            .check_step(layer, counts, row)
            .inspect_err(|&status| step.say(text, &tracker.config(), status))
    }
}

function! {
    /// Closes the open window: it becomes the newest of the ring, as float, in place of the oldest when the ring is
    /// full. Counts up to 2^24 are kept exactly, larger ones rounded to nearest. EPLB_STATUS_TRACKER_EMPTY when nothing
    /// was observed since the last window. O(L E).
    pub unsafe extern "C" fn eplb_tracker_close(memory: *mut c_void, memory_size: usize) -> i32;
    CloseCall, eplb_explain_tracker_close
}

impl Function for CloseCall {
    type Checked<'a> = Tracker<'a>;

    unsafe fn check<'a, H: Listen>(&self, arrays: &mut Memory<H>) -> Result<Tracker<'a>, Status> {
        // SAFETY: the caller's promise, passed on.
        unsafe { open(self.memory, self.memory_size, arrays) }
    }

    unsafe fn run(&self, tracker: &mut Tracker) -> Result<(), Status> {
        tracker.close()
    }

    unsafe fn explain(&self, tracker: &mut Tracker, text: &mut Text) -> Result<(), Status> {
        tracker.check_close().inspect_err(|_| {
            say!(text; "memory has observed no step since its last window: call eplb_tracker_observe before \
                eplb_tracker_close");
        })
    }
}

function! {
    /// Forgets what the open window has observed, if anything: after a warm-up, or traffic that is not like what is to
    /// come. The closed windows stay. O(L E).
    pub unsafe extern "C" fn eplb_tracker_discard(memory: *mut c_void, memory_size: usize) -> i32;
    DiscardCall, eplb_explain_tracker_discard
}

impl Function for DiscardCall {
    type Checked<'a> = Tracker<'a>;

    unsafe fn check<'a, H: Listen>(&self, arrays: &mut Memory<H>) -> Result<Tracker<'a>, Status> {
        // SAFETY: the caller's promise, passed on.
        unsafe { open(self.memory, self.memory_size, arrays) }
    }

    unsafe fn run(&self, tracker: &mut Tracker) -> Result<(), Status> {
        tracker.discard();
        Ok(())
    }

    unsafe fn explain(&self, _: &mut Tracker, _: &mut Text) -> Result<(), Status> {
        Ok(())
    }
}

function! {
    /// Tells the closed windows: where they lie, how many, and which is the oldest. Checks the whole memory, so call it
    /// once after restoring a saved tracker (EPLB_STATUS_TRACKER_TORN).
    ///
    /// windows  out; window_weight is made NULL, struct_size what windows_size is.
    ///
    /// The load lies in the tracker's memory and can be a problem's load as it is, with num_windows as told: the order
    /// of windows does not matter to a plan. It changes when a window closes. EPLB_STATUS_TRACKER_EMPTY while none has
    /// been closed. O(W L E).
    pub unsafe extern "C" fn eplb_tracker_windows(
        memory: *mut c_void,
        memory_size: usize,
        windows: *mut eplb_windows,
        windows_size: usize,
    ) -> i32;
    WindowsCall, eplb_explain_tracker_windows
}

impl Function for WindowsCall {
    type Checked<'a> = (Tracker<'a>, Rows<eplb_windows>);

    unsafe fn check<'a, H: Listen>(
        &self,
        arrays: &mut Memory<H>,
    ) -> Result<(Tracker<'a>, Rows<eplb_windows>), Status> {
        // SAFETY: the caller's promise, passed on.
        unsafe {
            let names = ("windows", "windows_size");
            let windows = arrays.rows(names, self.windows, self.windows_size, 1, true)?;
            Ok((open(self.memory, self.memory_size, arrays)?, windows))
        }
    }

    unsafe fn run(
        &self,
        (tracker, windows): &mut (Tracker, Rows<eplb_windows>),
    ) -> Result<(), Status> {
        let found = tracker.windows()?;
        let shape = found.shape();
        let told = eplb_windows {
            struct_size: self.windows_size as u32,
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
        windows.set(0, told);
        Ok(())
    }

    unsafe fn explain(
        &self,
        (tracker, _): &mut (Tracker, Rows<eplb_windows>),
        text: &mut Text,
    ) -> Result<(), Status> {
        tracker.windows().map(|_| ()).inspect_err(|&status| match status {
            Status::TrackerEmpty => {
                say!(text; "memory has closed no window yet: call eplb_tracker_close, or set steps_per_window");
            }
            _ => say_damage(text, status),
        })
    }
}

/// The config, and what it needs.
///
/// # Safety
/// As [`Memory::read`].
unsafe fn read_config<H: Listen>(
    config: *const eplb_tracker_config,
    arrays: &mut Memory<H>,
) -> Result<(TrackerConfig, TrackerNeed), Status> {
    // SAFETY: passed on.
    let config = unsafe { arrays.read("config", config)? };
    arrays.zero("config.reserved", config.reserved)?;
    let config = TrackerConfig {
        num_windows: config.num_windows,
        num_layers: config.num_layers,
        num_logical_experts: config.num_logical_experts,
        steps_per_window: config.steps_per_window,
    };
    let need = config.need().inspect_err(|&status| {
        let sizes = [config.num_windows, config.num_layers, config.num_logical_experts];
        arrays.listener.hear(|text| say_shape(text, "config", sizes, 0, 0, status));
    })?;
    Ok((config, need))
}

/// Refuses memory of fewer bytes than are needed.
fn check_size<H: Listen>(
    memory: *mut c_void,
    given: usize,
    needed: usize,
    arrays: &mut Memory<H>,
) -> Result<(), Status> {
    arrays.pointer("memory", memory.cast::<u32>())?;
    if given >= needed {
        return Ok(());
    }
    arrays.refuse(Status::TrackerTooSmall, |text| {
        say!(text; "memory_size is %, the load tracker takes %: ask eplb_tracker_size", given, needed);
    })
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
unsafe fn open<'a, H: Listen>(
    memory: *mut c_void,
    memory_size: usize,
    arrays: &mut Memory<H>,
) -> Result<Tracker<'a>, Status> {
    check_size(memory, memory_size, HEADER * size_of::<u32>(), arrays)?;
    // SAFETY: the header is inside the block.
    let words = unsafe { slice::from_raw_parts(memory.cast::<u32>(), HEADER) };
    let damaged =
        |arrays: &mut Memory<H>, status| arrays.listener.hear(|text| say_damage(text, status));
    let header = Header::read(words).inspect_err(|&status| damaged(arrays, status))?;
    let need = header.config.need()?;
    check_size(memory, memory_size, need.bytes(), arrays)?;
    arrays.output("memory", memory.cast::<u32>(), need.words + need.floats)?;
    arrays.check_overlap()?;
    // SAFETY: the block is as long as it says, and the call's other arrays are apart from it.
    let (words, ring) = unsafe { split(memory, &need) };
    Tracker::open(words, ring).inspect_err(|&status| damaged(arrays, status))
}

fn say_damage(text: &mut Text, status: Status) {
    match status {
        Status::TrackerForeign => {
            say!(text; "memory holds no load tracker of this version and byte order: make one with eplb_tracker_init");
        }
        Status::TrackerTorn => {
            say!(text; "memory is a load tracker whose sums do not fit: save it between calls, not during one, or start \
                anew with eplb_tracker_init");
        }
        _ => {}
    }
}
