//! What can be asked on the command line.

use std::path::PathBuf;

use clap::{Args, Parser, ValueEnum};
use eplb::{Policy, Scope, Spec};

/// The policy planned with when none is named.
const DEFAULT_POLICY: &str = "balanced";

/// Plan every window of a trace of expert loads, and show what it brings.
#[derive(Debug, Parser)]
#[command(name = "demo", version)]
pub struct Cli {
    /// Traces to plan, as CSV: window,layer,expert_0,...; several, with commas between, follow each other in time.
    /// Without one, loads of DeepSeek-V3 shape are generated
    #[arg(long, value_name = "FILE", value_delimiter = ',')]
    pub trace: Vec<PathBuf>,
    /// Seed of the generated trace
    #[arg(long, value_name = "N", default_value_t = 1, conflicts_with = "trace")]
    pub seed: u64,
    #[command(flatten)]
    pub cluster: Cluster,
    /// How to plan; all compares every policy that is served
    #[arg(long, value_name = "NAME", default_value = DEFAULT_POLICY, value_parser = policy)]
    pub policy: PolicyChoice,
    /// Plan on windows that were seen, score on one that was not: in order of time, or each window in turn
    #[arg(long, value_enum, value_name = "ORDER", conflicts_with_all = ["out", "engine"])]
    pub replay: Option<Order>,
    /// Windows that a plan of the replay in time is made on
    #[arg(long, value_name = "W", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=32))]
    pub windows: u32,
    /// Where to draw the load of the GPUs before and after
    #[arg(long, value_name = "FILE", default_value_os_t = in_target("balance.svg"))]
    pub svg: PathBuf,
    /// Where to write the report, a page for a browser
    #[arg(long, value_name = "FILE", default_value_os_t = in_target("report.html"))]
    pub html: PathBuf,
    /// Write a placement for all windows together, for a serving engine to start with
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Engine that --out is for
    #[arg(long, value_enum, default_value_t = Engine::Sglang)]
    pub engine: Engine,
    /// Layers without experts ahead of the first of the trace [default: 3 for DeepSeek-V3's shape, else 0]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(..=1024))]
    pub dense_layers: Option<u32>,
}

/// Where the build's own files go, so that nothing is left elsewhere.
fn in_target(name: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    PathBuf::from(target).join("demo").join(name)
}

/// The machine to plan for. The library judges the sizes; the ranges here only bound the memory.
#[derive(Args, Clone, Debug)]
pub struct Cluster {
    /// Slots for experts on all GPUs
    #[arg(long, value_name = "P", default_value_t = 288, value_parser = size())]
    pub slots: u32,
    /// GPUs
    #[arg(long, value_name = "G", default_value_t = 32, value_parser = size())]
    pub gpus: u32,
    /// Nodes that the GPUs are on: 4, or as many as there are GPUs where these are fewer
    #[arg(long, value_name = "N", value_parser = size())]
    nodes: Option<u32>,
    /// Groups of consecutive experts that stay on one node in hierarchical scope
    #[arg(long, value_name = "K", default_value_t = 8, value_parser = size())]
    pub groups: u32,
    /// hierarchical keeps groups on nodes, global does not, auto does when the nodes divide the groups
    #[arg(long, value_name = "SCOPE", default_value = "auto", value_parser = scope)]
    pub scope: Scope,
}

impl Cluster {
    /// Nodes that the GPUs are on.
    pub fn nodes(&self) -> u32 {
        self.nodes.unwrap_or(self.gpus.min(4))
    }

    /// The problem of planning `load`, `[L][E]`, on this machine.
    pub fn spec<'a>(&self, experts: usize, load: &'a [f32]) -> Spec<'a> {
        let size = |n: usize| u32::try_from(n).unwrap_or(u32::MAX); // which the library refuses
        Spec {
            num_layers: size(load.len() / experts),
            num_logical_experts: size(experts),
            num_physical_experts: self.slots,
            num_groups: self.groups,
            num_nodes: self.nodes(),
            num_gpus: self.gpus,
            load,
            ..Spec::default()
        }
    }
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

fn policy(name: &str) -> Result<PolicyChoice, String> {
    if name == "all" {
        return Ok(PolicyChoice::All);
    }
    let named = Policy::ALL.into_iter().find(|&policy| policy_name(policy) == name);
    named.map(PolicyChoice::One).ok_or_else(|| {
        let names: Vec<String> = Policy::ALL.into_iter().map(policy_name).collect();
        format!("the policies are {}, and all", names.join(", "))
    })
}

fn scope(name: &str) -> Result<Scope, &'static str> {
    match name {
        "auto" => Ok(Scope::Auto),
        "hierarchical" => Ok(Scope::Hierarchical),
        "global" => Ok(Scope::Global),
        _ => Err("the scopes are auto, hierarchical and global"),
    }
}

fn size() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(..=1 << 16)
}
