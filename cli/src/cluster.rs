//! The machine that is planned for, and what it is when nobody says.

use clap::Args;
use eplb::{Policy, Scope, Spec};

use super::args::{scope, size};
use super::trace::Trace;

/// What was said of the machine.
#[derive(Args, Clone, Copy, Debug)]
pub struct ClusterArgs {
    /// Slots for experts on all GPUs [default: an eighth more than experts, the same number on each GPU]
    #[arg(long, value_name = "P", value_parser = size())]
    slots: Option<u32>,
    /// GPUs [default: 32, or 8 where there are fewer than 128 experts]
    #[arg(long, value_name = "G", value_parser = size())]
    gpus: Option<u32>,
    /// Nodes that the GPUs are on [default: one for each 8 GPUs]
    #[arg(long, value_name = "N", value_parser = size())]
    nodes: Option<u32>,
    /// Groups of consecutive experts that stay on one node in hierarchical scope [default: none, 8 for generated loads]
    #[arg(long, value_name = "K", value_parser = size())]
    groups: Option<u32>,
    /// hierarchical keeps groups on nodes, global does not, auto does when the nodes divide the groups
    #[arg(long, value_name = "SCOPE", default_value = "auto", value_parser = scope)]
    scope: Scope,
}

/// The machine to plan for.
#[derive(Clone, Copy, Debug)]
pub struct Cluster {
    /// Slots for experts on all GPUs.
    pub slots: u32,
    /// GPUs.
    pub gpus: u32,
    /// Nodes that they are on.
    pub nodes: u32,
    /// Groups of consecutive experts that stay on one node in hierarchical scope.
    pub groups: u32,
    /// Whether they do.
    pub scope: Scope,
}

impl ClusterArgs {
    /// The machine for the loads of `trace`.
    pub fn for_loads(&self, trace: &Trace) -> Cluster {
        let gpus = self.gpus.unwrap_or(if trace.experts < 128 { 8 } else { 32 });
        let experts = u32::try_from(trace.experts).unwrap_or(u32::MAX);
        Cluster {
            slots: self.slots.unwrap_or_else(|| slots(experts.saturating_add(experts / 8), gpus)),
            gpus,
            nodes: self.nodes.unwrap_or((gpus / 8).max(1)),
            groups: self.groups.unwrap_or(if trace.generated { 8 } else { 1 }),
            scope: self.scope,
        }
    }
}

/// At least `wanted` slots, the same number on each GPU.
pub fn slots(wanted: u32, gpus: u32) -> u32 {
    wanted.checked_next_multiple_of(gpus).unwrap_or(wanted)
}

impl Cluster {
    /// The problem of planning `load`, `[L][E]`, on this machine.
    pub fn spec<'a>(&self, experts: usize, load: &'a [f32]) -> Spec<'a> {
        let size = |n: usize| u32::try_from(n).unwrap_or(u32::MAX); // which the library refuses
        Spec {
            num_layers: size(load.len() / experts),
            num_logical_experts: size(experts),
            num_physical_experts: self.slots,
            num_groups: self.groups,
            num_nodes: self.nodes,
            num_gpus: self.gpus,
            load,
            ..Spec::default()
        }
    }

    /// The problem of planning for all windows of `trace` together; for those policies that plan a single load, for
    /// `total`, the sum of the windows.
    pub fn spec_together<'a>(
        &self,
        trace: &'a Trace,
        policy: Policy,
        total: &'a [f32],
    ) -> Spec<'a> {
        let one = self.spec(trace.experts, total);
        match policy {
            Policy::Balanced => {
                let num_windows = u32::try_from(trace.windows.len()).unwrap_or(u32::MAX);
                Spec { num_windows, load: &trace.load, ..one }
            }
            _ => one,
        }
    }
}
