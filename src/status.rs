//! Status codes: pinned for ever, one per thing that can be wrong, a static text each.
//!
//! A code is never renumbered and never reused; a code that is retired stays as a comment. The
//! numbers are spaced by topic, so that a new one finds room beside its kin.

use core::ffi::CStr;
use core::fmt;

/// What a call answers, as an int32_t. eplb_status_string has a text of each, eplb_explain says what it is about.
#[allow(non_camel_case_types)] // the C name; Rust code sees it as `eplb::Status`
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum eplb_status {
    /// The call did what it says; all outputs are written.
    Ok = 0,

    /// A pointer that the call needs is NULL.
    NullPointer = -1,
    /// A pointer is not aligned for what it points to.
    MisalignedPointer = -2,
    /// struct_size (or metrics_size) is smaller than the first release's, or larger with a tail that is not zero.
    StructSize = -3,
    /// A reserved word is not 0.
    ReservedNotZero = -4,
    /// An output or the workspace overlaps another array of the call.
    OverlappingArrays = -5,
    /// The operation is not one of EPLB_OPERATION_*.
    UnknownOperation = -6,
    /// The policy is not one of EPLB_POLICY_*.
    UnknownPolicy = -7,
    /// The scope is not one of EPLB_SCOPE_*.
    UnknownScope = -8,
    /// A bit of flags is not one of EPLB_FLAG_*, or in eplb_gate_config not EPLB_GATE_SECONDS.
    UnknownFlag = -9,
    /// A limit on moves, a target, or EPLB_FLAG_FILL_ONLY, without a previous placement.
    MovesWithoutPrevious = -10,
    /// The target is above 65536.
    Target = -11,
    /// The split is not one of EPLB_SPLIT_*.
    UnknownSplit = -12,

    /// The workspace is smaller than eplb_workspace() says.
    WorkspaceTooSmall = -20,
    /// The workspace is not aligned as eplb_workspace() says.
    WorkspaceMisaligned = -21,

    /// One of the num_* fields is 0 that must be set.
    ShapeZero = -30,
    /// A num_* field is above 2^31 - 1, or an array is beyond the address space; EPLB_POLICY_BALANCED and
    /// eplb_dispatch: above 65,535 GPUs; eplb_transfers: 2^30 slots or more; eplb_gate: above 4,096 layers.
    ShapeTooLarge = -31,
    /// There are fewer slots than experts; for EPLB_POLICY_BALANCED, fewer on GPUs that are alive.
    TooFewSlots = -32,
    /// num_physical_experts is not a multiple of num_gpus (and gpu_slots does not say who has more).
    SlotsNotDivisible = -33,
    /// Hierarchical scope: num_groups is not a multiple of num_nodes.
    GroupsNotDivisible = -34,
    /// Hierarchical scope: num_logical_experts is not a multiple of num_groups.
    ExpertsNotDivisible = -35,
    /// Hierarchical scope: num_gpus is not a multiple of num_nodes.
    GpusNotDivisible = -36,
    /// load_window_stride is neither 0 nor at least num_layers * num_logical_experts.
    WindowStride = -37,
    /// An array given from Rust or C++ has the wrong length, or (C++) a selected layer does not exist.
    ArrayLength = -38,
    /// There are more nodes than GPUs.
    TooManyNodes = -39,

    /// A load is NaN.
    LoadNan = -40,
    /// A load is infinite.
    LoadInfinite = -41,
    /// A load is negative.
    LoadNegative = -42,
    /// Compatibility policies: a load is above 2^126 / num_logical_experts, so that f32 sums could overflow.
    LoadTooLarge = -43,
    /// A window weight is NaN, infinite or negative, or all weights of a layer are 0.
    WindowWeight = -44,
    /// A figure of problem.cost is neither 0 nor from 2^-100 to 2^100, or neither a token nor an expert costs anything.
    Cost = -45,
    /// A problem.step_tokens is not finite, or below 2^-126.
    StepTokens = -46,

    /// gpu_slots does not sum to num_physical_experts.
    GpuSlots = -50,
    /// A gpu_speed is not finite, or below 2^-126.
    GpuSpeed = -51,
    /// A gpu_node is not below num_nodes.
    GpuNode = -52,
    /// A gpu_state is not one of EPLB_GPU_*.
    GpuState = -53,
    /// No GPU is alive.
    NoAliveGpu = -54,

    /// A slot holds a number that is neither -1 nor an expert.
    PlacementExpert = -60,
    /// eplb_check: the placement breaks a rule; *first says which and where.
    PlacementInvalid = -61,
    /// eplb_evaluate: an expert has no replica on a GPU that serves; eplb_transfers: the new placement leaves one out.
    PlacementMissing = -62,
    /// max_replicas is too small for logical_to_physical: below P - E + 1 (EPLB_POLICY_BALANCED: 0), the serving GPUs
    /// of an expert (eplb_dispatch), its replicas (eplb_number); or 1 where every expert must be on two places.
    MaxReplicas = -63,
    /// The new placement puts an expert on a GPU that is not alive and does not have it.
    PlacementState = -69,

    /// No placement can keep the rules: groups do not fit onto the nodes, or limits or survival cannot be kept.
    Infeasible = -70,
    /// An expert is on no GPU that can be read.
    SourceLost = -71,
    /// eplb_transfers: no order of the transfers is safe without a spare buffer.
    NeedsBuffer = -72,
    /// eplb_transfers: the list has more entries than capacity.
    ListTooSmall = -73,

    /// This policy is not served by this version.
    UnsupportedPolicy = -80,
    /// This policy plans a single window.
    UnsupportedWindows = -81,
    /// This policy cannot keep a limit on moves from a previous placement, or a target.
    UnsupportedPrevious = -82,
    /// This policy takes all GPUs as equally fast.
    UnsupportedSpeed = -83,
    /// This policy needs the same number of slots on every GPU.
    UnsupportedSlots = -84,
    /// In hierarchical scope this policy needs nodes of contiguous GPUs.
    UnsupportedNodes = -85,
    /// This policy needs every GPU alive.
    UnsupportedState = -86,
    /// A flag is not served by this policy or version.
    UnsupportedFlag = -87,
    /// This policy, or a build without plans from a placement, plans for EPLB_SPLIT_EVEN alone.
    UnsupportedSplit = -88,
    /// This function, policy, flag or build counts in tokens alone: it does not serve problem.cost.
    UnsupportedCost = -89,

    /// eplb_dispatch: an expert has tokens and no replica on a GPU that serves.
    DispatchNoReplica = -100,
    /// eplb_dispatch: a dead GPU has tokens to send.
    DispatchDeadSource = -101,
    /// eplb_dispatch: the tokens of a layer sum to more than 2^52.
    DispatchTokens = -102,
    /// eplb_dispatch: num_sources is neither 0 nor num_gpus.
    DispatchSources = -103,
    /// eplb_replicate: the tolerance is larger than 2^20.
    Tolerance = -104,
    /// The memory holds no load tracker, or one of another version or byte order.
    TrackerForeign = -90,
    /// The memory of a load tracker is damaged, or was saved in the middle of a call.
    TrackerTorn = -91,
    /// The memory of a load tracker is smaller than eplb_tracker_size() says.
    TrackerTooSmall = -92,
    /// eplb_tracker_observe: there is no such layer.
    TrackerLayer = -93,
    /// eplb_tracker_observe: the number of counts is not that of the experts, or of the slots.
    TrackerCounts = -94,
    /// eplb_tracker_observe: tokens were counted at an empty slot.
    TrackerSlot = -95,
    /// eplb_tracker_close, eplb_tracker_windows: there is no step, no window yet.
    TrackerEmpty = -96,

    /// oldest is not below num_windows.
    OldestWindow = -115,
    /// eplb_window_weights: more windows than the 32 that it judges.
    TooManyWindows = -116,
    /// eplb_window_weights: ratio, distance or tokens_per_load is neither 0 nor finite and at least 2^-126, before not
    /// 0 to 1, or each_layer not 0 or 1.
    ChangeOption = -117,
    /// The forecast's method is not one of EPLB_FORECAST_METHOD_*.
    UnknownForecast = -118,
    /// eplb_forecast: half_life is neither 0 nor finite and at least 2^-10, or sigmas neither 0 nor finite and at least
    /// 2^-126.
    ForecastOption = -119,
    /// eplb_gate: a time, a number of steps or a factor of the config is NaN, infinite or negative, or stall is above
    /// 1.
    GateTime = -110,
    /// eplb_gate: bytes_per_expert or a bandwidth is NaN, infinite or negative, or gpu_bandwidth is 0.
    GateBandwidth = -111,
    /// eplb_gate: a load or a number of tokens of a layer is NaN, infinite or negative, or one of its seconds is 0 and
    /// another is not.
    GateLoad = -112,
    /// eplb_gate: a state is NaN, infinite or negative.
    GateState = -113,
    /// eplb_gate: the config allows no move, whatever the loads.
    GateNever = -114,
}

