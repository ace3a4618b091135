//! What is reported of a layer.

/// What eplb_plan and eplb_evaluate report of one layer.
///
/// Loads are in the unit of problem.load (tokens), divided by the speed of the GPU where speeds are
/// given. A balance is mean / largest: 1.0 is perfect, also when all loads are 0. With several windows each
/// figure is the mean of that figure over the windows, weighted by window_weight, unless it says otherwise;
/// then balance is not exactly mean_gpu_load / max_gpu_load.
#[allow(non_camel_case_types)] // the C name; Rust code sees it as `eplb::Metrics`
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct eplb_metrics {
    /// Total load over the total speed of the GPUs that are alive: what each GPU would do if all were even.
    pub mean_gpu_load: f64,
    /// Load / speed of the busiest GPU.
    pub max_gpu_load: f64,
    /// mean_gpu_load / max_gpu_load: the figure to quote.
    pub balance: f64,
    /// The same over nodes: load of a node / total speed of its GPUs.
    pub node_balance: f64,
    /// Mean over largest load of a single replica.
    pub expert_balance: f64,
    /// No placement of this layer has a smaller max_gpu_load, if it keeps the replicas of an expert on different
    /// GPUs, in hierarchical scope each group on a node, and what EPLB_FLAG_SURVIVE_* ask for; and leaves no slot
    /// empty, where this one leaves none and EPLB_FLAG_EMPTY_SLOTS is not set. A placement with duplicates can be
    /// better: its bound is then its own max_gpu_load.
    pub bound: f64,
    /// max_gpu_load / bound - 1, at least 0: how far from optimal this placement can be at most.
    pub gap: f64,
    /// Replicas that share a GPU with another replica of their expert.
    pub duplicates: u32,
    /// The busiest GPU, lowest index first among equals; with several windows that of worst_window.
    pub busiest_gpu: u32,
    /// The smallest balance over the windows that have weight: balance itself when there is one window.
    pub worst_window_balance: f64,
    /// The window that has it, the first among equals.
    pub worst_window: u32,
    /// Slots of a living GPU whose expert differs from options.previous; 0 without it, and from eplb_evaluate.
    pub moved_slots: u32,
    /// The balance when tokens are split over the replicas as eplb_dispatch does, not evenly; 0 unless
    /// EPLB_FLAG_DISPATCH is set.
    pub dispatch_balance: f64,
    /// However tokens are split over the replicas of this placement, the busiest GPU has at least this load /
    /// speed; 0 unless EPLB_FLAG_DISPATCH is set.
    pub dispatch_bound: f64,
    /// Seconds of a step of the layer: layer_seconds, and what the slowest GPU takes. Here and in what follows 0 unless
    /// problem.cost is given.
    pub max_gpu_seconds: f64,
    /// The same if all GPUs took as long as these replicas take on average.
    pub mean_gpu_seconds: f64,
    /// mean_gpu_seconds / max_gpu_seconds, without layer_seconds. Beside balance: copies that cost time are no better
    /// for being balanced, so compare seconds.
    pub time_balance: f64,
    /// Experts that have any token on the slowest GPU in a step, on average.
    pub active_experts: f64,
    /// No placement of this layer has a smaller max_gpu_seconds, tokens split evenly.
    pub seconds_bound: f64,
    /// max_gpu_seconds / seconds_bound - 1, at least 0.
    pub seconds_gap: f64,
    /// Seconds of a step of the layer when tokens are split as eplb_dispatch does, each expert's mean in whole tokens, one
    /// at least; 0 unless EPLB_FLAG_DISPATCH is set, too.
    pub dispatch_seconds: f64,
    /// However they are split over these replicas, a step takes at least this; 0 unless EPLB_FLAG_DISPATCH is set, too.
    pub dispatch_seconds_bound: f64,
}

pub use eplb_metrics as Metrics;

impl Metrics {
    /// Adds the share that a window has, of all figures that are means over the windows.
    pub(crate) fn add(&mut self, share: f64, window: &Metrics) {
        self.mean_gpu_load += share * window.mean_gpu_load;
        self.max_gpu_load += share * window.max_gpu_load;
        self.balance += share * window.balance;
        self.node_balance += share * window.node_balance;
        self.expert_balance += share * window.expert_balance;
        self.bound += share * window.bound;
        self.dispatch_balance += share * window.dispatch_balance;
        self.dispatch_bound += share * window.dispatch_bound;
        self.max_gpu_seconds += share * window.max_gpu_seconds;
        self.mean_gpu_seconds += share * window.mean_gpu_seconds;
        self.time_balance += share * window.time_balance;
        self.active_experts += share * window.active_experts;
        self.seconds_bound += share * window.seconds_bound;
        self.dispatch_seconds += share * window.dispatch_seconds;
        self.dispatch_seconds_bound += share * window.dispatch_seconds_bound;
    }
}

/// Receives the metrics of each layer, in order of the layers.
pub type Report<'r> = &'r mut dyn FnMut(usize, &Metrics);
