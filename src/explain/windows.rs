//! Load windows, and what is made of them.

use crate::base::arena::addressable;
use crate::explain::shape::{say_sizes, say_stride};
use crate::explain::text::{Text, say};
use crate::load::change::{Change, MAX_JUDGED_WINDOWS};
use crate::load::forecast::Forecast;
use crate::load::windows::Windows;
use crate::status::Status;

/// Says what is wrong with sizes W, L, E of windows, or of a tracker's; `stride` and `oldest` as they are given.
pub fn say_shape(
    text: &mut Text,
    of: &str,
    sizes: [u32; 3],
    stride: u64,
    oldest: u32,
    status: Status,
) {
    let [windows, layers, experts] = sizes;
    let matrix = u64::from(layers) * u64::from(experts);
    match status {
        Status::WindowStride => say_stride(text, of, stride, matrix),
        Status::OldestWindow => {
            say!(text; "%.oldest is %: it is the place of a window, below num_windows, %", of, oldest, windows);
        }
        _ => {
            let names = ["num_windows", "num_layers", "num_logical_experts"];
            let [a, b, c] = names;
            say_sizes(text, of, &[(a, windows), (b, layers), (c, experts)], status);
            if text.is_empty() {
                let fits = addressable(usize::try_from(matrix).ok()).is_ok();
                let more = if fits { " x num_windows" } else { "" };
                say!(text; "%.num_layers x num_logical_experts% elements do not fit the address space: make them fewer",
                    of, more);
            }
        }
    }
}

/// Says why no change is looked for.
pub fn say_change(text: &mut Text, windows: &Windows, change: &Change) {
    let Some((name, value)) = change.first_bad() else {
        return say!(text; "windows.num_windows is %, % are judged: give the newest, as windows of their own",
            windows.shape().num_windows(), MAX_JUDGED_WINDOWS);
    };
    say!(text; "change.% is %: it is ", name, value);
    if name == "before" {
        say!(text; "a weight from 0 to 1");
    } else {
        say!(text; "0, for the default, or finite and at least 2^-126");
    }
}

/// Says which option of the forecast is wrong.
pub fn say_forecast(text: &mut Text, how: &Forecast) {
    if how.half_life_is_bad() {
        say!(text; "forecast.half_life is %: it is 0, for 1, or finite and at least 2^-10", how.half_life);
    } else {
        say!(text; "forecast.sigmas is %: it is 0, or finite and at least 2^-126", how.sigmas);
    }
}
