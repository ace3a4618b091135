//! Explanations of what concerns loads: the tracker, weights of windows, forecasts.

use crate::explain::{self, Given, Step};
use crate::ffi::explain::Call;
use crate::ffi::tracker::{
    Observation, ObserveCall, checked_init, checked_observe, checked_windows, eplb_tracker_config,
    open,
};
use crate::ffi::windows::{
    ForecastCall, WeightsCall, checked_forecast, checked_weights, eplb_change,
    eplb_forecast_options, eplb_windows,
};
use crate::load::change::Change;
use crate::load::forecast::Forecast;
use crate::load::windows::WindowsShape;
use crate::status::Status;
use core::ffi::{c_char, c_void};

/// Explains a call of eplb_tracker_init, and with memory NULL one of eplb_tracker_size: see eplb_explain.
///
/// # Safety
/// As for eplb_explain.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eplb_explain_tracker_init(
    config: *const eplb_tracker_config,
    memory: *mut c_void,
    memory_size: usize,
    text: *mut c_char,
    size: usize,
) -> usize {
    let mut call = Call::default();
    // SAFETY: the caller's promise, passed on.
    unsafe {
        let checked = checked_init(config, memory, memory_size, &mut call.memory);
        let found = checked.map(|_| ());
        if matches!(found, Err(Status::ShapeZero | Status::ShapeTooLarge))
            && let Ok(given) = Call::default().memory.read("config", config)
            && let Err(status) = found
        {
            let sizes = [given.num_windows, given.num_layers, given.num_logical_experts];
            explain::say_sizes(&mut call.text, "config", sizes, status);
        }
        call.tell(found, text, size)
    }
}

/// Explains a call of eplb_tracker_observe: see eplb_explain.
///
/// # Safety
/// As for eplb_explain.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eplb_explain_tracker_observe(
    memory: *mut c_void,
    memory_size: usize,
    layer: u32,
    counts: *const u32,
    num_counts: u32,
    physical_to_logical: *const i32,
    text: *mut c_char,
    size: usize,
) -> usize {
    let given = ObserveCall { memory, memory_size, layer, counts, num_counts, physical_to_logical };
    let mut call = Call::default();
    // SAFETY: the caller's promise, passed on.
    unsafe {
        let checked = checked_observe(&given, &mut call.memory);
        let found = checked.and_then(|Observation { tracker, layer, counts, row }| {
            tracker.check_step(layer, counts, row).inspect_err(|&status| {
                Step { layer, counts, row }.say(&mut call.text, &tracker.config(), status);
            })
        });
        call.tell_of_tracker(found, false, text, size)
    }
}

/// Explains a call of eplb_tracker_close: see eplb_explain.
///
/// # Safety
/// As for eplb_explain.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eplb_explain_tracker_close(
    memory: *mut c_void,
    memory_size: usize,
    text: *mut c_char,
    size: usize,
) -> usize {
    let mut call = Call::default();
    // SAFETY: the caller's promise, passed on.
    unsafe {
        let tracker = open(memory, memory_size, &mut call.memory);
        let found = tracker.and_then(|tracker| tracker.check_close());
        call.tell_of_tracker(found, true, text, size)
    }
}

/// Explains a call of eplb_tracker_windows: see eplb_explain.
///
/// # Safety
/// As for eplb_explain.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eplb_explain_tracker_windows(
    memory: *mut c_void,
    memory_size: usize,
    windows: *mut eplb_windows,
    windows_size: usize,
    text: *mut c_char,
    size: usize,
) -> usize {
    let mut call = Call::default();
    // SAFETY: the caller's promise, passed on.
    unsafe {
        let tracker = checked_windows(memory, memory_size, windows, windows_size, &mut call.memory);
        let found = tracker.and_then(|tracker| tracker.windows().map(|_| ()));
        call.tell_of_tracker(found, false, text, size)
    }
}

