//! The picture: the load of every GPU in one layer, and the balance of every layer, before and after.

use std::path::Path;

use eplb::Metrics;
use plotters::prelude::*;

use super::args::policy_name;
use super::cluster::Cluster;
use super::figures::{gpu_loads, over_windows, ratio, tokens};
use super::paint::{
    AFTER, Area, BEFORE, DEEPSEEK, FAINT, INK, Key, Outcome, Panel, axes, mesh, text,
};
use super::plan::{Contiguous, Run, Summary};
use super::table::{extent, overall, scope_name};
use super::trace::Trace;

const SIZE: (u32, u32) = (1200, 980);

/// What is drawn.
#[derive(Clone, Copy)]
pub struct Picture<'a> {
    /// The loads.
    pub trace: &'a Trace,
    /// The machine.
    pub cluster: &'a Cluster,
    /// Experts in order.
    pub before: &'a Contiguous,
    /// The plans.
    pub run: &'a Run,
    /// Those of the policy to beat.
    pub deepseek: Option<&'a Run>,
}

impl<'a> Picture<'a> {
    /// Draws to an SVG file at `path`.
    pub fn draw(self, path: &Path) -> Outcome {
        let root = SVGBackend::new(path, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        let (head, panels) = root.margin(14, 10, 20, 24).split_vertically(58);
        let (gpus, layers) = panels.split_vertically(434);
        self.head(&head)?;
        self.gpus().map_or(Ok(()), |panel| panel.onto(&gpus))?;
        self.layers().onto(&layers)?;
        root.present()?;
        Ok(())
    }

    fn head(self, area: &Area) -> Outcome {
        let Picture { trace, cluster, run, .. } = self;
        let title = format!(
            "{} experts on {} slots, {} GPUs: balance {:.3} before, {:.3} after",
            trace.experts,
            cluster.slots,
            cluster.gpus,
            Summary::of(self.before.metrics.iter().flatten()).mean,
            overall(run).mean,
        );
        let subtitle = format!(
            "{}: {}; policy {}, scope {}. Balance = mean GPU load / largest GPU load.",
            trace.source,
            extent(trace),
            policy_name(run.policy),
            scope_name(cluster),
        );
        text(area, &title, (16, 2), 25, &INK)?;
        text(area, &subtitle, (16, 36), 15, &FAINT)
    }

    /// One layer of the first window: that of median balance before.
    fn gpus(self) -> Option<Panel<'a>> {
        let Picture { trace, cluster, before, run, .. } = self;
        let (was, is) = (before.metrics.first()?, run.windows.first()?);
        let layer = median_layer(was);
        let (metrics, mean) = (&is.metrics[layer], is.metrics[layer].mean_gpu_load);
        let load = &trace.window(0)[layer * trace.experts..][..trace.experts];
        let in_order = gpu_loads(load, &before.placement[..trace.experts], &before.slots);
        let slots = vec![cluster.slots / cluster.gpus; cluster.gpus as usize];
        let row = &is.placement[layer * cluster.slots as usize..][..cluster.slots as usize];
        let planned = gpu_loads(load, row, &slots);

        let (layer_name, window) = (trace.layers[layer], &trace.windows[0]);
        let title = format!("Load of each GPU in layer {layer_name}, window {window}");
        let unit = if mean > 0.0 { mean } else { 1.0 };
        let most = in_order.iter().chain(&planned).fold(unit, |most, &load| most.max(load)) / unit;
        let bound = metrics.bound / unit;
        let bound_apart = bound > 1.005;
        let mut keys = vec![
            Key::Box(BEFORE.mix(0.55), format!("before, balance {:.3}", was[layer].balance)),
            Key::Box(AFTER.mix(1.0), format!("after, balance {:.3}", metrics.balance)),
            Key::Line(if bound_apart {
                format!("mean {}", tokens(mean))
            } else {
                format!("mean {} = bound", tokens(mean))
            }),
        ];
        if bound_apart {
            keys.push(Key::Dashed(INK, format!("bound {}", tokens(metrics.bound))));
        }
        let draw = move |area: &Area| {
            let gpus = f64::from(cluster.gpus);
            let mut chart = axes(area, (-0.5..gpus - 0.5, 0.0..1.06 * most))?;
            mesh(&mut chart, ("GPU", cluster.gpus as usize), "load / mean GPU load", &|gpu| {
                gpu.to_string()
            })?;
            for (loads, half, colour) in
                [(&in_order, 0.43, BEFORE.mix(0.55)), (&planned, 0.22, AFTER.mix(1.0))]
            {
                chart.draw_series(loads.iter().enumerate().map(|(gpu, load)| {
                    let (x, y) = (gpu as f64, load / unit);
                    Rectangle::new([(x - half, 0.0), (x + half, y)], colour.filled())
                }))?;
            }
            let (left, right) = (-0.5, gpus - 0.5);
            chart.draw_series(LineSeries::new([(left, 1.0), (right, 1.0)], INK.stroke_width(1)))?;
            if bound_apart {
                let points = [(left, bound), (right, bound)];
                chart.draw_series(DashedLineSeries::new(points, 7, 5, INK.stroke_width(1)))?;
            }
            Ok(())
        };
        Some(Panel::new(title, keys, draw))
    }

