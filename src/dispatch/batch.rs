//! What a call is given, and what it answers.

use crate::base::arena::addressable;
use crate::base::cells::row_mut;
use crate::problem::Shape;
use crate::status::Status;

/// How good a split is.
#[allow(non_camel_case_types)] // the C name; Rust code sees it as `eplb::SplitKind`
#[repr(u32)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum eplb_split_kind {
    /// The largest time is the least, and among such splits the fewest tokens leave their node, then their GPU.
    #[default]
    Exact = 0,
    /// The largest time is the least, but options.effort ran out before the fewest tokens that leave were found. Where
    /// problem.cost makes experts cost time for being active: the least time of the splits that were tried, of which
    /// bound says how good it is; which tokens leave is not looked at.
    Time = 1,
    /// options.effort ran out: the tokens of every expert in equal parts on the GPUs that hold it.
    Even = 2,
}

pub use eplb_split_kind as SplitKind;

/// What eplb_dispatch reports of one layer. Times are tokens / speed of the GPU, tokens where no speeds are given; with
/// problem.cost seconds, layer_seconds included.
#[allow(non_camel_case_types)] // the C name; Rust code sees it as `eplb::Split`
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct eplb_split {
    /// The largest time of a GPU.
    pub largest_time: f64,
    /// No split in whole tokens has a smaller largest time: equal to largest_time but for EPLB_SPLIT_KIND_EVEN, and
    /// where active experts cost time.
    pub bound: f64,
    /// Tokens / total speed of the GPUs that are alive, over largest_time; 1.0 when there are no tokens. With problem.cost
    /// the same of seconds, without layer_seconds.
    pub balance: f64,
    /// Tokens of the layer.
    pub tokens: u64,
    /// Tokens that leave the node of their source; 0 when sources are not given.
    pub leaving_node: u64,
    /// Tokens that leave the GPU of their source, those that leave its node included; 0 when sources are not given.
    pub leaving_gpu: u64,
    /// EPLB_SPLIT_KIND_*.
    pub kind: eplb_split_kind,
    /// The GPU of largest_time, lowest index first among equals.
    pub busiest_gpu: u32,
}

pub use eplb_split as Split;

/// The tokens of a batch.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// `[L][E]` tokens of each expert, or `[L][G][E]` of each GPU that sends them.
    pub tokens: &'a [u32],
    /// Whether `tokens` says where they come from.
    pub by_source: bool,
    /// Replicas looked at in a layer at most; 0 is 16,384 for each slot, which no batch that was tried has come near.
    pub effort: u32,
}

/// Where the quotas go.
#[derive(Debug)]
pub struct QuotasMut<'a> {
    /// `[L][P]` or `[L][G][P]` tokens that each slot gets, of each source.
    pub quota: &'a mut [u32],
    /// `[L][E][max_replicas]` or `[L][G][E][max_replicas]` how far the tokens go of each place of `route_slot`.
    pub route_end: Option<&'a mut [u32]>,
    /// `[L][E][max_replicas]` the slots of each expert, ascending, then -1.
    pub route_slot: Option<&'a mut [i32]>,
    /// Width of the table.
    pub max_replicas: usize,
}

impl QuotasMut<'_> {
    /// Whether each that is given is as long as that.
    pub(crate) fn has(&self, lengths: &Lengths) -> bool {
        let wrong = |given: Option<usize>, len| given.is_some_and(|given| given != len);
        self.quota.len() == lengths.quota
            && !wrong(self.route_end.as_deref().map(<[u32]>::len), lengths.route_end)
            && !wrong(self.route_slot.as_deref().map(<[i32]>::len), lengths.route_slot)
    }

    /// Those of a layer; `each` is their length there.
    pub(crate) fn layer(&mut self, layer: usize, each: &Lengths) -> QuotasMut<'_> {
        let (ends, slots) = (self.route_end.as_deref_mut(), self.route_slot.as_deref_mut());
        QuotasMut {
            quota: row_mut(self.quota, layer, each.quota),
            route_end: ends.map(|ends| row_mut(ends, layer, each.route_end)),
            route_slot: slots.map(|slots| row_mut(slots, layer, each.route_slot)),
            max_replicas: self.max_replicas,
        }
    }
}

/// Receives what is known of each layer, in order of the layers.
pub type SplitReport<'r> = &'r mut dyn FnMut(usize, &Split);

/// Lengths of the arrays of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lengths {
    /// Of the tokens.
    pub tokens: usize,
    /// Of the quotas.
    pub quota: usize,
    /// Of `route_end`.
    pub route_end: usize,
    /// Of `route_slot`.
    pub route_slot: usize,
}

impl Lengths {
    /// For a shape, with sources or without.
    ///
    /// # Errors
    /// [`Status::ShapeTooLarge`] when an array does not fit the address space.
    pub fn new(shape: &Shape, by_source: bool, max_replicas: usize) -> Result<Self, Status> {
        let sources = if by_source { shape.topology().num_gpus() } else { 1 };
        let experts = shape.num_layers() * shape.num_logical_experts();
        let slots = shape.num_layers() * shape.num_physical_experts();
        let table = addressable(experts.checked_mul(max_replicas))?;
        Ok(Lengths {
            tokens: addressable(experts.checked_mul(sources))?,
            quota: addressable(slots.checked_mul(sources))?,
            route_end: addressable(table.checked_mul(sources))?,
            route_slot: table,
        })
    }

    /// The same of one layer.
    pub(crate) fn of_a_layer(self, shape: &Shape) -> Self {
        let each = |len: usize| len.checked_div(shape.num_layers()).unwrap_or(0);
        Lengths {
            tokens: each(self.tokens),
            quota: each(self.quota),
            route_end: each(self.route_end),
            route_slot: each(self.route_slot),
        }
    }
}
