//! Plans from the placement in force, layer by layer.

use crate::afresh;
use crate::base::arena::{Arena, Carve, Need};
use crate::base::cells::{at, put};
use crate::options::Options;
use crate::placement::{LayerMaps, Placement, PlacementMut};
use crate::problem::{Problem, Shape};
use crate::rebalance::board::{Board, NONE};
use crate::rebalance::mode::{Course, Mode};
use crate::rebalance::steps::{Limits, Survive};
use crate::rebalance::{fill, incremental, rename, repair, ruler};
use crate::score::{self, Metrics, Report};
use crate::status::Status;

/// Scratch of a plan from a placement, beside the turns of the others on the rest.
struct Scratch<'a> {
    /// `[P]` the slot of the new plan that each slot takes over; experts kept aside.
    from: &'a mut [u32],
    kept: &'a mut [u32],
}

fn carve<'a>(arena: &mut impl Carve<'a>, shape: &Shape) -> Scratch<'a> {
    let slots = shape.num_physical_experts();
    Scratch { from: arena.u32s(slots), kept: arena.u32s(slots) }
}

pub fn need(course: &Course, shape: &Shape) -> Need {
    let mut need = Need::default();
    carve(&mut need, shape);
    need.plus(course.turns(shape))
}

/// Plans from a placement, or what must survive something.
#[inline(never)] // off the stack of plans from nothing
pub fn plan(
    problem: &Problem,
    options: &Options,
    course: &Course,
    arena: &mut Arena,
    maps: &mut PlacementMut,
    mut report: Option<Report>,
) -> Result<(), Status> {
    let shape = problem.shape();
    let mut planner = Planner::new(problem, options, course, arena, maps)?;
    let mut turns = arena.rest();
    let mut scratch = carve(&mut turns, shape);
    planner.check_layers(&mut turns)?;
    for layer in 0..shape.num_layers() {
        let old = options.previous.map(|previous| Placement::of(previous).layer(shape, layer));
        planner.plan_layer(layer, old, &mut scratch, &mut turns, maps);
        if let Some(report) = report.as_mut() {
            let moved = old.map_or(0, |old| differing(shape, old, maps.slots(shape, layer)));
            let (scope, dispatch) = (options.scope, options.judges_dispatch());
            let mut with_moves = |layer: usize, metrics: &Metrics| {
                report(layer, &Metrics { moved_slots: moved, ..*metrics });
            };
            let report: &mut Report = &mut (&mut with_moves as Report);
            score::report_layer(problem, layer, scope, dispatch, &mut turns, maps, report);
        }
    }
    Ok(())
}

/// Slots of GPUs that are alive whose expert differs.
fn differing(shape: &Shape, old: &[i32], new: &[i32]) -> u32 {
    let topology = shape.topology();
    let mut pairs = old.iter().zip(new);
    let mut sum = 0;
    for gpu in 0..topology.num_gpus() {
        let here = pairs.by_ref().take(topology.slots(gpu));
        let changed = here.fold(0, |n, (old, new)| n + u32::from(old != new));
        sum += if topology.receives(gpu) { changed } else { 0 };
    }
    sum
}

/// A plan from a placement.
pub struct Planner<'p> {
    pub problem: &'p Problem<'p>,
    pub options: &'p Options<'p>,
    pub course: &'p Course<'p>,
    pub limits: Limits,
}

