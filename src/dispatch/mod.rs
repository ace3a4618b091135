//! Dispatch: splits the tokens of a batch over the replicas of their experts so that the busiest GPU has the
//! least to do, in whole tokens, exactly, the same on every rank.
//!
//! The least largest time is a flow of tokens to replicas, found together with the set of GPUs that proves it
//! (`flow`); where the sources are known, the cheapest such flow (`local`). Then quotas (`spread`) and a table
//! (`route`).

pub mod flow;
pub mod judge;
pub mod level;
pub mod local;
pub mod replicas;
pub mod route;
pub mod spread;

pub use crate::dispatch::judge::{judge, judge_need};
pub use crate::dispatch::route::route;

use crate::base::arena::{Arena, Carve, Need, addressable};
use crate::base::cells::{add, row, row_mut};
use crate::dispatch::flow::{Effort, Flow};
use crate::dispatch::level::{Level, time};
use crate::dispatch::local::Local;
use crate::dispatch::replicas::Replicas;
use crate::dispatch::spread::Traffic;
use crate::parts;
use crate::placement::Placement;
use crate::problem::Shape;
use crate::problem::topology::Topology;
use crate::status::Status;

/// Tokens that a layer has at most: exact as f64, with room for sums.
pub(crate) const MOST_TOKENS: u64 = 1 << 52;

/// GPUs at most: sums of speeds and costs of ways are good for so many.
const MOST_GPUS: usize = u16::MAX as usize;

/// How good a split is.
#[allow(non_camel_case_types)] // the C name; Rust code sees it as `eplb::SplitKind`
#[repr(u32)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum eplb_split_kind {
    /// The largest time is the least, and among such splits the fewest tokens leave their node, then their GPU.
    #[default]
    Exact = 0,
    /// The largest time is the least, but options.effort ran out before the fewest tokens that leave were found.
    Time = 1,
    /// options.effort ran out: the tokens of every expert in equal parts on the GPUs that hold it.
    Even = 2,
}

pub use eplb_split_kind as SplitKind;

/// What eplb_dispatch reports of one layer. Times are tokens / speed of the GPU, tokens where no speeds are given.
#[allow(non_camel_case_types)] // the C name; Rust code sees it as `eplb::Split`
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct eplb_split {
    /// The largest time of a GPU.
    pub largest_time: f64,
    /// No split in whole tokens has a smaller largest time: equal to largest_time but for EPLB_SPLIT_KIND_EVEN.
    pub bound: f64,
    /// Tokens / total speed of the GPUs that are alive, over largest_time; 1.0 when there are no tokens.
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

/// Receives what is known of each layer, in order of the layers.
pub type SplitReport<'r> = &'r mut dyn FnMut(usize, &Split);

/// Scratch of the part that takes no notice of sources.
#[derive(Debug)]
struct Scratch<'a> {
    replicas: Replicas<'a>,
    level: Level<'a>,
    flow: Flow<'a>,
}

impl<'a> Scratch<'a> {
    fn carve(arena: &mut impl Carve<'a>, shape: &Shape) -> Self {
        Scratch {
            replicas: Replicas::carve(arena, shape),
            level: Level::carve(arena, shape),
            flow: Flow::carve(arena, shape),
        }
    }

    /// Counts and numbers the replicas, then splits: false when the effort ran out, and the split is even.
    fn split(&mut self, shape: &Shape, slots: &[i32], effort: &mut Effort) -> bool {
        if self.replicas.count(shape, slots).is_err() {
            return true; // has been checked: never
        }
        self.replicas.number(shape, slots);
        let (replicas, level) = (&mut self.replicas, &mut self.level);
        let done = self.flow.split(shape.topology(), replicas, level, effort);
        if !done {
            replicas.clear();
            replicas.split_evenly();
        }
        done
    }
}

/// Refuses what is too large, and everything where the part is left out.
///
/// # Errors
/// [`Status::ShapeTooLarge`] above 65,535 GPUs; [`Status::UnsupportedFlag`].
pub fn admit(shape: &Shape) -> Result<(), Status> {
    if !parts::DISPATCH {
        return Err(Status::UnsupportedFlag);
    }
    if shape.topology().num_gpus() > MOST_GPUS { Err(Status::ShapeTooLarge) } else { Ok(()) }
}

