//! The planner for several windows of load: one placement for all.
//!
//! A placement is judged by the mean over windows of its balance, and by windows that it has not seen. What
//! is made small is a smooth image of the largest GPU time over all windows: the sum over GPUs and windows of
//! time^24. See docs/DESIGN.md for what was measured.

pub mod board;
pub mod greedy;
pub mod kicks;
pub mod lanes;
pub mod scratch;
pub mod search;
pub mod spread;

pub use crate::balanced::many_loads::lanes::WIDE;
pub use crate::balanced::many_loads::lanes::{Block, blocks};
pub use crate::balanced::many_loads::scratch::{need, take_blocks};

use crate::balanced::construct::counts::Counts;
use crate::balanced::construct::gale_ryser;
use crate::balanced::construct::loads::Loads;
use crate::balanced::instance::Instance;
use crate::balanced::many_loads::board::Board;
use crate::balanced::many_loads::kicks::Kept;
use crate::balanced::many_loads::scratch::Scratch;
use crate::balanced::many_loads::search::Sight;
use crate::base::arena::Arena;
use crate::base::cells::{part_mut, put};

/// Units of effort when the caller does not say: for each GPU, and for each pair of GPUs that may look at each
/// other, in both directions.
const EFFORT: u64 = 1_500;
const EFFORT_PAIR: u64 = 8;

/// The loads of the experts in all windows.
pub struct Shares<'a> {
    /// Share of each expert in each window, `[E]` times [`blocks`] of windows: 1 is what a GPU of mean
    /// speed would have if all were even. Neither negative nor subnormal. Overwritten.
    pub share: &'a mut [Block],
    /// By window: weight, above 0, the largest being 1.
    pub weight: &'a [f32],
}

/// The effort for so many GPUs when the caller asks for `asked`, 0 being the default.
pub fn effort(asked: u32, gpus: usize) -> u64 {
    let gpus = gpus as u64;
    if asked == 0 { gpus * (EFFORT + EFFORT_PAIR * gpus) } else { u64::from(asked) }
}

/// Plans an instance. `placed`: whether `expert_at` already holds a placement with every expert once, to start from.
/// `arena` holds what [`need`] says for these sizes.
#[inline(never)]
pub fn plan(instance: Instance<Shares>, placed: bool, arena: &mut Arena, expert_at: &mut [u32]) {
    let Shares { share, weight } = instance.loads;
    let n = blocks(weight.len());
    let experts = share.len().checked_div(n).unwrap_or(0);
    let gpus = instance.slots.len();
    let mut s = scratch::carve(arena, experts, expert_at.len(), gpus, weight.len());
    s.weight.fill([0.0; WIDE]);
    for (to, &weight) in s.weight.as_flattened_mut().iter_mut().zip(weight) {
        *to = weight;
    }
    spread::spread(share, n, weight, s.mean, s.peak);
    let mut first = 0;
    put(s.first, 0, 0);
    for ((gpu, &slots), &speed) in instance.slots.iter().enumerate().zip(instance.speed) {
        first += slots;
        put(s.first, gpu + 1, first);
        put(s.slowness, gpu, slowness(instance.mean_speed / f64::from(speed)));
    }
    if placed {
        s.count.fill(1);
        copy(s.on, expert_at);
    } else {
        deal(&mut s, instance.max_replicas);
    }
    let mut board = Board {
        blocks: n,
        load: share,
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
    if !placed && !greedy::greedy(&mut board, s.mean, s.keys, s.buffer, s.fill) {
        gale_ryser::construct(board.count, board.first, s.keys, s.buffer, s.fill, board.on);
    }
    board.add_all_up();
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
        left: instance.effort,
    };
    sight.start();
    search::search(&mut board, &mut sight);
    let mut kept = Kept { on: s.kept_on, changed: s.kept_changed, seen: s.kept_seen };
    kicks::kicks(&mut board, &mut sight, &mut kept);
    copy(expert_at, board.on);
}

/// How many replicas: D'Hondt on the peaks.
#[inline(never)]
fn deal(s: &mut Scratch, most: u32) {
    let mut loads = Loads { scaled: s.peak, factor: 1.0, order: s.keys };
    loads.sort(s.buffer);
    let spare = s.on.len() - s.count.len();
    let extra = part_mut(s.on, 0, spare);
    let mut counts = Counts { of: s.count, most, extra, dealt: 0, split: 0 };
    s.places.set_gpus(s.first);
    counts.deal(&loads, s.slot_keys, &mut s.places);
}

fn copy(to: &mut [u32], from: &[u32]) {
    for (to, &from) in to.iter_mut().zip(from) {
        *to = from;
    }
}

/// As f32, and no further from 1 than sums of loads can bear.
fn slowness(x: f64) -> f32 {
    const FAR: f64 = (1_u64 << 32) as f64;
    let x = if x > 1.0 / FAR { x } else { 1.0 / FAR };
    (if x < FAR { x } else { FAR }) as f32
}
