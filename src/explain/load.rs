//! Loads and the weights of windows, of a problem and by themselves.

use crate::compat::policy::load_limit;
use crate::explain::text::{Text, say};
use crate::load::windows::WindowsShape;
use crate::problem::Shape;
use crate::problem::loads::{is_zero, load_fault};
use crate::status::Status;

/// Loads `[W][L][E]`, and what each window counts.
#[derive(Clone, Copy)]
pub struct Grid<'a> {
    /// The struct that they are in.
    pub name: &'static str,
    pub windows: usize,
    pub layers: usize,
    pub experts: usize,
    pub stride: usize,
    pub load: &'a [f32],
    /// `[L][W]`.
    pub weight: Option<&'a [f32]>,
}

impl<'a> Grid<'a> {
    /// Those of a problem.
    pub fn of(shape: &Shape, load: &'a [f32], weight: Option<&'a [f32]>) -> Self {
        Grid {
            name: "problem",
            windows: shape.num_windows(),
            layers: shape.num_layers(),
            experts: shape.num_logical_experts(),
            stride: shape.loads().stride,
            load,
            weight,
        }
    }

    /// Those of windows by themselves; `stride` as it is given.
    pub fn of_windows(
        shape: &WindowsShape,
        stride: u64,
        load: &'a [f32],
        weight: Option<&'a [f32]>,
    ) -> Self {
        let (layers, experts) = (shape.num_layers(), shape.num_logical_experts());
        let stride = if stride == 0 { layers * experts } else { stride as usize };
        let windows = shape.num_windows();
        Grid { name: "windows", windows, layers, experts, stride, load, weight }
    }

    /// Says where the loads or their weights are wrong.
    pub fn say(&self, text: &mut Text, status: Status) {
        match status {
            Status::LoadNan | Status::LoadInfinite | Status::LoadNegative => {
                let found = self.say_load(text, |load| load_fault(load).is_some());
                if found {
                    say!(text; ": loads are finite and at least 0");
                }
            }
            Status::LoadTooLarge => {
                let limit = load_limit(self.experts);
                if self.say_load(text, |load| load > limit) {
                    say!(text; ", above 2^126 / num_logical_experts, %, where the f32 sums of this policy could \
                        overflow: scale the loads down, or plan with EPLB_POLICY_BALANCED", limit);
                }
            }
            Status::WindowWeight => self.say_weight(text),
            Status::ArrayLength => {
                let loads = self.stride * (self.windows - 1) + self.layers * self.experts;
                let weights = self.weight.map_or(0, <[f32]>::len);
                let (array, len, asked) = match self.load.len() < loads {
                    true => ("load", self.load.len(), loads),
                    false => ("window_weight", weights, self.layers * self.windows),
                };
                say!(text; "%.% has % elements, its sizes ask for %", self.name, array, len, asked);
            }
            _ => {}
        }
    }

    /// Names the first load that is wrong; whether there is one.
    fn say_load(&self, text: &mut Text, wrong: impl Fn(f32) -> bool) -> bool {
        let found = (0..self.windows).find_map(|window| {
            let of_window = self.load.get(window * self.stride..).unwrap_or_default();
            let mut loads = of_window.iter().take(self.layers * self.experts).enumerate();
            let (at, &load) = loads.find(|&(_, &load)| wrong(load))?;
            let layer = at.checked_div(self.experts)?;
            Some((window, layer, at - layer * self.experts, load))
        });
        if let Some((window, layer, expert, load)) = found {
            say!(text; "%.load[window %][layer %][expert %] is %", self.name, window, layer, expert, load);
        }
        found.is_some()
    }

    fn say_weight(&self, text: &mut Text) {
        let layers = self.weight.unwrap_or_default().chunks_exact(self.windows.max(1));
        for (layer, row) in layers.enumerate() {
            let mut weights = row.iter().enumerate();
            if let Some((window, &weight)) = weights.find(|&(_, &w)| load_fault(w).is_some()) {
                return say!(text; "%.window_weight[layer %][window %] is %: weights are finite and at least 0",
                    self.name, layer, window, weight);
            }
            if row.iter().all(|&weight| is_zero(weight)) {
                return say!(text; "%.window_weight is 0 for all windows of layer %: let one count", self.name, layer);
            }
        }
    }
}
