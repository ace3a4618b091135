//! Whole placements: what is asked of the planner, and the road that answers.

mod balanced;
pub mod flags;
mod hierarchy;
mod joint;
mod no_worse;
pub mod policy;
mod robust;
mod room;
mod rows;
mod windows;

pub(crate) use balanced::{groups_that_fit, slots_in_use};
pub(crate) use joint::at;

use crate::arena::{Arena, Need};
use crate::dispatch;
use crate::metrics::{self, Report};
use crate::parts;
use crate::placement::{self, PlacementMut, Promises};
use crate::problem::{Problem, Scope, Shape};
use crate::status::Status;
use flags::Flags;
use policy::{Policy, Recipe};

/// What a workspace is asked for.
#[allow(non_camel_case_types)] // the C name; Rust code sees it as `eplb::Operation`
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum eplb_operation {
    /// eplb_plan.
    Plan = 0,
    /// eplb_evaluate.
    Evaluate = 1,
    /// eplb_check.
    Check = 2,
    /// eplb_transfers.
    Transfers = 3,
    /// eplb_dispatch.
    Dispatch = 4,
    /// eplb_plan with options.previous, whether or not the options at hand have it: what a planning loop allocates
    /// once.
    Rebalance = 5,
    /// eplb_number, which needs no workspace: for eplb_explain.
    Number = 6,
    /// eplb_digest, likewise.
    Digest = 7,
}

pub use eplb_operation as Operation;

impl TryFrom<u32> for Operation {
    type Error = Status;
    fn try_from(number: u32) -> Result<Self, Status> {
        use Operation::{Check, Digest, Dispatch, Evaluate, Number, Plan, Rebalance, Transfers};
        [Plan, Evaluate, Check, Transfers, Dispatch, Rebalance, Number, Digest]
            .into_iter()
            .find(|&operation| operation as u32 == number)
            .ok_or(Status::UnknownOperation)
    }
}

/// The flags of a plan from nothing.
pub(crate) const FROM_NOTHING: Flags = Flags::DISPATCH.or(Flags::EMPTY_SLOTS);

/// How to plan. The default is policy BALANCED, scope AUTO, from nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'a> {
    /// Which policy.
    pub policy: Policy,
    /// A recipe of one's own in place of the policy's; planned as the compatibility policies are.
    pub recipe: Option<Recipe>,
    /// Which hierarchy.
    pub scope: Scope,
    /// Bound on the candidates that `BALANCED` looks at for a row, 0 = 200,000; docs/SPEC.md says what a unit is,
    /// and what nodes and windows have. The compatibility policies do a fixed amount of work and accept any.
    pub effort: u32,
    /// With `previous`: slots that may change per layer; 0 = no limit, `EPLB_MOVES_NONE` = only what must.
    pub max_moves: u32,
    /// With `previous`: slots that may change per layer from one GPU to another; 0 = no limit.
    pub max_moves_per_gpu_pair: u32,
    /// What else is asked for.
    pub flags: Flags,
    /// `[L][P]` placement in force, -1 = empty, or `None`: plan from nothing.
    pub previous: Option<&'a [i32]>,
}

impl Options<'_> {
    /// Whether the metrics are to say what dispatch makes of the placement.
    pub fn judges_dispatch(&self) -> bool {
        self.flags.contains(Flags::DISPATCH)
    }

    /// What a plan made with these options keeps.
    pub fn promises(&self) -> Promises {
        let balanced = self.policy == Policy::Balanced;
        Promises { scope: self.scope, full: !balanced, distinct: balanced }
    }
}

/// All that can be wrong with a plan from nothing, for one that is explained.
pub(crate) fn check_plan(
    problem: &Problem,
    options: &Options,
    arena: &Arena,
    maps: &PlacementMut,
) -> Result<(), Status> {
    check(problem, options, arena, maps).map(|_| ())
}

/// Which way a plan goes, decided from the shape and the options alone.
#[derive(Clone, Copy)]
pub(crate) enum Way {
    Balanced,
    Recipe(Recipe),
}

pub(crate) fn admit(shape: &Shape, options: &Options) -> Result<Way, Status> {
    if !FROM_NOTHING.contains(options.flags) {
        return Err(Status::UnsupportedFlag);
    }
    metrics::admit(shape, options.judges_dispatch())?;
    if options.previous.is_some() {
        return Err(Status::UnsupportedPrevious);
    }
    if options.max_moves != 0 || options.max_moves_per_gpu_pair != 0 {
        return Err(Status::MovesWithoutPrevious);
    }
    match options.recipe.or(policy::recipe(options.policy)) {
        Some(recipe) => policy::admit(shape, options.scope).map(|()| Way::Recipe(recipe)),
        None => balanced::admit(shape, options.scope).map(|()| Way::Balanced),
    }
}

impl Way {
    /// What a layer needs: road and ruler take turns on the same memory.
    #[inline(never)] // sizing is over before planning takes the stack
    pub(crate) fn need(self, shape: &Shape, options: &Options) -> Need {
        let scope = options.scope;
        let road = match self {
            Way::Balanced => balanced::need(shape, scope)
                .max(no_worse::need(shape, scope))
                .max(Need { u32s: shape.num_logical_experts(), ..Need::default() }),
            Way::Recipe(recipe) if parts::COMPAT => hierarchy::need(shape, scope, recipe),
            Way::Recipe(_) => Need::default(), // refused by `admit`
        };
        road.max(metrics::need(shape, scope, options.judges_dispatch()))
    }
}

