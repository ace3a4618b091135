//! The C face of what is made of load windows: weights, and forecasts.

use crate::ffi::call::answer;
use crate::ffi::memory::{self, Deaf, Listen, Memory};
use crate::ffi::read::Plain;
use crate::load::change::{self, Change};
use crate::load::forecast::{self, Forecast, ForecastMethod};
use crate::load::windows::{Windows, WindowsShape};
use crate::problem::loads::is_zero;
use crate::status::Status;
use core::mem::offset_of;

/// Load windows, as eplb_tracker_windows tells them or as the caller keeps them. EPLB_WINDOWS_INIT sets
/// struct_size and zeroes the rest; the num_* fields, all at least 1, and load must then be set.
///
/// Windows may lie in a ring: the one at place oldest is the oldest, the next younger one follows, and after the
/// last place comes the first. oldest = 0 is plain order of time.
#[allow(non_camel_case_types)]
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct eplb_windows {
    /// sizeof(eplb_windows).
    pub struct_size: u32,
    /// W: windows that are filled.
    pub num_windows: u32,
    /// L: MoE layers.
    pub num_layers: u32,
    /// E: logical experts of a layer.
    pub num_logical_experts: u32,
    /// Place of the oldest window, below W.
    pub oldest: u32,
    /// 0.
    pub reserved: u32,
    /// Elements of load from one window to the next; 0 = L * E.
    pub load_window_stride: u64,
    /// Windows that the tracker has closed since it was made; not looked at when given.
    pub closed: u64,
    /// [W][L][E] tokens of each expert, finite, >= 0: a problem's load.
    pub load: *const f32,
    /// [L][W] weight of each window in each layer, finite, >= 0, not all 0 in a layer: a problem's
    /// window_weight. NULL: all equal.
    pub window_weight: *const f32,
}

// SAFETY: integers and pointers; struct_size comes first.
unsafe impl Plain for eplb_windows {
    const FIRST_SIZE: usize = offset_of!(eplb_windows, window_weight) + size_of::<*const f32>();
    const INIT: &'static str = "EPLB_WINDOWS_INIT";
}

/// How an abrupt change of the load is told. EPLB_CHANGE_INIT sets struct_size and zeroes the rest, which is the
/// default of every field; a NULL pointer means the same.
#[allow(non_camel_case_types)]
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct eplb_change {
    /// sizeof(eplb_change).
    pub struct_size: u32,
    /// 0: all layers of the call are judged together, since a change of domain shows in all. 1: each by itself.
    pub each_layer: u32,
    /// The spread between the windows before and after a change, over that within them, at least; 0 = 6.
    pub ratio: f32,
    /// The squared distance of the mean windows before and after a change, at least; 0 = 0.3.
    pub distance: f32,
    /// Weight of windows from before a change, 0 to 1: a little keeps what may come back in sight.
    pub before: f32,
    /// Tokens that a load of 1 stands for, to judge the scatter of counts; 0 = 1.
    pub tokens_per_load: f32,
}

// SAFETY: integers and floats; struct_size comes first.
unsafe impl Plain for eplb_change {
    const FIRST_SIZE: usize = offset_of!(eplb_change, tokens_per_load) + size_of::<f32>();
    const INIT: &'static str = "EPLB_CHANGE_INIT";
}

/// How to make one load of the windows. EPLB_FORECAST_INIT sets struct_size and zeroes the rest, which is the
/// newest window; a NULL pointer means the same.
#[allow(non_camel_case_types)]
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct eplb_forecast_options {
    /// sizeof(eplb_forecast_options).
    pub struct_size: u32,
    /// EPLB_FORECAST_METHOD_*.
    pub method: u32,
    /// Windows after which a window counts half, at least 2^-10; 0 = 1. Of EPLB_FORECAST_METHOD_HALF_LIFE.
    pub half_life: f32,
    /// Standard deviations above the mean, at least 0. Of EPLB_FORECAST_METHOD_MEAN_PLUS_SIGMA.
    pub sigmas: f32,
}

