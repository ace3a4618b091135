//! The sweep as a picture: a line for each number of GPUs over the slots of a GPU that are spare.

use std::path::Path;

use plotters::prelude::*;

use super::paint::{
    BLUE, FAINT, GREEN, GREY, INK, Key, ORANGE, Outcome, PINK, Panel, SKY, VERMILION, axes, mesh,
    text,
};
use super::sweep::Point;
use super::table::extent;
use super::trace::Trace;

const SIZE: (u32, u32) = (900, 560);

const COLOURS: [RGBColor; 7] = [BLUE, VERMILION, GREEN, ORANGE, PINK, SKY, GREY];

/// The figure that is drawn: of a window that was left out, where there is one.
fn figure(point: &Point) -> f64 {
    point.unseen.unwrap_or(point.balance)
}

/// Draws to an SVG file at `path`.
pub fn draw(points: &[Point], trace: &Trace, path: &Path) -> Outcome {
    let mut gpus: Vec<u32> = points.iter().map(|point| point.gpus).collect();
    gpus.dedup();
    let line = |gpus: u32| points.iter().filter(move |point| point.gpus == gpus);
    let what = match points.first().and_then(|point| point.unseen) {
        Some(_) => "balance of the window that a plan has not seen",
        None => "balance of the window that is planned",
    };
    let keys = gpus
        .iter()
        .enumerate()
        .map(|(at, gpus)| Key::Box(COLOURS[at % COLOURS.len()].mix(1.0), format!("{gpus} GPUs")));
    let least = points.iter().map(figure).fold(1.0, f64::min);
    let most = points.iter().map(|point| point.spare).max().unwrap_or(0);
    let bottom = ((least - 0.02) * 10.0).floor() / 10.0;
    let panel = Panel::new(format!("Mean {what}"), keys.collect(), |area| {
        let x = -0.5..f64::from(most) + 0.5;
        let mut chart = axes(area, (x, bottom..1.0 + 0.02 * (1.0 - bottom)))?;
        let name = |at: usize| at.to_string();
        mesh(&mut chart, ("spare slots of a GPU", most as usize + 1), "balance", &name)?;
        for (at, &gpus) in gpus.iter().enumerate() {
            let colour = COLOURS[at % COLOURS.len()];
            let at = |point: &Point| (f64::from(point.spare), figure(point));
            let mut series: Vec<(f64, f64)> = line(gpus).map(at).collect();
            series.sort_by(|a, b| a.0.total_cmp(&b.0));
            chart.draw_series(LineSeries::new(series.iter().copied(), colour.stroke_width(3)))?;
            chart.draw_series(series.into_iter().map(|at| Circle::new(at, 4, colour.filled())))?;
        }
        Ok(())
    });
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let (head, area) = root.margin(14, 10, 20, 24).split_vertically(58);
    text(&head, &format!("{}: what slots and GPUs bring", trace.source), (16, 2), 25, &INK)?;
    let of = format!("{}, {} experts, global scope", extent(trace), trace.experts);
    text(&head, &of, (16, 36), 15, &FAINT)?;
    panel.onto(&area)?;
    root.present()?;
    Ok(())
}
