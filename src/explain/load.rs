//! Loads and the weights of windows, of a problem and by themselves.

use crate::compat::policy::load_limit;
use crate::explain::text::Text;
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

    /// Window, layer, expert and value of the first load that is wrong.
    fn find(&self, wrong: impl Fn(f32) -> bool) -> Option<(usize, usize, usize, f32)> {
        (0..self.windows).find_map(|window| {
            let of_window = self.load.get(window * self.stride..).unwrap_or_default();
            let mut loads = of_window.iter().take(self.layers * self.experts).enumerate();
            let (at, &load) = loads.find(|&(_, &load)| wrong(load))?;
            let layer = at.checked_div(self.experts)?;
            Some((window, layer, at - layer * self.experts, load))
        })
    }

    fn name_load(&self, text: &mut Text, at: (usize, usize, usize, f32)) {
        let (window, layer, expert, load) = at;
        text.say(
            "%.load[window %][layer %][expert %] is %",
            &[self.name.into(), window.into(), layer.into(), expert.into(), load.into()],
        );
    }

    /// Says where the loads or their weights are wrong.
    pub fn say(&self, text: &mut Text, status: Status) {
        match status {
            Status::LoadNan | Status::LoadInfinite | Status::LoadNegative => {
                if let Some(at) = self.find(|load| load_fault(load).is_some()) {
                    self.name_load(text, at);
                    text.say(": loads are finite and at least 0", &[]);
                }
            }
            Status::WindowWeight => self.say_weight(text),
            Status::LoadTooLarge => {
                let limit = load_limit(self.experts);
                if let Some(at) = self.find(|load| load > limit) {
                    self.name_load(text, at);
                    text.say(
                        ", above 2^126 / num_logical_experts, %, where the f32 sums of this policy \
                         could overflow: scale the loads down, or plan with EPLB_POLICY_BALANCED",
                        &[limit.into()],
                    );
                }
            }
            Status::ArrayLength => {
                let most = self.stride * (self.windows - 1) + self.layers * self.experts;
                if self.load.len() < most {
                    let values = [self.name.into(), self.load.len().into(), most.into()];
                    return text.say("%.load has % elements, its sizes ask for %", &values);
                }
                let values = [
                    self.name.into(),
                    self.weight.map_or(0, <[f32]>::len).into(),
                    (self.layers * self.windows).into(),
                ];
                text.say("%.window_weight has % elements, its sizes ask for %", &values);
            }
            _ => {}
        }
    }

    fn say_weight(&self, text: &mut Text) {
        let rows = self.weight.unwrap_or_default().chunks_exact(self.windows.max(1));
        for (layer, row) in rows.enumerate() {
            let mut weights = row.iter().enumerate();
            if let Some((window, &weight)) = weights.find(|&(_, &w)| load_fault(w).is_some()) {
                let values = [self.name.into(), layer.into(), window.into(), weight.into()];
                return text.say(
                    "%.window_weight[layer %][window %] is %: weights are finite and at least 0",
                    &values,
                );
            }
            if row.iter().all(|&weight| is_zero(weight)) {
                return text.say(
                    "%.window_weight is 0 for all windows of layer %: let one count",
                    &[self.name.into(), layer.into()],
                );
            }
        }
    }
}
