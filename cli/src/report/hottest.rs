//! The hottest experts, and how many replicas they have.

use plotters::prelude::*;
use serde_json::{Value, json};

use super::super::paint::{AFTER, Area, BEFORE, INK, Key, Panel, axes, mesh};
use super::html::{Cell, figure, table};
use super::{Report, Section};

/// Experts that are drawn, and those of them that are listed.
const DRAWN: usize = 32;
const LISTED: usize = 12;

/// An expert of a layer in the first window.
pub struct Hot {
    layer: u32,
    expert: usize,
    /// Its load, as a multiple of the mean load of a GPU.
    load: f64,
    replicas: usize,
    /// Of DEEPSEEK's plan.
    deepseek: Option<usize>,
}

impl Report<'_> {
    /// The hottest, the hottest first.
    fn hot(self) -> Vec<Hot> {
        let Report { trace, cluster, best, deepseek, .. } = self;
        let (experts, slots) = (trace.experts, cluster.slots as usize);
        let mut all: Vec<(usize, usize, f64)> = Vec::new();
        for (layer, load) in trace.window(0).chunks(experts).enumerate() {
            let mean = best.windows[0].metrics[layer].mean_gpu_load;
            let of_gpu = |load: f32| if mean > 0.0 { f64::from(load) / mean } else { 0.0 };
            all.extend(load.iter().enumerate().map(|(expert, &x)| (layer, expert, of_gpu(x))));
        }
        all.sort_by(|a, b| b.2.total_cmp(&a.2)); // stable: of equals the first
        let count = |placement: &[i32], layer: usize, expert: usize| {
            let row = &placement[layer * slots..][..slots];
            row.iter().filter(|&&slot| slot == expert as i32).count()
        };
        let hot = |(layer, expert, load)| Hot {
            layer: trace.layers[layer],
            expert,
            load,
            replicas: count(&best.windows[0].placement, layer, expert),
            deepseek: deepseek.map(|run| count(&run.windows[0].placement, layer, expert)),
        };
        all.into_iter().take(DRAWN).map(hot).collect()
    }

    /// For the figures beside the page.
    pub fn hottest_json(self) -> Value {
        let row = |hot: &Hot| {
            json!({ "layer": hot.layer, "expert": hot.expert, "load_per_mean_gpu_load": hot.load,
                    "replicas": hot.replicas, "replicas_deepseek": hot.deepseek })
        };
        self.hot().iter().map(row).collect()
    }

    /// Load of the hottest experts: one copy, and each replica.
    pub fn hottest(self) -> Section {
        let hot = self.hot();
        let row = |hot: &Hot| {
            let mut row = vec![Cell::Name(format!("{} of layer {}", hot.expert, hot.layer))];
            let each = hot.load / hot.replicas.max(1) as f64;
            row.push(Cell::Figure(format!("{:.3}", hot.load)));
            row.push(Cell::Figure(hot.replicas.to_string()));
            row.push(Cell::Figure(format!("{each:.3}")));
            row.extend(hot.deepseek.map(|replicas| Cell::Figure(replicas.to_string())));
            row
        };
        let mut head = vec!["expert", "load / GPU", "replicas", "load of each"];
        head.extend(self.deepseek.map(|_| "replicas, DEEPSEEK"));
        let rows = table(&head, hot.iter().take(LISTED).map(row));
        let caption = "An expert that has more than a GPU's mean load makes one wait, unless it has replicas.";
        Ok(format!(
            "<h2>Replicas of the hottest experts</h2>\n<p>Window {}, all layers; loads are multiples of the mean load of \
             a GPU.</p>\n{}{rows}",
            super::html::escape(&self.trace.windows[0]),
            figure(&panel(&hot), (860, 240), caption)?,
        ))
    }
}

fn panel(hot: &[Hot]) -> Panel<'_> {
    let keys = vec![
        Key::Box(BEFORE.mix(0.55), "one copy".to_string()),
        Key::Box(AFTER.mix(1.0), "each replica of the plan".to_string()),
        Key::Line("mean load of a GPU".to_string()),
    ];
    let draw = move |area: &Area| {
        let most = hot.iter().map(|hot| hot.load).fold(1.0, f64::max);
        let right = hot.len() as f64 + 0.5;
        let mut chart = axes(area, (0.5..right, 0.0..1.06 * most))?;
        mesh(&mut chart, ("rank by load", hot.len() + 1), "load / mean GPU load", &|x| {
            x.to_string()
        })?;
        for (half, colour, one) in [(0.43, BEFORE.mix(0.55), true), (0.22, AFTER.mix(1.0), false)] {
            chart.draw_series(hot.iter().enumerate().map(|(at, hot)| {
                let replicas = if one { 1 } else { hot.replicas.max(1) };
                let (x, y) = (at as f64 + 1.0, hot.load / replicas as f64);
                Rectangle::new([(x - half, 0.0), (x + half, y)], colour.filled())
            }))?;
        }
        chart.draw_series(LineSeries::new([(0.5, 1.0), (right, 1.0)], INK.stroke_width(1)))?;
        Ok(())
    };
    Panel::new("Load of the hottest experts", keys, draw)
}
