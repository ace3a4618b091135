//! What a plan from a placement is refused for: the checks, and which layer fails them, for an explanation.

use crate::afresh::{self, Way};
use crate::balanced::improve::instance::Goal;
use crate::balanced::improve::limits::Survive;
use crate::balanced::layer::keep;
use crate::base::arena::{Arena, Carve};
use crate::compat::policy;
use crate::options::Options;
use crate::options::flags::Flags;
use crate::placement::{Placement, PlacementMut, is_entry};
use crate::problem::Problem;
use crate::rebalance::balance;
use crate::rebalance::mode::{COUNTED, Mode, Rebalance, admit, most_replicas};
use crate::rebalance::planner::Planner;
use crate::rebalance::search::Task;
use crate::status::Status;

impl<'p> Planner<'p> {
    /// Checks all but what the layers hold.
    pub fn new(
        problem: &'p Problem<'p>,
        options: &'p Options<'p>,
        how: &'p Rebalance<'p>,
        maps: &PlacementMut,
    ) -> Result<Self, Status> {
        let shape = problem.shape();
        let table = maps.logical_to_physical.is_some();
        maps.check_lengths(shape)?;
        if let Some(previous) = options.previous {
            Placement::of(previous).check_lengths(shape)?;
        }
        check_maps(problem, how, table, maps.max_replicas)?;
        Ok(Planner { problem, options, how, max_replicas: maps.max_replicas })
    }

    /// Refuses a placement from which some layer cannot be planned.
    pub fn check_layers(&self, turns: &mut Arena) -> Result<(), Status> {
        let Some(previous) = self.options.previous else { return Ok(()) };
        let shape = self.problem.shape();
        (0..shape.num_layers()).try_for_each(|layer| {
            self.check(layer, Placement::of(previous).layer(shape, layer), turns)
        })
    }

    /// Refuses a layer that cannot be planned from its placement.
    #[inline(never)]
    pub fn check(&self, layer: usize, old: &[i32], turns: &mut Arena) -> Result<(), Status> {
        let shape = self.problem.shape();
        let experts = shape.num_logical_experts();
        if !old.iter().all(|&entry| is_entry(entry, experts)) {
            return Err(Status::PlacementExpert);
        }
        let topology = shape.topology();
        let external = self.options.flags.contains(Flags::EXTERNAL_SOURCE);
        let copies = turns.rest().u32s(experts);
        balance::count_copies(topology, old, |gpu| topology.serves(gpu), copies);
        if !external && copies.contains(&0) {
            return Err(Status::SourceLost);
        }
        if self.how.mode == Mode::Anew {
            return Ok(());
        }
        balance::count_copies(topology, old, |gpu| topology.receives(gpu), copies);
        if copies.iter().any(|&count| count > most_replicas(self.max_replicas)) {
            return Err(Status::MaxReplicas);
        }
        let as_it_is = self.how.survive == Survive::Nothing && !self.how.hierarchical;
        if as_it_is && !copies.contains(&0) {
            return Ok(()); // nothing to repair
        }
        repair(&self.task(layer, old), turns).map(|_| ()).ok_or(Status::Infeasible)
    }
}

/// Refuses maps and loads that a plan which goes so cannot have.
pub(crate) fn check_maps(
    problem: &Problem,
    how: &Rebalance,
    table: bool,
    width: usize,
) -> Result<(), Status> {
    afresh::check_width(problem.shape(), how.way, table, width)?;
    if let Way::Recipe(_) = how.way {
        policy::admit_loads(problem)?;
    }
    let two_places = how.survive != Survive::Nothing;
    if two_places && most_replicas(width) < 2 {
        return Err(Status::MaxReplicas);
    }
    Ok(())
}

/// The first layer that cannot be repaired, and the moves that it takes where only `max_moves` forbids them. `arena`
/// holds what planning needs.
pub(crate) fn beyond_repair(
    problem: &Problem,
    options: &Options,
    max_replicas: usize,
    mut arena: Arena,
) -> Option<(usize, Option<u32>)> {
    let previous = Placement::of(options.previous?);
    let how: &Rebalance = &admit(problem.shape(), options, true).ok()??;
    let planner = Planner { problem, options, how, max_replicas };
    let shape = problem.shape();
    let layer = (0..shape.num_layers()).find(|&layer| {
        let old = previous.layer(shape, layer);
        planner.check(layer, old, &mut arena.rest()) == Err(Status::Infeasible)
    })?;
    let task = planner.task(layer, previous.layer(shape, layer));
    Some((layer, repair(&Task { moves: COUNTED, ..task }, &mut arena)))
}

/// The moves that a repair takes; `None` where limits do not allow it.
fn repair(task: &Task, turns: &mut Arena) -> Option<u32> {
    let mut turns = turns.rest();
    let kept = turns.u32s(task.in_force.len());
    keep(task.in_force, kept);
    Some(task.search(Goal::Repaired, kept, &mut turns)?.moved)
}