/// What a call needs of an arena, with sources or without, whatever the number of layers: O(E + P + G).
///
/// # Errors
/// Those of [`admit`].
pub fn need(shape: &Shape) -> Result<Need, Status> {
    admit(shape)?;
    let mut need = Need::default();
    Scratch::carve(&mut need, shape);
    Local::carve(&mut need, shape);
    Ok(need)
}

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

    fn of_a_layer(self, shape: &Shape) -> Self {
        let each = |len: usize| len.checked_div(shape.num_layers()).unwrap_or(0);
        Lengths {
            tokens: each(self.tokens),
            quota: each(self.quota),
            route_end: each(self.route_end),
            route_slot: each(self.route_slot),
        }
    }
}

/// Splits the tokens of a batch over the replicas of `placement`, layer by layer. Calls `report` once a layer,
/// in order, when it is given.
///
/// Writes every element of every array that is given. On an error nothing is written and `report` is not
/// called. `effort` bounds the replicas looked at in a layer; 0 is 16,384 for each slot, which no batch that
/// was tried has come near. The algorithm: docs/DESIGN.md, "Dispatch".
///
/// # Errors
/// [`Status::ShapeTooLarge`], [`Status::ArrayLength`], [`Status::WorkspaceTooSmall`],
/// [`Status::PlacementExpert`], [`Status::DispatchNoReplica`], [`Status::DispatchDeadSource`],
/// [`Status::DispatchTokens`], [`Status::MaxReplicas`].
pub fn dispatch(
    shape: &Shape,
    effort: u32,
    mut arena: Arena,
    placement: &Placement,
    batch: &Batch,
    mut out: QuotasMut,
    mut report: Option<SplitReport>,
) -> Result<(), Status> {
    admit(shape)?;
    let lengths = Lengths::new(shape, batch.by_source, out.max_replicas)?;
    placement.check_lengths(shape)?;
    let wrong = |given: Option<usize>, len| given.is_some_and(|given| given != len);
    if batch.tokens.len() != lengths.tokens
        || out.quota.len() != lengths.quota
        || wrong(out.route_end.as_deref().map(<[u32]>::len), lengths.route_end)
        || wrong(out.route_slot.as_deref().map(<[i32]>::len), lengths.route_slot)
    {
        return Err(Status::ArrayLength);
    }
    arena.check(need(shape)?)?;
    let mut scratch = Scratch::carve(&mut arena, shape);
    let mut local = Local::carve(&mut arena, shape);

    let each = lengths.of_a_layer(shape);
    let table = out.route_end.is_some() || out.route_slot.is_some();
    let width = table.then_some(out.max_replicas);
    check_layers(shape, placement, batch, width, &mut scratch)?;
    local.place(shape.topology());
    for layer in 0..shape.num_layers() {
        let tokens = row(batch.tokens, layer, each.tokens);
        // has been checked: good
        total_tokens(shape, batch, tokens, scratch.replicas.total)?;
        let slots = placement.layer(shape, layer);
        let effort = Effort::new(effort, shape);
        let (kind, bound) =
            split_layer(shape, slots, tokens, batch, &mut scratch, &mut local, effort);

        let replicas = &mut scratch.replicas;
        let quota = row_mut(out.quota, layer, each.quota);
        let mut split = judge_layer(shape.topology(), replicas, kind, bound);
        if let Some(slots) = out.route_slot.as_deref_mut() {
            let slots = row_mut(slots, layer, each.route_slot);
            route::write_slots(replicas, out.max_replicas, slots);
        }
        let traffic = if batch.by_source {
            spread::by_source(replicas, &mut local, tokens, quota)
        } else {
            spread::write(replicas, quota);
            Traffic::default()
        };
        split.leaving_node = traffic.leaving_node;
        split.leaving_gpu = traffic.leaving_gpu;
        if let Some(ends) = out.route_end.as_deref_mut() {
            let ends = row_mut(ends, layer, each.route_end);
            let width = shape.num_logical_experts().saturating_mul(out.max_replicas);
            for source in 0..if batch.by_source { local.node.len() } else { 1 } {
                let quota = row(quota, source, shape.num_physical_experts());
                route::write_ends(replicas, out.max_replicas, quota, row_mut(ends, source, width));
            }
        }
        if let Some(report) = report.as_mut() {
            report(layer, &split);
        }
    }
    Ok(())
}

