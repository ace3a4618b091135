//! The brushes of the picture: colours, axes, legends.

use std::error::Error;
use std::ops::Range;

use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::trace::Trace;

pub type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;
pub type Outcome = Result<(), Box<dyn Error>>;

const FONT: &str = "sans-serif";
// Okabe and Ito's colours, told apart with every kind of colour vision
pub const BLUE: RGBColor = RGBColor(0, 114, 178);
pub const VERMILION: RGBColor = RGBColor(213, 94, 0);
pub const GREEN: RGBColor = RGBColor(0, 158, 115);
pub const ORANGE: RGBColor = RGBColor(230, 159, 0);
pub const PINK: RGBColor = RGBColor(204, 121, 167);
pub const SKY: RGBColor = RGBColor(86, 180, 233);
pub const GREY: RGBColor = RGBColor(150, 150, 150);
pub const BROWN: RGBColor = RGBColor(146, 104, 74);
pub const PURPLE: RGBColor = RGBColor(132, 94, 194);
// what a colour means, in every picture: experts in order, our plan, the policy to beat
pub const BEFORE: RGBColor = VERMILION;
pub const AFTER: RGBColor = BLUE;
pub const DEEPSEEK: RGBColor = PINK;
pub const INK: RGBColor = RGBColor(40, 40, 40);
pub const FAINT: RGBColor = RGBColor(110, 110, 110);
pub const GRID: RGBColor = RGBColor(225, 225, 225);

/// A chart, what it is called, and what its marks mean. The picture has all of it in one SVG; the report has the
/// chart alone, with title and legend as text of the page.
pub struct Panel<'a> {
    pub title: String,
    pub keys: Vec<Key>,
    draw: Box<dyn Fn(&Area) -> Outcome + 'a>,
}

impl<'a> Panel<'a> {
    pub fn new(
        title: impl Into<String>,
        keys: Vec<Key>,
        draw: impl Fn(&Area) -> Outcome + 'a,
    ) -> Self {
        Panel { title: title.into(), keys, draw: Box::new(draw) }
    }

    /// Draws title, legend and chart.
    pub fn onto(&self, area: &Area) -> Outcome {
        let (head, chart) = area.split_vertically(68);
        text(&head, &self.title, (16, 14), 18, &INK)?;
        legend(area, &self.keys)?;
        (self.draw)(&chart)
    }

    /// The chart alone, as an SVG element without a background.
    pub fn svg(&self, size: (u32, u32)) -> Result<String, Box<dyn Error>> {
        let mut svg = String::new();
        let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        (self.draw)(&root.margin(8, 2, 0, 8))?;
        root.present()?;
        drop(root);
        Ok(svg)
    }
}

/// A plane with room for labels on the left and below.
pub fn axes<'a, 'b>(
    area: &'a Area<'b>,
    (x, y): (Range<f64>, Range<f64>),
) -> Result<Chart<'a, 'b>, Box<dyn Error>> {
    Ok(ChartBuilder::on(area)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .margin_right(16)
        .build_cartesian_2d(x, y)?)
}

/// Draws the axes, with `name` at whole positions from 0 to `len` only.
pub fn mesh(
    chart: &mut Chart,
    (x, len): (&str, usize),
    y: &str,
    name: &dyn Fn(usize) -> String,
) -> Outcome {
    let range = chart.y_range();
    // enough that neighbours differ, of eight labels at most
    let places = ((8.0 / (range.end - range.start)).log10().ceil() as usize).min(3);
    let label = |&x: &f64| {
        let at = x.round();
        let whole = (x - at).abs() < 1e-6 && (0.0..len as f64).contains(&at);
        if whole { name(at as usize) } else { String::new() }
    };
    // as many names as have room
    let letters = (0..len).map(|at| name(at).chars().count()).max().unwrap_or(1).max(3);
    let (wide, _) = chart.plotting_area().dim_in_pixel();
    let room = (wide as usize / (8 * letters + 8)).clamp(2, 16);
    chart
        .configure_mesh()
        .disable_x_mesh()
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .axis_style(FAINT)
        .x_labels(len.clamp(2, room))
        .y_labels(8)
        .x_label_formatter(&label)
        .y_label_formatter(&|y| format!("{y:.places$}"))
        .label_style((FONT, 14).into_font().color(&INK))
        .axis_desc_style((FONT, 15).into_font().color(&INK))
        .x_desc(x)
        .y_desc(y)
        .draw()?;
    Ok(())
}

/// What windows are called on an axis: by name when the names are few and short, else by number.
pub fn names(trace: &Trace) -> impl Fn(usize) -> String + '_ {
    let short = |name: &String| name.chars().count() <= 16;
    let named = trace.windows.len() <= 8 && trace.windows.iter().all(short);
    move |window| if named { trace.windows[window].clone() } else { window.to_string() }
}

/// An entry of a legend.
pub enum Key {
    Box(RGBAColor, String),
    Band(String),
    Line(String),
    Dashed(RGBColor, String),
}

/// A colour for the one at `at` of `len` that have an order, from light to dark.
pub fn shade(at: usize, len: usize) -> RGBColor {
    const ENDS: [(u8, u8, u8); 2] = [(158, 201, 190), (20, 112, 104)];
    let part = at as f64 / (len.max(2) - 1) as f64;
    let mix = |a: u8, b: u8| (f64::from(a) + part * (f64::from(b) - f64::from(a))).round() as u8;
    let [a, b] = ENDS;
    RGBColor(mix(a.0, b.0), mix(a.1, b.1), mix(a.2, b.2))
}

/// Draws the legend below the title of the panel.
fn legend(area: &Area, keys: &[Key]) -> Outcome {
    const LETTER: usize = 7; // pixels, the mean at this size, on the safe side
    let (mut x, y) = (16, 51);
    for key in keys {
        let (Key::Box(_, label) | Key::Band(label) | Key::Line(label) | Key::Dashed(_, label)) =
            key;
        text(area, label, (x + 26, y - 7), 15, &INK)?;
        match key {
            Key::Box(colour, _) => {
                area.draw(&Rectangle::new([(x, y - 6), (x + 20, y + 6)], colour.filled()))?;
            }
            Key::Band(_) => {
                let halves = [(BEFORE, y - 6, y), (AFTER, y, y + 6)];
                for (colour, top, bottom) in halves {
                    let style = colour.mix(0.25).filled();
                    area.draw(&Rectangle::new([(x, top), (x + 20, bottom)], style))?;
                }
            }
            Key::Line(_) => {
                area.draw(&PathElement::new([(x, y), (x + 20, y)], INK.stroke_width(1)))?;
            }
            Key::Dashed(colour, _) => {
                for dash in [[(x, y), (x + 8, y)], [(x + 12, y), (x + 20, y)]] {
                    area.draw(&PathElement::new(dash, colour.stroke_width(2)))?;
                }
            }
        }
        x += (26 + LETTER * label.chars().count() + 20) as i32;
    }
    Ok(())
}

/// Writes a line from its top left corner.
pub fn text(area: &Area, text: &str, at: (i32, i32), size: u32, colour: &RGBColor) -> Outcome {
    let style = (FONT, size).into_font().color(colour).pos(Pos::new(HPos::Left, VPos::Top));
    area.draw_text(text, &style, at)?;
    Ok(())
}
