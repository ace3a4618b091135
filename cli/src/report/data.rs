//! The figures of the report, for other programs.

use eplb::Metrics;
use serde_json::{Value, json};

use super::super::args::policy_name;
use super::super::crossing;
use super::super::figures::{over_windows, ratio};
use super::super::plan::{Run, Summary};
use super::super::sweep::Point;
use super::super::table::{overall, scope_name};
use super::Report;

impl Report<'_> {
    /// All of them, in the order of the page.
    pub fn data(self) -> Value {
        let Report { trace, cluster, best, moves, .. } = self;
        let walks = moves.into_iter().flat_map(|moves| &moves.walks).filter_map(|walk| {
            let mean = walk.mean()?;
            Some(json!({ "budget": walk.budget.name(), "moved": mean.moved, "balance": mean.balance }))
        });
        let policy = |run: &Run| {
            let is = overall(run);
            json!({ "policy": policy_name(run.policy), "balance": is.mean, "worst": is.worst,
                    "node_balance": is.node, "gap": is.gap, "duplicates": is.duplicates })
        };
        let cluster_of = |point: &Point| {
            let mut figures = point.json();
            figures["plan_seconds_per_layer"] = Value::Null; // the only one that differs from run to run
            figures
        };
        let crossing = |point: &crossing::Point| {
            json!({ "tokens_per_gpu": point.tokens, "no_copies_us": point.none, "plan_for_tokens_us": point.even,
                    "in_seconds_us": point.planned })
        };
        json!({
            "trace": trace.source,
            "slots": cluster.slots,
            "gpus": cluster.gpus,
            "nodes": cluster.nodes,
            "groups": cluster.groups,
            "scope": scope_name(cluster),
            "policy": policy_name(best.policy),
            "us_per_token": self.costs.us_per_token,
            "unseen": self.unseen_json(),
            "windows": self.windows_json(),
            "policies": self.runs.iter().map(policy).collect::<Vec<_>>(),
            "hottest": self.hottest_json(),
            "layers": self.layers_json(),
            "moves": walks.collect::<Vec<_>>(),
            "crossing": self.crossing.iter().map(crossing).collect::<Vec<_>>(),
            "sweep": self.sweep.iter().map(cluster_of).collect::<Vec<_>>(),
        })
    }

    fn windows_json(self) -> Value {
        let windows = self.trace.windows.iter().zip(&self.before.metrics).zip(&self.best.windows);
        let figures = |metrics: &[Metrics]| {
            let Summary { mean, worst, .. } = Summary::of(metrics);
            json!({ "balance": mean, "worst": worst })
        };
        let row = |((name, was), is): ((&String, &Vec<Metrics>), &super::super::plan::Planned)| json!({ "window": name, "before": figures(was), "after": figures(&is.metrics) });
        windows.map(row).collect()
    }

    fn layers_json(self) -> Value {
        let layers = self.trace.layers.len();
        let of = |run: &Run, figure: fn(&Metrics) -> f64| -> Vec<f64> {
            let windows: Vec<&[Metrics]> = run.windows.iter().map(|w| &w.metrics[..]).collect();
            over_windows(&windows, layers, figure).into_iter().map(|spread| spread.mean).collect()
        };
        let before: Vec<&[Metrics]> = self.before.metrics.iter().map(Vec::as_slice).collect();
        let before = over_windows(&before, layers, |m| m.balance);
        let after = of(self.best, |m| m.balance);
        let bound = of(self.best, |m| ratio(m.mean_gpu_load, m.bound));
        let deepseek = self.deepseek.map(|run| of(run, |m| m.balance));
        let row = |layer: usize| {
            json!({ "layer": self.trace.layers[layer], "before": before[layer].mean, "after": after[layer],
                    "bound": bound[layer], "deepseek": deepseek.as_ref().map(|of| of[layer]) })
        };
        (0..layers).map(row).collect()
    }
}
