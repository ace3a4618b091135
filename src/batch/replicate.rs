//! Replicas for a batch, layer by layer.

use crate::base::arena::{Arena, Carve, Need};
use crate::base::cells::{copy, row, row_mut};
use crate::batch::fetches;
use crate::batch::layer::Planner;
use crate::batch::limits::Limits;
use crate::batch::request::{ReplicasMut, ReplicateReport, Replicated, Request};
use crate::dispatch::{self, Lengths, Local, QuotasMut, Replicas, sum_sources, write_layer};
use crate::placement::{Placement, by_gpu, is_entry};
use crate::problem::Shape;
use crate::status::Status;

/// The largest tolerance: a thousand times.
const MOST_TOLERANCE: u32 = 1 << 20;

/// Refuses what is not served.
///
/// # Errors
/// [`Status::ShapeTooLarge`] above 65,535 GPUs; [`Status::UnsupportedFlag`] where the part is left out;
/// [`Status::UnsupportedCost`].
pub fn admit(shape: &Shape) -> Result<(), Status> {
    dispatch::admit(shape)?;
    if shape.seconds().is_some() { Err(Status::UnsupportedCost) } else { Ok(()) }
}

/// What a call needs of an arena, with sources or without, whatever the number of layers: O(E + P + G), and E P words
/// where that is at most 4,096.
///
/// # Errors
/// [`Status::ShapeTooLarge`] above 65,535 GPUs; [`Status::UnsupportedFlag`] where the part is left out;
/// [`Status::UnsupportedCost`].
#[inline(never)] // off the stack of what else is asked for
pub fn need(shape: &Shape) -> Result<Need, Status> {
    admit(shape)?;
    let mut need = Need::default();
    Scratch::carve(&mut need, shape);
    Ok(need)
}

/// How wide the routing table is, and how long the list of fetches; `None`: not wanted.
#[derive(Clone, Copy, Debug)]
pub struct Widths {
    pub table: Option<usize>,
    pub list: Option<usize>,
}

/// Memory of a call.
struct Scratch<'a> {
    planner: Planner<'a>,
    replicas: Replicas<'a>,
    local: Local<'a>,
}

impl<'a> Scratch<'a> {
    #[inline(always)] // what only counts is gone from the code
    fn carve(arena: &mut impl Carve<'a>, shape: &Shape) -> Self {
        Scratch {
            planner: Planner::carve(arena, shape),
            replicas: Replicas::carve(arena, shape),
            local: Local::carve(arena, shape),
        }
    }
}

/// Fills the spare slots of `home`, those that hold -1 on GPUs that are alive, with the copies that bring the largest
/// time of this batch within the tolerance by the fewest fetches, and splits its tokens over homes and copies. Calls
/// `report` once a layer, in order, when it is given. Answers how many fetches there are in all layers.
///
/// Homes stay. No expert is twice on a GPU, but where home has it so. Writes every element of every array that is given,
/// of the list of fetches as many as there are. On an error nothing is written and `report` is not called.
///
/// # Errors
/// [`Status::ShapeTooLarge`], [`Status::UnsupportedCost`], [`Status::ArrayLength`], [`Status::Tolerance`],
/// [`Status::ListTooSmall`], [`Status::WorkspaceTooSmall`], [`Status::PlacementExpert`] (of what is held, too),
/// [`Status::DispatchNoReplica`], [`Status::DispatchDeadSource`], [`Status::DispatchTokens`]; [`Status::MaxReplicas`]
/// when the table is too narrow for the homes of an expert.
#[inline(never)] // off the stack while the call is checked
pub fn replicate(
    shape: &Shape,
    mut arena: Arena,
    home: &Placement,
    request: &Request,
    mut out: ReplicasMut,
    mut report: Option<ReplicateReport>,
) -> Result<usize, Status> {
    let lengths = check_lengths(shape, home, request, &out)?;
    arena.check(need(shape)?)?;
    let mut scratch = Scratch::carve(&mut arena, shape);
    let width = out.quotas.has_table().then_some(out.quotas.max_replicas);
    let list = out.fetches.as_deref().map(|list| list.rows());
    scratch.check(shape, home, request, Widths { table: width, list })?;
    scratch.local.sources.place(shape.topology());
    let each = lengths.of_a_layer(shape);
    let slots = shape.num_physical_experts();
    let mut fetches = 0;
    for layer in 0..shape.num_layers() {
        let tokens = row(request.tokens, layer, each.tokens);
        let filled = row_mut(out.physical_to_logical, layer, slots);
        let quotas = out.quotas.layer(layer, &each);
        let mut found = scratch.layer(shape, home.layer(shape, layer), layer, request, width);
        scratch.planner.layout.write(home.layer(shape, layer), filled);
        scratch.write(shape, filled, request.by_source.then_some(tokens), quotas, &mut found);
        fetches += match out.fetches.as_deref_mut() {
            Some(list) => fetches::write(&scratch.planner.layout, layer, (list, fetches)),
            None => found.fetches as usize,
        };
        if let Some(report) = report.as_mut() {
            report(layer, &found);
        }
    }
    Ok(fetches)
}

