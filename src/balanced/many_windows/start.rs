//! A start for several windows: replicas by peaks, and a greedy packing.
//!
//! Windows are drawn out: those that come will not be among those that were, and w + 0.5 (w - mean) stands for what
//! lies a little further out.

use crate::balanced::construct::counts::Counts;
use crate::balanced::construct::gale_ryser::{self, GaleRyser};
use crate::balanced::construct::loads::Loads;
use crate::balanced::improve::lanes::{Lanes, blocks, take_lanes};
use crate::balanced::improve::scaling::bounded;
use crate::balanced::instance::Instance;
use crate::balanced::many_windows::greedy::Greedy;
use crate::balanced::windows::Shares;
use crate::base::arena::{Arena, Carve, Need};
use crate::base::cells::{part_mut, put};
use crate::base::keys::sort_buffer;

/// How much further out.
const BEYOND: f64 = 0.5;
/// Least peak of an expert, so that spare slots go evenly to experts without load, and nothing is subnormal.
const TINY: f32 = f32::from_bits((127 - 80) << 23);

struct Scratch<'a> {
    greedy: Greedy<'a>,
    places: GaleRyser<'a>,
    /// By expert: keys; the peak over the windows. By slot: more keys.
    keys: &'a mut [u64],
    peak: &'a mut [f32],
    of_slots: &'a mut [u64],
    buffer: &'a mut [u64],
}

#[inline(always)]
fn list<'a>(
    arena: &mut impl Carve<'a>,
    [experts, slots, gpus, windows]: [usize; 4],
) -> Scratch<'a> {
    let n = blocks::<8>(windows);
    Scratch {
        greedy: Greedy {
            blocks: n,
            replica: take_lanes(arena, experts.saturating_mul(n)),
            count: arena.u32s(experts),
            mean: arena.f32s(experts),
            first: arena.u32s(gpus.saturating_add(1)),
            filled: arena.u32s(gpus),
            sum: take_lanes(arena, gpus.saturating_mul(n)),
            slowness: arena.f32s(gpus),
            time: arena.f32s(gpus),
        },
        places: GaleRyser::list(arena, experts, gpus),
        keys: arena.u64s(experts),
        peak: arena.f32s(experts),
        of_slots: arena.u64s(slots),
        buffer: arena.u64s(sort_buffer(experts.max(slots).max(gpus))),
    }
}

/// What instances of up to these sizes (experts, slots, GPUs, windows) need: O(W (E + G) + P).
pub fn need(sizes: [usize; 4]) -> Need {
    let mut need = Need::default();
    list(&mut need, sizes);
    need
}

#[inline(never)] // what building takes is off the stack while planning
fn carve<'a>(arena: &'a mut Arena, sizes: [usize; 4]) -> Scratch<'a> {
    list(&mut arena.rest(), sizes)
}

/// Fills the slots.
#[inline(never)]
pub fn fill(instance: &Instance<Shares>, arena: &mut Arena, expert_at: &mut [u32]) {
    let Shares { share, weight, experts } = instance.loads;
    let sizes = [experts, expert_at.len(), instance.slots.len(), weight.len()];
    let s = &mut carve(arena, sizes);
    let mut first = 0;
    put(s.greedy.first, 0, 0);
    for ((gpu, &slots), &speed) in instance.slots.iter().enumerate().zip(instance.speed) {
        first += slots;
        put(s.greedy.first, gpu + 1, first);
        put(s.greedy.slowness, gpu, bounded(instance.mean_speed / f64::from(speed)));
    }
    draw_out(s, share, weight);
    deal(s, instance.max_replicas, expert_at);
    let stride = (s.greedy.blocks * 8).max(1);
    let replicas = s.greedy.replica.as_flattened_mut().chunks_exact_mut(stride);
    for (replica, &count) in replicas.zip(s.greedy.count.iter()) {
        replica.iter_mut().for_each(|load| *load *= 1.0 / count as f32);
    }
    level_windows(&mut s.greedy);
    if !s.greedy.pack(s.keys, s.buffer, expert_at) {
        let Greedy { count, first, filled, .. } = &mut s.greedy;
        gale_ryser::construct(count, first, s.keys, s.buffer, filled, expert_at);
    }
}

/// The loads drawn away from their mean, that mean, and the peak, by which an expert earns replicas: the largest over
/// windows, of which one that counts for less is drawn towards the mean.
fn draw_out(s: &mut Scratch, share: &[Lanes<8>], weight: &[f32]) {
    let all = weight.iter().fold(0.0, |sum, &weight| sum + f64::from(weight));
    let stride = (s.greedy.blocks * 8).max(1);
    let experts = s.greedy.replica.as_flattened_mut().chunks_exact_mut(stride);
    let experts = experts.zip(share.as_flattened().chunks_exact(stride));
    for ((out, loads), (mean, peak)) in experts.zip(s.greedy.mean.iter_mut().zip(&mut *s.peak)) {
        let weighted = weight.iter().zip(loads);
        let sum = weighted.fold(0.0, |sum, (&w, &load)| sum + f64::from(w) * f64::from(load));
        let middle = sum / all;
        let mut most = middle;
        out.fill(0.0);
        for ((out, &load), &weight) in out.iter_mut().zip(loads).zip(weight) {
            let off = (f64::from(load) - middle) * (1.0 + BEYOND);
            let heard = middle + off * f64::from(weight);
            most = if heard > most { heard } else { most };
            *out = not_tiny(middle + off);
        }
        *mean = not_tiny(middle).max(TINY);
        *peak = not_tiny(most).max(TINY);
    }
}

/// As f32, and 0 where that would be subnormal or negative.
fn not_tiny(x: f64) -> f32 {
    if x > f64::from(TINY) { x as f32 } else { 0.0 }
}

/// How many replicas: D'Hondt on the peaks.
#[inline(never)]
fn deal(s: &mut Scratch, most: u32, expert_at: &mut [u32]) {
    let mut loads = Loads { scaled: s.peak, factor: 1.0, order: s.keys };
    loads.sort(s.buffer);
    let of = &mut *s.greedy.count;
    let spare = expert_at.len() - of.len();
    let extra = part_mut(expert_at, 0, spare);
    let mut counts = Counts { of, most, extra, dealt: 0, split: 0 };
    s.places.set_gpus(s.greedy.first);
    counts.deal(&loads, s.of_slots, &mut s.places);
}

/// Makes a window in which one replica alone is more than the mean count from that replica on: what no placement can
/// help must not drown the other windows.
fn level_windows(greedy: &mut Greedy) {
    let fastest = greedy.slowness.iter().fold(f32::INFINITY, |a, &b| if b < a { b } else { a });
    let lanes = (greedy.blocks * 8).max(1);
    for lane in 0..lanes {
        let replicas = || greedy.replica.as_flattened().iter().skip(lane).step_by(lanes);
        let most = replicas().fold(0.0, |most, &x| if x > most { x } else { most }) * fastest;
        if most > 1.0 {
            let replicas = greedy.replica.as_flattened_mut().iter_mut().skip(lane);
            replicas.step_by(lanes).for_each(|load| *load /= most);
        }
    }
}