impl Planner<'_> {
    fn plan_layer(
        &mut self,
        layer: usize,
        old: Option<&[i32]>,
        scratch: &mut Scratch,
        turns: &mut Arena,
        maps: &mut PlacementMut,
    ) {
        match old {
            Some(old) if self.course.mode != Mode::Anew => {
                self.improve(layer, old, scratch, turns, maps);
            }
            _ => self.plan_anew(layer, old, scratch, turns, maps),
        }
    }

    /// Steps from the placement in force; where half of the slots may change, the plan from nothing, renamed,
    /// when that is within the limit and better.
    fn improve(
        &mut self,
        layer: usize,
        old: &[i32],
        scratch: &mut Scratch,
        turns: &mut Arena,
        maps: &mut PlacementMut,
    ) {
        let shape = self.problem.shape();
        let slots = maps.slots_mut(shape, layer);
        self.step(layer, old, scratch.kept, turns);
        write(scratch.kept, slots);
        self.arrange(old, slots, scratch.from, turns);
        permute(scratch.from, scratch.kept, slots);
        let stepped = self.balance(layer, slots, turns);
        if self.course.mode == Mode::Limited
            && self.balance(layer, old, turns) > stepped
            && self.is_complete(layer, old, turns)
        {
            stay(shape, old, slots);
        }
        if self.may_change_half() {
            for (kept, &slot) in scratch.kept.iter_mut().zip(slots.iter()) {
                *kept = slot as u32;
            }
            self.fresh(layer, turns, maps);
            let slots = maps.slots_mut(shape, layer);
            let better = self.balance(layer, slots, turns) > stepped;
            self.relabel(old, slots, scratch.from, turns);
            if !better || self.changed(old, slots, scratch.from) > self.limits.moves {
                write(scratch.kept, slots);
            } else {
                permute(scratch.from, scratch.kept, slots);
            }
        }
        maps.number(shape, layer, turns);
    }

    /// Whether so many slots may change that a plan from nothing could be within the limit.
    fn may_change_half(&self) -> bool {
        let half = self.problem.shape().num_physical_experts() / 2;
        self.course.mode == Mode::Limited
            && !self.course.fill_only
            && self.limits.per_pair == 0
            && self.course.survive == Survive::Nothing
            && self.limits.moves as usize >= half.max(1)
    }

    /// Plans from nothing.
    fn fresh(&self, layer: usize, turns: &mut Arena, maps: &mut PlacementMut) {
        let Course { way, fresh, .. } = self.course;
        afresh::plan_layer(*way, self.problem, fresh, layer, turns, maps);
    }

    #[inline(never)]
    fn step(&mut self, layer: usize, old: &[i32], kept: &mut [u32], turns: &mut Arena) {
        let shape = self.problem.shape();
        let mut board = Board::carve(turns, shape, self.course.hierarchical);
        board.set(self.problem, layer, old);
        // `check` has seen that this is possible
        let _possible = repair::repair(&mut board, shape, &self.limits);
        if self.course.mode == Mode::Repair {
            return keep(board.on, kept);
        }
        if self.course.fills {
            fill::fill(&mut board, &self.limits);
        }
        incremental::improve(&mut board, &self.limits, self.options.effort, kept);
        let empty = |(&kept, &gpu): (&u32, &u32)| kept == NONE && gpu != NONE;
        if self.course.fills && kept.iter().zip(board.gpu.iter()).any(empty) {
            // what was at its most replicas may have fewer now
            board.set(self.problem, layer, old);
            board.hold(kept);
            fill::fill(&mut board, &self.limits);
            keep(board.on, kept);
        }
    }

    /// The plan from nothing, made to survive what it must, and renamed.
    fn plan_anew(
        &mut self,
        layer: usize,
        old: Option<&[i32]>,
        scratch: &mut Scratch,
        turns: &mut Arena,
        maps: &mut PlacementMut,
    ) {
        let shape = self.problem.shape();
        self.fresh(layer, turns, maps);
        if self.course.survive != Survive::Nothing {
            self.make_survive(layer, scratch.kept, turns, maps.slots_mut(shape, layer));
        }
        if let Some(old) = old {
            let slots = maps.slots_mut(shape, layer);
            if self.course.balanced && self.stays(layer, old, slots, scratch.kept, turns) {
                write(scratch.kept, slots);
            } else {
                self.relabel(old, slots, scratch.from, turns);
                permute_maps(scratch.from, scratch.kept, &mut maps.layer(shape, layer));
            }
        }
        if self.course.balanced {
            maps.number(shape, layer, turns);
        }
    }

    #[inline(never)]
    fn make_survive(
        &mut self,
        layer: usize,
        kept: &mut [u32],
        turns: &mut Arena,
        slots: &mut [i32],
    ) {
        let shape = self.problem.shape();
        let mut board = Board::carve(turns, shape, self.course.hierarchical);
        board.set(self.problem, layer, slots);
        // there is room: see `can_survive`
        let _possible = repair::repair(&mut board, shape, &self.limits);
        incremental::improve(&mut board, &self.limits, self.options.effort, kept);
        write(kept, slots);
    }

    /// Whether the placement in force, its empty slots filled, can stay: it keeps all rules and is balanced as well as
    /// `new` is. `kept` is then what stays.
    #[inline(never)]
    fn stays(
        &mut self,
        layer: usize,
        old: &[i32],
        new: &[i32],
        kept: &mut [u32],
        turns: &mut Arena,
    ) -> bool {
        let planned = self.balance(layer, new, turns);
        let in_force = self.balance(layer, old, turns);
        if in_force < 0.0 || planned > in_force {
            return false;
        }
        let mut board = Board::carve(turns, self.problem.shape(), self.course.hierarchical);
        board.set(self.problem, layer, old);
        if !self.keeps_rules(&board) {
            return false;
        }
        if self.course.fills {
            fill::fill(&mut board, &self.limits);
        }
        keep(board.on, kept);
        board.moved == 0 || board.balance() >= planned
    }

    /// Whether it is as good as any to leave the placement in force as it is.
    #[inline(never)]
    fn is_complete(&mut self, layer: usize, old: &[i32], turns: &mut Arena) -> bool {
        let mut board = Board::carve(turns, self.problem.shape(), self.course.hierarchical);
        board.set(self.problem, layer, old);
        self.keeps_rules(&board) && !(self.course.fills && fill::has_room(&mut board, &self.limits))
    }

    /// Whether the experts are where they must be, and no more often than they may.
    fn keeps_rules(&self, board: &Board) -> bool {
        let safe = |expert| self.limits.safe(board, expert, usize::MAX, None);
        !board.scattered()
            && board.count.iter().all(|&count| count <= self.limits.most_replicas)
            && (0..board.count.len()).all(safe)
    }

    /// Finds other names for the GPUs of a plan. The scratch is off the stack afterwards.
    #[inline(never)]
    fn relabel(&self, old: &[i32], new: &[i32], from: &mut [u32], turns: &mut Arena) {
        let shape = self.problem.shape();
        rename::Scratch::carve(turns, shape, self.course.by_node()).relabel(shape, old, new, from);
    }

    /// The same with every GPU keeping its name.
    #[inline(never)]
    fn arrange(&self, old: &[i32], new: &[i32], from: &mut [u32], turns: &mut Arena) {
        let shape = self.problem.shape();
        rename::Scratch::carve(turns, shape, self.course.by_node()).arrange(shape, old, new, from);
    }

    /// By the ruler; -1 when an expert is missing.
    #[inline(never)]
    fn balance(&self, layer: usize, slots: &[i32], turns: &mut Arena) -> f64 {
        let count = turns.rest().u32s(self.problem.shape().num_logical_experts());
        ruler::balance(self.problem, layer, slots, count).unwrap_or(-1.0)
    }

    fn changed(&self, old: &[i32], new: &[i32], from: &[u32]) -> u32 {
        let topology = self.problem.shape().topology();
        let mut pairs = old.iter().zip(from);
        let mut sum = 0;
        for gpu in 0..topology.num_gpus() {
            let here = pairs.by_ref().take(topology.slots(gpu));
            let changed = here
                .fold(0, |n, (&old, &from)| n + u32::from(new.get(from as usize) != Some(&old)));
            sum += if topology.receives(gpu) { changed } else { 0 };
        }
        sum
    }
}

