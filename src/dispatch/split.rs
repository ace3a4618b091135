//! Splits a batch, layer by layer.

use crate::base::arena::{Arena, Need};
use crate::base::cells::row;
use crate::dispatch::batch::{Batch, Lengths, QuotasMut, Split, SplitKind, SplitReport};
use crate::dispatch::flow::Effort;
use crate::dispatch::local::Local;
use crate::dispatch::quotas;
use crate::dispatch::seconds::{Chooser, Found, Layer, free_tokens};
use crate::dispatch::solver::Solver;
use crate::parts;
use crate::placement::Placement;
use crate::problem::Shape;
use crate::status::Status;

/// GPUs at most: sums of speeds and costs of ways are good for so many.
const MOST_GPUS: usize = u16::MAX as usize;

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
#[inline(never)] // off the stack of what else is asked for
pub fn need(shape: &Shape) -> Result<Need, Status> {
    admit(shape)?;
    let mut need = Need::default();
    Solver::carve(&mut need, shape);
    Chooser::carve(&mut need, shape);
    Local::carve(&mut need, shape);
    Ok(need)
}

/// Splits the tokens of a batch over the replicas of `placement`, layer by layer. Calls `report` once a layer,
/// in order, when it is given.
///
/// Writes every element of every array that is given. On an error nothing is written and `report` is not
/// called. The algorithm: docs/DESIGN.md, "Dispatch".
///
/// # Errors
/// [`Status::ShapeTooLarge`], [`Status::ArrayLength`], [`Status::WorkspaceTooSmall`],
/// [`Status::PlacementExpert`], [`Status::DispatchNoReplica`], [`Status::DispatchDeadSource`],
/// [`Status::DispatchTokens`], [`Status::MaxReplicas`].
#[inline(never)] // off the stack while the call is checked
pub fn dispatch(
    shape: &Shape,
    mut arena: Arena,
    placement: &Placement,
    batch: &Batch,
    mut out: QuotasMut,
    mut report: Option<SplitReport>,
) -> Result<(), Status> {
    admit(shape)?;
    let lengths = Lengths::new(shape, batch.by_source, out.max_replicas)?;
    placement.check_lengths(shape)?;
    if batch.tokens.len() != lengths.tokens || !out.has(&lengths) {
        return Err(Status::ArrayLength);
    }
    arena.check(need(shape)?)?;
    let solver = Solver::carve(&mut arena, shape);
    let chooser = Chooser::carve(&mut arena, shape);
    let mut splitter = Splitter { shape, batch, solver, chooser };
    let mut local = Local::carve(&mut arena, shape);
    let table = out.route_end.is_some() || out.route_slot.is_some();
    splitter.check_layers(placement, table.then_some(out.max_replicas))?;
    local.sources.place(shape.topology());
    let each = lengths.of_a_layer(shape);
    for layer in 0..shape.num_layers() {
        let tokens = row(batch.tokens, layer, each.tokens);
        // has been checked: good; of a single layer the check has left the sums
        if shape.num_layers() > 1 {
            splitter.total(tokens)?;
        }
        let mut split = splitter.split(placement.layer(shape, layer), tokens, &mut local);
        splitter.write(tokens, &mut local, out.layer(layer, &each), &mut split);
        if let Some(report) = report.as_mut() {
            report(layer, &split);
        }
    }
    Ok(())
}

/// What [`dispatch`] would answer for arrays of the right lengths, without a split. `arena` holds what [`need`] says,
/// `width` is that of the table, if one is wanted.
pub fn check(
    shape: &Shape,
    mut arena: Arena,
    placement: &Placement,
    batch: &Batch,
    width: Option<usize>,
) -> Result<(), Status> {
    let solver = Solver::carve(&mut arena, shape);
    let chooser = Chooser::carve(&mut arena, shape);
    Splitter { shape, batch, solver, chooser }.check_layers(placement, width)
}

/// A batch, and the memory to split a layer of it.
struct Splitter<'c, 'a> {
    shape: &'c Shape<'c>,
    batch: &'c Batch<'c>,
    solver: Solver<'a>,
    chooser: Chooser<'a>,
}

impl Splitter<'_, '_> {
    /// Refuses what no layer may have: the first that has it decides.
    fn check_layers(&mut self, placement: &Placement, width: Option<usize>) -> Result<(), Status> {
        self.solver.replicas.take_all();
        let layers = self.shape.num_layers();
        let each = self.batch.tokens.len().checked_div(layers).unwrap_or(0);
        for layer in 0..layers {
            self.total(row(self.batch.tokens, layer, each))?;
            let slots = placement.layer(self.shape, layer);
            let most_replicas = self.solver.replicas.count(self.shape, slots)?;
            if width.is_some_and(|width| most_replicas as usize > width) {
                return Err(Status::MaxReplicas);
            }
        }
        Ok(())
    }

    /// Sums the tokens of each expert over the sources.
    fn total(&mut self, tokens: &[u32]) -> Result<(), Status> {
        sum_sources(self.shape, self.batch.by_source, tokens, self.solver.replicas.total)
    }

