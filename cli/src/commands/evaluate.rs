//! `eplb evaluate`: how balanced a placement is in every window.

use std::io::{self, Write};

use eplb::Metrics;
use serde_json::{Value, json};

use super::super::args::EvaluateArgs;
use super::super::cluster::Cluster;
use super::super::error::{Error, Refused};
use super::super::plan::{Summary, evaluate};
use super::super::trace::Trace;
use super::super::{import, table};
use super::print_json;

pub fn run(args: &EvaluateArgs, out: &mut impl Write) -> Result<(), Error> {
    let trace = args.loads.read()?;
    let cluster = args.cluster.for_loads(&trace);
    let placement = import::read(&args.placement)?.of_trace(&trace, cluster.slots)?;
    let judged = judge(&trace, &cluster, &placement)?;
    if args.format.json {
        return print_json(out, &judged.json(&trace, &cluster));
    }
    table::heading(out, &trace, &cluster)?;
    Ok(judged.print(out, &trace)?)
}

/// A placement in every window.
pub struct Judged {
    /// `[W][L]`.
    windows: Vec<Vec<Metrics>>,
}

/// Measures `placement`, `[L][P]`, in every window of `trace`.
pub fn judge(trace: &Trace, cluster: &Cluster, placement: &[i32]) -> Result<Judged, Refused> {
    let of_window = |window| {
        let spec = cluster.spec(trace.experts, trace.window(window));
        evaluate(&spec, cluster.scope, placement)
    };
    Ok(Judged { windows: (0..trace.windows.len()).map(of_window).collect::<Result<_, _>>()? })
}

impl Judged {
    /// Of all windows together.
    pub fn overall(&self) -> Summary {
        Summary::of(self.windows.iter().flatten())
    }

    /// One row a window, and one for all.
    pub fn print(&self, out: &mut impl Write, trace: &Trace) -> io::Result<()> {
        let names = trace.windows.iter().map(|name| name.chars().count());
        let width = names.max().unwrap_or(0).max(7);
        writeln!(out, "\n{:width$}      balance     nodes   dupli-", "")?;
        writeln!(out, "{:width$}    mean   worst    mean    cates", "window")?;
        let mut row = |name: &str, is: Summary| {
            let Summary { mean, worst, node, duplicates, .. } = is;
            writeln!(out, "{name:width$}  {mean:6.4}  {worst:6.4}  {node:6.4}  {duplicates:7}")
        };
        for (name, metrics) in trace.windows.iter().zip(&self.windows) {
            row(name, Summary::of(metrics))?;
        }
        row("overall", self.overall())
    }

    /// The same, with the balance of each layer.
    pub fn json(&self, trace: &Trace, cluster: &Cluster) -> Value {
        let windows = trace.windows.iter().zip(&self.windows).map(|(name, metrics)| {
            let Summary { mean, worst, node, duplicates, .. } = Summary::of(metrics);
            let layers: Vec<f64> = metrics.iter().map(|layer| layer.balance).collect();
            json!({ "window": name, "balance": mean, "worst": worst, "node_balance": node,
                    "duplicates": duplicates, "layers": layers })
        });
        json!({
            "trace": trace.source,
            "slots": cluster.slots,
            "gpus": cluster.gpus,
            "nodes": cluster.nodes,
            "groups": cluster.groups,
            "scope": table::scope_name(cluster),
            "layers": trace.layers,
            "balance": self.overall().mean,
            "worst": self.overall().worst,
            "windows": windows.collect::<Vec<_>>(),
        })
    }
}
