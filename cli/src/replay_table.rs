//! The replay in the terminal.

use std::io::{self, Write};

use super::args::policy_name;
use super::moves::Moves;
use super::replay::{Replay, mean};

/// One row a strategy: all steps, and where there are several traces the phases.
pub fn print(out: &mut impl Write, replay: &Replay) -> io::Result<()> {
    let Replay { steps, phases, outcomes, deepseek, .. } = replay;
    let what = replay.seen();
    let policy = policy_name(replay.policy);
    writeln!(
        out,
        "\nPolicy {policy}, planned on {what}: balance in the unseen window, mean over layers\n"
    )?;
    let names: Vec<String> = outcomes.iter().map(|outcome| outcome.strategy.name()).collect();
    let width = names.iter().map(String::len).max().unwrap_or(0);

    write!(out, "{:width$}    mean   worst", "")?;
    phases.iter().try_for_each(|(name, _)| write!(out, "  {name:>7}"))?;
    write!(out, "\n{:width$}   {:>5}    step", "strategy", range(steps))?;
    phases.iter().try_for_each(|(_, of)| write!(out, "  {:>7}", range(of)))?;
    writeln!(out)?;
    for (name, outcome) in names.iter().zip(outcomes) {
        write!(out, "{name:width$}")?;
        let Some(balance) = &outcome.balance else {
            writeln!(out, "  {policy} plans a single window")?;
            continue;
        };
        let worst = balance.iter().copied().fold(1.0, f64::min);
        write!(out, "  {:6.4}  {worst:6.4}", mean(balance, steps, steps))?;
        phases.iter().try_for_each(|(_, of)| write!(out, "   {:6.4}", mean(balance, steps, of)))?;
        writeln!(out)?;
    }
    if let Some((deepseek, mean)) =
        deepseek.as_ref().and_then(|o| Some((o.balance.as_ref()?, o.mean()?)))
    {
        let worst = deepseek.iter().copied().fold(1.0, f64::min);
        write!(out, "{:width$}  {mean:6.4}  {worst:6.4}", "DEEPSEEK")?;
        phases
            .iter()
            .try_for_each(|(_, of)| write!(out, "   {:6.4}", self::mean(deepseek, steps, of)))?;
        writeln!(out)?;
    }
    if !phases.is_empty() {
        writeln!(
            out,
            "\nnew = the first window of a trace, which nobody could foresee; after = while plans still see\n\
             windows from before; settled = all that plans see is of the same trace."
        )?;
    }
    Ok(())
}

/// One row a budget.
pub fn moves(out: &mut impl Write, moves: &Moves) -> io::Result<()> {
    writeln!(
        out,
        "\nA rebalance for each window from the second, in the order of the trace, means\n"
    )?;
    writeln!(out, "{:20}  moved/layer  balance after", "slots that may change")?;
    for walk in &moves.walks {
        let name = walk.budget.name();
        match walk.mean() {
            Some(mean) => {
                writeln!(out, "{name:21}       {:6.1}         {:6.4}", mean.moved, mean.balance)?
            }
            None => writeln!(out, "{name:21}  not planned by this policy")?,
        }
    }
    Ok(())
}

/// 21..28 -> "21-27".
fn range(steps: &std::ops::Range<usize>) -> String {
    match steps.len() {
        1 => steps.start.to_string(),
        _ => format!("{}-{}", steps.start, steps.end - 1),
    }
}
