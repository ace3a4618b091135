//! Where copies begin to pay.

use super::super::crossing::Point;
use super::super::crossing_picture;
use super::html::{Cell, figure, table};
use super::sections::CHART;
use super::{Report, Section};

impl Report<'_> {
    /// What a step takes by its tokens, for models of which figures are known.
    pub fn crossed(self) -> Section {
        if self.crossing.is_empty() {
            return Ok(String::new());
        }
        let row = |point: &Point| {
            let mut row = vec![Cell::Name(point.tokens.to_string())];
            let times = [point.none, point.even, point.planned];
            row.extend(times.map(|time| Cell::Figure(format!("{time:.1}"))));
            row
        };
        let head = ["tokens of a GPU", "no copies", "plan for tokens", "in seconds"];
        let caption = "An expert costs a GPU at least the time to read it: with few tokens copies cost more than they \
                       relieve. A plan in seconds knows, and its dispatch leaves them alone.";
        Ok(format!(
            "<h2>From how many tokens on copies pay</h2>\n<p>Microseconds of a layer with the figures of an H200 in fp8 \
             (docs/SECONDS.md), 8 experts a token, in the last window by plans for all others; global scope.</p>\n{}{}",
            figure(&crossing_picture::panel(self.crossing), (CHART.0, 260), caption)?,
            table(&head, self.crossing.iter().map(row))
        ))
    }
}
