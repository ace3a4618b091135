//! The structs of the C face, as a C compiler lays them out.

use crate::ffi::structs::plain;
use crate::placement::eplb_violation;
use crate::problem::cost::eplb_cost;
use crate::score::eplb_metrics;

/// What to plan for: sizes, loads and the machine. After EPLB_PROBLEM_INIT layers, experts, slots and GPUs, each at
/// most 2^31 - 1, and load must be set. Nothing is kept after the call. A slice of layers is a problem of its own: move
/// the pointers (load by E per layer, window_weight by W per layer) and keep load_window_stride. Layers with another
/// number of experts are another problem.
#[allow(non_camel_case_types)]
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct eplb_problem {
    /// sizeof(eplb_problem).
    pub struct_size: u32,
    /// W: load matrices that describe the load; 0 = 1, the classic call. With more, EPLB_POLICY_BALANCED plans one
    /// placement for all of them, and for windows like them that are still to come; the other policies refuse.
    pub num_windows: u32,
    /// L: MoE layers, planned one by one.
    pub num_layers: u32,
    /// E: logical experts of a layer.
    pub num_logical_experts: u32,
    /// P: physical experts (slots) of a layer on all GPUs, P >= E.
    pub num_physical_experts: u32,
    /// K: groups of E / K consecutive experts; 0 = 1, for a model that has none.
    pub num_groups: u32,
    /// N: nodes; 0 = 1.
    pub num_nodes: u32,
    /// G: GPUs on all nodes.
    pub num_gpus: u32,
    /// Elements of load from one window to the next; 0 = L * E.
    pub load_window_stride: u64,
    /// [W][L][E] tokens routed to each expert, in any unit; finite, >= 0.
    pub load: *const f32,
    /// [L][W] weight of each window in each layer; finite, >= 0, not all 0 in a layer. NULL: all equal. A window
    /// counts by its weight, not by its tokens; one of weight 0 is as if it were not there.
    pub window_weight: *const f32,
    /// [G] relative speed of each GPU; finite, >= 2^-126. NULL: all equal.
    pub gpu_speed: *const f32,
    /// [G] slots of each GPU, their sum P. NULL: P / G each. Slots are numbered GPU by GPU.
    pub gpu_slots: *const u32,
    /// [G] node of each GPU, < N. NULL: contiguous.
    pub gpu_node: *const u32,
    /// [G] EPLB_GPU_ALIVE, EPLB_GPU_DEAD or EPLB_GPU_LEAVING: a mask of dead ranks will do. NULL: all alive.
    pub gpu_state: *const u8,
    /// What a step takes: placements are then measured in seconds, too, and where an active expert costs any
    /// EPLB_POLICY_BALANCED plans for the least seconds under eplb_dispatch; not to a target. NULL: tokens are what counts.
    pub cost: *const eplb_cost,
    /// [W] tokens of a layer in a step in each window (a token counts once at each of its experts), finite, >= 2^-126:
    /// a prefill window has more than a decode window. NULL: as many as the loads of the layer sum to. Matters with
    /// cost alone; of slots that were measured (physical_load) the first counts.
    pub step_tokens: *const f32,
}

/// How to plan. EPLB_OPTIONS_INIT is the default of every field.
#[allow(non_camel_case_types)]
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct eplb_options {
    /// sizeof(eplb_options).
    pub struct_size: u32,
    /// EPLB_POLICY_*.
    pub policy: u32,
    /// EPLB_SCOPE_*.
    pub scope: u32,
    /// Bound on the candidates that EPLB_POLICY_BALANCED looks at in a layer; the step at hand is finished. 0 =
    /// 200,000. In hierarchical scope the N nodes share N times that, and other assignments of groups to nodes,
    /// tried where slots are few, twice as much again. With several windows, or from a placement, a unit is two pairs
    /// of slots looked at, and a change scored counts 8 for each 8 windows or part of 8. With several windows each of
    /// up to four searches has that much, by default 20,000 + G * (1,000 + 8 * G), and each node in hierarchical scope
    /// for each of three assignments; eight times that is high. Of steps from a placement 0 means no bound. From
    /// nothing EPLB_FLAG_SURVIVE_* and EPLB_SPLIT_NEAREST take one search more, by default of 400 for each slot, for the
    /// latter at least 200,000. The compatibility policies do a fixed amount of work and accept any value. For
    /// eplb_dispatch see there.
    pub effort: u32,
    /// With previous: slots that may change per layer; 0 = no limit, EPLB_MOVES_NONE = only what must.
    /// EPLB_POLICY_BALANCED only.
    pub max_moves: u32,
    /// With previous: slots that may change per layer from one GPU to another, 0 = no limit. An expert comes
    /// from the nearest GPU that held it: one on the same node first, then the lowest index.
    /// EPLB_POLICY_BALANCED only.
    pub max_moves_per_gpu_pair: u32,
    /// EPLB_FLAG_*, or-ed.
    pub flags: u32,
    /// With previous: a balance, in 1/65536, that is enough: a layer that has it stays as it is, another gets there
    /// with as few moves (moved_slots) as are found, or as near as it gets. At most 65536; 0 = as good as it gets.
    /// EPLB_POLICY_BALANCED only.
    pub target: u32,
    /// [L][P] placement in force, -1 = empty slot. NULL: plan from nothing. Any placement will do, with
    /// duplicates, and with experts on GPUs that are not alive now.
    pub previous: *const i32,
    /// EPLB_SPLIT_*: how the engine splits the tokens of an expert over its replicas: what eplb_evaluate measures, and
    /// what eplb_plan plans for, by EPLB_POLICY_BALANCED only. In global scope on several nodes; elsewhere the nearest is
    /// an even split. Not compared with EPLB_POLICY_DEEPSEEK then.
    pub split: u32,
    /// 0.
    pub reserved: u32,
}

/// The maps of a placement, in the caller's arrays. physical_to_logical is always needed; NULL for the others: not
/// wanted. A function that takes an eplb_placement * (eplb_plan, eplb_number) writes the arrays. One that takes a const
/// eplb_placement * never writes through it, so that read-only arrays may be behind it: eplb_placement_of makes it of
/// const arrays.
#[allow(non_camel_case_types)]
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct eplb_placement {
    /// sizeof(eplb_placement).
    pub struct_size: u32,
    /// Width of logical_to_physical; P - E + 1 always suffices and is what the compatibility policies ask for.
    /// Limits the replicas of BALANCED, with the table or without; 0 = no limit, without a table.
    pub max_replicas: u32,
    /// [L][P] logical expert in each slot, -1 = empty.
    pub physical_to_logical: *mut i32,
    /// [L][P] which replica of its expert a slot holds, 0 .. logical_count - 1; -1 = empty.
    pub replica_rank: *mut i32,
    /// [L][E] replicas of each expert.
    pub logical_count: *mut i32,
    /// [L][E][max_replicas] slots of each expert in order of their replica_rank, padded with -1.
    pub logical_to_physical: *mut i32,
    /// [L][P] eplb_evaluate only, in: tokens that each slot had to do, as measured; finite, >= 0. The placement
    /// is measured with these instead of load / count. NULL: not measured.
    pub physical_load: *const f32,
}

plain! {
    eplb_problem to gpu_state: *const u8, "EPLB_PROBLEM_INIT";
    eplb_cost to layer_seconds: f64, "EPLB_COST_INIT";
    eplb_options to previous: *const i32, "EPLB_OPTIONS_INIT";
    eplb_placement to physical_load: *const f32, "EPLB_PLACEMENT_INIT";
    eplb_metrics to dispatch_bound: f64;
    eplb_violation to other_slot: i32;
}