// SAFETY: integers and floats; struct_size comes first.
unsafe impl Plain for eplb_forecast_options {
    const FIRST_SIZE: usize = offset_of!(eplb_forecast_options, sigmas) + size_of::<f32>();
    const INIT: &'static str = "EPLB_FORECAST_INIT";
}

/// Says how much each window should count, so that a plan does not cling to what the load was before it
/// changed abruptly, nor forget how much it varies since.
///
/// A window is its distribution of tokens over experts; the squared distance of two is the sum over experts of
/// (difference of the shares)^2 / mean share, the mean square of the relative change of an expert's load. A
/// change is a cut in time with windows that are alike on both sides of it and far apart across it. Windows from
/// before the last change weigh change.before, the others 1. A mixture of workloads that come and go is no
/// change. At least 3 windows are needed to tell one; windows without tokens in a layer are passed over. Loads are
/// taken for counts of tokens, which scatter by chance; for loads in another unit say tokens_per_load.
///
/// windows        what was observed; at most 32. Their window_weight is not looked at.
/// change         how a change is told; NULL = all defaults.
/// window_weight  out: [L][W], places as in load; can be the problem's window_weight as it is.
/// num_counted    out: [L] how many of the newest windows are since the last change; NULL = not wanted.
///
/// Returns EPLB_STATUS_OK, or a negative code with the outputs as they were. O(L W E) for each change that is
/// found, and once more. No workspace.
///
/// # Safety
/// Pointers are NULL or point to as much memory as the struct fields say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eplb_window_weights(
    windows: *const eplb_windows,
    change: *const eplb_change,
    window_weight: *mut f32,
    num_counted: *mut u32,
) -> i32 {
    // SAFETY: the caller's promise, passed on. Slices are made of what has been checked.
    answer(|| unsafe {
        let call = WeightsCall { windows, change, window_weight, num_counted };
        let (windows, change) = checked_weights(&call, &mut Memory::<Deaf>::default())?;
        let shape = windows.shape();
        let (layers, weights) = (shape.num_layers(), shape.num_layers() * shape.num_windows());
        let weight = memory::output(window_weight, weights).ok_or(Status::NullPointer)?;
        change::window_weights(&windows, &change, weight, memory::output(num_counted, layers))
    })
}

/// The arguments of eplb_window_weights.
#[derive(Clone, Copy)]
pub struct WeightsCall {
    pub windows: *const eplb_windows,
    pub change: *const eplb_change,
    pub window_weight: *mut f32,
    pub num_counted: *mut u32,
}

/// Checks a call of [`eplb_window_weights`], but for the numbers of the options.
///
/// # Safety
/// As for [`eplb_window_weights`].
pub unsafe fn checked_weights<'a, H: Listen>(
    call: &WeightsCall,
    arrays: &mut Memory<H>,
) -> Result<(Windows<'a>, Change), Status> {
    // SAFETY: passed on.
    unsafe {
        let change = if call.change.is_null() {
            Change::default()
        } else {
            checked(&arrays.read("change", call.change)?)?
        };
        let windows = read_windows(call.windows, arrays, false)?;
        let shape = windows.shape();
        let (layers, weights) = (shape.num_layers(), shape.num_layers() * shape.num_windows());
        arrays.output("window_weight", call.window_weight, weights)?;
        arrays.optional_output("num_counted", call.num_counted, layers)?;
        arrays.check_overlap()?;
        Ok((windows, change))
    }
}

