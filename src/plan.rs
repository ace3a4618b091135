//! The one door of planning: from nothing, or from the placement in force; and how much memory it, or any other
//! operation, takes.

use crate::afresh::{self, FROM_NOTHING, measured};
use crate::base::arena::{Arena, Need};
use crate::batch;
use crate::dispatch;
use crate::options::Options;
use crate::options::operation::Operation;
use crate::parts;
use crate::placement::{self, Placement, PlacementMut};
use crate::problem::{Problem, Shape, StaticSplit};
use crate::rebalance;
use crate::rebalance::mode::{admit, from_nothing, survive_of};
use crate::score::{self, Report};
use crate::status::Status;
use crate::transfers::list;

/// What an operation needs of an arena, whatever the number of layers. Of a previous placement it matters
/// whether there is one, not what it holds. O(G); O(G^2) where nodes are not contiguous or must be survived.
///
/// # Errors
/// What the operation would refuse for its shape and options.
pub fn workspace(operation: Operation, shape: &Shape, options: &Options) -> Result<Need, Status> {
    let has_previous = operation == Operation::Rebalance || options.previous.is_some();
    match operation {
        Operation::Plan | Operation::Rebalance if parts::PREVIOUS => {
            match admit(shape, options, has_previous)? {
                Some(how) => Ok(rebalance::need(&how, shape)),
                None => afresh::need(shape, &from_nothing(options)),
            }
        }
        Operation::Plan => afresh::need(shape, options),
        Operation::Evaluate => evaluation(shape, options),
        Operation::Check => Ok(placement::need(shape)),
        Operation::Transfers if parts::PREVIOUS => list::need(shape, options.flags),
        Operation::Dispatch if parts::DISPATCH => dispatch::need(shape),
        Operation::Replicate if parts::DISPATCH => batch::need(shape),
        Operation::Number | Operation::Digest => Ok(Need::default()),
        // left out of this build
        Operation::Dispatch
        | Operation::Replicate
        | Operation::Transfers
        | Operation::Rebalance => Err(Status::UnknownOperation),
    }
}

/// What measuring needs, with the loads of the experts or those of the slots.
#[inline(never)] // off the stack of what else is asked for
fn evaluation(shape: &Shape, options: &Options) -> Result<Need, Status> {
    let dispatch = options.measures_dispatch();
    score::admit(shape, dispatch)?;
    let need = score::need(shape, options.scope, dispatch, options.split);
    Ok(need.max(score::need_measured(shape, options.scope, dispatch)))
}

/// Measures every layer of a placement, with the loads of the problem, as options say: scope, split, and flags.
/// Otherwise as [`evaluate`](crate::evaluate()); workspace O(P) more for the nearest split.
///
/// # Errors
/// As there.
pub fn evaluate_as(
    problem: &Problem,
    options: &Options,
    arena: Arena,
    placement: &Placement,
    report: Report,
) -> Result<(), Status> {
    let how = &measured(options, survive_of(options));
    score::evaluate_by(problem, how, arena, placement, report)
}

/// Plans every layer, from nothing or from `options.previous`. Calls `report` once a layer, in order, when it
/// is given.
///
/// From a placement, policy BALANCED: with a limit on moves, the fewest moves that give every expert a slot on
/// a GPU that is alive, then groups that are on several nodes together (not with `EPLB_MOVES_NONE`), copies into empty
/// slots, and the best steps, while the limit lasts; without, the plan from nothing, renamed so that the fewest slots
/// change, or the placement in force, or what steps make of it, where the plan is no better; with `target` no more than
/// that takes. The other policies: their plan, renamed. A step is O(P S W) at most, S slots a GPU.
///
/// Writes every element of every map that is given. On an error nothing is written and `report` is not
/// called: all layers are looked at before the first is written.
///
/// # Errors
/// [`Status::UnsupportedPolicy`] and the other `Unsupported*`, [`Status::ArrayLength`], [`Status::TooFewSlots`], the
/// `*NotDivisible`, [`Status::LoadTooLarge`], [`Status::WorkspaceTooSmall`]; [`Status::ShapeTooLarge`],
/// [`Status::MovesWithoutPrevious`], [`Status::Target`]; from a placement also [`Status::PlacementExpert`] for an entry
/// that is neither -1 nor an expert, [`Status::SourceLost`], [`Status::Infeasible`] when the limits or what must be
/// survived cannot be kept, and [`Status::MaxReplicas`] when it has more replicas than the map holds and a limit keeps
/// them.
pub fn plan(
    problem: &Problem,
    options: &Options,
    mut arena: Arena,
    mut maps: PlacementMut,
    report: Option<Report>,
) -> Result<(), Status> {
    plan_into(problem, options, &mut arena, &mut maps, report)
}

/// The same by reference: what is large is on the stack once.
pub(crate) fn plan_into(
    problem: &Problem,
    options: &Options,
    arena: &mut Arena,
    maps: &mut PlacementMut,
    report: Option<Report>,
) -> Result<(), Status> {
    let from_placement = options.previous.is_some()
        || !FROM_NOTHING.contains(options.flags)
        || options.split != StaticSplit::Even
        || problem.shape().reads();
    if parts::PREVIOUS && from_placement {
        return plan_from_placement(problem, options, arena, maps, report);
    }
    afresh::plan(problem, options, arena, maps, report)
}

/// Plans what [`admit`] decides on.
#[inline(never)] // off the stack of plans from nothing
fn plan_from_placement(
    problem: &Problem,
    options: &Options,
    arena: &mut Arena,
    maps: &mut PlacementMut,
    report: Option<Report>,
) -> Result<(), Status> {
    match &admit(problem.shape(), options, options.previous.is_some())? {
        Some(how) => rebalance::plan(problem, options, how, arena, maps, report),
        None => afresh::plan(problem, &from_nothing(options), arena, maps, report),
    }
}

/// All that can be wrong with a call of [`plan`]: what it would answer, without planning.
///
/// # Errors
/// Those of [`plan`].
pub(crate) fn check(
    problem: &Problem,
    options: &Options,
    arena: &mut Arena,
    maps: &PlacementMut,
) -> Result<(), Status> {
    match &admit(problem.shape(), options, options.previous.is_some())? {
        Some(how) => {
            let planner = rebalance::check(problem, options, how, arena, maps)?;
            planner.check_layers(&mut arena.rest())
        }
        None => afresh::check_plan(problem, &from_nothing(options), arena, maps),
    }
}
