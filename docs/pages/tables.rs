//! The tables, each from the figures alone.

use super::figures::Figures;
use super::readme;
use super::seconds;

const POLICIES: [&str; 8] = [
    "balanced",
    "deepseek",
    "multi_swap",
    "k2_hybrid",
    "hybrid_argmax",
    "peak_aware",
    "waterfill",
    "waterfill_fixup",
];

/// The block of a name.
pub fn block(name: &str, figures: &Figures) -> Option<String> {
    let made = match name {
        "machine" => machine(figures),
        "times" => times(figures),
        "balances" => balances(figures),
        "gaps" => gaps(figures),
        "workspaces" => workspaces(figures),
        "harder" => harder(figures),
        "versus" => versus(figures),
        "instructions" => instructions(figures),
        "instructions-by-shape" => instructions_by_shape(figures),
        "dispatch" => dispatch(figures),
        "unseen" => unseen(figures),
        "moves" => moves(figures),
        "seconds" => seconds::times(figures),
        "readme-demo" => readme::demo(figures),
        _ => return None,
    };
    Some(made)
}

/// A Markdown table.
pub struct Table(pub String);

impl Table {
    pub fn new(head: &[&str]) -> Self {
        Table(format!("| {} |\n|{}\n", head.join(" | "), "---|".repeat(head.len())))
    }

    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let cells: Vec<String> = cells.into_iter().collect();
        self.0 += &format!("| {} |\n", cells.join(" | "));
    }

    /// The table, or why there is none.
    pub fn unless_empty(self, why: &str) -> String {
        if self.0.lines().count() > 2 { self.0 } else { format!("Not measured: {why}.") }
    }
}

fn quoted(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| format!("`{name}`")).collect()
}

/// 22117 -> 22,117.
pub fn thousands(number: f64) -> String {
    if !number.is_finite() {
        return String::new();
    }
    let digits = format!("{number:.0}");
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

pub fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}

/// Microseconds with three digits or so.
pub fn us(time: f64) -> String {
    if time < 100.0 { format!("{time:.1}") } else { format!("{time:.0}") }
}

/// The machine, the compilers and the loads, in a sentence.
fn machine(figures: &Figures) -> String {
    let about = |what| figures.about(what);
    let compilers: Vec<String> = ["g++", "clang++"]
        .iter()
        .filter(|compiler| figures.row("about", &[("what", compiler)]).is_some())
        .map(|compiler| format!(", {compiler} {}", about(compiler)))
        .collect();
    let loads = if figures.real() {
        format!("real loads, {}", about("loads"))
    } else {
        "generated loads (EPLB_TRACE named no trace)".to_string()
    };
    format!(
        "Measured on {} by `make bench`: {} cores of {}, rustc {}{}; {loads}.",
        about("date"),
        about("cores"),
        about("processor"),
        about("rustc"),
        compilers.concat()
    )
}

/// Cases by policies, a cell being what `cell` makes of a row of the topic "plan". HYBRID_ARGMAX and PEAK_AWARE, which plan
/// as K2_HYBRID does nearly always, are in docs/figures alone.
fn matrix(figures: &Figures, cell: impl Fn(&str, &str) -> String) -> String {
    let policies: Vec<&str> = POLICIES
        .into_iter()
        .filter(|policy| !["hybrid_argmax", "peak_aware"].contains(policy))
        .collect();
    let mut head = vec!["case".to_string()];
    head.extend(quoted(&policies));
    let mut table = Table::new(&head.iter().map(String::as_str).collect::<Vec<_>>());
    for case in figures.distinct("plan", "case") {
        let cells = policies.iter().map(|policy| cell(case, policy));
        table.row(std::iter::once(case.to_string()).chain(cells));
    }
    table.0
}

fn times(figures: &Figures) -> String {
    let ratios =
        figures.rows("plan").iter().map(|row| row.number("x_high") / row.number("x_low") - 1.0);
    let mut ratios: Vec<f64> = ratios.collect();
    ratios.sort_by(f64::total_cmp);
    let typical = ratios.get(ratios.len() / 2).copied().unwrap_or(f64::NAN);
    let table = matrix(figures, |case, policy| {
        let figure = |column| figures.plan(case, policy, column);
        format!("{} ({:.1})", us(figure("us")), figure("x"))
    });
    format!(
        "{table}\nBetween the lowest and the highest of the nine runs a ratio moves by {:.1} % (median over the cells), \
         {:.0} % at most.\n",
        100.0 * typical,
        100.0 * ratios.last().copied().unwrap_or(f64::NAN)
    )
}