/// Plans a layer. `arena` holds what `Way::need` says.
pub(crate) fn plan_layer(
    way: Way,
    problem: &Problem,
    options: &Options,
    layer: usize,
    arena: &mut Arena,
    maps: &mut PlacementMut,
) {
    match way {
        Way::Balanced => plan_balanced(problem, options, layer, arena, maps),
        Way::Recipe(recipe) if parts::COMPAT => {
            plan_recipe(problem, options.scope, recipe, layer, arena, maps);
        }
        Way::Recipe(_) => {} // refused by `admit`
    }
}

#[inline(never)] // the stack holds one of the two ways
fn plan_recipe(
    problem: &Problem,
    scope: Scope,
    recipe: Recipe,
    layer: usize,
    arena: &mut Arena,
    maps: &mut PlacementMut,
) {
    let (shape, load) = (problem.shape(), problem.load(0, layer));
    let maps = &mut maps.layer(shape, layer);
    hierarchy::plan_layer(shape, scope, recipe, load, arena, maps);
}

#[inline(never)] // the stack holds one of the two ways
fn plan_balanced(
    problem: &Problem,
    options: &Options,
    layer: usize,
    arena: &mut Arena,
    maps: &mut PlacementMut,
) {
    let (shape, scope) = (problem.shape(), options.scope);
    let most_replicas = if maps.max_replicas == 0 { usize::MAX } else { maps.max_replicas };
    let row = balanced::Layer {
        problem,
        index: layer,
        most_replicas,
        effort: options.effort,
        may_stay_empty: options.flags.contains(Flags::EMPTY_SLOTS),
    };
    let slots = maps.slots_mut(shape, layer);
    if let Some(window) = balanced::plan_layer(&row, scope, arena, slots)
        && no_worse::concerns(shape, scope)
        && most_replicas >= self::most_replicas(shape)
    {
        no_worse::or_deepseek(problem, window, layer, scope, arena, slots);
    }
    maps.number(shape, layer, arena);
}

/// What an operation needs of an arena, whatever the number of layers. O(G).
///
/// # Errors
/// What the operation would refuse for its shape and options.
#[inline(never)] // sizing is over before planning takes the stack
pub fn workspace(operation: Operation, shape: &Shape, options: &Options) -> Result<Need, Status> {
    match operation {
        Operation::Plan => Ok(admit(shape, options)?.need(shape, options)),
        Operation::Evaluate => {
            let dispatch = options.judges_dispatch();
            metrics::admit(shape, dispatch)?;
            let need = metrics::need(shape, options.scope, dispatch);
            Ok(need.max(metrics::measured_need(shape, options.scope, dispatch)))
        }
        Operation::Check => Ok(placement::need(shape)),
        Operation::Dispatch if parts::DISPATCH => dispatch::need(shape),
        Operation::Number | Operation::Digest => Ok(Need::default()),
        // transfers and plans from a placement are not of this floor: see migrate
        Operation::Dispatch | Operation::Transfers | Operation::Rebalance => {
            Err(Status::UnknownOperation)
        }
    }
}

/// Plans every layer. Calls `report` once a layer, in order, when it is given.
///
/// Writes every element of every map that is given. On an error nothing is written and `report` is
/// not called.
///
/// # Errors
/// [`Status::UnsupportedPolicy`] and the other `Unsupported*`, [`Status::ArrayLength`],
/// [`Status::MaxReplicas`], [`Status::TooFewSlots`], the `*NotDivisible`, [`Status::LoadTooLarge`],
/// [`Status::WorkspaceTooSmall`].
#[inline(always)] // no frame of its own under that of the C face
pub(crate) fn plan(
    problem: &Problem,
    options: &Options,
    arena: &mut Arena,
    maps: &mut PlacementMut,
    mut report: Option<Report>,
) -> Result<(), Status> {
    let way = check(problem, options, arena, maps)?;
    for layer in 0..problem.shape().num_layers() {
        plan_layer(way, problem, options, layer, arena, maps);
        if let Some(report) = report.as_mut() {
            let (scope, dispatch) = (options.scope, options.judges_dispatch());
            metrics::report_layer(problem, layer, scope, dispatch, arena, maps, report);
        }
    }
    Ok(())
}

/// All that can be wrong with a call of [`plan`]. A function of its own, so that what only checking needs is
/// off the stack while planning is on it.
#[inline(never)]
fn check(
    problem: &Problem,
    options: &Options,
    arena: &Arena,
    maps: &PlacementMut,
) -> Result<Way, Status> {
    let shape = problem.shape();
    let way = admit(shape, options)?;
    maps.check_lengths(shape)?;
    check_width(shape, way, maps.logical_to_physical.is_some(), maps.max_replicas)?;
    if let Way::Recipe(_) = way {
        policy::admit_loads(problem)?;
    }
    arena.check(way.need(shape, options))?;
    Ok(way)
}

/// The most replicas that an expert can get when every expert is placed.
fn most_replicas(shape: &Shape) -> usize {
    shape.num_physical_experts() - shape.num_logical_experts() + 1
}

/// The table of slots, if there is one, must be wide enough: BALANCED keeps to its width, a recipe may need it all.
pub(crate) fn check_width(
    shape: &Shape,
    way: Way,
    table: bool,
    width: usize,
) -> Result<(), Status> {
    if table && width < least_width(shape, way) { Err(Status::MaxReplicas) } else { Ok(()) }
}

/// How wide a table of slots must be.
pub(crate) fn least_width(shape: &Shape, way: Way) -> usize {
    match way {
        Way::Balanced => 1,
        Way::Recipe(_) => most_replicas(shape),
    }
}
