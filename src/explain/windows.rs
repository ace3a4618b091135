//! Load windows, and what is made of them.

use crate::base::arena::addressable;
use crate::explain::load::Grid;
use crate::explain::text::Text;
use crate::load::change::{Change, MAX_JUDGED_WINDOWS};
use crate::load::forecast::Forecast;
use crate::status::Status;

/// Windows as they are given.
#[derive(Clone, Copy)]
pub struct Given<'a> {
    /// W, L, E.
    pub sizes: [u32; 3],
    pub oldest: u32,
    pub stride: u64,
    /// Empty where the sizes are wrong.
    pub load: &'a [f32],
    pub weight: Option<&'a [f32]>,
}

impl Given<'_> {
    /// Says what is wrong with the windows themselves.
    pub fn say(&self, text: &mut Text, status: Status) {
        let [windows, layers, experts] = self.sizes.map(|size| size as usize);
        match status {
            Status::ShapeZero | Status::ShapeTooLarge => {
                say_sizes(text, "windows", self.sizes, status);
            }
            Status::WindowStride => text.say(
                "windows.load_window_stride is %: 0, or at least num_layers x num_logical_experts, \
                 %",
                &[self.stride.into(), layers.saturating_mul(experts).into()],
            ),
            Status::OldestWindow => text.say(
                "windows.oldest is %: it is the place of a window, below num_windows, %",
                &[self.oldest.into(), windows.into()],
            ),
            Status::TooManyWindows => text.say(
                "windows.num_windows is %, % are judged: give the newest, as windows of their own",
                &[windows.into(), MAX_JUDGED_WINDOWS.into()],
            ),
            _ => {
                let stride = if self.stride == 0 { layers * experts } else { self.stride as usize };
                let (load, weight) = (self.load, self.weight);
                let name = "windows";
                Grid { name, windows, layers, experts, stride, load, weight }.say(text, status);
            }
        }
    }
}

/// Sizes of windows, or of a tracker's.
pub fn say_sizes(text: &mut Text, of: &'static str, sizes: [u32; 3], status: Status) {
    let names = ["num_windows", "num_layers", "num_logical_experts"];
    let mut named = names.into_iter().zip(sizes);
    if status == Status::ShapeZero {
        if let Some((name, _)) = named.find(|&(_, size)| size == 0) {
            text.say("%.% is 0: set it, it is at least 1", &[of.into(), name.into()]);
        }
    } else if let Some((name, size)) = named.find(|&(_, size)| size > i32::MAX as u32) {
        let values = [of.into(), name.into(), size.into()];
        text.say("%.% is %: it is at most 2147483647", &values);
    } else {
        let [_, layers, experts] = sizes.map(|size| size as usize);
        let matrix = addressable(layers.checked_mul(experts)).is_ok();
        let more = if matrix { " x num_windows" } else { "" };
        text.say(
            "%.num_layers x num_logical_experts% elements do not fit the address space: make them \
             fewer",
            &[of.into(), more.into()],
        );
    }
}

/// Says which option of the change detection is wrong. `each_layer` is as it was given.
pub fn say_change(text: &mut Text, each_layer: u32, change: &Change) {
    if each_layer > 1 {
        return text.say(
            "change.each_layer is %: 0 judges all layers together, 1 each by itself",
            &[each_layer.into()],
        );
    }
    if let Some((name, value)) = change.first_bad() {
        text.say("change.% is %", &[name.into(), value.into()]);
        if name == "before" {
            text.say(": it is a weight from 0 to 1", &[]);
        } else {
            text.say(": it is 0, for the default, or finite and at least 2^-126", &[]);
        }
    }
}

/// Says which option of the forecast is wrong.
pub fn say_forecast(text: &mut Text, how: &Forecast) {
    if how.half_life_is_bad() {
        text.say(
            "forecast.half_life is %: it is 0, for 1, or finite and at least 2^-10",
            &[how.half_life.into()],
        );
    } else {
        text.say(
            "forecast.sigmas is %: it is 0, or finite and at least 2^-126",
            &[how.sigmas.into()],
        );
    }
}
