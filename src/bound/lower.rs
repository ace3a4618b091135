//! The lower bound of a layer: the plain one; in hierarchical scope that of the groups; and the weighed one
//! where the placement at hand leaves a gap.

use crate::base::arena::Carve;
use crate::base::keys::{descending, index_of, load_of_descending, sort, sort_buffer, widen};
use crate::bound::filled::filled;
use crate::bound::water_level::{Fleet, plain};
use crate::bound::weights::refine;
use crate::groups::Assignment;
use crate::problem::Shape;

/// What every expert must be on two of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survive {
    Nothing,
    Gpu,
    Node,
}

/// What placements keep beside the rules of all.
#[derive(Clone, Copy, Debug)]
pub struct Kept {
    /// Every expert is on two of these.
    pub survive: Survive,
    /// Slots may stay empty.
    pub may_empty: bool,
    /// The replicas of an expert do not all get as much.
    pub uneven: bool,
}

impl Kept {
    /// Nothing.
    pub const NOTHING: Kept = Kept { survive: Survive::Nothing, may_empty: false, uneven: false };
}

/// A gap that is not worth the weighing.
const CLOSE: f64 = 1.0005;
/// Ramps weighed at most.
const RAMPS: u32 = 400;
/// Assignments of groups tried at most.
const ASSIGNMENTS: u32 = 2_000;

/// Scratch of the bound.
#[derive(Debug)]
pub struct Scratch<'a> {
    keys: &'a mut [u64],
    buffer: &'a mut [u64],
    /// `[E]` loads by falling load, and the sums from each on.
    load: &'a mut [f32],
    tail: &'a mut [f64],
    /// `[G]` the GPUs that receive, by falling speed.
    speed: &'a mut [f32],
    slots: &'a mut [u32],
    gpus: usize,
    /// The slower of the two fastest GPUs on which an expert can survive; 0 where it need not.
    apart: f64,
    may_empty: bool,
    uneven: bool,
    /// Hierarchical scope alone: without groups otherwise.
    groups: Assignment<'a>,
}

impl<'a> Scratch<'a> {
    /// Takes the scratch of the bound: O(E + G), and O(K + N) when hierarchical.
    #[inline(always)]
    pub fn carve(arena: &mut impl Carve<'a>, shape: &Shape, hierarchical: bool) -> Self {
        let (experts, gpus) = (shape.num_logical_experts(), shape.topology().num_gpus());
        let groups = if hierarchical { shape.num_groups() } else { 0 };
        Scratch {
            keys: arena.u64s(experts.max(gpus)),
            buffer: arena.u64s(sort_buffer(experts.max(gpus))),
            load: arena.f32s(experts),
            tail: arena.f64s(experts.saturating_add(1)),
            speed: arena.f32s(gpus),
            slots: arena.u32s(gpus),
            gpus: 0,
            apart: 0.0,
            may_empty: false,
            uneven: false,
            groups: Assignment::list(arena, shape, groups),
        }
    }

    /// Notes the topology, and what else is kept: O(G log G).
    #[inline(never)]
    pub fn note(&mut self, shape: &Shape, kept: &Kept) {
        self.groups.note(shape);
        let usable = |gpu: usize| shape.usable_slots(gpu);
        self.gpus = 0;
        for gpu in (0..shape.topology().num_gpus()).filter(|&gpu| usable(gpu) > 0) {
            if let Some(key) = self.keys.get_mut(self.gpus) {
                *key = descending(shape.topology().speed(gpu), gpu);
            }
            self.gpus += 1;
        }
        if let Some(keys) = self.keys.get_mut(..self.gpus) {
            sort(keys, self.buffer);
            for ((speed, slots), &key) in
                self.speed.iter_mut().zip(self.slots.iter_mut()).zip(&*keys)
            {
                *speed = load_of_descending(key);
                *slots = usable(index_of(key)) as u32;
            }
        }
        self.may_empty = kept.may_empty;
        self.uneven = kept.uneven;
        self.apart = self.second(shape, kept.survive);
    }

    /// The speed of the fastest GPU on another place than the fastest of all; 0 where one place will do, or is all
    /// there is.
    fn second(&self, shape: &Shape, survive: Survive) -> f64 {
        let place = |&key: &u64| match survive {
            Survive::Node => shape.topology().node(index_of(key)),
            _ => index_of(key),
        };
        let keys = self.keys.get(..self.gpus).unwrap_or_default();
        let other = keys.iter().find(|&key| keys.first().map(place) != Some(place(key)));
        match (survive, other) {
            (Survive::Nothing, _) | (_, None) => 0.0,
            (_, Some(&key)) => widen(load_of_descending(key)),
        }
    }
}

/// No placement of this load `[E]` that keeps replicas of an expert apart, in hierarchical scope groups on their node,
/// and what has been noted, has a smaller largest GPU time; where a placement with so many `replicas`, no two of an
/// expert on a GPU, has no empty slot, and none may be empty, none that is full has. `reached`: the time of a placement
/// that is known. O(E + G), O(E log E) a ramp where that leaves a gap.
#[inline(never)] // what it takes is on the stack only meanwhile
pub fn lower_bound(load: &[f32], reached: f64, replicas: u64, scratch: &mut Scratch) -> f64 {
    for (expert, (key, &load)) in scratch.keys.iter_mut().zip(load).enumerate() {
        *key = descending(load.abs(), expert);
    }
    if let Some(keys) = scratch.keys.get_mut(..load.len()) {
        sort(keys, scratch.buffer);
        for (load, &key) in scratch.load.iter_mut().zip(&*keys) {
            *load = load_of_descending(key);
        }
    }
    let mut fleet = Fleet::new(
        scratch.speed.get(..scratch.gpus).unwrap_or_default(),
        scratch.slots.get(..scratch.gpus).unwrap_or_default(),
    );
    if scratch.apart > 0.0 {
        fleet = fleet.for_two(scratch.apart);
    }
    let total = load.iter().fold(0.0, |sum, &load| sum + widen(load));
    // of c replicas the largest is no smaller than where all are alike, but it may be on a GPU that is faster
    let alike = !scratch.uneven || fleet.speeds.first() == fleet.speeds.last();
    let mut bound =
        if alike { plain(scratch.load, total, &fleet) } else { total / fleet.total_speed };
    if !scratch.groups.node_of().is_empty() {
        // the floor is infinite when nothing fits: then there is nothing to bound
        let floor = scratch.groups.assign(load, ASSIGNMENTS).floor;
        if floor > bound && floor < f64::INFINITY {
            bound = floor;
        }
    }
    if scratch.uneven {
        return bound;
    }
    let is_full = replicas >= fleet.total_slots && !scratch.may_empty;
    if is_full && scratch.groups.node_of().is_empty() && reached > bound * CLOSE {
        let filled = filled(scratch.load, &fleet);
        bound = if filled > bound { filled } else { bound };
    }
    if reached > bound * CLOSE {
        bound = refine(scratch.load, &fleet, bound, reached, RAMPS, scratch.tail);
    }
    bound
}