fn keep(on: &[u32], kept: &mut [u32]) {
    for (kept, &expert) in kept.iter_mut().zip(on) {
        *kept = expert;
    }
}

fn write(kept: &[u32], slots: &mut [i32]) {
    for (slot, &kept) in slots.iter_mut().zip(kept) {
        *slot = kept as i32;
    }
}

/// The placement in force, without the GPUs that do not receive.
fn stay(shape: &Shape, old: &[i32], slots: &mut [i32]) {
    let topology = shape.topology();
    let mut pairs = old.iter().zip(slots.iter_mut());
    for gpu in 0..topology.num_gpus() {
        let receives = topology.receives(gpu);
        for (&old, slot) in pairs.by_ref().take(topology.slots(gpu)) {
            *slot = if receives { old } else { -1 };
        }
    }
}

/// Every slot takes over what `from` says. `aside` is scratch.
fn permute(from: &[u32], aside: &mut [u32], slots: &mut [i32]) {
    for (aside, &slot) in aside.iter_mut().zip(slots.iter()) {
        *aside = slot as u32;
    }
    for (slot, &from) in slots.iter_mut().zip(from) {
        *slot = at(aside, from as usize) as i32;
    }
}

/// The same for all maps: ranks go with the slots.
fn permute_maps(from: &[u32], aside: &mut [u32], maps: &mut LayerMaps) {
    permute(from, aside, maps.physical_to_logical);
    permute(from, aside, maps.replica_rank);
    for (slot, &from) in from.iter().enumerate() {
        put(aside, from as usize, slot as u32);
    }
    for entry in maps.logical_to_physical.iter_mut() {
        if let Some(&slot) = aside.get(*entry as usize) {
            *entry = slot as i32;
        }
    }
}
