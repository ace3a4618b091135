//! The report: one HTML file that holds all it shows. Nothing is fetched and nothing runs; it reads on a phone, in
//! the dark and on paper. The same input gives the same bytes, but for the planning times. Its figures go beside it.

mod buy;
mod data;
mod heat;
mod hottest;
mod html;
mod seconds;
mod sections;
mod unseen;

use std::error::Error;
use std::fs;
use std::path::Path;

use super::cluster::Cluster;
use super::costs::Costs;
use super::crossing;
use super::moves::Moves;
use super::plan::{Contiguous, Run};
use super::replay::Replay;
use super::sweep::Point;
use super::trace::Trace;
use html::escape;

type Section = Result<String, Box<dyn Error>>;

/// What is told.
#[derive(Clone, Copy)]
pub struct Report<'a> {
    /// The loads.
    pub trace: &'a Trace,
    /// The machine.
    pub cluster: &'a Cluster,
    /// Experts in order.
    pub before: &'a Contiguous,
    /// Every policy that was planned with.
    pub runs: &'a [Run],
    /// The one that is shown.
    pub best: &'a Run,
    /// DEEPSEEK, where it plans this and is another.
    pub deepseek: Option<&'a Run>,
    /// What loads and slots cost.
    pub costs: &'a Costs,
    /// What plans bring on windows they have not seen; none of a single window.
    pub replay: Option<&'a Replay>,
    /// What moves bring; none of a single window.
    pub moves: Option<&'a Moves>,
    /// What other clusters bring.
    pub sweep: &'a [Point],
    /// What a step takes by its tokens; none where that is not known.
    pub crossing: &'a [crossing::Point],
}

impl Report<'_> {
    /// Writes the page to `path`, and its figures to `data`.
    pub fn write(self, path: &Path, data: &Path) -> Result<(), Box<dyn Error>> {
        let title = format!("Expert placement: {}", self.trace.source);
        let mut page = format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n<link rel=\"icon\" href=\"data:,\">\n\
             <title>{}</title>\n<style>\n{}</style>\n</head>\n<body>\n<main>\n",
            escape(&title),
            include_str!("style.css"),
        );
        page += &self.summary();
        page += &self.drift()?;
        page += &self.seen();
        page += &self.hottest()?;
        page += &self.heat();
        page += &self.layers()?;
        page += &self.moved()?;
        page += &self.swept()?;
        page += &self.crossed()?;
        page += &self.made(data);
        page += "</main>\n</body>\n</html>\n";
        fs::write(path, page)?;
        fs::write(data, format!("{}\n", self.data()))?;
        Ok(())
    }
}
