//! What the text of a page quotes, and what was measured: a sentence with `{}` where the figure stands.

use super::figures::Figures;

/// How near a quoted figure must be.
#[derive(Clone, Copy)]
enum Near {
    /// It is the measured one, rounded to as many digits.
    Rounded,
    /// It is a time, which no two runs agree on.
    Time,
}

/// A text and the figures in it, in order.
struct Claim {
    text: &'static str,
    near: Near,
    measured: Vec<f64>,
}

/// How far a quoted time may be off, as a share of the measured one.
const TIME: f64 = 0.15;

/// What docs/CHOOSING.md quotes.
fn expectations(f: &Figures) -> Vec<Claim> {
    let claim = |text, measured| Claim { text, near: Near::Rounded, measured };
    let slots = ["256-288-32", "256-288-72", "256-288-96", "256-288-144"];
    let plans = |policy| slots.map(|case| f.plan(case, policy, "balance")).to_vec();
    let unseen = |how, column| f.quality("unseen", "256-288-32", how, column);
    vec![
        claim("{} at 9 slots a GPU, {} at 4, {} at 3, {} at 2", plans("balanced")),
        claim("| `DEEPSEEK` | {}, {}, {}, {} for the same", plans("deepseek")),
        claim(
            "{} on an unseen workload where the mean gives {}",
            vec![unseen("balanced-windows", "balance"), unseen("balanced-mean", "balance")],
        ),
        claim("metrics | {} on an unseen workload", vec![unseen("balanced-windows", "second")]),
        claim("{} at 8 groups on 4 nodes", vec![f.plan("256-288-32-8x4", "balanced", "balance")]),
        claim(
            "| {} (DEEPSEEK {}): no more can be had",
            ["balanced", "deepseek"].map(|p| f.plan("256-256-32", p, "balance")).to_vec(),
        ),
        claim(
            "{} at 16 of 288 slots, {} at 32, {} at 48",
            ["16", "32", "48"].map(|b| f.quality("moves", "256-288-32", b, "balance")).to_vec(),
        ),
        claim(
            "in times of the sort: {} instead of {} at 288 / 32, {} at 288 / 72, {} at 288 / 144",
            vec![
                f.plan("256-288-32", "balanced", "x"),
                f.plan("256-288-32", "deepseek", "x"),
                f.plan("256-288-72", "balanced", "x"),
                f.plan("256-288-144", "balanced", "x"),
            ],
        ),
    ]
}

/// What README.md quotes.
fn claims(f: &Figures) -> Vec<Claim> {
    let percent = |case, policy| 100.0 * f.plan(case, policy, "gap");
    let claim = |text, measured| Claim { text, near: Near::Rounded, measured };
    vec![
        claim(
            "leaves the busiest GPU {} % above the mean at 9 slots a GPU and {} % at 4, where DeepSeek EPLB leaves \
             {} % and {} %; on heavier tails {} % against {} %",
            vec![
                percent("256-288-32", "balanced"),
                percent("256-288-72", "balanced"),
                percent("256-288-32", "deepseek"),
                percent("256-288-72", "deepseek"),
                percent("zipf-256-288-32", "balanced"),
                percent("zipf-256-288-32", "deepseek"),
            ],
        ),
        claim(
            "used on the eighth, the balance is {} where BALANCED on the mean of the seven gives {}, and {} with tokens \
             dispatched exactly",
            vec![
                f.quality("unseen", "256-288-32", "balanced-windows", "balance"),
                f.quality("unseen", "256-288-32", "balanced-mean", "balance"),
                f.quality("unseen", "256-288-32", "balanced-windows", "second"),
            ],
        ),
        claim(
            "48 of 288 slots moved bring the balance of a new workload to {}, where a fresh plan moves {}, and {} when the \
             GPUs of DEEPSEEK's plan are renamed",
            vec![
                f.quality("moves", "256-288-32", "48", "balance"),
                f.quality("moves", "256-288-32", "fresh", "second"),
                f.quality("moves", "256-288-32", "deepseek-renamed", "second"),
            ],
        ),
        Claim {
            text: "are planned in one and a half milliseconds, {} us a layer",
            near: Near::Time,
            measured: vec![f.plan("256-288-32", "balanced", "us")],
        },
        claim(
            "The workspace is {} KiB",
            vec![f.plan("256-288-32", "balanced", "workspace") / 1024.0],
        ),
        claim(
            "on a Zipf distribution of exponent 1.4 DEEPSEEK reaches {}, BALANCED {}",
            vec![
                f.plan("zipf-256-288-32", "deepseek", "balance"),
                f.plan("zipf-256-288-32", "balanced", "balance"),
            ],
        ),
        claim(
            "no plan which keeps groups on nodes is better by more than {} %. With `SCOPE=global` the same trace gives \
             {}",
            vec![overall(&f.demo, 6), overall(&f.demo_global, 3)],
        ),
        claim(
            "1 is perfect, and {}, what experts in order without replicas have",
            vec![f.plan("256-288-32", "balanced", "contiguous")],
        ),
        claim(
            "{} of {} test vectors each",
            vec![cases(include_str!("../../vectors/deepseek.txt")); 2],
        ),
    ]
}

