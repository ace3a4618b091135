//! What the caller says of a problem, unchecked.

use crate::problem::cost::Cost;
use crate::status::Status;

/// Which hierarchy a plan keeps.
#[allow(non_camel_case_types)] // the C name; Rust code sees it as `eplb::Scope`
#[repr(u32)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum eplb_scope {
    /// Hierarchical when num_groups is a multiple of num_nodes, else global: the rule of DeepSeek EPLB.
    #[default]
    Auto = 0,
    /// Groups of experts go to nodes, experts stay on their node.
    Hierarchical = 1,
    /// Any expert on any GPU; num_groups is ignored, and num_nodes but for EPLB_FLAG_SURVIVE_NODE and
    /// EPLB_SPLIT_NEAREST.
    Global = 2,
}

pub use eplb_scope as Scope;

impl TryFrom<u32> for Scope {
    type Error = Status;
    fn try_from(number: u32) -> Result<Self, Status> {
        [Scope::Auto, Scope::Hierarchical, Scope::Global]
            .into_iter()
            .find(|&scope| scope as u32 == number)
            .ok_or(Status::UnknownScope)
    }
}

/// What the caller says, unchecked: sizes and arrays, row-major. The C struct `eplb_problem`
/// with slices for pointers; [`Problem::new`](crate::Problem::new) checks it.
///
/// Letters used throughout: L layers, E logical experts, P physical experts (slots), G GPUs,
/// N nodes, K groups, W windows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spec<'a> {
    /// W; 0 is 1.
    pub num_windows: u32,
    /// L, at least 1.
    pub num_layers: u32,
    /// E, at least 1.
    pub num_logical_experts: u32,
    /// P, slots on all GPUs.
    pub num_physical_experts: u32,
    /// K, groups of consecutive experts; 0 is 1: there are none.
    pub num_groups: u32,
    /// N; 0 is 1.
    pub num_nodes: u32,
    /// G, at least 1.
    pub num_gpus: u32,
    /// Elements of `load` from one window to the next; 0 means L * E.
    pub load_window_stride: u64,
    /// `[W][L][E]` tokens, finite and not negative.
    pub load: &'a [f32],
    /// `[L][W]` weights of the windows, or `None`: all equal.
    pub window_weight: Option<&'a [f32]>,
    /// `[G]` speeds, finite and at least 2^-126, or `None`: all equal.
    pub gpu_speed: Option<&'a [f32]>,
    /// `[G]` slots per GPU, their sum P, or `None`: P / G each.
    pub gpu_slots: Option<&'a [u32]>,
    /// `[G]` node of each GPU, or `None`: contiguous.
    pub gpu_node: Option<&'a [u32]>,
    /// `[G]` of `EPLB_GPU_*`, or `None`: all alive.
    pub gpu_state: Option<&'a [u8]>,
    /// What a step takes, or `None`: loads are what counts.
    pub cost: Option<Cost>,
    /// `[W]` tokens of a layer in a step, or `None`: as many as its loads sum to. Matters with a cost alone.
    pub step_tokens: Option<&'a [f32]>,
}
