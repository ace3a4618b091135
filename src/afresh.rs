//! Plans from nothing: by BALANCED, or by a recipe.

use crate::balanced;
use crate::base::arena::{Arena, Need};
use crate::bound::lower::{Kept, Survive};
use crate::compat;
use crate::compat::policy::{self, Recipe};
use crate::options::Options;
use crate::options::flags::Flags;
use crate::parts;
use crate::placement::PlacementMut;
use crate::problem::{Problem, Shape, StaticSplit};
use crate::score::{self, How, Layer, Report};
use crate::status::Status;

/// The flags of a plan from nothing.
pub const FROM_NOTHING: Flags = Flags::DISPATCH.or(Flags::EMPTY_SLOTS);

/// All that can be wrong with a plan from nothing, for one that is explained.
pub fn check_plan(
    problem: &Problem,
    options: &Options,
    arena: &Arena,
    maps: &PlacementMut,
) -> Result<(), Status> {
    check(problem, options, arena, maps).map(|_| ())
}

/// Which way a plan goes, decided from the shape and the options alone.
#[derive(Clone, Copy)]
pub enum Way {
    Balanced,
    Recipe(Recipe),
}

pub fn admit(shape: &Shape, options: &Options) -> Result<Way, Status> {
    if !FROM_NOTHING.contains(options.flags) {
        return Err(Status::UnsupportedFlag);
    }
    admit_cost(shape, options)?;
    score::admit(shape, options.measures_dispatch())?;
    if options.previous.is_some() {
        return Err(Status::UnsupportedPrevious);
    }
    if options.max_moves != 0 || options.max_moves_per_gpu_pair != 0 || options.target != 0 {
        return Err(Status::MovesWithoutPrevious);
    }
    let recipe = options.recipe.or(policy::recipe(options.policy));
    if options.split != StaticSplit::Even && (recipe.is_some() || !parts::PREVIOUS) {
        return Err(Status::UnsupportedSplit);
    }
    match recipe {
        Some(recipe) => policy::admit(shape, options.scope).map(|()| Way::Recipe(recipe)),
        None => balanced::admit(shape, options.scope).map(|()| Way::Balanced),
    }
}

/// Recipes count in tokens alone. Where active experts cost time a plan is searched as from a placement, and compared by
/// what dispatch makes of it.
fn admit_cost(shape: &Shape, options: &Options) -> Result<(), Status> {
    let is_counted = !options.is_balanced() && shape.seconds().is_some();
    let is_searched = options.split == StaticSplit::Even && parts::PREVIOUS;
    if is_counted || shape.reads() && !is_searched { Err(Status::UnsupportedCost) } else { Ok(()) }
}

impl Way {
    /// What a layer needs: planning and measuring take turns on the same memory.
    #[inline(never)] // sizing is over before planning takes the stack
    pub fn need(self, shape: &Shape, options: &Options) -> Need {
        let scope = options.scope;
        let planning = match self {
            Way::Balanced => balanced::need(shape, scope),
            Way::Recipe(recipe) if parts::COMPAT => compat::need(shape, scope, recipe),
            Way::Recipe(_) => Need::default(), // refused by `admit`
        };
        planning.max(score::need(shape, scope, options.measures_dispatch(), options.split))
    }
}

/// How a placement is measured.
pub fn measured(options: &Options, survive: Survive) -> How {
    let kept = Kept {
        survive,
        may_empty: options.flags.contains(Flags::EMPTY_SLOTS),
        uneven: options.split == StaticSplit::Nearest,
    };
    let Options { scope, split, .. } = *options;
    How { scope, split, dispatch: options.measures_dispatch(), kept }
}

/// What a plan needs of an arena.
///
/// # Errors
/// Those of [`admit`].
#[inline(never)] // sizing is over before planning takes the stack
pub fn need(shape: &Shape, options: &Options) -> Result<Need, Status> {
    Ok(admit(shape, options)?.need(shape, options))
}

/// Plans a layer. `arena` holds what `Way::need` says.
pub fn plan_layer(
    way: Way,
    problem: &Problem,
    options: &Options,
    layer: usize,
    arena: &mut Arena,
    maps: &mut PlacementMut,
) {
    match way {
        Way::Balanced => balanced::plan_layer(problem, options, layer, arena, maps),
        Way::Recipe(recipe) if parts::COMPAT => {
            compat::plan_layer(problem, options.scope, recipe, layer, arena, maps);
        }
        Way::Recipe(_) => {} // refused by `admit`
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
pub fn plan(
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
            let slots = maps.slots(problem.shape(), layer);
            let layer = Layer { problem, index: layer, slots, slot_load: None };
            let how = &measured(options, Survive::Nothing);
            score::report_layer(&layer, how, 0, arena, report);
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
pub fn check_width(shape: &Shape, way: Way, table: bool, width: usize) -> Result<(), Status> {
    if table && width < least_width(shape, way) { Err(Status::MaxReplicas) } else { Ok(()) }
}

/// How wide a table of slots must be.
pub fn least_width(shape: &Shape, way: Way) -> usize {
    match way {
        Way::Balanced => 1,
        Way::Recipe(_) => most_replicas(shape),
    }
}
