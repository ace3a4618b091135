//! The robust planner: one placement for several windows of load.
//!
//! A placement is judged by the mean over windows of its balance, and by windows that it has not seen. What
//! is made small is a smooth image of the largest GPU time over all windows: the sum over GPUs and windows of
//! time^24. See docs/DESIGN.md for what was measured.

pub mod board;
pub mod counts;
pub mod greedy;
pub mod kicks;
pub mod lanes;
pub mod scratch;
pub mod search;
pub mod spread;

pub use crate::balanced::many_loads::lanes::WIDE;
pub use crate::balanced::many_loads::lanes::{Block, blocks};
pub use crate::balanced::many_loads::scratch::{need, take_blocks};

use crate::balanced::many_loads::board::Board;
use crate::balanced::many_loads::kicks::Kept;
use crate::balanced::many_loads::search::Sight;
use crate::base::arena::Arena;
use crate::base::cells::put;

/// Units of effort when the caller does not say: for each GPU, and for each pair of GPUs that may look at each
/// other, in both directions.
const EFFORT: u64 = 1_500;
const EFFORT_PAIR: u64 = 8;

/// What the robust planner plans.
pub struct Row<'a> {
    /// Share of each expert in each window, `[E]` times [`blocks`] of windows: 1 is what a GPU of mean
    /// speed would have if all were even. Neither negative nor subnormal. Overwritten.
    pub share: &'a mut [Block],
    /// By window: weight, above 0, the largest being 1.
    pub weight: &'a [f32],
    /// Slots of each GPU, at most as many as experts. Their sum is at least the experts, and at most
    /// `most_replicas` times as many.
    pub slots: &'a [u32],
    /// Speed of each GPU, above 0, and the mean of all that share the load, also those of other rows.
    pub speed: &'a [f32],
    pub mean_speed: f64,
    /// Replicas that an expert may have, at most one on each GPU with slots.
    pub most_replicas: u32,
    /// Units of effort; 0 = default.
    pub effort: u32,
    /// Whether `out` already holds a placement with every expert once, to start from.
    pub start: bool,
}

/// Plans a row. `out`: the expert in each slot, those of the first GPU first. `arena` holds what [`need`]
/// says for these sizes.
#[inline(never)]
pub fn plan(row: Row, arena: &mut Arena, out: &mut [u32]) {
    let n = blocks(row.weight.len());
    let experts = row.share.len().checked_div(n).unwrap_or(0);
    let gpus = row.slots.len();
    let s = scratch::carve(arena, experts, out.len(), gpus, row.weight.len());
    s.weight.fill([0.0; WIDE]);
    for (to, &weight) in s.weight.as_flattened_mut().iter_mut().zip(row.weight) {
        *to = weight;
    }
    spread::spread(row.share, n, row.weight, s.mean, s.peak);
    if row.start {
        s.count.fill(1);
        for (to, &expert) in s.on.iter_mut().zip(out.iter()) {
            *to = expert;
        }
    } else {
        counts::deal(s.peak, row.slots, row.most_replicas, s.keys, s.reach, s.count);
    }
    let mut first = 0;
    put(s.first, 0, 0);
    for ((gpu, &slots), &speed) in row.slots.iter().enumerate().zip(row.speed) {
        first += slots;
        put(s.first, gpu + 1, first);
        put(s.slowness, gpu, slowness(row.mean_speed / f64::from(speed)));
    }
    let mut board = Board {
        blocks: n,
        load: row.share,
        replica: s.replica,
        count: s.count,
        weight: s.weight,
        on: s.on,
        first: s.first,
        slowness: s.slowness,
        sum: s.sum,
        cost: s.cost,
        worst: s.worst,
    };
    board.share();
    board.level();
    if !row.start && !greedy::greedy(&mut board, s.mean, s.keys, s.buffer, s.fill) {
        greedy::construct(&mut board, s.keys, s.buffer, s.fill);
    }
    for pass in 0..2 {
        for gpu in 0..gpus {
            board.add_up(gpu);
        }
        if pass == 0 {
            board.calm();
        }
    }
    let mut sight = Sight {
        now: 1,
        changed: s.changed,
        seen: s.seen,
        order: s.order,
        keys: s.slot_keys,
        mine: s.mine,
        buffer: s.buffer,
        theirs: s.theirs,
        ours: s.ours,
        costs: s.costs,
        left: effort(row.effort, gpus),
    };
    sight.start();
    search::search(&mut board, &mut sight);
    let mut kept = Kept { on: s.kept_on, changed: s.kept_changed, seen: s.kept_seen };
    kicks::kicks(&mut board, &mut sight, &mut kept);
    for (to, &expert) in out.iter_mut().zip(board.on.iter()) {
        *to = expert;
    }
}

fn effort(asked: u32, gpus: usize) -> u64 {
    let gpus = gpus as u64;
    if asked == 0 { gpus * (EFFORT + EFFORT_PAIR * gpus) } else { u64::from(asked) }
}

/// As f32, and no further from 1 than sums of loads can bear.
fn slowness(x: f64) -> f32 {
    const FAR: f64 = (1_u64 << 32) as f64;
    let x = if x > 1.0 / FAR { x } else { 1.0 / FAR };
    (if x < FAR { x } else { FAR }) as f32
}
