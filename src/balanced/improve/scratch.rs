//! The memory of the search: one carve list.

use crate::balanced::improve::incumbent::Kept;
use crate::balanced::improve::lanes::{Lanes, blocks, take_lanes};
use crate::balanced::improve::limits::{Kind, Limits};
use crate::balanced::improve::marks::Marks;
use crate::balanced::improve::packing::Packing;
use crate::balanced::improve::pilot_method::SMALL;
use crate::balanced::improve::primaries::Primaries;
use crate::balanced::improve::split::Parts;
use crate::base::arena::{Arena, Carve, Need};
use crate::base::cells::NONE;
use crate::base::keys::sort_buffer;

pub struct Scratch<'a, const N: usize> {
    pub packing: Packing<'a, N>,
    pub marks: Marks<'a>,
    pub peaks: &'a mut [Lanes<N>],
    pub kept: Kept<'a>,
    pub primaries: Primaries<'a>,
}

/// Takes the scratch for instances of up to these sizes (experts, slots, GPUs, windows): O(W (E + G) + P).
#[inline(never)] // what building takes is off the stack while searching
pub fn carve<'a, const N: usize>(
    arena: &'a mut Arena,
    sizes: [usize; 4],
    kind: Kind,
) -> Scratch<'a, N> {
    list(&mut arena.rest(), sizes, kind)
}

const NO_LIMITS: Limits = Limits::none(0);

/// What instances of up to these sizes need.
pub fn need<const N: usize>(sizes: [usize; 4], kind: Kind) -> Need {
    let mut need = Need::default();
    list::<N>(&mut need, sizes, kind);
    need
}

#[inline(always)]
fn list<'a, const N: usize>(
    arena: &mut impl Carve<'a>,
    [experts, slots, gpus, windows]: [usize; 4],
    kind: Kind,
) -> Scratch<'a, N> {
    let if_priced = |len: usize| if kind.priced { len } else { 0 };
    let peaks = take_lanes(arena, blocks::<N>(windows));
    let marks = Marks {
        seen: arena.u32s(gpus),
        order: arena.u64s(gpus),
        keys: arena.u64s(slots.max(experts)),
        there: arena.f32s(if N == 1 { 0 } else { slots }),
        fare: arena.u32s(if_priced(slots)),
        buffer: arena.u64s(sort_buffer(slots.max(experts))),
        left: 0,
        budget: 0,
    };
    let enough = arena.u32s(if_priced(slots));
    let kept = Kept { best: arena.u32s(slots), enough, root: arena.u32s(slots.min(SMALL)) };
    let parts = list_parts(arena, [experts, slots], kind.nodes);
    let packing =
        Packing { parts, ..list_packing(arena, [experts, slots, gpus, windows], kind.priced) };
    let [of_slots, of_gpus] = if kind.primaries { [slots, gpus] } else { [0, 0] };
    let packing = Packing { primary: arena.u32s(of_slots), ..packing };
    Scratch { packing, marks, peaks, kept, primaries: Primaries::list(arena, of_gpus) }
}

#[inline(always)]
fn list_packing<'a, const N: usize>(
    arena: &mut impl Carve<'a>,
    [experts, slots, gpus, windows]: [usize; 4],
    priced: bool,
) -> Packing<'a, N> {
    let if_priced = |len: usize| if priced { len } else { 0 };
    let n = blocks::<N>(windows);
    let more = experts.saturating_add(1);
    Packing {
        limits: &NO_LIMITS,
        priced: false,
        blocks: n,
        load: take_lanes(arena, more.saturating_mul(n)),
        as_is: &[],
        seen: take_lanes(arena, gpus.saturating_mul(if windows > 1 { n } else { 0 })),
        count: arena.u32s(more),
        share: arena.f32s(more),
        weight: take_lanes(arena, n),
        expert_at: arena.u32s(slots),
        gpu_of: arena.u32s(slots),
        first: arena.u32s(gpus.saturating_add(1)),
        next: arena.u32s(slots),
        head: arena.u32s(more),
        shift: 0.0,
        unit: 1.0,
        slowness: arena.f32s(gpus),
        sum: take_lanes(arena, gpus.saturating_mul(n)),
        cost: arena.f32s(gpus),
        worst: arena.u32s(gpus),
        relief_at: arena.f32s(slots),
        rise_at: arena.f32s(slots),
        drop_relief_at: arena.f32s(slots),
        drop_gain: arena.f32s(slots),
        relief: arena.f32s(more),
        rise: arena.f32s(more),
        times_known: 0,
        noted: arena.u32s(more),
        has: arena.u64s(gpus),
        twins: arena.u32s(gpus),
        had: arena.u64s(if_priced(gpus)),
        in_force: &[],
        fresh: arena.u32s(if_priced(slots)),
        gone: arena.u32s(if_priced(gpus)),
        raised: NONE,
        now: 0,
        changed: arena.u32s(gpus),
        known: 0,
        touched: arena.u32s(gpus),
        touches: 0,
        primary: &mut [],
        parts: Parts { part: &mut [], near: &mut [], covered: &mut [], on: &mut [] },
    }
}

#[inline(always)]
fn list_parts<'a>(
    arena: &mut impl Carve<'a>,
    [experts, slots]: [usize; 2],
    nodes: usize,
) -> Parts<'a> {
    let (experts, slots) = if nodes > 0 { (experts, slots) } else { (0, 0) };
    Parts {
        part: arena.f32s(slots),
        near: arena.u32s(slots),
        covered: arena.f32s(experts),
        on: arena.u32s(nodes),
    }
}