/// Refuses what no layer may have: the first that has it decides. `width` is that of the table, if one is wanted.
fn check_layers(
    shape: &Shape,
    placement: &Placement,
    batch: &Batch,
    width: Option<usize>,
    scratch: &mut Scratch,
) -> Result<(), Status> {
    let each = batch.tokens.len().checked_div(shape.num_layers()).unwrap_or(0);
    for layer in 0..shape.num_layers() {
        let tokens = row(batch.tokens, layer, each);
        total_tokens(shape, batch, tokens, scratch.replicas.total)?;
        let found = scratch.replicas.count(shape, placement.layer(shape, layer))?;
        if width.is_some_and(|width| found.most_replicas as usize > width) {
            return Err(Status::MaxReplicas);
        }
    }
    Ok(())
}

/// What [`dispatch`] would answer for arrays of the right lengths, without a split. `arena` holds what [`need`] says.
pub(crate) fn check(
    shape: &Shape,
    mut arena: Arena,
    placement: &Placement,
    batch: &Batch,
    width: Option<usize>,
) -> Result<(), Status> {
    let mut scratch = Scratch::carve(&mut arena, shape);
    check_layers(shape, placement, batch, width, &mut scratch)
}

/// Splits one layer: how good the split is, and the bound.
#[inline(never)]
fn split_layer(
    shape: &Shape,
    slots: &[i32],
    tokens: &[u32],
    batch: &Batch,
    scratch: &mut Scratch,
    local: &mut Local,
    mut effort: Effort,
) -> (SplitKind, f64) {
    let found = scratch.split(shape, slots, &mut effort);
    let bound = scratch.level.time(shape.topology());
    let (replicas, level) = (&mut scratch.replicas, &scratch.level);
    let kind = if !found {
        SplitKind::Even
    } else if !batch.by_source || local.split(replicas, level, tokens, &mut effort) {
        SplitKind::Exact
    } else {
        // the flow once more, which the search for less traffic has overwritten
        replicas.number(shape, slots);
        let all = &mut Effort::unlimited();
        scratch.flow.split(shape.topology(), &mut scratch.replicas, &mut scratch.level, all);
        SplitKind::Time
    };
    (kind, bound)
}

/// Sums the tokens of each expert over the sources.
fn total_tokens(
    shape: &Shape,
    batch: &Batch,
    tokens: &[u32],
    total: &mut [u64],
) -> Result<(), Status> {
    total.fill(0);
    for (source, row) in tokens.chunks_exact(total.len().max(1)).enumerate() {
        let dead = batch.by_source && !shape.topology().serves(source);
        if dead && row.iter().any(|&tokens| tokens > 0) {
            return Err(Status::DispatchDeadSource);
        }
        for (expert, &tokens) in row.iter().enumerate() {
            add(total, expert, u64::from(tokens));
        }
    }
    Ok(())
}

/// The times of a layer.
fn judge_layer(topology: &Topology, replicas: &Replicas, kind: SplitKind, bound: f64) -> Split {
    let tokens = replicas.total.iter().sum();
    let mut split = Split { bound, tokens, kind, balance: 1.0, ..Split::default() };
    let mut speeds = 0.0;
    for (gpu, &load) in replicas.load.iter().enumerate() {
        let time = time(load, topology.speed(gpu));
        if time > split.largest_time {
            split.largest_time = time;
            split.busiest_gpu = gpu as u32;
        }
        if topology.receives(gpu) {
            speeds += f64::from(topology.speed(gpu));
        }
    }
    if split.largest_time > 0.0 {
        split.balance = tokens as f64 / speeds / split.largest_time;
    }
    split
}