/// What [`replicate`] would answer for arrays of the right lengths, without a search. `arena` holds what [`need`] says.
pub fn check(
    shape: &Shape,
    mut arena: Arena,
    home: &Placement,
    request: &Request,
    widths: Widths,
) -> Result<(), Status> {
    check_tolerance(request)?;
    Scratch::carve(&mut arena, shape).check(shape, home, request, widths)
}

impl Scratch<'_> {
    /// Refuses what no layer may have, and a list that is too short.
    fn check(
        &mut self,
        shape: &Shape,
        home: &Placement,
        request: &Request,
        widths: Widths,
    ) -> Result<(), Status> {
        check_layers(shape, &mut self.replicas, home, request, widths.table)?;
        let is_short = |list| list < spare_slots(shape, home);
        if widths.list.is_some_and(is_short) { Err(Status::ListTooSmall) } else { Ok(()) }
    }

    /// Finds the copies of a layer and the tokens of all replicas.
    fn layer(
        &mut self,
        shape: &Shape,
        home: &[i32],
        layer: usize,
        request: &Request,
        width: Option<usize>,
    ) -> Replicated {
        let each = request.tokens.len().checked_div(shape.num_layers()).unwrap_or(0);
        let tokens = row(request.tokens, layer, each);
        // has been checked: good
        let _ = sum_sources(shape, request.by_source, tokens, self.planner.layout.total);
        let held = row(request.held.unwrap_or_default(), layer, shape.num_physical_experts());
        let limits = Limits::new(request, width);
        self.planner.plan(shape, (home, held), (request.tolerance, limits, request.effort))
    }

    /// Writes the quotas and the table of a layer.
    fn write(
        &mut self,
        shape: &Shape,
        slots: &[i32],
        sources: Option<&[u32]>,
        out: QuotasMut,
        found: &mut Replicated,
    ) {
        let replicas = &mut self.replicas;
        if sources.is_none() && !out.has_table() {
            self.planner.layout.write_tokens(out.quota);
            return self.planner.measure(shape.topology(), found);
        }
        copy(replicas.total, self.planner.layout.total);
        replicas.take_all();
        if replicas.count(shape, slots).is_err() {
            return; // has been checked: never
        }
        replicas.number(shape, slots);
        replicas.give(self.planner.layout.tokens);
        if let Some(tokens) = sources {
            self.planner.localize(shape, tokens, replicas, &mut self.local);
        }
        self.planner.measure(shape.topology(), found);
        let traffic = write_layer(replicas, &mut self.local, sources, out);
        found.leaving_node = traffic.leaving_node;
        found.leaving_gpu = traffic.leaving_gpu;
    }
}

/// Refuses arrays of the wrong lengths, and a tolerance that is too large.
fn check_lengths(
    shape: &Shape,
    home: &Placement,
    request: &Request,
    out: &ReplicasMut,
) -> Result<Lengths, Status> {
    admit(shape)?;
    let lengths = Lengths::new(shape, request.by_source, out.quotas.max_replicas)?;
    home.check_lengths(shape)?;
    Placement::of(out.physical_to_logical).check_lengths(shape)?;
    if let Some(held) = request.held {
        Placement::of(held).check_lengths(shape)?;
    }
    if request.tokens.len() != lengths.tokens || !out.quotas.has(&lengths) {
        return Err(Status::ArrayLength);
    }
    check_tolerance(request)?;
    Ok(lengths)
}

fn check_tolerance(request: &Request) -> Result<(), Status> {
    if request.tolerance > MOST_TOLERANCE { Err(Status::Tolerance) } else { Ok(()) }
}

/// Refuses what no layer may have: the first that has it decides.
fn check_layers(
    shape: &Shape,
    replicas: &mut Replicas,
    home: &Placement,
    request: &Request,
    width: Option<usize>,
) -> Result<(), Status> {
    replicas.take_all();
    let layers = shape.num_layers();
    let each = request.tokens.len().checked_div(layers).unwrap_or(0);
    for layer in 0..layers {
        let tokens = row(request.tokens, layer, each);
        sum_sources(shape, request.by_source, tokens, replicas.total)?;
        let slots = home.layer(shape, layer);
        let most_replicas = replicas.count(shape, slots)?;
        if width.is_some_and(|width| most_replicas as usize > width) {
            return Err(Status::MaxReplicas);
        }
        let held = row(request.held.unwrap_or_default(), layer, slots.len());
        let bad =
            |(&held, &home): (&i32, &i32)| home < 0 && !is_entry(held, shape.num_logical_experts());
        if held.iter().zip(slots).any(bad) {
            return Err(Status::PlacementExpert);
        }
    }
    Ok(())
}

/// Spare slots of all layers: those that hold -1 on GPUs that receive.
pub fn spare_slots(shape: &Shape, home: &Placement) -> usize {
    let mut spare = 0;
    for layer in 0..shape.num_layers() {
        for (gpu, _, slots) in by_gpu(shape.topology(), home.layer(shape, layer)) {
            if shape.topology().receives(gpu) {
                spare += slots.iter().filter(|&&entry| entry < 0).count();
            }
        }
    }
    spare
}
