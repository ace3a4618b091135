//! The table of docs/SECONDS.md.

use super::figures::Figures;
use super::tables::{Table, thousands};

/// What a step takes by tokens a GPU, the least of each row in bold.
pub fn times(figures: &Figures) -> String {
    let mut table = Table::new(&[
        "slots / GPUs",
        "tokens a GPU",
        "no copies",
        "plan for tokens, split evenly",
        "plan and dispatch in seconds",
    ]);
    for row in figures.rows("seconds") {
        let times = ["none", "even", "planned"].map(|column| row.number(column));
        let least = times.into_iter().fold(f64::INFINITY, f64::min);
        let cell = |time: f64| {
            let text = format!("{time:.1}");
            if text == format!("{least:.1}") { format!("**{text}**") } else { text }
        };
        let case = row.text("case").split_once('-').map_or("", |(_, shape)| shape);
        let shape = [case.replace('-', " / "), thousands(row.number("tokens"))];
        table.row(shape.into_iter().chain(times.map(cell)));
    }
    table.unless_empty("needs `cargo bench --bench seconds`")
}
