//! What the terminal shows.

use std::io::{self, Write};

use eplb::Scope;

use super::args::policy_name;
use super::cluster::Cluster;
use super::plan::{Contiguous, Run, Summary};
use super::trace::Trace;

/// What is planned, and where.
pub fn heading(out: &mut impl Write, trace: &Trace, cluster: &Cluster) -> io::Result<()> {
    let Cluster { slots, gpus, nodes, groups, scope } = cluster;
    writeln!(out, "{}: {}, {} experts", trace.source, extent(trace), trace.experts)?;
    write!(out, "on {slots} slots, {gpus} GPUs; scope {}", scope_name(cluster))?;
    match scope {
        _ if *groups == 1 => writeln!(out),
        Scope::Global => writeln!(out),
        _ => writeln!(out, " ({groups} groups, {nodes} nodes)"),
    }
}

/// How many windows and layers.
pub fn extent(trace: &Trace) -> String {
    let count = |n: usize, what| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    format!("{}, {}", count(trace.windows.len(), "window"), count(trace.layers.len(), "layer"))
}

/// The scope, and what auto comes to.
pub fn scope_name(cluster: &Cluster) -> &'static str {
    match cluster.scope {
        Scope::Hierarchical => "hierarchical",
        Scope::Global => "global",
        Scope::Auto if cluster.groups.is_multiple_of(cluster.nodes) => "auto: hierarchical",
        Scope::Auto => "auto: global",
    }
}

/// One row a window, and one for all.
pub fn windows(
    out: &mut impl Write,
    trace: &Trace,
    before: &Contiguous,
    run: &Run,
) -> io::Result<()> {
    let width = trace.windows.iter().map(|name| name.chars().count()).max().unwrap_or(0).max(7);
    writeln!(
        out,
        "\nPolicy {}\n\n{:width$}   balance before    balance after   nodes    gap   dupli-    planning\n\
         {:width$}   mean    worst     mean    worst    mean    mean   cates   us/layer     ms",
        policy_name(run.policy),
        "",
        "window",
    )?;
    let mut row = |name: &str, before: Summary, after: Summary, ms: f64, layers: usize| {
        writeln!(
            out,
            "{name:width$}  {:6.4}  {:6.4}   {:6.4}  {:6.4}  {:6.4}  {:5.2}%  {:6}   {:8.1}  {ms:6.2}",
            before.mean,
            before.worst,
            after.mean,
            after.worst,
            after.node,
            100.0 * after.gap,
            after.duplicates,
            1e3 * ms / layers as f64,
        )
    };
    let layers = trace.layers.len();
    for ((name, before), after) in trace.windows.iter().zip(&before.metrics).zip(&run.windows) {
        let ms = 1e3 * after.time.as_secs_f64();
        row(name, Summary::of(before), Summary::of(&after.metrics), ms, layers)?;
    }
    row(
        "overall",
        Summary::of(before.metrics.iter().flatten()),
        overall(run),
        milliseconds(run),
        layers * run.windows.len(),
    )?;
    legend(out)
}

/// One row a policy.
pub fn policies(out: &mut impl Write, before: &Contiguous, runs: &[Run]) -> io::Result<()> {
    let names: Vec<String> = runs.iter().map(|run| policy_name(run.policy)).collect();
    let width = names.iter().map(String::len).max().unwrap_or(0).max(10);
    writeln!(
        out,
        "\n{:width$}       balance     nodes    gap   dupli-    planning\n\
         {:width$}   mean    worst    mean    mean   cates   us/layer     ms",
        "", "policy",
    )?;
    let contiguous = Summary::of(before.metrics.iter().flatten());
    writeln!(out, "{:width$}  {:6.4}  {:6.4}", "contiguous", contiguous.mean, contiguous.worst)?;
    for (name, run) in names.iter().zip(runs) {
        let (after, ms) = (overall(run), milliseconds(run));
        let layers: usize = run.windows.iter().map(|window| window.metrics.len()).sum();
        writeln!(
            out,
            "{name:width$}  {:6.4}  {:6.4}  {:6.4}  {:5.2}%  {:6}   {:8.1}  {ms:6.2}",
            after.mean,
            after.worst,
            after.node,
            100.0 * after.gap,
            after.duplicates,
            1e3 * ms / layers as f64,
        )?;
    }
    legend(out)
}

/// The metrics of all windows of a run.
pub fn overall(run: &Run) -> Summary {
    Summary::of(run.windows.iter().flat_map(|window| &window.metrics))
}

/// Planning time of all windows.
pub fn milliseconds(run: &Run) -> f64 {
    run.windows.iter().map(|window| 1e3 * window.time.as_secs_f64()).sum()
}

fn legend(out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "\nbalance = mean GPU load / largest GPU load, 1 is perfect; worst = its worst layer.\n\
         before = experts in order, no replicas. gap = at most so far above the best possible.\n\
         duplicates = replicas that share a GPU with another of their expert."
    )
}