pub use eplb_status as Status;

/// The one list of codes and texts; what is not in it does not compile.
macro_rules! texts {
    ($($code:ident: $text:literal,)*) => {
        impl Status {
            /// Every code, in the order of the list above.
            pub const ALL: [Status; [$($text),*].len()] = [$(Status::$code),*];

            /// The text of the code: what is wrong and what to change.
            pub const fn text(self) -> &'static CStr {
                match self {
                    $(Status::$code => $text,)*
                }
            }
        }
    };
}

texts! {
    Ok: c"ok",
    NullPointer: c"a required pointer is NULL: pass the array or struct",
    MisalignedPointer: c"a pointer is misaligned: align it for its element type",
    StructSize: c"struct_size is wrong: start from the EPLB_*_INIT macro of the header you compile with; a newer caller must leave the fields this library does not know at 0",
    ReservedNotZero: c"a reserved word is not 0: start from the EPLB_*_INIT macro",
    OverlappingArrays: c"an output or the workspace overlaps another array: give each its own memory",
    UnknownOperation: c"unknown operation: use one of EPLB_OPERATION_*",
    UnknownPolicy: c"unknown policy: use one of EPLB_POLICY_*",
    UnknownScope: c"unknown scope: use one of EPLB_SCOPE_*",
    UnknownFlag: c"unknown bit in flags: use EPLB_FLAG_* only, in a gate config EPLB_GATE_SECONDS",
    MovesWithoutPrevious: c"a limit on moves, a target, or EPLB_FLAG_FILL_ONLY needs a previous placement: set options.previous, or max_moves, max_moves_per_gpu_pair and target to 0",
    Target: c"target is too large: it is a balance in 1/65536, 65536 at most",
    UnknownSplit: c"unknown split: use one of EPLB_SPLIT_*",
    WorkspaceTooSmall: c"the workspace is too small: ask eplb_workspace for the size",
    WorkspaceMisaligned: c"the workspace is misaligned: ask eplb_workspace for the alignment",
    ShapeZero: c"a num_* field is 0 that must be set: layers, experts, slots and GPUs are at least 1",
    ShapeTooLarge: c"the shape is too large: every num_* is at most 2^31 - 1 and every array must fit the address space",
    TooFewSlots: c"fewer slots than experts: num_physical_experts on living GPUs must be at least num_logical_experts",
    SlotsNotDivisible: c"num_physical_experts is not a multiple of num_gpus: change one, or say in gpu_slots who has more (EPLB_POLICY_BALANCED alone plans that)",
    GroupsNotDivisible: c"hierarchical scope needs num_groups to be a multiple of num_nodes: change one, or use EPLB_SCOPE_GLOBAL",
    ExpertsNotDivisible: c"hierarchical scope needs num_logical_experts to be a multiple of num_groups: change one, or use EPLB_SCOPE_GLOBAL",
    GpusNotDivisible: c"hierarchical scope needs num_gpus to be a multiple of num_nodes: change one, or use EPLB_SCOPE_GLOBAL",
    WindowStride: c"load_window_stride is too small: 0 or at least num_layers * num_logical_experts",
    ArrayLength: c"an array has the wrong length: see the shapes in its documentation",
    TooManyNodes: c"there are more nodes than GPUs: num_nodes is at most num_gpus",
    LoadNan: c"a load is NaN: loads are finite and at least 0",
    LoadInfinite: c"a load is infinite: loads are finite and at least 0",
    LoadNegative: c"a load is negative: loads are finite and at least 0",
    LoadTooLarge: c"a load is too large for the f32 sums of this policy: scale the loads down, or use EPLB_POLICY_BALANCED",
    WindowWeight: c"a window weight is bad: weights are finite, at least 0, and not all 0 in a layer",
    Cost: c"a figure of cost is bad: each is 0 or from 2^-100 to 2^100, and a token or an expert costs something",
    StepTokens: c"a number of step_tokens is bad: tokens of a step are finite and at least 2^-126",
    GpuSlots: c"gpu_slots does not sum to num_physical_experts",
    GpuSpeed: c"a gpu_speed is bad: speeds are finite and at least 2^-126",
    GpuNode: c"a gpu_node is bad: nodes are numbered below num_nodes",
    GpuState: c"a gpu_state is bad: use one of EPLB_GPU_*",
    NoAliveGpu: c"no GPU is alive: at least one gpu_state must be EPLB_GPU_ALIVE",
    PlacementExpert: c"a slot holds a number that is neither -1 nor below num_logical_experts",
    PlacementInvalid: c"the placement breaks a rule: see the eplb_violation for which and where",
    PlacementMissing: c"an expert has no replica on a serving GPU: the placement cannot be evaluated; eplb_check says which",
    MaxReplicas: c"max_replicas is too small: num_physical_experts - num_logical_experts + 1 always suffices",
    PlacementState: c"the new placement puts an expert on a dead GPU, or a new one on a leaving GPU: plan with this gpu_state",
    Infeasible: c"no placement can keep the rules: give more slots or living GPUs; where max_moves or max_moves_per_gpu_pair forbids a repair, raise it",
    SourceLost: c"an expert is on no GPU that can be read: set EPLB_FLAG_EXTERNAL_SOURCE if it can be loaded from outside",
    NeedsBuffer: c"no order of the transfers is safe without a spare buffer: give one",
    ListTooSmall: c"the list of transfers is too small: call with transfers NULL to count them, or give 2 * L * P",
    UnsupportedPolicy: c"this policy is not served by this version",
    UnsupportedWindows: c"this policy plans a single window: set num_windows to 1, or plan with EPLB_POLICY_BALANCED",
    UnsupportedPrevious: c"this policy keeps no limit on moves and knows no target: set max_moves, max_moves_per_gpu_pair and target to 0",
    UnsupportedSpeed: c"this policy takes all GPUs as equally fast: make gpu_speed NULL or uniform",
    UnsupportedSlots: c"this policy needs the same number of slots on every GPU: make gpu_slots NULL or uniform",
    UnsupportedNodes: c"in hierarchical scope this policy needs nodes of contiguous GPUs: make gpu_node NULL or contiguous",
    UnsupportedState: c"this policy needs every GPU alive: make gpu_state NULL or all EPLB_GPU_ALIVE",
    UnsupportedFlag: c"a flag is not served by this policy or version: clear it",
    UnsupportedSplit: c"this policy plans for an even split alone: set split to EPLB_SPLIT_EVEN, or use EPLB_POLICY_BALANCED",
    UnsupportedCost: c"this function, policy, flag or build counts in tokens alone: make problem.cost NULL",
    DispatchNoReplica: c"an expert has tokens and no replica on a serving GPU: repair the placement, or drop the tokens",
    DispatchDeadSource: c"a dead GPU has tokens to send: set its row of the batch to 0",
    DispatchTokens: c"the tokens of a layer sum to more than 2^52: split the batch",
    DispatchSources: c"num_sources is wrong: 0 for tokens [L][E], num_gpus for tokens [L][G][E]",
    Tolerance: c"tolerance is too large: it is in 1/1024 of the least largest time, 2^20 at most",
    TrackerForeign: c"the memory holds no load tracker of this version and byte order: make one with eplb_tracker_init",
    TrackerTorn: c"the memory of the load tracker is damaged: save it between calls, not during one; start anew with eplb_tracker_init",
    TrackerTooSmall: c"the memory is too small for the load tracker: ask eplb_tracker_size for the size",
    TrackerLayer: c"there is no such layer: layers are numbered below num_layers",
    TrackerCounts: c"the number of counts is wrong: num_logical_experts without a placement row, with one the length of the row",
    TrackerSlot: c"tokens were counted at an empty slot: give the row of the placement that was in force",
    TrackerEmpty: c"there is nothing yet: observe a step before closing a window, close a window before asking for windows",
    OldestWindow: c"oldest is bad: it is the place of a window, below num_windows",
    TooManyWindows: c"there are more windows than are judged: give the newest 32, as windows of their own",
    ChangeOption: c"an option of the change detection is bad: all are finite and at least 0, before at most 1, each_layer 0 or 1",
    UnknownForecast: c"unknown forecast: use one of EPLB_FORECAST_METHOD_*",
    ForecastOption: c"an option of the forecast is bad: half_life is finite and at least 2^-10, sigmas finite and at least 0",
    GateTime: c"a time or factor of the gate is bad: all are finite and at least 0, stall at most 1",
    GateBandwidth: c"a size or bandwidth of the gate is bad: all are finite and at least 0, gpu_bandwidth above 0",
    GateLoad: c"a load of a layer at the gate is bad: finite and at least 0, in seconds none or all of them 0",
    GateState: c"a state of the gate is bad: keep what the last call wrote, zeroes before the first",
    GateNever: c"the gate can never move anything: step_seconds and steps must be set, and allow what one expert costs; see eplb_explain_gate",
}

impl Status {
    /// The number of the code, as C sees it.
    pub const fn code(self) -> i32 {
        self as i32
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text().to_str().unwrap_or_default())
    }
}

impl core::error::Error for Status {}
