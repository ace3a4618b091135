//! What a step takes, fitted to measured steps: tables that are drawn give their figures back, what they do not say is
//! said, and the figures of docs/SECONDS.md are those of the tables beside this file.

use std::path::Path;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::fit::{Figures, H200, Row, error, fit, modelled, rounded, unsaid};
use crate::measured;
use crate::run::{eplb, folder, refusal};

/// A benchmark of one GPU: each number of experts with each number of tokens, times off by up to `noise`.
fn table(
    rng: &mut StdRng,
    figures: Figures,
    experts: &[f64],
    each: &[f64],
    noise: f64,
) -> Vec<Row> {
    let mut rows = Vec::new();
    for &experts in experts {
        for each in each {
            let mut row = Row { tokens: each * experts, experts, micros: 1.0 };
            row.micros = modelled(figures, &row) * (1.0 + noise * rng.random_range(-1.0..=1.0));
            rows.push(row);
        }
    }
    rows
}

/// Figures as machines have them.
fn drawn(rng: &mut StdRng) -> Figures {
    let mut between = |low: f64, high: f64| low * (high / low).powf(rng.random());
    [between(0.01, 0.3), between(1.0, 30.0), between(2.0, 60.0)]
}

/// Tokens an expert on both sides of where working takes as long as reading.
fn around([token, expert, _]: Figures) -> [f64; 9] {
    [0.02, 0.05, 0.1, 0.3, 0.8, 1.5, 4.0, 10.0, 30.0].map(|part| (part * expert / token).max(1.0))
}

#[test]
fn figures_come_back() {
    for seed in 0..40 {
        let rng = &mut StdRng::seed_from_u64(seed);
        let figures = drawn(rng);
        for (noise, off) in [(0.0, 1e-6), (0.03, 0.06)] {
            let rows =
                table(rng, figures, &[1.0, 2.0, 4.0, 9.0, 16.0, 32.0], &around(figures), noise);
            let found = fit(&rows);
            assert_eq!(unsaid(&rows, found), [""; 0], "{seed}: {figures:?}");
            // what a layer takes matters as a part of what is measured with it
            let least = rows.iter().map(|row| row.micros).fold(f64::INFINITY, f64::min);
            for (name, (found, is)) in
                ["token", "expert", "layer"].iter().zip(found.iter().zip(figures))
            {
                let unit = if *name == "layer" { least } else { is };
                assert!((found - is).abs() <= off * unit, "{seed} {name}: {found} for {is}");
            }
        }
    }
}

/// A few rows that were measured while something else ran change little.
#[test]
fn bad_rows_do_not_pull() {
    for seed in 0..20 {
        let rng = &mut StdRng::seed_from_u64(seed);
        let figures = drawn(rng);
        let mut rows = table(rng, figures, &[1.0, 4.0, 8.0, 32.0], &around(figures), 0.01);
        for _ in 0..4 {
            let at = rng.random_range(0..rows.len());
            rows[at].micros *= rng.random_range(1.5..4.0);
        }
        let [token, expert, _] = fit(&rows);
        assert!((token / figures[0] - 1.0).abs() < 0.05, "{seed}: {token} for {figures:?}");
        assert!((expert / figures[1] - 1.0).abs() < 0.05, "{seed}: {expert} for {figures:?}");
    }
}

#[test]
fn the_order_of_rows_does_not_matter() {
    let rng = &mut StdRng::seed_from_u64(1);
    let figures = [0.07, 11.0, 20.0];
    let mut rows = table(rng, figures, &[1.0, 4.0, 8.0], &around(figures), 0.05);
    let found = fit(&rows);
    rows.reverse();
    let again = fit(&rows);
    assert!(found.iter().zip(again).all(|(a, b)| (a - b).abs() < 1e-6 * a));
}

