//! What can be asked on the command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use eplb::{Policy, Scope};

use super::cluster::ClusterArgs;
use super::costs::Costs;
use super::trace::Trace;

/// The policy planned with when none is named.
const DEFAULT_POLICY: &str = "balanced";

/// Plan, judge and size expert placements for Mixture-of-Experts serving, from traces of expert loads.
#[derive(Debug, Parser)]
#[command(name = "eplb", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Plan every window on its own: balance before and after, a picture, and a report for a browser
    Report(ReportArgs),
    /// Make one placement for all windows together, for an engine to start with
    Plan(PlanArgs),
    /// Say how balanced a placement is in every window
    Evaluate(EvaluateArgs),
    /// Plan on windows that were seen, score on one that was not
    Replay(ReplayArgs),
    /// Compare clusters: what more slots or other GPUs would bring
    Sweep(SweepArgs),
    /// Say what has to travel from one placement to another, and in how many rounds
    Transfers(TransfersArgs),
    /// Say whether a plan can be made, or which argument stands in its way
    Explain(ExplainArgs),
    /// Fit what a step takes to steps that were measured
    Fit(FitArgs),
}

/// The loads that are planned for.
#[derive(Args, Debug)]
pub struct Loads {
    /// Traces of expert loads: CSV (window,layer,expert_0,...), .npz, what SGLang's recorder wrote (.pt, .json), vLLM's
    /// load dump. Several follow each other in time, but for the ranks of one recording. Without one, loads of
    /// DeepSeek-V3's shape are generated
    #[arg(value_name = "TRACE")]
    pub trace: Vec<PathBuf>,
    /// Windows that the steps of SGLang's recorder are added up to, at most
    #[arg(long, value_name = "W", default_value_t = 8, value_parser = windows())]
    pub most_windows: u32,
    /// Seed of the generated loads
    #[arg(long, value_name = "N", default_value_t = 1, conflicts_with = "trace")]
    pub seed: u64,
}

/// How the answer is printed.
#[derive(Args, Debug)]
pub struct Format {
    /// Print JSON instead of a table
    #[arg(long)]
    pub json: bool,
}

/// A plan for each window.
#[derive(Args, Debug)]
pub struct ReportArgs {
    /// The loads.
    #[command(flatten)]
    pub loads: Loads,
    /// The machine.
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// How to plan; all compares every policy that is served
    #[arg(long, value_name = "NAME", default_value = DEFAULT_POLICY, value_parser = policies)]
    pub policy: PolicyChoice,
    /// What loads and slots cost.
    #[command(flatten)]
    pub costs: Costs,
    /// Windows that a plan of the replay in time is made on
    #[arg(long, value_name = "W", default_value_t = 8, value_parser = windows())]
    pub windows: u32,
    /// Where to draw the load of the GPUs before and after
    #[arg(long, value_name = "FILE", default_value_os_t = in_target("balance.svg"))]
    pub svg: PathBuf,
    /// Where to write the report, a page for a browser; its figures go beside it, as .json
    #[arg(long, value_name = "FILE", default_value_os_t = in_target("report.html"))]
    pub html: PathBuf,
}

/// One plan for all windows.
#[derive(Args, Debug)]
pub struct PlanArgs {
    /// The loads.
    #[command(flatten)]
    pub loads: Loads,
    /// The machine.
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// How to plan
    #[arg(long, value_name = "NAME", default_value = DEFAULT_POLICY, value_parser = policy)]
    pub policy: Policy,
    /// A placement in force, in any form that --out writes, to start from
    #[arg(long, value_name = "FILE")]
    pub previous: Option<PathBuf>,
    /// Slots of a layer that may change [default: as many as there are]
    #[arg(long, value_name = "N", requires = "previous", value_parser = clap::value_parser!(u32).range(1..))]
    pub moves: Option<u32>,
    /// Where to write the placement
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// The form of it.
    #[command(flatten)]
    pub form: Form,
    /// How to answer.
    #[command(flatten)]
    pub format: Format,
}

/// How an engine writes a placement.
#[derive(Args, Clone, Copy, Debug)]
pub struct Form {
    /// Engine that --out is for
    #[arg(long, value_enum, default_value_t = Engine::Sglang)]
    pub engine: Engine,
    /// Layers without experts ahead of the first of the trace [default: what the trace says, else 3 for DeepSeek-V3's shape]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(..=1024))]
    pub dense_layers: Option<u32>,
}

impl Form {
    /// Layers of the model before the first of `trace`.
    pub fn dense_layers(&self, trace: &Trace) -> usize {
        const DEEPSEEK_V3: (usize, usize) = (58, 256); // of 61 layers, the first 3 are dense
        let known = if (trace.layers.len(), trace.experts) == DEEPSEEK_V3 { 3 } else { 0 };
        self.dense_layers.or(trace.dense).unwrap_or(known) as usize
    }
}

/// A placement, judged.
#[derive(Args, Debug)]
pub struct EvaluateArgs {
    /// The placement, in any form that `eplb plan --out` writes
    #[arg(value_name = "PLACEMENT")]
    pub placement: PathBuf,
    /// The loads.
    #[command(flatten)]
    pub loads: Loads,
    /// The machine.
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// How to answer.
    #[command(flatten)]
    pub format: Format,
}

