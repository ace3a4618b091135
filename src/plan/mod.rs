//! Whole placements: what is asked of the planner, and the road that answers.

mod balanced;
mod hierarchy;
mod joint;
mod no_worse;
pub mod policy;

pub(crate) use joint::at;

use crate::arena::{Arena, Need};
use crate::metrics::{self, Report};
use crate::placement::{self, LayerMaps, PlacementMut};
use crate::problem::{Problem, Scope, Shape};
use crate::status::Status;
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
}

pub use eplb_operation as Operation;

impl TryFrom<u32> for Operation {
    type Error = Status;
    fn try_from(number: u32) -> Result<Self, Status> {
        [Operation::Plan, Operation::Evaluate, Operation::Check]
            .into_iter()
            .find(|&operation| operation as u32 == number)
            .ok_or(Status::UnknownOperation)
    }
}

/// How to plan. The default is policy BALANCED, scope AUTO, from nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'a> {
    /// Which policy.
    pub policy: Policy,
    /// A recipe of one's own in place of the policy's; planned as the compatibility policies are.
    pub recipe: Option<Recipe>,
    /// Which hierarchy.
    pub scope: Scope,
    /// Bound on the candidate evaluations of a layer; 0 is the default of the policy. The
    /// compatibility policies do a fixed amount of work and accept any.
    pub effort: u32,
    /// With `previous`: slots that may change per layer; 0 = no limit.
    pub max_moves: u32,
    /// With `previous`: slots that may change per layer from one GPU to another; 0 = no limit.
    pub max_moves_per_gpu_pair: u32,
    /// `EPLB_FLAG_*`.
    pub flags: u32,
    /// `[L][P]` placement in force, -1 = empty, or `None`: plan from nothing.
    pub previous: Option<&'a [i32]>,
}

/// Which way a plan goes, decided from the shape and the options alone.
#[derive(Clone, Copy)]
pub(crate) enum Way {
    Balanced,
    Recipe(Recipe),
}

pub(crate) fn admit(shape: &Shape, options: &Options) -> Result<Way, Status> {
    if options.flags != 0 {
        return Err(Status::UnsupportedFlag);
    }
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
    pub(crate) fn need(self, shape: &Shape, scope: Scope) -> Need {
        let road = match self {
            Way::Balanced => balanced::need(shape, scope)
                .max(no_worse::need(shape, scope))
                .max(Need { u32s: shape.num_logical_experts(), ..Need::default() }),
            Way::Recipe(recipe) => hierarchy::need(shape, scope, recipe),
        };
        road.max(metrics::need(shape, scope))
    }

    /// Plans a layer. `arena` holds what `need` says.
    pub(crate) fn plan_layer(
        self,
        problem: &Problem,
        options: &Options,
        layer: usize,
        arena: &mut Arena,
        maps: &mut LayerMaps,
    ) {
        match self {
            Way::Balanced => plan_balanced(problem, options, layer, arena, maps),
            Way::Recipe(recipe) => {
                plan_recipe(
                    problem.shape(),
                    options.scope,
                    recipe,
                    problem.load(0, layer),
                    arena,
                    maps,
                );
            }
        }
    }
}

// Functions of their own, so that the stack holds one of the two scratches, and neither while the other
// things of a plan are done.

#[inline(never)]
fn plan_recipe(
    shape: &Shape,
    scope: Scope,
    recipe: Recipe,
    load: &[f32],
    arena: &mut Arena,
    maps: &mut LayerMaps,
) {
    let road = hierarchy::Road::new(shape, scope);
    let mut scratch = hierarchy::Scratch::carve(&mut arena.rest(), &road, recipe);
    hierarchy::plan_layer(&road, recipe, load, &mut scratch, maps);
}

fn plan_balanced(
    problem: &Problem,
    options: &Options,
    layer: usize,
    arena: &mut Arena,
    maps: &mut LayerMaps,
) {
    let shape = problem.shape();
    let most = if maps.max_replicas == 0 { usize::MAX } else { maps.max_replicas };
    let slots = &mut *maps.physical_to_logical;
    plan_rows(problem, options, layer, most, arena, slots);
    if no_worse::concerns(shape, options.scope) && most >= most_replicas(shape) {
        no_worse::or_deepseek(problem, layer, options.scope, arena.rest(), slots);
    }
    maps.number(arena.rest().u32s.take(shape.num_logical_experts()));
}

#[inline(never)]
fn plan_rows(
    problem: &Problem,
    options: &Options,
    layer: usize,
    most_replicas: usize,
    arena: &mut Arena,
    slots: &mut [i32],
) {
    let (shape, load, effort) = (problem.shape(), problem.load(0, layer), options.effort);
    let mut scratch = balanced::Scratch::carve(&mut arena.rest(), shape, options.scope);
    let layer = balanced::Layer { shape, load, most_replicas, effort };
    balanced::plan_layer(&layer, &mut scratch, slots);
}

/// What an operation needs of an arena, whatever the number of layers. O(G).
///
/// # Errors
/// What the operation would refuse for its shape and options.
pub fn workspace(operation: Operation, shape: &Shape, options: &Options) -> Result<Need, Status> {
    match operation {
        Operation::Plan => Ok(admit(shape, options)?.need(shape, options.scope)),
        Operation::Evaluate => {
            metrics::admit(shape)?;
            Ok(metrics::need(shape, options.scope))
        }
        Operation::Check => Ok(placement::need(shape)),
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
pub fn plan(
    problem: &Problem,
    options: &Options,
    mut arena: Arena,
    mut maps: PlacementMut,
    mut report: Option<Report>,
) -> Result<(), Status> {
    let shape = problem.shape();
    let way = admit(shape, options)?;
    maps.check_lengths(shape)?;
    check_max_replicas(shape, way, &maps)?;
    if let Way::Recipe(_) = way {
        policy::admit_loads(problem)?;
    }
    let mut shared = arena.part(way.need(shape, options.scope));
    arena.finish()?;

    for layer in 0..shape.num_layers() {
        let mut layer_maps = maps.layer(shape, layer);
        way.plan_layer(problem, options, layer, &mut shared, &mut layer_maps);
        if let Some(report) = report.as_mut() {
            let slots = &*layer_maps.physical_to_logical;
            let (scope, arena) = (options.scope, shared.rest());
            report(layer, &metrics::measure_layer(problem, layer, scope, arena, slots));
        }
    }
    Ok(())
}

/// The most replicas that an expert can get when every expert is placed.
fn most_replicas(shape: &Shape) -> usize {
    shape.num_physical_experts() - shape.num_logical_experts() + 1
}

/// The table of slots must be wide enough: BALANCED keeps to its width, a recipe may need it all.
pub(crate) fn check_max_replicas(
    shape: &Shape,
    way: Way,
    maps: &PlacementMut,
) -> Result<(), Status> {
    let least = match way {
        Way::Balanced => 1,
        Way::Recipe(_) => most_replicas(shape),
    };
    if maps.logical_to_physical.is_some() && maps.max_replicas < least {
        return Err(Status::MaxReplicas);
    }
    Ok(())
}
