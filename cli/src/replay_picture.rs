//! The replay as a picture: a line for each strategy, step by step.

use std::path::Path;

use eplb::ForecastMethod;
use plotters::prelude::*;

use super::args::{Order, policy_name};
use super::cluster::Cluster;
use super::paint::{
    AFTER, Area, BROWN, DEEPSEEK, FAINT, GREEN, GREY, INK, Key, ORANGE, Outcome, PURPLE, Panel,
    SKY, axes, mesh, names, text,
};
use super::replay::{Replay, Strategy, mean};
use super::table::{extent, scope_name};
use super::trace::Trace;

const SIZE: (u32, u32) = (1200, 640);

/// Thick lines are plans on several windows; a strategy has its colour wherever it is drawn.
fn brush(strategy: Strategy) -> (RGBColor, u32) {
    match strategy {
        Strategy::Forecast(ForecastMethod::Last) => (GREY, 1),
        Strategy::Forecast(ForecastMethod::Mean) => (SKY, 1),
        Strategy::Forecast(ForecastMethod::HalfLife) => (BROWN, 1),
        Strategy::Forecast(ForecastMethod::MeanPlusSigma) => (PURPLE, 1),
        Strategy::Robust(usize::MAX) => (GREEN, 3),
        Strategy::Robust(_) => (ORANGE, 3),
        Strategy::SinceChange => (AFTER, 3),
    }
}

/// Draws to an SVG file at `path`.
pub fn draw(replay: &Replay, trace: &Trace, cluster: &Cluster, path: &Path) -> Outcome {
    let policy = policy_name(replay.policy);
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let (head, area) = root.margin(14, 10, 20, 24).split_vertically(58);
    let title = format!("{}: balance of windows that the plan has not seen", trace.source);
    let subtitle = format!(
        "{} experts on {} slots, {} GPUs; {}; policy {}, scope {}. Planned on {}.",
        trace.experts,
        cluster.slots,
        cluster.gpus,
        extent(trace),
        policy,
        scope_name(cluster),
        replay.seen(),
    );
    text(&head, &title, (16, 2), 25, &INK)?;
    text(&head, &subtitle, (16, 36), 15, &FAINT)?;

    panel(replay, trace).onto(&area)?;
    root.present()?;
    Ok(())
}

/// A line, or points where there is no order, for each strategy.
pub fn panel<'a>(replay: &'a Replay, trace: &'a Trace) -> Panel<'a> {
    let Replay { order, steps, phases, outcomes, deepseek, .. } = replay;
    let rival = deepseek.as_ref().and_then(|outcome| Some((outcome.mean()?, outcome)));
    let served = || {
        let lines = outcomes.iter().enumerate();
        lines.filter_map(|(at, outcome)| Some((at, outcome.strategy, outcome.balance.as_ref()?)))
    };
    let keys = served()
        .map(|(_, strategy, balance)| {
            let label = format!("{} {:.3}", strategy.name(), mean(balance, steps, steps));
            Key::Box(brush(strategy).0.mix(1.0), label)
        })
        .chain(rival.map(|(mean, _)| Key::Dashed(DEEPSEEK, format!("DEEPSEEK {mean:.3}"))))
        .collect();
    let draw = move |area: &Area| {
        let beaten = rival.and_then(|(_, outcome)| outcome.balance.as_ref());
        let drawn = served().map(|(_, _, balance)| balance).chain(beaten);
        let least = drawn.flatten().copied().fold(1.0, f64::min);
        let (left, right) = (steps.start as f64 - 0.5, steps.end as f64 - 0.5);
        let bottom = ((least - 0.02) * 10.0).floor() / 10.0;
        let mut chart = axes(area, (left..right, bottom..1.0 + 0.02 * (1.0 - bottom)))?;
        mesh(&mut chart, ("unseen window", steps.end), "balance", &names(trace))?;
        for (_, of) in phases.iter().filter(|(name, _)| name == "new") {
            let x = of.start as f64 - 0.5;
            let points = [(x, bottom), (x, 1.0)];
            chart.draw_series(DashedLineSeries::new(points, 7, 5, FAINT.stroke_width(1)))?;
        }
        for (at, strategy, balance) in served() {
            let (colour, width) = brush(strategy);
            let points = steps.clone().zip(balance).map(|(x, &y)| (x as f64, y));
            match order {
                Order::Time => {
                    chart.draw_series(LineSeries::new(points, colour.stroke_width(width)))?;
                }
                // no order, no line; side by side, as some are equal
                Order::LeaveOneOut => {
                    let aside = 0.06 * (at as f64 - (outcomes.len() - 1) as f64 / 2.0);
                    let points = points.map(|(x, y)| (x + aside, y));
                    chart.draw_series(points.map(|at| Circle::new(at, 5, colour.filled())))?;
                }
            }
        }
        // the line to beat; where there is no order, its mean
        if let (Some((mean, _)), Some(balance)) = (rival, beaten) {
            let level = |(x, &y): (usize, &f64)| match order {
                Order::Time => (x as f64, y),
                Order::LeaveOneOut => (x as f64, mean),
            };
            let points: Vec<(f64, f64)> = match steps.len() {
                1 => vec![(left, mean), (right, mean)],
                _ => steps.clone().zip(balance).map(level).collect(),
            };
            chart.draw_series(DashedLineSeries::new(points, 6, 4, DEEPSEEK.stroke_width(2)))?;
        }
        Ok(())
    };
    Panel::new("Mean balance over the layers, step by step", keys, draw)
}
