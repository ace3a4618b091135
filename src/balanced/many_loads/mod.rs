//! The planner for several windows of load: one placement for all.
//!
//! A placement is scored by the mean over windows of its balance, and by windows that it has not seen. What
//! is made small is a smooth image of the largest GPU time over all windows: the sum over GPUs and windows of
//! time^24. See docs/DESIGN.md for what was measured.

mod greedy;
mod lanes;
mod packing;
mod perturbation;
mod scratch;
mod search;
mod spread;

pub use lanes::{Block, WIDE, blocks};
pub use scratch::{need, take_blocks};

use crate::balanced::construct::counts::Counts;
use crate::balanced::construct::gale_ryser;
use crate::balanced::construct::loads::Loads;
use crate::balanced::instance::Instance;
use crate::base::arena::Arena;
use crate::base::cells::{copy, part_mut, put};
use perturbation::perturb_and_search;
use scratch::Scratch;

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
    let experts = share.len().checked_div(blocks(weight.len())).unwrap_or(0);
    let gpus = instance.slots.len();
    let mut s = scratch::carve(arena, experts, expert_at.len(), gpus, weight.len());
    s.packing.weight.fill([0.0; WIDE]);
    copy(s.packing.weight.as_flattened_mut(), weight);
    spread::spread(share, s.packing.blocks, weight, s.mean, s.peak);
    s.packing.load = share;
    let mut first = 0;
    put(s.packing.first, 0, 0);
    for ((gpu, &slots), &speed) in instance.slots.iter().enumerate().zip(instance.speed) {
        first += slots;
        put(s.packing.first, gpu + 1, first);
        put(s.packing.slowness, gpu, slowness(instance.mean_speed / f64::from(speed)));
    }
    if placed {
        s.packing.count.fill(1);
        copy(s.packing.expert_at, expert_at);
    } else {
        deal(&mut s, instance.max_replicas);
    }
    s.packing.set_replicas();
    s.packing.level_windows();
    if !placed {
        pack(&mut s);
    }
    s.packing.add_all_up();
    s.search.start(instance.effort);
    s.search.run(&mut s.packing);
    perturb_and_search(&mut s.packing, &mut s.search, &mut s.kept);
    copy(expert_at, s.packing.expert_at);
}

/// How many replicas: D'Hondt on the peaks.
#[inline(never)]
fn deal(s: &mut Scratch, most: u32) {
    let mut loads = Loads { scaled: s.peak, factor: 1.0, order: s.keys };
    loads.sort(s.search.buffer);
    let of = &mut *s.packing.count;
    let spare = s.packing.expert_at.len() - of.len();
    let extra = part_mut(s.packing.expert_at, 0, spare);
    let mut counts = Counts { of, most, extra, dealt: 0, split: 0 };
    s.places.set_gpus(s.packing.first);
    counts.deal(&loads, s.search.keys, &mut s.places);
}

/// The greedy packing of the counts, or where that fails any.
fn pack(s: &mut Scratch) {
    let Scratch { packing, keys, filled, mean, .. } = s;
    let buffer = &mut *s.search.buffer;
    if !greedy::greedy(packing, mean, keys, buffer, filled) {
        let (count, first) = (&*packing.count, &*packing.first);
        gale_ryser::construct(count, first, keys, buffer, filled, packing.expert_at);
    }
}

/// As f32, and no further from 1 than sums of loads can bear.
fn slowness(x: f64) -> f32 {
    const FAR: f64 = (1_u64 << 32) as f64;
    let x = if x > 1.0 / FAR { x } else { 1.0 / FAR };
    (if x < FAR { x } else { FAR }) as f32
}
