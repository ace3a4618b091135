//! Where copies begin to pay, as a chart: time of a step over that without copies.

use plotters::prelude::*;

use super::crossing::Point;
use super::paint::{AFTER, Area, INK, Key, ORANGE, Panel, axes, mesh};

/// A line: its colour, and the time that it shows.
type Line = (RGBColor, fn(&Point) -> f64);

/// Over the tokens of a GPU, each mark four times the one before.
pub fn panel(points: &[Point]) -> Panel<'_> {
    let keys = vec![
        Key::Line("no copies".to_string()),
        Key::Box(ORANGE.mix(1.0), "plan for tokens, split evenly".to_string()),
        Key::Box(AFTER.mix(1.0), "plan and dispatch in seconds".to_string()),
    ];
    let lines: [Line; 2] = [(ORANGE, |point| point.even), (AFTER, |point| point.planned)];
    let draw = move |area: &Area| {
        let shares = points.iter().flat_map(|point| lines.map(|(_, of)| of(point) / point.none));
        let (least, most) =
            shares.fold((1.0, 1.0), |(low, high): (f64, f64), y| (low.min(y), high.max(y)));
        let range = (20.0 * (least - 0.01)).floor() / 20.0..(20.0 * (most + 0.01)).ceil() / 20.0;
        let right = points.len() as f64 - 0.5;
        let mut chart = axes(area, (-0.5..right, range))?;
        let name = |at: usize| points.get(at).map_or(String::new(), |p| p.tokens.to_string());
        mesh(&mut chart, ("tokens of a GPU in a step", points.len()), "time / no copies", &name)?;
        chart.draw_series(LineSeries::new([(-0.5, 1.0), (right, 1.0)], INK.stroke_width(1)))?;
        for (colour, of) in lines {
            let line = points.iter().enumerate();
            let line: Vec<(f64, f64)> =
                line.map(|(at, point)| (at as f64, of(point) / point.none)).collect();
            chart.draw_series(LineSeries::new(line.iter().copied(), colour.stroke_width(3)))?;
            chart.draw_series(line.into_iter().map(|at| Circle::new(at, 4, colour.filled())))?;
        }
        Ok(())
    };
    Panel::new("Time of a step against that without copies", keys, draw)
}