/// Makes one load matrix of several windows, for a policy that plans on one.
///
/// With x the windows of an expert's load, v their window_weight (1 without) and sums over the windows:
/// EPLB_FORECAST_METHOD_LAST gives x of the newest window; _MEAN gives m = sum v x / sum v; _HALF_LIFE the same
/// with v 2^(-age / half_life), age 0 for the newest window (and the newest alone when all others have faded
/// out); _MEAN_PLUS_SIGMA gives m + sigmas sqrt(sum v (x - m)^2 / sum v), at most the largest float.
///
/// windows   what was observed.
/// forecast  how; NULL = the newest window.
/// load      out: [L][E] loads, in the unit of the windows.
///
/// Returns EPLB_STATUS_OK, or a negative code with load as it was. The same bytes on every machine. O(W L E).
///
/// # Safety
/// Pointers are NULL or point to as much memory as the struct fields say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eplb_forecast(
    windows: *const eplb_windows,
    forecast: *const eplb_forecast_options,
    load: *mut f32,
) -> i32 {
    // SAFETY: the caller's promise, passed on. Slices are made of what has been checked.
    answer(|| unsafe {
        let call = ForecastCall { windows, forecast, load };
        let (windows, how) = checked_forecast(&call, &mut Memory::<Deaf>::default())?;
        let shape = windows.shape();
        let elements = shape.num_layers() * shape.num_logical_experts();
        let load = memory::output(load, elements).ok_or(Status::NullPointer)?;
        forecast::forecast(&windows, &how, load)
    })
}

/// The arguments of eplb_forecast.
#[derive(Clone, Copy)]
pub struct ForecastCall {
    pub windows: *const eplb_windows,
    pub forecast: *const eplb_forecast_options,
    pub load: *mut f32,
}

/// Checks a call of [`eplb_forecast`], but for the numbers of the method.
///
/// # Safety
/// As for [`eplb_forecast`].
pub unsafe fn checked_forecast<'a, H: Listen>(
    call: &ForecastCall,
    arrays: &mut Memory<H>,
) -> Result<(Windows<'a>, Forecast), Status> {
    // SAFETY: passed on.
    unsafe {
        let how = if call.forecast.is_null() {
            Forecast::default()
        } else {
            let given = arrays.read("forecast", call.forecast)?;
            Forecast {
                method: ForecastMethod::try_from(given.method)?,
                half_life: or_default(given.half_life, 1.0),
                sigmas: given.sigmas,
            }
        };
        let windows = read_windows(call.windows, arrays, true)?;
        let shape = windows.shape();
        let elements = shape.num_layers() * shape.num_logical_experts();
        arrays.output("load", call.load, elements)?;
        arrays.check_overlap()?;
        Ok((windows, how))
    }
}

/// Zero means default.
fn or_default(given: f32, default: f32) -> f32 {
    if is_zero(given) { default } else { given }
}

/// Numbers to options.
fn checked(given: &eplb_change) -> Result<Change, Status> {
    if given.each_layer > 1 {
        return Err(Status::ChangeOption);
    }
    let default = Change::default();
    Ok(Change {
        each_layer: given.each_layer == 1,
        ratio: or_default(given.ratio, default.ratio),
        distance: or_default(given.distance, default.distance),
        before: given.before,
        tokens_per_load: or_default(given.tokens_per_load, default.tokens_per_load),
    })
}

/// The windows, and their weights when they matter.
///
/// # Safety
/// `windows` is as [`Memory::read`] says; its arrays are NULL or hold what its sizes say for `'a`.
unsafe fn read_windows<'a, H: Listen>(
    windows: *const eplb_windows,
    arrays: &mut Memory<H>,
    weighted: bool,
) -> Result<Windows<'a>, Status> {
    // SAFETY: passed on.
    unsafe {
        let given = arrays.read("windows", windows)?;
        arrays.listener.about("windows.reserved");
        if given.reserved != 0 {
            return Err(Status::ReservedNotZero);
        }
        let sizes = [given.num_windows, given.num_layers, given.num_logical_experts];
        let shape = WindowsShape::new(sizes, given.oldest, given.load_window_stride)?;
        let load = arrays.input("windows.load", given.load, shape.load_len())?;
        let weights = shape.num_layers() * shape.num_windows();
        let weight = match weighted {
            true => arrays.optional_input("windows.window_weight", given.window_weight, weights)?,
            false => None,
        };
        Windows::new(shape, load, weight)
    }
}