/// Plans, judged on windows that they have not seen.
#[derive(Args, Debug)]
pub struct ReplayArgs {
    /// The loads.
    #[command(flatten)]
    pub loads: Loads,
    /// The machine.
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// How to plan
    #[arg(long, value_name = "NAME", default_value = DEFAULT_POLICY, value_parser = policy)]
    pub policy: Policy,
    /// Which windows a plan has seen [default: time where there are more than W, else leave-one-out]
    #[arg(long, value_enum, value_name = "ORDER")]
    pub order: Option<Order>,
    /// Windows that a plan is made on in order of time
    #[arg(long, value_name = "W", default_value_t = 8, value_parser = windows())]
    pub windows: u32,
    /// Where to draw the balance, step by step
    #[arg(long, value_name = "FILE", default_value_os_t = in_target("replay.svg"))]
    pub svg: PathBuf,
    /// How to answer.
    #[command(flatten)]
    pub format: Format,
}

/// Many clusters.
#[derive(Args, Debug)]
pub struct SweepArgs {
    /// The loads.
    #[command(flatten)]
    pub loads: Loads,
    /// Numbers of GPUs to compare
    #[arg(long, value_name = "G,..", value_delimiter = ',', default_values_t = [8, 16, 32, 64], value_parser = size())]
    pub gpus: Vec<u32>,
    /// Spare slots of a GPU to compare, beyond the fewest that hold every expert once
    #[arg(long, value_name = "N,..", value_delimiter = ',', default_values_t = [0, 1, 2, 4], value_parser = clap::value_parser!(u32).range(..=256))]
    pub spare: Vec<u32>,
    /// How to plan
    #[arg(long, value_name = "NAME", default_value = DEFAULT_POLICY, value_parser = policy)]
    pub policy: Policy,
    /// What it costs.
    #[command(flatten)]
    pub costs: Costs,
    /// Where to draw it
    #[arg(long, value_name = "FILE", default_value_os_t = in_target("sweep.svg"))]
    pub svg: PathBuf,
    /// How to answer.
    #[command(flatten)]
    pub format: Format,
}

/// From one placement to another.
#[derive(Args, Debug)]
pub struct TransfersArgs {
    /// The placement in force, in any form that `eplb plan --out` writes
    #[arg(value_name = "FROM")]
    pub from: PathBuf,
    /// The new one
    #[arg(value_name = "TO")]
    pub to: PathBuf,
    /// GPUs
    #[arg(long, value_name = "G", value_parser = size())]
    pub gpus: u32,
    /// Nodes that the GPUs are on
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = size())]
    pub nodes: u32,
    /// Experts of a layer that a GPU can receive beside its slots
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub spare_buffers: u32,
    /// How to answer: as JSON with every transfer
    #[command(flatten)]
    pub format: Format,
}

/// A plan that may or may not be possible.
#[derive(Args, Debug)]
pub struct ExplainArgs {
    /// The loads.
    #[command(flatten)]
    pub loads: Loads,
    /// The machine.
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// How to plan
    #[arg(long, value_name = "NAME", default_value = DEFAULT_POLICY, value_parser = policy)]
    pub policy: Policy,
    /// How to answer.
    #[command(flatten)]
    pub format: Format,
}

/// Measured steps.
#[derive(Args, Debug)]
pub struct FitArgs {
    /// CSV with the columns tokens, active_experts, microseconds: a step of a layer on one GPU in each row
    #[arg(value_name = "TABLE")]
    pub table: PathBuf,
    /// How to answer.
    #[command(flatten)]
    pub format: Format,
}

/// Where the build's own files go, so that nothing is left elsewhere.
fn in_target(name: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    PathBuf::from(target).join("demo").join(name)
}

/// Which policies to plan with.
#[derive(Clone, Copy, Debug)]
pub enum PolicyChoice {
    /// Every one that this version of the library serves, for comparison.
    All,
    /// This one.
    One(Policy),
}

/// Which windows a plan of the replay has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Order {
    /// Those just before the one it is scored on
    Time,
    /// All but the one it is scored on
    LeaveOneOut,
}

/// Serving engines whose files `--out` can write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Engine {
    /// SGLang, --init-expert-location
    Sglang,
    /// vLLM, a list per layer (eplb_config.initial_expert_map_path of pull request 49572)
    Vllm,
    /// vLLM Ascend, eplb_config.expert_map_path
    VllmAscend,
}

impl Engine {
    /// As its makers write it.
    pub fn name(self) -> &'static str {
        match self {
            Engine::Sglang => "SGLang",
            Engine::Vllm => "vLLM",
            Engine::VllmAscend => "vLLM Ascend",
        }
    }
}

/// The name of a policy: that of the C enum in lower case, `EPLB_POLICY_K2_HYBRID` -> `k2_hybrid`.
pub fn policy_name(policy: Policy) -> String {
    let mut name = String::new();
    for letter in format!("{policy:?}").chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_lowercase());
    }
    name
}

fn policies(name: &str) -> Result<PolicyChoice, String> {
    if name == "all" {
        return Ok(PolicyChoice::All);
    }
    policy(name).map(PolicyChoice::One).map_err(|names| names + ", and all")
}

fn policy(name: &str) -> Result<Policy, String> {
    let named = Policy::ALL.into_iter().find(|&policy| policy_name(policy) == name);
    named.ok_or_else(|| {
        let names: Vec<String> = Policy::ALL.into_iter().map(policy_name).collect();
        format!("the policies are {}", names.join(", "))
    })
}

/// For `value_parser`.
pub fn scope(name: &str) -> Result<Scope, &'static str> {
    match name {
        "auto" => Ok(Scope::Auto),
        "hierarchical" => Ok(Scope::Hierarchical),
        "global" => Ok(Scope::Global),
        _ => Err("the scopes are auto, hierarchical and global"),
    }
}

/// For `value_parser`: the library judges the sizes; the range here only bounds the memory.
pub fn size() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(..=1 << 16)
}

fn windows() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=32)
}
