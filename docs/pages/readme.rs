//! The generated part of README.md; the figures that its text quotes are held by claims.rs.

use super::figures::Figures;

/// What the demo prints on its generated trace, down to the row of all windows, without some of the others.
pub fn demo(figures: &Figures) -> String {
    let left_out =
        |line: &&str| !["prefill_long", "decode_short"].iter().any(|name| line.starts_with(name));
    let end =
        figures.demo.lines().position(|line| line.starts_with("overall")).map_or(0, |at| at + 1);
    let lines: Vec<&str> = figures.demo.lines().take(end).filter(left_out).collect();
    format!("```text\n{}\n```", lines.join("\n"))
}
