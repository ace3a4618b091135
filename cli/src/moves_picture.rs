//! The moves as two charts: what rebalances bring, and what they cost.

use plotters::prelude::*;

use super::moves::{Moves, Step};
use super::paint::{AFTER, Area, GREY, Key, Panel, axes, mesh, names, shade};
use super::trace::Trace;

/// Some lines lie on each other: the later ones are thinner.
fn brush(at: usize) -> (RGBColor, u32) {
    match at {
        0 => (GREY, 3),
        1..4 => (shade(at - 1, 3), 8 - at as u32),
        _ => (AFTER, 2),
    }
}

/// Balance after each rebalance.
pub fn balance<'a>(moves: &'a Moves, trace: &'a Trace) -> Panel<'a> {
    let least = moves.walks.iter().flat_map(|walk| walk.steps.iter().flatten());
    let least = least.map(|step| step.balance).fold(1.0, f64::min);
    let bottom = ((least - 0.02) * 10.0).floor() / 10.0;
    let scale = ("balance", bottom..1.0 + 0.02 * (1.0 - bottom));
    panel(moves, trace, "Balance after each rebalance", scale, |step| step.balance)
}

/// Slots that each rebalance changes.
pub fn moved<'a>(moves: &'a Moves, trace: &'a Trace) -> Panel<'a> {
    let most = moves.walks.iter().flat_map(|walk| walk.steps.iter().flatten());
    let most = most.map(|step| step.moved).fold(1.0, f64::max);
    let scale = ("moved slots / layer", 0.0..1.06 * most);
    panel(moves, trace, "Slots that each rebalance changes", scale, |step| step.moved)
}

fn panel<'a>(
    moves: &'a Moves,
    trace: &'a Trace,
    title: &str,
    (unit, range): (&'static str, std::ops::Range<f64>),
    figure: fn(&Step) -> f64,
) -> Panel<'a> {
    let served = || {
        let walks = moves.walks.iter().enumerate();
        walks.filter_map(|(at, walk)| Some((at, walk.budget, walk.steps.as_ref()?)))
    };
    let keys =
        served().map(|(at, budget, _)| Key::Box(brush(at).0.mix(1.0), budget.name())).collect();
    let draw = move |area: &Area| {
        let (left, right) = (moves.steps.start as f64 - 0.5, moves.steps.end as f64 - 0.5);
        let mut chart = axes(area, (left..right, range.clone()))?;
        mesh(&mut chart, ("rebalance for window", moves.steps.end), unit, &names(trace))?;
        for (at, _, steps) in served() {
            let (colour, width) = brush(at);
            let points: Vec<(f64, f64)> =
                moves.steps.clone().zip(steps).map(|(x, step)| (x as f64, figure(step))).collect();
            chart
                .draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(width)))?;
            chart.draw_series(points.into_iter().map(|at| Circle::new(at, 3, colour.filled())))?;
        }
        Ok(())
    };
    Panel::new(title, keys, draw)
}
