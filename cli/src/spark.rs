//! The balance of every layer as a line of text, a letter a layer.

use std::env;
use std::io::{self, Write};

use eplb::Metrics;

use super::figures::{over_windows, ratio};
use super::plan::{Contiguous, Run};

/// Letters of a line of text before the next begins.
const WIDTH: usize = 64;

/// How a figure from 0 to 1 looks: blocks where the locale has them, else its first decimal.
fn letters() -> [char; 10] {
    let set = |name| env::var(name).ok().filter(|value| !value.is_empty());
    let locale = set("LC_ALL").or_else(|| set("LC_CTYPE")).or_else(|| set("LANG"));
    let locale = locale.unwrap_or_default().to_ascii_uppercase();
    if locale.contains("UTF-8") || locale.contains("UTF8") {
        [' ', '▁', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█']
    } else {
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9']
    }
}

/// Three lines: before, after, and what no placement exceeds; means over the windows.
pub fn layers(out: &mut impl Write, before: &Contiguous, run: &Run) -> io::Result<()> {
    let letters = letters();
    let was: Vec<&[Metrics]> = before.metrics.iter().map(Vec::as_slice).collect();
    let is: Vec<&[Metrics]> = run.windows.iter().map(|w| w.metrics.as_slice()).collect();
    let layers = is.first().map_or(0, |metrics| metrics.len());
    let line = |windows: &[&[Metrics]], figure: fn(&Metrics) -> f64| -> Vec<char> {
        let values = over_windows(windows, layers, figure);
        values.iter().map(|value| letters[(value.mean * 10.0).clamp(0.0, 9.0) as usize]).collect()
    };
    let lines = [
        ("before", line(&was, |m| m.balance)),
        ("after", line(&is, |m| m.balance)),
        ("bound", line(&is, |m| ratio(m.mean_gpu_load, m.bound))),
    ];
    write!(out, "\nBalance of each layer, first to last; {} is below 0.1, ", quoted(letters[0]))?;
    writeln!(out, "{} from 0.9", quoted(letters[9]))?;
    for from in (0..layers).step_by(WIDTH) {
        for (name, line) in &lines {
            let part: String = line.iter().skip(from).take(WIDTH).collect();
            writeln!(out, "{name:8}{}", part.trim_end())?;
        }
    }
    Ok(())
}

fn quoted(letter: char) -> String {
    if letter == ' ' { "a blank".to_string() } else { letter.to_string() }
}