#[test]
fn what_rows_do_not_say_is_said() {
    let rng = &mut StdRng::seed_from_u64(2);
    let figures = [0.1, 10.0, 20.0];
    let mut of = |experts: &[f64], each: &[f64]| {
        let rows = table(rng, figures, experts, each, 0.01);
        unsaid(&rows, fit(&rows)).join("; ")
    };
    // with few tokens each, reading is all that takes time; with many, work
    let said = of(&[2.0, 4.0, 8.0, 16.0], &[1.0, 5.0, 20.0]);
    assert!(said.starts_with("token_seconds is not seen: measure more than 20 tokens"), "{said}");
    let said = of(&[2.0, 4.0, 8.0, 16.0], &[200.0, 500.0, 2000.0]);
    assert!(said.starts_with("expert_seconds "), "{said}");
    // one number of experts does not tell reading from what a layer takes
    let said = of(&[8.0], &[1.0, 5.0, 20.0, 50.0]);
    assert!(said.contains("expert_seconds "), "{said}");
    let said = of(&[2.0], &[1.0, 500.0]);
    assert!(said.starts_with("2 rows say little"), "{said}");
}

#[test]
fn bad_tables_are_refused_in_one_line() {
    let folder = folder("bad_table");
    let head = "active_experts,tokens,microseconds\n";
    for (text, why) in [
        ("", "there is no column tokens"),
        ("tokens,microseconds\n1,2\n", "there is no column active_experts"),
        ("# nothing\nactive_experts,tokens,microseconds\n", "there are no rows below the header"),
        (
            &format!("{head}1,2,x\n"),
            "row 1 below the header: microseconds is \"x\", no number above 0",
        ),
        (
            &format!("{head}1,2,3\n# here\n1,-2,3\n"),
            "row 2 below the header: tokens is \"-2\", no number above 0",
        ),
        (
            &format!("{head}1,2,inf\n"),
            "row 1 below the header: microseconds is \"inf\", no number above 0",
        ),
        (
            &format!("{head}4,2,3\n"),
            "row 1 below the header: 2 tokens do not make 4 experts active",
        ),
    ] {
        std::fs::write(folder.join("t.csv"), text).unwrap();
        assert_eq!(refusal(&folder, "fit t.csv"), format!("t.csv: {why}"));
    }
    assert!(refusal(&folder, "fit none.csv").starts_with("none.csv: "));
}

#[test]
fn figures_can_be_pasted() {
    let folder = folder("fitted");
    let text = "tokens,gpu,active_experts,microseconds\n8,a,8,108\n4,a,4,58\n1700,a,4,178\n180,a,1,26\n8,a,2,33\n";
    std::fs::write(folder.join("t.csv"), text).unwrap();
    let said = eplb(&folder, "fit t.csv");
    let said = String::from_utf8(said.stdout).unwrap();
    assert!(said.contains("fitted to 5 rows: 0.1 a token, 12.5 an expert, 8 a layer"), "{said}");
    assert!(said.contains("\nPython: cost = eplb.Cost(0.1e-6, 12.5e-6, 8e-6)\n"), "{said}");
}

/// The figures that docs/SECONDS.md gives for a start are those of the tables beside this file.
#[test]
fn documented_figures_are_those_of_published_tables() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(project.join("../docs/SECONDS.md")).unwrap();
    for (name, file) in
        [("H200, fp8, DeepGEMM", "h200_fp8.csv"), ("GB200, NVFP4, CUTLASS", "gb200_nvfp4.csv")]
    {
        let path = project.join("tests/tool/measured").join(file);
        let rows = measured::read(&path).unwrap();
        let figures = rounded(fit(&rows));
        assert!(file != "h200_fp8.csv" || figures == H200, "the report has other figures");
        assert_eq!(unsaid(&rows, figures), [""; 0]);
        let mut errors: Vec<f64> = rows.iter().map(|row| 100.0 * error(figures, row)).collect();
        errors.sort_by(f64::total_cmp);
        let (median, worst) = (errors[rows.len() / 2], errors[rows.len() - 1]);
        let [token, expert, layer] = figures;
        let row =
            format!("| {name} | {token} | {expert} | {layer} | {median:.1} %, {worst:.1} % |");
        assert!(page.contains(&row), "docs/SECONDS.md has no row {row}");
    }
}