    /// Splits a layer: its tokens are then with the replicas.
    #[inline(never)]
    fn split(&mut self, slots: &[i32], tokens: &[u32], local: &mut Local) -> Split {
        let (shape, solver) = (self.shape, &mut self.solver);
        let mut effort = Effort::new(self.batch.effort, shape);
        if let Some(seconds) = shape.seconds()
            && free_tokens(seconds, &solver.replicas, slots.len()) > 0
        {
            let layer = &Layer { shape, slots };
            let Found { bound, even } = self.chooser.split(layer, seconds, solver, &mut effort);
            let kind = if even { SplitKind::Even } else { SplitKind::Time };
            self.read(tokens, local);
            return self.times(kind, seconds.layer + bound);
        }
        let found = solver.split(shape, slots, &mut effort);
        let bound = solver.level.time(shape.topology());
        self.read(tokens, local);
        let (replicas, level) = (&mut self.solver.replicas, &mut self.solver.level);
        let kind = if !found {
            SplitKind::Even
        } else if !self.batch.by_source || local.split(replicas, level, &mut effort) {
            SplitKind::Exact
        } else {
            // the flow once more, which the search for less traffic has overwritten
            replicas.number(shape, slots);
            self.solver.flow.split(shape.topology(), replicas, level, &mut Effort::unlimited());
            SplitKind::Time
        };
        let seconds = shape.seconds();
        let bound =
            seconds.map_or(bound, |seconds| seconds.layer + seconds.of_worth(bound, 0, false));
        self.times(kind, bound)
    }

    /// Reads who sends what, where that is known.
    fn read(&self, tokens: &[u32], local: &mut Local) {
        if self.batch.by_source {
            local.sources.read(&self.solver.replicas, tokens);
        }
    }

    /// Times are seconds where there is a cost.
    fn times(&mut self, kind: SplitKind, bound: f64) -> Split {
        let topology = self.shape.topology();
        let tokens = self.solver.replicas.total.iter().sum();
        let mut split = Split { bound, tokens, kind, balance: 1.0, ..Split::default() };
        let (mut speeds, mut work) = (0.0, 0.0);
        if let Some(seconds) = self.shape.seconds() {
            self.chooser.sum(seconds, &self.solver.replicas);
        }
        for gpu in (0..topology.num_gpus()).filter(|&gpu| topology.serves(gpu)) {
            let here = self.chooser.work(&self.solver.replicas, gpu);
            work += here;
            let time = here / f64::from(topology.speed(gpu));
            if time > split.largest_time {
                split.largest_time = time;
                split.busiest_gpu = gpu as u32;
            }
            if topology.receives(gpu) {
                speeds += f64::from(topology.speed(gpu));
            }
        }
        if split.largest_time > 0.0 {
            split.balance = work / speeds / split.largest_time;
        }
        if let Some(seconds) = self.shape.seconds() {
            split.largest_time += seconds.layer;
            if split.bound > split.largest_time {
                split.bound = split.largest_time; // they are summed otherwise, and may round otherwise
            }
        }
        split
    }

    /// Writes the quotas and the table of a layer that has been split, and notes how many tokens leave.
    #[inline(never)] // its stack is not under that of the split
    fn write(&mut self, tokens: &[u32], local: &mut Local, out: QuotasMut, split: &mut Split) {
        let sources = self.batch.by_source.then_some(tokens);
        let traffic = quotas::write_layer(&mut self.solver.replicas, local, sources, out);
        split.leaving_node = traffic.leaving_node;
        split.leaving_gpu = traffic.leaving_gpu;
    }
}

/// Sums the tokens of each expert of a layer over the sources.
///
/// # Errors
/// [`Status::DispatchDeadSource`].
pub fn sum_sources(
    shape: &Shape,
    by_source: bool,
    tokens: &[u32],
    total: &mut [u64],
) -> Result<(), Status> {
    let experts = total.len();
    for source in (0..shape.topology().num_gpus()).filter(|_| by_source) {
        let dead = !shape.topology().serves(source);
        if dead && row(tokens, source, experts).iter().any(|&tokens| tokens > 0) {
            return Err(Status::DispatchDeadSource);
        }
    }
    total.fill(0);
    let sources = tokens.len().checked_div(experts).unwrap_or(0);
    // four rows at a time: the sums are read and written a quarter as often; what is beyond the last row is empty
    for source in (0..sources).step_by(4) {
        let [a, b, c, d] = [0, 1, 2, 3].map(|more| row(tokens, source + more, experts));
        if d.is_empty() {
            for row in [a, b, c] {
                total.iter_mut().zip(row).for_each(|(sum, &tokens)| *sum += u64::from(tokens));
            }
            continue;
        }
        for ((((sum, &a), &b), &c), &d) in total.iter_mut().zip(a).zip(b).zip(c).zip(d) {
            *sum += u64::from(a) + u64::from(b) + u64::from(c) + u64::from(d);
        }
    }
    Ok(())
}
