//! The sweep as pictures over the slots of a GPU that are spare, a line for each number of GPUs: balance, time, bytes.

use std::path::Path;

use plotters::prelude::*;

use super::paint::{Area, FAINT, INK, Key, Outcome, Panel, axes, mesh, shade, text};
use super::sweep::Point;
use super::table::extent;
use super::trace::Trace;

const SIZE: (u32, u32) = (900, 1220);

/// A figure of a cluster, and the scale that it is drawn on.
struct Figure {
    title: &'static str,
    unit: &'static str,
    of: fn(&Point) -> f64,
    /// Where the axis begins and ends, by the least and the most that is drawn.
    range: fn(f64, f64) -> (f64, f64),
}

/// From nothing to a little above the most.
fn from_nothing(_: f64, most: f64) -> (f64, f64) {
    (0.0, if most > 0.0 { 1.06 * most } else { 1.0 })
}

/// Balance, time or else load of the busiest GPUs, and bytes.
pub fn panels(points: &[Point]) -> Vec<Panel<'_>> {
    let first = points.first();
    let balance = Figure {
        title: match first.and_then(|point| point.unseen) {
            Some(_) => "Mean balance of windows that a plan has not seen",
            None => "Mean balance of the window that is planned",
        },
        unit: "balance",
        of: |point| point.unseen.map_or(point.balance, |unseen| unseen.balance),
        range: |least, _| {
            let bottom = ((least - 0.02) * 10.0).floor() / 10.0;
            (bottom, 1.0 + 0.02 * (1.0 - bottom))
        },
    };
    let time = match first.and_then(|point| point.seconds) {
        Some(_) => Figure {
            title: "Time of the busiest GPUs in a window, all layers",
            unit: "seconds",
            of: |point| point.seconds.unwrap_or(0.0),
            range: from_nothing,
        },
        None => Figure {
            title: "Load of the busiest GPUs in a window, all layers",
            unit: "million tokens",
            of: |point| 1e-6 * point.busiest,
            range: from_nothing,
        },
    };
    let bytes = Figure {
        title: "Weights that a GPU holds",
        unit: "GB",
        of: |point| 1e-9 * point.bytes,
        range: from_nothing,
    };
    [balance, time, bytes].map(|figure| panel(points, figure)).into()
}

fn panel(points: &[Point], figure: Figure) -> Panel<'_> {
    let mut gpus: Vec<u32> = points.iter().map(|point| point.gpus).collect();
    gpus.dedup();
    let colour = {
        let len = gpus.len();
        move |at: usize| shade(at, len)
    };
    let keys = gpus.iter().enumerate();
    let keys = keys.map(|(at, gpus)| Key::Box(colour(at).mix(1.0), format!("{gpus} GPUs")));
    let keys = keys.collect();
    let Figure { title, unit, of, range } = figure;
    let draw = move |area: &Area| {
        let least = points.iter().map(of).fold(f64::INFINITY, f64::min);
        let largest = points.iter().map(of).fold(0.0, f64::max);
        let most = points.iter().map(|point| point.spare).max().unwrap_or(0);
        let (bottom, top) = range(least, largest);
        let mut chart = axes(area, (-0.5..f64::from(most) + 0.5, bottom..top))?;
        mesh(&mut chart, ("spare slots of a GPU", most as usize + 1), unit, &|at| at.to_string())?;
        for (at, &gpus) in gpus.iter().enumerate() {
            let line = points.iter().filter(|point| point.gpus == gpus);
            let mut line: Vec<(f64, f64)> =
                line.map(|point| (f64::from(point.spare), of(point))).collect();
            line.sort_by(|a, b| a.0.total_cmp(&b.0));
            let colour = colour(at);
            chart.draw_series(LineSeries::new(line.iter().copied(), colour.stroke_width(3)))?;
            chart.draw_series(line.into_iter().map(|at| Circle::new(at, 4, colour.filled())))?;
        }
        Ok(())
    };
    Panel::new(title, keys, draw)
}

/// Draws to an SVG file at `path`.
pub fn draw(points: &[Point], trace: &Trace, path: &Path) -> Outcome {
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let (head, area) = root.margin(14, 10, 20, 24).split_vertically(58);
    text(&head, &format!("{}: what slots and GPUs bring", trace.source), (16, 2), 25, &INK)?;
    let of = format!("{}, {} experts, global scope", extent(trace), trace.experts);
    text(&head, &of, (16, 36), 15, &FAINT)?;
    for (panel, area) in panels(points).iter().zip(area.split_evenly((3, 1))) {
        panel.onto(&area)?;
    }
    root.present()?;
    Ok(())
}
