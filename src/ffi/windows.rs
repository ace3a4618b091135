//! What is made of load windows: weights, and forecasts.

use crate::explain::load::Grid;
use crate::explain::text::{Text, say};
use crate::explain::windows::{say_change, say_forecast, say_shape};
use crate::ffi::function::{Function, function};
use crate::ffi::memory::{self, Listen, Memory};
use crate::ffi::structs::plain;
use crate::load::change::{self, Change};
use crate::load::forecast::{self, Forecast, ForecastMethod};
use crate::load::windows::{Windows, WindowsShape};
use crate::problem::loads::is_zero;
use crate::status::Status;

/// Load windows, as eplb_tracker_windows tells them or as the caller keeps them. The num_* fields, all at
/// least 1, and load must be set.
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

/// How an abrupt change of the load is told. EPLB_CHANGE_INIT is the default of every field.
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

/// How to make one load of the windows. EPLB_FORECAST_INIT is the newest window.
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

plain! {
    eplb_windows to window_weight: *const f32, "EPLB_WINDOWS_INIT";
    eplb_change to tokens_per_load: f32, "EPLB_CHANGE_INIT";
    eplb_forecast_options to sigmas: f32, "EPLB_FORECAST_INIT";
}

function! {
    /// Says how much each window should count, so that a plan does not cling to what the load was before it changed
    /// abruptly, nor forget how much it varies since. Windows from before the last change weigh change.before, the
    /// others 1.
    ///
    /// windows        what was observed; at most 32. Their window_weight is not looked at.
    /// change         NULL = all defaults.
    /// window_weight  out: [L][W], places as in load; can be the problem's window_weight as it is.
    /// num_counted    out: [L] how many of the newest windows are since the last change; NULL: not wanted.
    ///
    /// A window is its distribution of tokens over experts; the squared distance of two is the sum over experts of
    /// (difference of the shares)^2 / mean share. A change is a cut in time with windows that are alike on both sides
    /// of it and far apart across it; workloads that come and go are none. At least 3 windows are needed to tell one;
    /// windows without tokens in a layer are passed over. Loads are taken for counts of tokens, which scatter by
    /// chance; for loads in another unit say tokens_per_load. O(L W E) for each change that is found, and once more. No
    /// workspace.
    pub unsafe extern "C" fn eplb_window_weights(
        windows: *const eplb_windows,
        change: *const eplb_change,
        window_weight: *mut f32,
        num_counted: *mut u32,
    ) -> i32;
    WeightsCall, eplb_explain_window_weights
}

impl Function for WeightsCall {
    type Checked<'a> = (Windows<'a>, Change);
    const DEEP: bool = true;

    unsafe fn check<'a, H: Listen>(
        &self,
        memory: &mut Memory<H>,
    ) -> Result<(Windows<'a>, Change), Status> {
        // SAFETY: the caller's promise, passed on.
        unsafe {
            let given = memory.read_or_default("change", self.change)?;
            if given.each_layer > 1 {
                return memory.refuse(Status::ChangeOption, |text| {
                    say!(text; "change.each_layer is %: 0 judges all layers together, 1 each by itself", given.each_layer);
                });
            }
            let default = Change::default();
            let change = Change {
                each_layer: given.each_layer == 1,
                ratio: or_default(given.ratio, default.ratio),
                distance: or_default(given.distance, default.distance),
                before: given.before,
                tokens_per_load: or_default(given.tokens_per_load, default.tokens_per_load),
            };
            let windows = read_windows(self.windows, memory, false)?;
            let [weights, layers, _] = lengths(&windows);
            memory.output("window_weight", self.window_weight, weights)?;
            memory.optional_output("num_counted", self.num_counted, layers)?;
            memory.check_overlap()?;
            Ok((windows, change))
        }
    }

    unsafe fn run(&self, (windows, change): &mut (Windows, Change)) -> Result<(), Status> {
        let [weights, layers, _] = lengths(windows);
        // SAFETY: noted with these lengths.
        let (weight, counted) = unsafe {
            (memory::output(self.window_weight, weights), memory::output(self.num_counted, layers))
        };
        change::window_weights(windows, change, weight.unwrap_or_default(), counted)
    }

    unsafe fn explain(
        &self,
        (windows, change): &mut (Windows, Change),
        text: &mut Text,
    ) -> Result<(), Status> {
        change.check(windows).inspect_err(|_| say_change(text, windows, change))
    }
}

