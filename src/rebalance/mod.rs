//! From the placement in force: within limits, renamed, or repaired alone.

pub mod balance;
mod every_change;
mod homes;
pub mod hungarian;
pub mod mode;
pub mod planner;
pub mod refusals;
pub mod rename;
pub mod search;
mod seconds;
pub mod slots;
mod spare;
pub mod target;

use crate::afresh::measured;
use crate::base::arena::{Arena, Need};
use crate::options::Options;
use crate::placement::{Placement, PlacementMut};
use crate::problem::{Problem, Shape};
use crate::score::{self, Layer, Report};
use crate::status::Status;
use mode::Rebalance;
use planner::{Planner, Scratch};
use slots::differing;

/// What a plan from a placement needs.
pub fn need(how: &Rebalance, shape: &Shape) -> Need {
    let mut need = Need::default();
    Scratch::carve(&mut need, shape);
    need.plus(turns(how, shape))
}

/// What takes turns on the rest of the memory.
#[inline(never)] // sizing is over before planning takes the stack
fn turns(how: &Rebalance, shape: &Shape) -> Need {
    let own = search::need(shape, how)
        .max(rename::need(shape, how.by_node()))
        .max(balance::need(shape, how.nearest))
        .max(spare::need(shape));
    own.max(how.way.need(shape, &how.fresh))
}

/// Plans from a placement, or what must survive something.
#[inline(never)] // off the stack of plans from nothing
pub fn plan(
    problem: &Problem,
    options: &Options,
    how: &Rebalance,
    arena: &mut Arena,
    maps: &mut PlacementMut,
    mut report: Option<Report>,
) -> Result<(), Status> {
    let shape = problem.shape();
    let planner = check(problem, options, how, arena, maps)?;
    let mut turns = arena.rest();
    planner.check_layers(&mut turns)?;
    let scratch = &mut Scratch::carve(&mut turns, shape);
    for layer in 0..shape.num_layers() {
        let old = options.previous.map(|previous| Placement::of(previous).layer(shape, layer));
        planner.plan_layer(layer, old, scratch, &mut turns, maps);
        if let Some(report) = report.as_mut() {
            report_layer(&planner, layer, &mut turns, maps, report);
        }
    }
    Ok(())
}

/// Reports a layer, and how many of its slots have changed.
#[inline(never)] // its stack is not under that of planning
fn report_layer(
    planner: &Planner,
    index: usize,
    arena: &mut Arena,
    maps: &PlacementMut,
    report: &mut Report,
) {
    let Planner { problem, options, how, .. } = *planner;
    let shape = problem.shape();
    let slots = maps.slots(shape, index);
    let old = options.previous.map(|previous| Placement::of(previous).layer(shape, index));
    let moved_slots = old.map_or(0, |old| differing(shape, old, slots));
    let layer = Layer { problem, index, slots, slot_load: None };
    let how = &measured(options, how.survive);
    score::report_layer(&layer, how, moved_slots, arena, report);
}

/// All that can be wrong with a call but what the layers in force hold: the planner that looks at these.
pub fn check<'p>(
    problem: &'p Problem<'p>,
    options: &'p Options<'p>,
    how: &'p Rebalance<'p>,
    arena: &Arena,
    maps: &PlacementMut,
) -> Result<Planner<'p>, Status> {
    arena.check(need(how, problem.shape()))?;
    Planner::new(problem, options, how, maps)
}
