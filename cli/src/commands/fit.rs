//! `eplb fit`: what a step takes, from steps that were measured.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::super::args::FitArgs;
use super::super::error::Error;
use super::super::fit::{Figures, NAMES, Row, error, fit, modelled, rounded, unsaid};
use super::super::measured;
use super::print_json;

pub fn run(args: &FitArgs, out: &mut impl Write) -> Result<(), Error> {
    let rows = measured::read(&args.table).map_err(|why| Error::import(&args.table, why))?;
    let fitted = Fitted::of(&rows);
    if args.format.json {
        return print_json(out, &fitted.json());
    }
    Ok(fitted.print(out)?)
}

/// Figures, and how good they are.
struct Fitted<'a> {
    rows: usize,
    figures: Figures,
    median: f64,
    worst: &'a Row,
    unsaid: Vec<String>,
}

impl<'a> Fitted<'a> {
    /// Of at least one row.
    fn of(rows: &'a [Row]) -> Self {
        let figures = rounded(fit(rows));
        let mut by_error: Vec<&Row> = rows.iter().collect();
        by_error.sort_by(|a, b| error(figures, a).total_cmp(&error(figures, b)));
        Fitted {
            rows: rows.len(),
            figures,
            median: error(figures, by_error[rows.len() / 2]),
            worst: by_error[rows.len() - 1],
            unsaid: unsaid(rows, figures),
        }
    }

    fn print(&self, out: &mut impl Write) -> io::Result<()> {
        let [token, expert, layer] = self.figures;
        writeln!(
            out,
            "Microseconds, fitted to {} rows: {token} a token, {expert} an expert, {layer} a layer",
            self.rows
        )?;
        let Row { tokens, experts, micros } = self.worst;
        writeln!(
            out,
            "Relative error: median {:.1} %, worst {:.1} % ({tokens} tokens, {experts} experts: {micros} us measured, \
             {:.1} by the figures)",
            100.0 * self.median,
            100.0 * error(self.figures, self.worst),
            modelled(self.figures, self.worst)
        )?;
        for sentence in &self.unsaid {
            writeln!(out, "Not known: {sentence}")?;
        }
        writeln!(
            out,
            "\nC:      eplb_cost cost = {{sizeof cost, 0, {token}e-6, {expert}e-6, {layer}e-6}};"
        )?;
        writeln!(out, "C++:    eplb::cost cost({token}e-6, {expert}e-6, {layer}e-6);")?;
        writeln!(out, "Python: cost = eplb.Cost({token}e-6, {expert}e-6, {layer}e-6)")
    }

    fn json(&self) -> Value {
        let figures = NAMES.iter().zip(self.figures);
        let mut value: Value = figures.map(|(name, figure)| (*name, figure / 1e6)).collect();
        value["rows"] = json!(self.rows);
        value["median_error"] = json!(self.median);
        value["worst_error"] = json!(error(self.figures, self.worst));
        value["unsaid"] = json!(self.unsaid);
        value
    }
}