function! {
    /// Makes one load matrix of several windows, for a policy that plans on one.
    ///
    /// forecast  NULL = the newest window.
    /// load      out: [L][E] loads, in the unit of the windows.
    ///
    /// With x the windows of an expert's load, v their window_weight (1 without) and sums over the windows:
    /// EPLB_FORECAST_METHOD_LAST gives x of the newest window; _MEAN gives m = sum v x / sum v; _HALF_LIFE the same
    /// with v 2^(-age / half_life), age 0 for the newest window (and the newest alone when all others have faded
    /// out); _MEAN_PLUS_SIGMA gives m + sigmas sqrt(sum v (x - m)^2 / sum v), at most the largest float. O(W L E).
    pub unsafe extern "C" fn eplb_forecast(
        windows: *const eplb_windows,
        forecast: *const eplb_forecast_options,
        load: *mut f32,
    ) -> i32;
    ForecastCall, eplb_explain_forecast
}

impl Function for ForecastCall {
    type Checked<'a> = (Windows<'a>, Forecast);

    unsafe fn check<'a, H: Listen>(
        &self,
        memory: &mut Memory<H>,
    ) -> Result<(Windows<'a>, Forecast), Status> {
        // SAFETY: the caller's promise, passed on.
        unsafe {
            let given = memory.read_or_default("forecast", self.forecast)?;
            let method = ForecastMethod::try_from(given.method).inspect_err(|_| {
                memory.listener.hear(|text| {
                    say!(text; "forecast.method is %: use one of EPLB_FORECAST_METHOD_*, 0 to 3", given.method);
                });
            })?;
            let half_life = or_default(given.half_life, 1.0);
            let windows = read_windows(self.windows, memory, true)?;
            let [.., loads] = lengths(&windows);
            memory.output("load", self.load, loads)?;
            memory.check_overlap()?;
            Ok((windows, Forecast { method, half_life, sigmas: given.sigmas }))
        }
    }

    unsafe fn run(&self, (windows, how): &mut (Windows, Forecast)) -> Result<(), Status> {
        let [.., loads] = lengths(windows);
        // SAFETY: noted with this length.
        let load = unsafe { memory::output(self.load, loads) };
        forecast::forecast(windows, how, load.unwrap_or_default())
    }

    unsafe fn explain(
        &self,
        (_, how): &mut (Windows, Forecast),
        text: &mut Text,
    ) -> Result<(), Status> {
        how.check().inspect_err(|_| say_forecast(text, how))
    }
}

/// Elements of `[L][W]`, `[L]` and `[L][E]`.
fn lengths(windows: &Windows) -> [usize; 3] {
    let shape = windows.shape();
    let layers = shape.num_layers();
    [layers * shape.num_windows(), layers, layers * shape.num_logical_experts()]
}

/// Zero means default.
fn or_default(given: f32, default: f32) -> f32 {
    if is_zero(given) { default } else { given }
}

/// The windows, and their weights when they matter.
///
/// # Safety
/// `windows` is as [`Memory::read`] says; its arrays are NULL or hold what its sizes say for `'a`.
unsafe fn read_windows<'a, H: Listen>(
    windows: *const eplb_windows,
    memory: &mut Memory<H>,
    weighted: bool,
) -> Result<Windows<'a>, Status> {
    // SAFETY: passed on.
    unsafe {
        let given = memory.read("windows", windows)?;
        memory.zero("windows.reserved", given.reserved)?;
        let sizes = [given.num_windows, given.num_layers, given.num_logical_experts];
        let (stride, oldest) = (given.load_window_stride, given.oldest);
        let shape = WindowsShape::new(sizes, oldest, stride).inspect_err(|&status| {
            memory.listener.hear(|text| {
                say_shape(text, "windows", sizes, stride, oldest, status);
            });
        })?;
        let load = memory.input("windows.load", given.load, shape.load_len())?;
        let weights = shape.num_layers() * shape.num_windows();
        let weight = match weighted {
            true => memory.optional_input("windows.window_weight", given.window_weight, weights)?,
            false => None,
        };
        Windows::new(shape, load, weight).inspect_err(|&status| {
            let grid = Grid::of_windows(&shape, stride, load, weight);
            memory.listener.hear(|text| grid.say(text, status));
        })
    }
}
