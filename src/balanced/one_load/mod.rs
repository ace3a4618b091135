//! The joint planner: counts and packing of one row decided together, near the optimum.
//!
//! A row is a set of experts and a set of GPUs of any slots and speeds. See `road` for the order of the steps
//! and docs/DESIGN.md for why each is there.

pub mod board;
pub mod c1;
pub mod capped;
pub mod chains;
pub mod counts;
pub mod exact;
pub mod items;
pub mod lpt;
pub mod moves;
pub mod pairs;
pub mod reach;
pub mod refine;
pub mod rematch;
pub mod road;
pub mod row;
pub mod scale;
pub mod scratch;

pub(crate) use crate::balanced::one_load::road::EFFORT;
pub use crate::balanced::one_load::scratch::need;

use crate::balanced::one_load::board::SPLIT;
use crate::balanced::one_load::scratch::carve;
use crate::base::arena::Arena;
use crate::base::cells::{at, put};

/// What the joint planner plans.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// Tokens of each expert: finite, not negative, no -0.0.
    pub load: &'a [f32],
    /// Slots of each GPU, at most as many as experts; fewer than 2^16 GPUs. Their sum is at least the
    /// experts, and at most `most_replicas` times as many.
    pub slots: &'a [u32],
    /// Speed of each GPU, above 0.
    pub speed: &'a [f32],
    /// Replicas that an expert may have, at most one on each GPU.
    pub most_replicas: u32,
    /// Partners looked at, at most about this many.
    pub effort: u64,
    /// Whether a slot may be left empty where that is better.
    pub may_stay_empty: bool,
}

/// Plans a row. `out`: the expert in each slot, those of the first GPU first, `u32::MAX` where a small row
/// is better off with an empty one and may have it. `arena` holds what [`need`] says for these sizes. Answers what is
/// left of the effort.
pub fn plan(p: &Row, arena: &mut Arena, out: &mut [u32]) -> u64 {
    // a GPU may have lost its slots to a limit on replicas
    let mut speeds = p.slots.iter().zip(p.speed).filter(|(slots, _)| **slots > 0);
    let first = speeds.next().map_or(0, |(_, speed)| speed.to_bits());
    if speeds.any(|(_, speed)| speed.to_bits() != first) {
        run::<true>(p, arena, out)
    } else {
        run::<false>(p, arena, out)
    }
}

#[inline(never)] // one of the two on the stack
fn run<const S: bool>(p: &Row, arena: &mut Arena, out: &mut [u32]) -> u64 {
    let row = &mut carve::<S>(arena, p.load.len(), out.len(), p.slots.len());
    let even = row.note_gpus(p.slots, p.speed);
    row.cap = p.most_replicas;
    row.may_stay_empty = p.may_stay_empty;
    row.factor *= scale::scale(p.load, row.scaled);
    let mut left = p.effort;
    if road::road(row, even, &mut left) {
        for (to, &expert) in out.iter_mut().zip(row.hold.iter()) {
            *to = expert;
        }
        return left;
    }
    // the board into `out`, each GPU's experts by falling load
    for g in 0..row.b.gpus {
        let first = at(row.b.first, g);
        put(row.fill, g, first);
    }
    for (&g, &e) in row.b.gpu.iter().zip(row.b.expert.iter()) {
        let to = at(row.fill, g as usize);
        put(row.fill, g as usize, to + 1);
        put(out, to as usize, e & !SPLIT);
    }
    left
}
