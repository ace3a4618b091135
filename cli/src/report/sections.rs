//! What the report says, section by section.

use std::path::Path;

use eplb::Metrics;

use super::super::args::policy_name;
use super::super::cluster::Cluster;
use super::super::figures::{gpu_loads, over_windows, ratio};
use super::super::moves_picture;
use super::super::picture::Picture;
use super::super::plan::{Run, Summary};
use super::super::table::{extent, milliseconds, overall, scope_name};
use super::heat::{self, Heat};
use super::html::{Cell, escape, figure, table};
use super::{Report, Section};

/// Pixels of a chart before the page scales it.
pub const CHART: (u32, u32) = (860, 310);

/// Balances, as cells.
pub fn figures<const N: usize>(values: [f64; N]) -> impl Iterator<Item = Cell> {
    values.into_iter().map(|value| Cell::Figure(format!("{value:.4}")))
}

/// A figure with a name and a note.
pub fn tile(name: &str, value: &str, note: &str) -> String {
    format!("<div><dt>{name}</dt><dd>{value}<small>{note}</small></dd></div>\n")
}

fn was_is(was: &str, is: &str) -> String {
    format!("<span class=\"was\">{was}</span> → <span class=\"is\">{is}</span>")
}

impl Report<'_> {
    /// What was planned, and what it brings in a few figures.
    pub fn summary(self) -> String {
        let Report { trace, cluster, before, best, .. } = self;
        let (was, is) = (Summary::of(before.metrics.iter().flatten()), overall(best));
        let all = || best.windows.iter().flat_map(|window| &window.metrics);
        let bound =
            all().map(|m| ratio(m.mean_gpu_load, m.bound)).sum::<f64>() / all().count() as f64;
        let layers: usize = best.windows.iter().map(|window| window.metrics.len()).sum();
        let mut html = format!(
            "<h1>Expert placement</h1>\n<p class=\"lead\">{}: {}, {} experts on {} slots of {} GPUs; policy {}, \
             scope {}.</p>\n<dl class=\"tiles\">\n",
            escape(&trace.source),
            extent(trace),
            trace.experts,
            cluster.slots,
            cluster.gpus,
            policy_name(best.policy),
            scope_name(cluster),
        );
        let pair = |was: f64, is: f64| was_is(&format!("{was:.4}"), &format!("{is:.4}"));
        html += &self.unseen_tiles();
        html +=
            &tile("Seen balance, mean", &pair(was.mean, is.mean), "before → after; 1 is perfect");
        html += &tile("Seen balance, worst layer", &pair(was.worst, is.worst), "before → after");
        let note = format!("the plan is within {:.2} % of it", 100.0 * is.gap);
        html += &tile("Bound of the balance", &format!("{bound:.4}"), &note);
        let time = 1e3 * milliseconds(best) / layers as f64;
        let time = format!("<span class=\"time\">{time:.1}</span> µs");
        html += &tile("Planning", &time, "a layer, on one thread");
        html + "</dl>\n<p>Balance is the mean load of the GPUs over the load of the busiest one: the share of the \
                 time that a GPU works instead of waiting. <span class=\"was\">Before</span> is the experts in order \
                 without replicas, <span class=\"is\">after</span> a plan for each window, which is <em>seen</em>; <em>unseen</em> \
                 is a window that the plan was not made on.</p>\n"
    }

    /// What a plan for each window brings in that window.
    pub fn seen(self) -> String {
        format!("<h2>Windows that the plan has seen</h2>\n{}{}", self.windows(), self.policies())
    }

    /// A row a window, and one for all.
    fn windows(self) -> String {
        let Report { trace, before, best, .. } = self;
        let row = |name: &str, was: Summary, is: Summary, ms: f64, layers: usize| {
            let mut row = vec![Cell::Name(name.to_string())];
            row.extend(figures([was.mean, was.worst, is.mean, is.worst, is.node]));
            row.push(Cell::Figure(format!("{:.2} %", 100.0 * is.gap)));
            row.push(Cell::Figure(is.duplicates.to_string()));
            row.push(Cell::Time(format!("{:.1}", 1e3 * ms / layers as f64)));
            row
        };
        let layers = trace.layers.len();
        let windows = trace.windows.iter().zip(&before.metrics).zip(&best.windows);
        let mut rows: Vec<Vec<Cell>> = windows
            .map(|((name, was), is)| {
                let ms = 1e3 * is.time.as_secs_f64();
                row(name, Summary::of(was), Summary::of(&is.metrics), ms, layers)
            })
            .collect();
        let was = Summary::of(before.metrics.iter().flatten());
        let all = row("all", was, overall(best), milliseconds(best), layers * best.windows.len());
        let head = [
            "window",
            "before, mean",
            "worst layer",
            "after, mean",
            "worst layer",
            "over nodes",
            "gap",
            "duplicates",
            "µs / layer",
        ];
        if rows.len() <= 16 {
            rows.push(all);
            return table(&head, rows);
        }
        let (all, each) = (table(&head, [all]), table(&head, rows));
        format!("{all}<details><summary>Each window</summary>\n{each}</details>\n")
    }

    /// A row a policy, when there are several.
    fn policies(self) -> String {
        if self.runs.len() < 2 {
            return String::new();
        }
        let row = |run: &Run| {
            let is = overall(run);
            let layers: usize = run.windows.iter().map(|window| window.metrics.len()).sum();
            let mut row = vec![Cell::Name(policy_name(run.policy))];
            row.extend(figures([is.mean, is.worst, is.node]));
            row.push(Cell::Figure(format!("{:.2} %", 100.0 * is.gap)));
            row.push(Cell::Figure(is.duplicates.to_string()));
            row.push(Cell::Time(format!("{:.1}", 1e3 * milliseconds(run) / layers as f64)));
            row
        };
        let head = [
            "policy",
            "balance, mean",
            "worst layer",
            "over nodes",
            "gap",
            "duplicates",
            "µs / layer",
        ];
        format!("<h3>Policies</h3>\n{}", table(&head, self.runs.iter().map(row)))
    }

    /// Layers by GPUs in the first window, before and after.
    pub fn heat(self) -> String {
        let Report { trace, cluster, before, best, .. } = self;
        let (load, experts) = (trace.window(0), trace.experts);
        let rows = |placement: &[i32], slots: &[u32], held: usize| -> Vec<Vec<f64>> {
            let layers = load.chunks(experts).zip(placement.chunks(held));
            let row = |(load, placement): (&[f32], &[i32])| {
                let loads = gpu_loads(load, placement, slots);
                let mean = loads.iter().sum::<f64>() / loads.len() as f64;
                let unit = if mean > 0.0 { mean } else { 1.0 };
                let silent = if mean > 0.0 { 0.0 } else { 1.0 }; // no load at all is balanced
                loads.iter().map(|load| silent + load / unit).collect()
            };
            layers.map(row).collect()
        };
        let slots = vec![cluster.slots / cluster.gpus; cluster.gpus as usize];
        let was = rows(&before.placement, &before.slots, experts);
        let is = rows(&best.windows[0].placement, &slots, cluster.slots as usize);
        let nodes = if is_hierarchical(cluster) { cluster.nodes as usize } else { 1 };
        let map = |name: &str, label: &str, rows: &[Vec<f64>], metrics: &[Metrics]| {
            let Summary { mean, worst, .. } = Summary::of(metrics);
            let most = rows.iter().flatten().copied().fold(0.0, f64::max);
            let svg = Heat { label, rows, layers: &trace.layers, nodes }.svg();
            format!(
                "<figure><h3>{name}</h3>\n<div class=\"scroll\">{svg}</div>\n<figcaption>Balance {mean:.4}, worst \
                 layer {worst:.4}; the busiest GPU has {most:.2} times the mean.</figcaption></figure>\n"
            )
        };
        let before =
            map("Before", "load of each GPU in each layer, before", &was, &before.metrics[0]);
        let after =
            map("After", "load of each GPU in each layer, after", &is, &best.windows[0].metrics);
        let mut note = "Neutral cells are within 7 % of the mean of their layer. The GPU that all others of a layer \
                        wait for is the most orange one of its row."
            .to_string();
        match heat::gpus_per_column(cluster.gpus as usize) {
            1 => (),
            several => note += &format!(" A column is the busiest of {several} GPUs."),
        }
        format!(
            "<section class=\"whole\"><h2>Load of every GPU</h2>\n<p>Window {}, one row a layer, one column a GPU.</p>\n{}<div \
             class=\"pair\">\n{before}{after}</div>\n<p class=\"note\">{note}</p></section>\n",
            escape(&trace.windows[0]),
            heat::scale(),
        )
    }

    /// Balance of each layer, with the bound.
    pub fn layers(self) -> Section {
        let Report { trace, cluster, before, best, deepseek, .. } = self;
        let panel = Picture { trace, cluster, before, run: best, deepseek }.layers();
        let mut caption = "Where the bound is not seen, the plan is on it. It is proved for each layer: no placement \
                           does better that keeps the replicas of an expert on different GPUs"
            .to_string();
        caption += if is_hierarchical(cluster) {
            " and each group on a node. Where it is low, a group is too hot for its node; global scope is then worth \
             a look."
        } else {
            "."
        };
        let was: Vec<&[Metrics]> = before.metrics.iter().map(Vec::as_slice).collect();
        let is: Vec<&[Metrics]> = best.windows.iter().map(|w| w.metrics.as_slice()).collect();
        let layers = trace.layers.len();
        let was = over_windows(&was, layers, |m| m.balance);
        let after = over_windows(&is, layers, |m| m.balance);
        let bound = over_windows(&is, layers, |m| ratio(m.mean_gpu_load, m.bound));
        let rows = (0..layers).map(|layer| {
            let mut row = vec![Cell::Name(trace.layers[layer].to_string())];
            let (was, is) = (&was[layer], &after[layer]);
            row.extend(figures([was.mean, was.low, is.mean, is.low, bound[layer].mean]));
            row
        });
        let head =
            ["layer", "before, mean", "worst window", "after, mean", "worst window", "bound, mean"];
        Ok(format!(
            "<h2>How near to the bound</h2>\n{}<details><summary>The figures</summary>\n{}</details>\n",
            figure(&panel, CHART, &caption)?,
            table(&head, rows)
        ))
    }

    /// What a rebalance moves, and what it brings.
    pub fn moved(self) -> Section {
        let Some(moves) = self.moves else {
            return Ok(String::new());
        };
        let rows = moves.walks.iter().map(|walk| {
            let mut row = vec![Cell::Name(walk.budget.name())];
            match walk.mean() {
                Some(mean) => {
                    row.push(Cell::Figure(format!("{:.1}", mean.moved)));
                    row.extend(figures([mean.balance]));
                }
                None => row.push(Cell::Words("not planned by this policy".to_string(), 2)),
            }
            row
        });
        let rows = table(&["slots that may change", "moved / layer", "balance after"], rows);
        let short = (CHART.0, 240);
        let mut caption = "Measured in the window of the rebalance.".to_string();
        if is_hierarchical(self.cluster) {
            caption += " In hierarchical scope a group changes its node as a whole: a budget below that leaves it \
                        where it is.";
        }
        Ok(format!(
            "<h2>Moves of each rebalance</h2>\n<p>Along the trace, the placement in force is planned again for each \
             window, with so many of the {} slots of a layer to change. Every budget goes its own way from a plan for \
             the first window.</p>\n{}{}{rows}",
            self.cluster.slots,
            figure(&moves_picture::balance(moves, self.trace), short, &caption)?,
            figure(
                &moves_picture::moved(moves, self.trace),
                short,
                "A moved slot is the weights of one expert."
            )?,
        ))
    }

    /// How to make it again.
    pub fn made(self, data: &Path) -> String {
        let Report { trace, cluster, best, .. } = self;
        let mut command = "cargo run --release -p eplb-cli --".to_string();
        std::env::args().skip(1).for_each(|argument| command += &format!(" {}", quoted(&argument)));
        let facts = [
            ("loads", format!("{}: {}", trace.source, extent(trace))),
            ("experts", trace.experts.to_string()),
            ("slots", cluster.slots.to_string()),
            (
                "GPUs, nodes, groups",
                format!("{}, {}, {}", cluster.gpus, cluster.nodes, cluster.groups),
            ),
            ("scope", scope_name(cluster).to_string()),
            ("policy", policy_name(best.policy)),
            ("eplb", env!("CARGO_PKG_VERSION").to_string()),
        ];
        let rows =
            facts.map(|(name, fact)| vec![Cell::Name(name.to_string()), Cell::Words(fact, 1)]);
        let name = data.file_name().unwrap_or_default().to_string_lossy();
        format!(
            "<h2>How this was made</h2>\n<pre>{}</pre>\n{}<p class=\"note\">The same command gives the same figures on \
             every machine, but for the times. They are in <a href=\"{name}\">{name}</a>.</p>\n",
            escape(command.trim_end_matches(" --")),
            table(&["", ""], rows).replace(
                "<thead><tr><th scope=\"col\"></th><th scope=\"col\"></th></tr></thead>",
                ""
            ),
            name = escape(&name),
        )
    }
}

fn is_hierarchical(cluster: &Cluster) -> bool {
    scope_name(cluster).ends_with("hierarchical")
}

/// An argument as a shell takes it.
fn quoted(argument: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./,=:+".contains(letter);
    if !argument.is_empty() && argument.chars().all(plain) {
        argument.to_string()
    } else {
        format!("'{}'", argument.replace('\'', "'\\''"))
    }
}
