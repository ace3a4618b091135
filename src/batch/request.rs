//! What a call is given, and what it answers.

use crate::base::table::TableMut;
use crate::dispatch::QuotasMut;

/// What kept the largest time above the tolerance.
#[allow(non_camel_case_types)] // the C name; Rust code sees it as `eplb::ReplicateLimit`
#[repr(u32)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum eplb_replicate_limit {
    /// Nothing: the largest time is within the tolerance.
    #[default]
    None = 0,
    /// The spare slots: how many there are, and where.
    Slots = 1,
    /// The fetches that a GPU may receive.
    FetchesIn = 2,
    /// The fetches that a GPU may send.
    FetchesOut = 3,
    /// The tokens that a copy gets at least, or what a fetch costs.
    LeastTokens = 4,
    /// The effort: the search ended before it knew.
    Effort = 5,
}

pub use eplb_replicate_limit as ReplicateLimit;

/// What eplb_replicate reports of one layer. Times are tokens / speed of the GPU, those that fetches cost included;
/// tokens where no speeds are given.
#[allow(non_camel_case_types)] // the C name; Rust code sees it as `eplb::Replicated`
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct eplb_replicated {
    /// The largest time of a GPU.
    pub largest_time: f64,
    /// No copies and no split of the tokens in whole tokens have a smaller largest time, however many spare slots a GPU
    /// has that has any. The tolerance is above this.
    pub bound: f64,
    /// Tokens / total speed of the GPUs that are alive, over largest_time; 1.0 when there are no tokens.
    pub balance: f64,
    /// Tokens of the layer.
    pub tokens: u64,
    /// Tokens that copies in spare slots get.
    pub leaving_home: u64,
    /// Tokens that leave the node of their source; 0 when sources are not given.
    pub leaving_node: u64,
    /// Tokens that leave the GPU of their source, those that leave its node included; 0 when sources are not given.
    pub leaving_gpu: u64,
    /// Copies that are fetched.
    pub fetches: u32,
    /// No answer whose largest time is as small as the tolerance asks (where that cannot be: as this one's) has fewer.
    pub fetches_bound: u32,
    /// The GPU of largest_time, lowest index first among equals.
    pub busiest_gpu: u32,
    /// EPLB_REPLICATE_LIMIT_*.
    pub limit: eplb_replicate_limit,
}

pub use eplb_replicated as Replicated;

/// An expert of a layer on its way into a spare slot.
#[allow(non_camel_case_types)] // the C name; Rust code sees it as `eplb::Fetch`
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct eplb_fetch {
    /// Layer.
    pub layer: i32,
    /// Logical expert.
    pub expert: i32,
    /// GPU that sends.
    pub source_gpu: i32,
    /// Slot from which the expert is read, 0 .. P - 1.
    pub source_slot: i32,
    /// GPU that receives.
    pub destination_gpu: i32,
    /// Spare slot into which the expert goes, 0 .. P - 1.
    pub destination_slot: i32,
    /// Round, from 0 in each layer: what is read from a home, or a copy of the last batch, is of round 0, what is read
    /// from a copy that has been fetched of the round after that one's.
    pub round: u32,
    /// Tokens that the copy gets, at most 2^32 - 1.
    pub tokens: u32,
}

pub use eplb_fetch as Fetch;

/// The tokens of a batch, and what may be done about them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Request<'a> {
    /// `[L][E]` tokens of each expert, or `[L][G][E]` of each GPU that sends them.
    pub tokens: &'a [u32],
    /// Whether `tokens` says where they come from.
    pub by_source: bool,
    /// The largest time may be (1 + tolerance / 1024) times its bound; at most 2^20.
    pub tolerance: u32,
    /// A fetch costs the GPU that receives it as much as so many tokens.
    pub fetch_tokens: u32,
    /// A copy that is fetched gets at least so many tokens, or is not made; 0 is 1.
    pub least_tokens: u32,
    /// Fetches of a layer into a GPU at most; 0 is no limit but its spare slots.
    pub max_fetches_in: u32,
    /// Fetches of a layer out of a GPU at most; 0 is no limit.
    pub max_fetches_out: u32,
    /// `[L][P]` what the spare slots hold from the last batch, -1 for nothing: such copies need no fetch. Where home
    /// has an expert it is not looked at.
    pub held: Option<&'a [i32]>,
    /// Slots that a search for fewer fetches looks at in a layer at most; 0 is 131,072 for that of all sets of fetches,
    /// where E P is at most 4,096, and 2,048 for that of better packings.
    pub effort: u32,
}

/// Where the answer goes.
pub struct ReplicasMut<'a> {
    /// `[L][P]` the home placement with the copies of this batch in its spare slots; a copy of the last batch that is
    /// not used stays where no fetch needs its slot.
    pub physical_to_logical: &'a mut [i32],
    /// Tokens of each slot, and the routing table, as of [`dispatch`](crate::dispatch()). No expert gets more replicas
    /// than the table is wide.
    pub quotas: QuotasMut<'a>,
    /// The fetches, layer by layer, in a layer by round, then by slot; at least as long as there are spare slots in all
    /// layers. `None`: not wanted.
    pub fetches: Option<&'a mut dyn TableMut<Fetch>>,
}

/// Receives what is known of each layer, in order of the layers.
pub type ReplicateReport<'r> = &'r mut dyn FnMut(usize, &Replicated);
