//! The tables of README.md, shorter than those of docs/BENCHMARKS.md.

use super::figures::Figures;
use super::tables::{BUDGETS, Table, machine_of, percent, quality_cases, us, versus_of};

pub fn plans(figures: &Figures) -> String {
    let mut table = Table::new(&[
        "slots / GPUs",
        "contiguous",
        "`DEEPSEEK`",
        "worst",
        "gap",
        "time",
        "`BALANCED`",
        "worst",
        "gap",
        "time",
    ]);
    let real = |case: &&str| case.starts_with("256-"); // the others are generated
    for case in figures.distinct("plan", "case").into_iter().filter(real) {
        let note = match case {
            "256-288-32-8x4" => ", hierarchical",
            "256-256-32" => ", no spare slots",
            _ => "",
        };
        let policy = |policy| {
            let figure = |column| figures.plan(case, policy, column);
            [
                format!("{:.4}", figure("balance")),
                format!("{:.4}", figure("worst")),
                percent(figure("gap")),
                format!("{} us, {:.1} x", us(figure("us")), figure("x")),
            ]
        };
        let head = [
            machine_of(case) + note,
            format!("{:.4}", figures.plan(case, "balanced", "contiguous")),
        ];
        table.row(head.into_iter().chain(policy("deepseek")).chain(policy("balanced")));
    }
    table.0
}

/// Plain C++ as the first compiler makes it.
pub fn versus(figures: &Figures) -> String {
    let mut table = Table::new(&[
        "slots / GPUs",
        "DeepSeek EPLB in plain C++",
        "balance",
        "`DEEPSEEK`",
        "`BALANCED`",
        "balance",
    ]);
    let compilers = figures.distinct("versus", "compiler");
    let compiler = compilers.first().copied().unwrap_or_default();
    for case in ["256-288-32", "256-320-64", "256-288-72"] {
        let time =
            |program| format!("{} us", us(versus_of(figures, compiler, case, program, "us")));
        let balance =
            |program| format!("{:.4}", versus_of(figures, compiler, case, program, "balance"));
        table.row([
            machine_of(case),
            time("plain"),
            balance("plain"),
            time("deepseek"),
            time("balanced"),
            balance("balanced"),
        ]);
    }
    table.0
}

pub fn unseen(figures: &Figures) -> String {
    let mut table = Table::new(&[
        "slots / GPUs",
        "DEEPSEEK on the mean",
        "with dispatch",
        "BALANCED on seven windows",
        "with dispatch",
    ]);
    for case in quality_cases(figures, "unseen") {
        let figure = |how, column| format!("{:.3}", figures.quality("unseen", case, how, column));
        table.row([
            machine_of(case),
            figure("deepseek-mean", "balance"),
            figure("deepseek-mean", "second"),
            figure("balanced-windows", "balance"),
            figure("balanced-windows", "second"),
        ]);
    }
    table.0
}

pub fn moves(figures: &Figures) -> String {
    let mut head = vec!["slots / GPUs"];
    head.extend(BUDGETS);
    let mut table = Table::new(&head);
    for case in quality_cases(figures, "moves") {
        let cells = BUDGETS
            .iter()
            .map(|budget| format!("{:.3}", figures.quality("moves", case, budget, "balance")));
        table.row(std::iter::once(machine_of(case)).chain(cells));
    }
    table.0
}

/// What the demo prints on its generated trace, down to the row of all windows, without some of the others.
pub fn demo(figures: &Figures) -> String {
    let left_out =
        |line: &&str| !["prefill_long", "decode_short"].iter().any(|name| line.starts_with(name));
    let end =
        figures.demo.lines().position(|line| line.starts_with("overall")).map_or(0, |at| at + 1);
    let lines: Vec<&str> = figures.demo.lines().take(end).filter(left_out).collect();
    format!("```text\n{}\n```", lines.join("\n"))
}