fn balances(figures: &Figures) -> String {
    matrix(figures, |case, policy| format!("{:.4}", figures.plan(case, policy, "balance")))
}

/// Of the default and of what everybody else has: the bound is that of the loads, so the others follow from balances.
fn gaps(figures: &Figures) -> String {
    let mut table = Table::new(&[
        "case",
        "`balanced`: worst layer",
        "mean gap",
        "`deepseek`: worst layer",
        "mean gap",
    ]);
    for case in figures.distinct("plan", "case") {
        let of = |policy| {
            let worst = format!("{:.4}", figures.plan(case, policy, "worst"));
            [worst, percent(figures.plan(case, policy, "gap"))]
        };
        let cells = of("balanced").into_iter().chain(of("deepseek"));
        table.row(std::iter::once(case.to_string()).chain(cells));
    }
    table.0
}

fn workspaces(figures: &Figures) -> String {
    let mut table = Table::new(&[
        "case",
        "plan, `balanced`",
        "plan, policies 1 to 5",
        "plan, `waterfill` and `waterfill_fixup`",
        "evaluate",
        "check",
    ]);
    let real = |case: &&str| !case.contains(char::is_alphabetic) || case.ends_with("8x4");
    for case in figures.distinct("plan", "case").into_iter().filter(real) {
        let plan = |policy| thousands(figures.plan(case, policy, "workspace"));
        let other = |column| thousands(figures.plan(case, "balanced", column));
        table.row([
            case.to_string(),
            plan("balanced"),
            plan("deepseek"),
            plan("waterfill"),
            other("workspace_evaluate"),
            other("workspace_check"),
        ]);
    }
    table.0
}

fn harder(figures: &Figures) -> String {
    let mut table = Table::new(&[
        "loads",
        "case",
        "balance: mean",
        "worst",
        "gap: mean",
        "largest",
        "us a layer",
        "x the sort (median)",
        "mean",
        "largest",
        "`deepseek`: balance",
        "x",
    ]);
    for (loads, prefix) in [("Zipf 1.4", "zipf-"), ("lognormal 2.2", "lognormal-")] {
        for case in
            figures.distinct("plan", "case").into_iter().filter(|case| case.starts_with(prefix))
        {
            let ours = |column| figures.plan(case, "balanced", column);
            let theirs = |column| figures.plan(case, "deepseek", column);
            table.row([
                loads.to_string(),
                case.trim_start_matches(prefix).to_string(),
                format!("{:.5}", ours("balance")),
                format!("{:.5}", ours("worst")),
                percent(ours("gap")),
                percent(ours("gap_largest")),
                us(ours("us")),
                format!("{:.1}", ours("x")),
                format!("{:.1}", ours("x_mean")),
                format!("{:.0}", ours("x_largest")),
                format!("{:.5}", theirs("balance")),
                format!("{:.1}", theirs("x")),
            ]);
        }
    }
    table.0
}

/// A figure of the comparison with plain C++.
pub fn versus_of(
    figures: &Figures,
    compiler: &str,
    case: &str,
    program: &str,
    column: &str,
) -> f64 {
    figures.number(
        "versus",
        &[("compiler", compiler), ("case", case), ("program", program)],
        column,
    )
}

/// The plain program as every compiler makes it; the library is the same beside each, and timed beside the first.
fn versus(figures: &Figures) -> String {
    let compilers = figures.distinct("versus", "compiler");
    let Some(first) = compilers.first() else {
        return "Not measured: needs g++ or clang++.".to_string();
    };
    let mut head = vec!["case".to_string()];
    head.extend(compilers.iter().map(|compiler| format!("plain C++, {compiler}")));
    head.extend(["`DEEPSEEK`", "`BALANCED`"].map(String::from));
    head.extend(compilers.iter().map(|compiler| format!("of plain, {compiler}")));
    let mut table = Table::new(&head.iter().map(String::as_str).collect::<Vec<_>>());
    for case in figures.distinct("versus", "case") {
        let time = |compiler, program| us(versus_of(figures, compiler, case, program, "us"));
        let mut cells = vec![case.to_string()];
        cells.extend(compilers.iter().map(|compiler| time(compiler, "plain")));
        cells.extend(["deepseek", "balanced"].map(|program| time(first, program)));
        cells.extend(compilers.iter().map(|compiler| {
            format!("{:.2}", versus_of(figures, compiler, case, "balanced", "of_plain"))
        }));
        table.row(cells);
    }
    table.0
}

