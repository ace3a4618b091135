//! How many spare slots and which GPUs: the sweep.

use super::super::sweep::Point;
use super::super::sweep_picture;
use super::html::{Cell, figure, table};
use super::{Report, Section};

impl Report<'_> {
    /// Balance, time and bytes over numbers of GPUs and spare slots.
    pub fn swept(self) -> Section {
        if self.sweep.is_empty() {
            return Ok(String::new());
        }
        let captions = [
            "More slots bring more up to where the lines are level.",
            "More GPUs share the load; a lower balance wastes some of it.",
            "What the slots cost.",
        ];
        let mut html = "<h2>How many spare slots, and which GPUs</h2>\n<p>A plan for all windows but some, measured in \
                        those, for each number of GPUs and of slots beyond the fewest that hold every expert; global \
                        scope.</p>\n"
            .to_string();
        for (panel, caption) in sweep_picture::panels(self.sweep).iter().zip(captions) {
            html += &figure(panel, (860, 240), caption)?;
        }
        let row = |point: &Point| {
            let unseen = |unseen: Option<f64>| match unseen {
                Some(balance) => Cell::Figure(format!("{balance:.4}")),
                None => Cell::Figure("–".to_string()),
            };
            vec![
                Cell::Name(format!("{} × {}", point.gpus, point.slots_per_gpu)),
                Cell::Figure(point.spare.to_string()),
                unseen(point.deepseek.map(|unseen| unseen.balance)),
                unseen(point.unseen.map(|unseen| unseen.balance)),
                Cell::Figure(format!("{:.4}", point.balance)),
                Cell::Figure(self.costs.shown(point.busiest)),
                Cell::Figure(format!("{:.1}", 1e-9 * point.bytes)),
            ]
        };
        let head = [
            "GPUs × slots",
            "spare",
            "DEEPSEEK, unseen",
            "unseen",
            "seen",
            "busiest GPUs, a window",
            "GB / GPU",
        ];
        Ok(html + &table(&head, self.sweep.iter().map(row)))
    }
}