/// A column of what the demo says of all windows.
fn overall(demo: &str, column: usize) -> f64 {
    let row = demo.lines().find(|line| line.starts_with("overall")).unwrap_or_default();
    let text = row.split_whitespace().nth(column).unwrap_or_default();
    text.trim_end_matches('%').parse().unwrap_or(f64::NAN)
}

/// Cases of a file of vectors.
fn cases(vectors: &str) -> f64 {
    vectors.lines().filter(|line| line.starts_with("case ")).count() as f64
}

/// What README.md says otherwise than was measured, or does not say any more.
pub fn faults(page: &str, figures: &Figures) -> Vec<String> {
    faults_of(page, &claims(figures))
}

/// The same of docs/CHOOSING.md.
pub fn faults_of_choosing(page: &str, figures: &Figures) -> Vec<String> {
    faults_of(page, &expectations(figures))
}

fn faults_of(page: &str, claims: &[Claim]) -> Vec<String> {
    let words = page.split_whitespace().collect::<Vec<_>>().join(" ");
    claims.iter().filter_map(|claim| fault(&words, claim)).collect()
}

fn fault(words: &str, claim: &Claim) -> Option<String> {
    let parts: Vec<&str> = claim.text.split("{}").collect();
    let found = words
        .match_indices(parts[0])
        .find_map(|(at, first)| quotes(&words[at + first.len()..], &parts[1..]));
    let Some(quoted) = found else {
        return Some(format!(
            "is there no more, or otherwise (docs/pages/claims.rs): {:?}",
            claim.text
        ));
    };
    let wrong = |(text, measured): (&&str, &f64)| !near(text, *measured, claim.near);
    let wrong = quoted.iter().zip(&claim.measured).any(wrong);
    wrong.then(|| format!("says {quoted:?}, measured {:?}: {:?}", claim.measured, claim.text))
}

/// The numbers that stand before each of `parts`.
fn quotes<'w>(mut words: &'w str, parts: &[&str]) -> Option<Vec<&'w str>> {
    let mut quoted = Vec::new();
    for part in parts {
        let end = words.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(words.len());
        // a full stop after a number belongs to the sentence
        let end = words[..end].trim_end_matches('.').len();
        let (number, rest) = words.split_at(end);
        words = rest.strip_prefix(part)?;
        quoted.push(number);
    }
    Some(quoted)
}

fn near(text: &str, measured: f64, near: Near) -> bool {
    let Ok(quoted) = text.parse::<f64>() else { return false };
    let digits = text.split_once('.').map_or(0, |(_, after)| after.len());
    match near {
        Near::Rounded => text == format!("{measured:.digits$}"),
        Near::Time => (quoted - measured).abs() <= TIME * measured,
    }
}