    /// Every layer: the mean over windows, and the range.
    pub fn layers(self) -> Panel<'a> {
        let Picture { trace, before, run, deepseek, .. } = self;
        let mut keys = vec![
            Key::Box(BEFORE.mix(1.0), "before: experts in order".to_string()),
            Key::Box(AFTER.mix(1.0), "after".to_string()),
            Key::Band("range over windows".to_string()),
            Key::Dashed(INK, "bound: no placement is above".to_string()),
        ];
        if deepseek.is_some() {
            keys.push(Key::Dashed(DEEPSEEK, "DEEPSEEK".to_string()));
        }
        let draw = move |area: &Area| {
            let after: Vec<&[Metrics]> = run.windows.iter().map(|w| w.metrics.as_slice()).collect();
            let before: Vec<&[Metrics]> = before.metrics.iter().map(Vec::as_slice).collect();
            let layers = trace.layers.len();
            let mut chart = axes(area, (-0.5..layers as f64 - 0.5, 0.0..1.03))?;
            mesh(&mut chart, ("layer", layers), "balance", &|layer| {
                trace.layers[layer].to_string()
            })?;
            let best = over_windows(&after, layers, |m| ratio(m.mean_gpu_load, m.bound));
            let best = best.iter().enumerate().map(|(x, y)| (x as f64, y.mean));
            chart.draw_series(DashedLineSeries::new(best, 7, 5, INK.stroke_width(1)))?;
            if let Some(deepseek) = deepseek {
                let windows: Vec<&[Metrics]> =
                    deepseek.windows.iter().map(|w| w.metrics.as_slice()).collect();
                let line = over_windows(&windows, layers, |m| m.balance);
                let line = line.iter().enumerate().map(|(x, y)| (x as f64, y.mean));
                chart.draw_series(DashedLineSeries::new(line, 4, 3, DEEPSEEK.stroke_width(2)))?;
            }
            for (windows, colour) in [(&before, BEFORE), (&after, AFTER)] {
                let range = over_windows(windows, layers, |m| m.balance);
                let at = |(x, y): (usize, f64)| (x as f64, y);
                let low = range.iter().map(|y| y.low).enumerate().map(at);
                let high = range.iter().map(|y| y.high).enumerate().map(at);
                let mean: Vec<_> = range.iter().map(|y| y.mean).enumerate().map(at).collect();
                let band: Vec<_> = low.chain(high.rev()).collect();
                chart.draw_series([Polygon::new(band, colour.mix(0.18).filled())])?;
                chart.draw_series(LineSeries::new(mean.iter().copied(), colour.stroke_width(2)))?;
                chart
                    .draw_series(mean.into_iter().map(|at| Circle::new(at, 3, colour.filled())))?;
            }
            Ok(())
        };
        Panel::new("Balance of each layer", keys, draw)
    }
}

/// The layer of median balance.
fn median_layer(metrics: &[Metrics]) -> usize {
    let mut order: Vec<usize> = (0..metrics.len()).collect();
    order.sort_by(|&a, &b| metrics[a].balance.total_cmp(&metrics[b].balance));
    order[order.len() / 2]
}