impl Call {
    /// # Safety
    /// As [`Call::tell`].
    unsafe fn tell_of_tracker(
        mut self,
        found: Result<(), Status>,
        closes: bool,
        text: *mut c_char,
        size: usize,
    ) -> usize {
        if let (Err(status), true) = (found, self.text.is_empty()) {
            explain::say_memory(&mut self.text, status, closes);
        }
        // SAFETY: passed on.
        unsafe { self.tell(found, text, size) }
    }
}

/// Explains a call of eplb_window_weights: see eplb_explain.
///
/// # Safety
/// As for eplb_explain.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eplb_explain_window_weights(
    windows: *const eplb_windows,
    change: *const eplb_change,
    window_weight: *mut f32,
    num_counted: *mut u32,
    text: *mut c_char,
    size: usize,
) -> usize {
    let given = WeightsCall { windows, change, window_weight, num_counted };
    let mut call = Call::default();
    // SAFETY: the caller's promise, passed on.
    unsafe {
        let checked = checked_weights(&given, &mut call.memory);
        let how = checked.as_ref().map_or(Change::default(), |(_, change)| *change);
        let found = checked.and_then(|(windows, change)| change.check(&windows));
        match found {
            Err(Status::ChangeOption) => {
                let read = Call::default().memory.read("change", change);
                let each_layer = read.map_or(0, |change| change.each_layer);
                explain::say_change(&mut call.text, each_layer, &how);
            }
            Err(status) => call.say_windows(windows, false, status),
            Ok(()) => {}
        }
        call.tell(found, text, size)
    }
}

/// Explains a call of eplb_forecast: see eplb_explain.
///
/// # Safety
/// As for eplb_explain.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eplb_explain_forecast(
    windows: *const eplb_windows,
    forecast: *const eplb_forecast_options,
    load: *mut f32,
    text: *mut c_char,
    size: usize,
) -> usize {
    let given = ForecastCall { windows, forecast, load };
    let mut call = Call::default();
    // SAFETY: the caller's promise, passed on.
    unsafe {
        let checked = checked_forecast(&given, &mut call.memory);
        let how = checked.as_ref().map_or(Forecast::default(), |(_, how)| *how);
        let found = checked.and_then(|(_, how)| how.check());
        match found {
            Err(Status::ForecastOption) => explain::say_forecast(&mut call.text, &how),
            Err(Status::UnknownForecast) => {
                if let Ok(given) = Call::default().memory.read("forecast", forecast) {
                    call.text.say(
                        "forecast.method is %: use one of EPLB_FORECAST_METHOD_*, 0 to 3",
                        &[given.method.into()],
                    );
                }
            }
            Err(status) => call.say_windows(windows, true, status),
            Ok(()) => {}
        }
        call.tell(found, text, size)
    }
}

impl Call {
    /// What is wrong with the windows: their sizes, or what they hold.
    ///
    /// # Safety
    /// As for [`eplb_explain_forecast`].
    unsafe fn say_windows(&mut self, windows: *const eplb_windows, weighted: bool, status: Status) {
        let mut again = Call::default().memory;
        // SAFETY: passed on.
        unsafe {
            let Ok(given) = again.read("windows", windows) else { return };
            let sizes = [given.num_windows, given.num_layers, given.num_logical_experts];
            let (oldest, stride) = (given.oldest, given.load_window_stride);
            let mut told = Given { sizes, oldest, stride, load: &[], weight: None };
            if let Ok(shape) = WindowsShape::new(sizes, oldest, stride) {
                let Ok(load) = again.input("windows.load", given.load, shape.load_len()) else {
                    return;
                };
                told.load = load;
                let weights = shape.num_layers() * shape.num_windows();
                let weight = given.window_weight;
                if weighted {
                    let weight = again.optional_input("windows.window_weight", weight, weights);
                    told.weight = weight.unwrap_or_default();
                }
            }
            told.say(&mut self.text, status);
        }
    }
}
