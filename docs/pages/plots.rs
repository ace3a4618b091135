//! The plots of docs/BENCHMARKS.md: balance against time, and time against size.

use std::error::Error;
use std::path::Path;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::figures::Figures;

type Outcome = Result<(), Box<dyn Error>>;
type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

const INK: RGBColor = RGBColor(40, 40, 40);
const GRID: RGBColor = RGBColor(225, 225, 225);
// Okabe and Ito's colours, told apart with every kind of colour vision
const PLAIN: RGBColor = RGBColor(213, 94, 0);
const OURS: RGBColor = RGBColor(0, 114, 178);
const THEIRS: RGBColor = RGBColor(0, 158, 115);
const OTHERS: RGBColor = RGBColor(150, 150, 150);
const FONT: &str = "sans-serif";
const SIZE: (u32, u32) = (860, 460);

/// Draws all plots into a folder.
pub fn draw(figures: &Figures, folder: &Path) -> Outcome {
    balance(figures, &folder.join("balance.svg"))?;
    size(figures, &folder.join("size.svg"))
}

/// The first compiler's row of the comparison.
fn versus(figures: &Figures, case: &str, program: &str, column: &str) -> Option<f64> {
    figures.row("versus", &[("case", case), ("program", program)]).map(|row| row.number(column))
}

/// What is above a perfect balance, by the time that it costs: 288 slots on 32 and on 72 GPUs.
fn balance(figures: &Figures, path: &Path) -> Outcome {
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let halves = root.split_evenly((1, 2));
    for (half, case, title) in [
        (&halves[0], "256-288-32", "288 slots on 32 GPUs"),
        (&halves[1], "256-288-72", "288 slots on 72 GPUs"),
    ] {
        let mut points: Vec<(String, f64, f64, RGBColor)> = Vec::new();
        for row in figures.rows("plan").iter().filter(|row| row.text("case") == case) {
            let colour = match row.text("policy") {
                "balanced" => OURS,
                "deepseek" => THEIRS,
                _ => OTHERS,
            };
            let name = row.text("policy").to_uppercase();
            points.push((name, row.number("us"), row.number("balance"), colour));
        }
        if let (Some(us), Some(balance)) =
            (versus(figures, case, "plain", "us"), versus(figures, case, "plain", "balance"))
        {
            points.push(("plain C++ DeepSeek".to_string(), us, balance, PLAIN));
        }
        scatter(half, title, &points)?;
    }
    root.present()?;
    Ok(())
}

fn scatter(area: &Area, title: &str, points: &[(String, f64, f64, RGBColor)]) -> Outcome {
    let most = points.iter().map(|point| point.1).fold(0.0, f64::max);
    let least = points.iter().map(|point| point.2).fold(1.0, f64::min);
    let bottom = 1.0 - 1.15 * (1.0 - least);
    let mut chart = ChartBuilder::on(area)
        .caption(title, (FONT, 18).into_font().color(&INK))
        .margin(12)
        .x_label_area_size(42)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..1.3 * most, bottom..1.0)?;
    chart
        .configure_mesh()
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .axis_style(INK)
        .x_desc("us a layer")
        .y_desc("mean balance")
        .x_labels(8)
        .x_label_formatter(&|x| format!("{x:.0}"))
        .y_label_formatter(&|y| format!("{y:.3}"))
        .label_style((FONT, 13).into_font().color(&INK))
        .axis_desc_style((FONT, 14).into_font().color(&INK))
        .draw()?;
    for (name, us, balance, colour) in points {
        let named = if *colour == OTHERS { String::new() } else { name.clone() };
        // to the left of its point where there is no room on the right; plain C++ keeps clear of DEEPSEEK
        let (side, dx) = if *us > 0.7 * most { (HPos::Right, -8) } else { (HPos::Left, 8) };
        let (line, dy) = if *colour == PLAIN { (VPos::Bottom, -6) } else { (VPos::Top, 4) };
        let style = (FONT, 14).into_font().color(colour).pos(Pos::new(side, line));
        chart.draw_series([EmptyElement::at((*us, *balance))
            + Circle::new((0, 0), 5, colour.filled())
            + Text::new(named, (dx, dy), style)])?;
    }
    Ok(())
}

/// Time of a layer by its slots, 9 a GPU, both axes in powers.
fn size(figures: &Figures, path: &Path) -> Outcome {
    let nine = |case: &str| {
        let sizes: Vec<f64> = case.split('-').filter_map(|size| size.parse().ok()).collect();
        (sizes.len() == 3 && case.split('-').count() == 3 && sizes[1] == 9.0 * sizes[2])
            .then(|| sizes[1])
    };
    let mut cases: Vec<(f64, &str)> = figures
        .distinct("plan", "case")
        .into_iter()
        .filter_map(|case| nine(case).map(|slots| (slots, case)))
        .collect();
    cases.sort_by(|a, b| a.0.total_cmp(&b.0));
    let line = |time: &dyn Fn(&str) -> Option<f64>| -> Vec<(f64, f64)> {
        cases.iter().filter_map(|&(slots, case)| time(case).map(|us| (slots, us))).collect()
    };
    let lines = [
        ("plain C++ DeepSeek", PLAIN, line(&|case| versus(figures, case, "plain", "us"))),
        ("BALANCED", OURS, line(&|case| versus(figures, case, "balanced", "us"))),
        ("DEEPSEEK", THEIRS, line(&|case| versus(figures, case, "deepseek", "us"))),
    ];
    let all = || lines.iter().flat_map(|line| &line.2);
    let most = all().map(|point| point.1).fold(1.0, f64::max);
    let least = all().map(|point| point.1).fold(most, f64::min);
    let slots = |at: usize| cases.get(at).map_or(1.0, |case| case.0);

    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .caption("Time of a layer, 9 slots a GPU", (FONT, 18).into_font().color(&INK))
        .margin(12)
        .x_label_area_size(42)
        .y_label_area_size(64)
        .build_cartesian_2d(
            (slots(0) * 0.85..slots(cases.len().saturating_sub(1)) * 1.2)
                .log_scale()
                .with_key_points(cases.iter().map(|case| case.0).collect()),
            (least * 0.7..most * 1.4).log_scale(),
        )?;
    chart
        .configure_mesh()
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .axis_style(INK)
        .x_desc("slots")
        .x_label_formatter(&|x| format!("{x:.0}"))
        .y_label_formatter(&|y| format!("{y}"))
        .y_desc("us a layer")
        .label_style((FONT, 13).into_font().color(&INK))
        .axis_desc_style((FONT, 14).into_font().color(&INK))
        .draw()?;
    for (name, colour, points) in &lines {
        chart
            .draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(2)))?
            .label(*name)
            .legend(|(x, y)| PathElement::new([(x, y), (x + 20, y)], colour.stroke_width(2)));
        let style = (FONT, 13).into_font().color(colour);
        chart.draw_series(points.iter().map(|&(slots, us)| {
            let time = if us < 10.0 { format!("{us:.1}") } else { format!("{us:.0}") };
            EmptyElement::at((slots, us))
                + Circle::new((0, 0), 4, colour.filled())
                + Text::new(time, (4, 5), style.clone())
        }))?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .label_font((FONT, 14).into_font().color(&INK))
        .border_style(GRID)
        .background_style(WHITE)
        .draw()?;
    root.present()?;
    Ok(())
}