fn instructions_of(figures: &Figures, case: &str, what: &str) -> f64 {
    figures.number("instructions", &[("case", case), ("what", what)], "instructions")
}

/// Every policy at the first case, and plain C++.
fn instructions(figures: &Figures) -> String {
    let cases = figures.distinct("instructions", "case");
    let mut table = Table::new(&["", "instructions a layer", "x the sort"]);
    if let Some(case) = cases.first() {
        for row in figures.rows("instructions").iter().filter(|row| row.text("case") == *case) {
            let name = match row.text("what") {
                "sort" => "the sort".to_string(),
                "plain" => "plain C++".to_string(),
                policy => format!("`{policy}`"),
            };
            let count = row.number("instructions");
            table.row([
                name,
                thousands(count),
                format!("{:.2}", count / instructions_of(figures, case, "sort")),
            ]);
        }
    }
    table.unless_empty("needs valgrind and g++")
}

fn instructions_by_shape(figures: &Figures) -> String {
    let mut table = Table::new(&["case", "the sort", "`balanced`", "x", "`deepseek`", "x"]);
    for case in figures.distinct("instructions", "case") {
        let count = |what| instructions_of(figures, case, what);
        let x = |what| format!("{:.1}", count(what) / count("sort"));
        table.row([
            case.to_string(),
            thousands(count("sort")),
            thousands(count("balanced")),
            x("balanced"),
            thousands(count("deepseek")),
            x("deepseek"),
        ]);
    }
    table.unless_empty("needs valgrind")
}

/// A row a case: us a layer and, in multiples of the sort, the median layer and the slowest.
fn dispatch(figures: &Figures) -> String {
    let mut table =
        Table::new(&["case", "quotas", "speeds", "sources", "seconds", "workspace KiB"]);
    for case in figures.distinct("dispatch", "case") {
        let rows = figures.rows("dispatch").iter().filter(|row| row.text("case") == case);
        let cells = rows.clone().map(|row| {
            format!("{} ({}, {})", row.text("us"), row.text("x"), row.text("x_largest"))
        });
        let most = rows.clone().map(|row| row.number("kib")).fold(0.0, f64::max);
        let case = std::iter::once(case.to_string());
        table.row(case.chain(cells).chain([format!("{most:.1}")]));
    }
    table.0
}

/// 256-288-32 -> 288 / 32.
pub fn machine_of(case: &str) -> String {
    let sizes: Vec<&str> = case.split('-').collect();
    format!("{} / {}", sizes[1], sizes[2])
}

pub fn quality_cases<'f>(figures: &'f Figures, what: &str) -> Vec<&'f str> {
    let all = figures.distinct("quality", "case");
    all.into_iter()
        .filter(|case| figures.row("quality", &[("what", what), ("case", case)]).is_some())
        .collect()
}

fn unseen(figures: &Figures) -> String {
    let mut table = Table::new(&["slots / GPUs", "plan", "even", "exact"]);
    for case in quality_cases(figures, "unseen") {
        for (how, name) in [
            ("deepseek-mean", "`DEEPSEEK` on the mean"),
            ("balanced-mean", "`BALANCED` on the mean"),
            ("balanced-windows", "`BALANCED` on windows"),
        ] {
            let figure = |column| format!("{:.4}", figures.quality("unseen", case, how, column));
            table.row([machine_of(case), name.to_string(), figure("balance"), figure("second")]);
        }
    }
    table.0
}

pub const BUDGETS: [&str; 5] = ["16", "32", "48", "64", "128"];

fn moves(figures: &Figures) -> String {
    let cases = quality_cases(figures, "moves");
    let mut head = vec!["budget".to_string()];
    head.extend(cases.iter().map(|case| machine_of(case)));
    let mut table = Table::new(&head.iter().map(String::as_str).collect::<Vec<_>>());
    for budget in BUDGETS {
        let cell = |case: &&str| {
            let figure = |column| figures.quality("moves", case, budget, column);
            format!("{:.4} ({:.0} slots)", figure("balance"), figure("second"))
        };
        table.row(std::iter::once(budget.to_string()).chain(cases.iter().map(cell)));
    }
    let mut row = |name: &str, how| {
        let cell =
            |case: &&str| format!("{:.1} slots", figures.quality("moves", case, how, "second"));
        table.row(std::iter::once(name.to_string()).chain(cases.iter().map(cell)));
    };
    row("a fresh plan of `BALANCED`", "fresh");
    row("a fresh plan of `DEEPSEEK`", "deepseek-fresh");
    row("the same, its GPUs renamed", "deepseek-renamed");
    table.0
}
