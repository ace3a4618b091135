//! What plans bring on windows that they have not seen, against experts in order and DEEPSEEK.

use serde_json::{Value, json};

use super::super::args::{Order, policy_name};
use super::super::figures::busiest;
use super::super::plan::Summary;
use super::super::replay::{Outcome, Replay, mean};
use super::super::replay_picture;
use super::html::{Cell, figure, table};
use super::sections::{CHART, figures, tile};
use super::{Report, Section};

/// Balance and load of the busiest GPUs, means over the unseen windows.
#[derive(Clone, Copy)]
struct Line {
    balance: f64,
    busiest: f64,
}

impl Line {
    fn of(outcome: &Outcome) -> Option<Line> {
        Some(Line { balance: outcome.mean()?, busiest: outcome.busiest })
    }

    /// The share of the busiest GPUs' time that another does not need.
    fn saved_by(self, other: Line) -> f64 {
        if self.busiest > 0.0 { 1.0 - other.busiest / self.busiest } else { 0.0 }
    }
}

/// What is compared.
struct Lines {
    before: Line,
    deepseek: Option<Line>,
    plan: Line,
}

impl Report<'_> {
    fn lines(self, replay: &Replay) -> Option<Lines> {
        let plan = Line::of(replay.recipe()?)?;
        let (len, windows) =
            (replay.steps.len() as f64, &self.before.metrics[replay.steps.clone()]);
        let before = Line {
            balance: windows.iter().map(|w| Summary::of(w).mean).sum::<f64>() / len,
            busiest: windows.iter().map(|window| busiest(window)).sum::<f64>() / len,
        };
        Some(Lines { before, deepseek: replay.deepseek.as_ref().and_then(Line::of), plan })
    }

    /// The first of the tiles.
    pub fn unseen_tiles(self) -> String {
        let Some((replay, lines)) = self.replay.and_then(|r| Some((r, self.lines(r)?))) else {
            return String::new();
        };
        let Lines { before, deepseek, plan } = lines;
        let (name, class, rival) = match deepseek {
            Some(line) => ("DEEPSEEK", "rival", line),
            None => ("experts in order", "was", before),
        };
        let balance =
            |class: &str, line: Line| format!("<span class=\"{class}\">{:.4}</span>", line.balance);
        let pair = format!("{} → {}", balance(class, rival), balance("is", plan));
        let note = format!("{name} → {}; planned on {}", policy_name(replay.policy), replay.seen());
        let share = |line: Line| format!("{:.1} %", 100.0 * line.saved_by(plan));
        let shown = |tokens: f64| self.costs.shown(tokens);
        let (saved, of) = match self.costs.us_per_token {
            Some(_) => {
                let of = format!("{} of {} a window", share(rival), shown(rival.busiest));
                (shown(rival.busiest - plan.busiest), of)
            }
            None => (share(rival), "of the busiest GPUs' time".to_string()),
        };
        let mut against = format!("{of} with {name}");
        if deepseek.is_some() {
            against += &format!("; {} with experts in order", share(before));
        }
        let saved = format!("<span class=\"is\">{saved}</span>");
        tile("Unseen balance", &pair, &note) + &tile("Step time saved, unseen", &saved, &against)
    }

    /// Windows that the plan has not seen, strategy by strategy, and the line to beat.
    pub fn drift(self) -> Section {
        let Some(replay) = self.replay else {
            return Ok(String::new());
        };
        let caption = match replay.order {
            Order::Time => {
                "Thin lines: one load forecast from the windows. Thick lines: planned for several windows. Dashed: what \
                 is to be beaten, DEEPSEEK for the mean of the windows."
            }
            Order::LeaveOneOut => {
                "Windows are in no order here, so each is left out in turn. Dashed: what is to be beaten, the mean of \
                 DEEPSEEK for the mean of the other windows."
            }
        };
        let drawn = figure(&replay_picture::panel(replay, self.trace), CHART, caption)?;
        let policy = policy_name(replay.policy);
        let row = |name: String, outcome: &Outcome| {
            let mut row = vec![Cell::Name(name)];
            let Some(balance) = &outcome.balance else {
                let words = format!("{policy} plans a single window");
                row.push(Cell::Words(words, 3 + replay.phases.len()));
                return row;
            };
            let worst = balance.iter().copied().fold(1.0, f64::min);
            row.extend(figures([mean(balance, &replay.steps, &replay.steps), worst]));
            row.push(Cell::Figure(self.costs.shown(outcome.busiest)));
            let phases = replay.phases.iter();
            row.extend(phases.flat_map(|(_, of)| figures([mean(balance, &replay.steps, of)])));
            row
        };
        let deepseek = replay.deepseek.iter().map(|o| row("DEEPSEEK, mean".to_string(), o));
        let outcomes = replay.outcomes.iter().map(|o| row(o.strategy.name(), o));
        let mut head = vec!["planned for", "mean", "worst window", "busiest GPUs, a window"];
        head.extend(replay.phases.iter().map(|(name, _)| name.as_str()));
        let rows = table(&head, deepseek.chain(outcomes));
        Ok(format!(
            "<h2>Drift: windows that the plan has not seen</h2>\n<p>A plan is made on one load and used on the next. \
             Each is made on {} and measured in one that it has not seen. The busiest GPU of each layer is what the \
             others wait for: its load, all layers added up, is the time of a step.</p>\n{drawn}{rows}",
            replay.seen()
        ))
    }

    /// For the figures beside the page.
    pub fn unseen_json(self) -> Value {
        let Some(replay) = self.replay else {
            return Value::Null;
        };
        let line = |line: Line| {
            json!({ "balance": line.balance, "busiest_tokens": line.busiest,
                    "seconds": self.costs.seconds(line.busiest) })
        };
        let outcome = |outcome: &Outcome| json!({ "strategy": outcome.strategy.name(), "mean": outcome.mean(), "balance": outcome.balance });
        let lines = self.lines(replay);
        json!({
            "planned_on": replay.seen(),
            "first_window": replay.steps.start,
            "in_order": lines.as_ref().map(|lines| line(lines.before)),
            "deepseek": lines.as_ref().and_then(|lines| lines.deepseek).map(line),
            "plan": lines.as_ref().map(|lines| line(lines.plan)),
            "strategies": replay.outcomes.iter().map(outcome).collect::<Vec<_>>(),
        })
    }
}
