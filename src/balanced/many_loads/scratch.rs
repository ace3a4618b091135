//! The robust planner's memory: one carve list.

use crate::balanced::construct::gale_ryser::GaleRyser;
use crate::balanced::many_loads::lanes::{Block, WIDE, blocks};
use crate::base::arena::{Arena, Carve, Need};
use crate::base::keys::sort_buffer;

/// Every array of the planner; see the modules for what each holds.
pub struct Scratch<'a> {
    pub keys: &'a mut [u64],
    pub buffer: &'a mut [u64],
    pub count: &'a mut [u32],
    pub places: GaleRyser<'a>,
    pub on: &'a mut [u32],
    pub first: &'a mut [u32],
    pub fill: &'a mut [u32],
    pub changed: &'a mut [u32],
    pub seen: &'a mut [u32],
    pub order: &'a mut [u64],
    pub kept_on: &'a mut [u32],
    pub kept_changed: &'a mut [u32],
    pub kept_seen: &'a mut [u32],
    pub mean: &'a mut [f32],
    pub peak: &'a mut [f32],
    pub slowness: &'a mut [f32],
    pub cost: &'a mut [f32],
    pub worst: &'a mut [u32],
    pub slot_keys: &'a mut [u64],
    pub mine: &'a mut [f32],
    pub weight: &'a mut [Block],
    pub replica: &'a mut [Block],
    pub sum: &'a mut [Block],
    pub theirs: &'a mut [Block],
    pub ours: &'a mut [Block],
    pub costs: &'a mut [Block],
}

/// Takes the scratch for rows of up to these sizes: O(W (E + G) + P).
#[inline(never)] // what building takes is off the stack while planning
pub fn carve<'a>(
    arena: &'a mut Arena,
    experts: usize,
    slots: usize,
    gpus: usize,
    windows: usize,
) -> Scratch<'a> {
    list(&mut arena.rest(), experts, slots, gpus, windows)
}

#[inline(always)]
fn list<'a>(
    arena: &mut impl Carve<'a>,
    experts: usize,
    slots: usize,
    gpus: usize,
    windows: usize,
) -> Scratch<'a> {
    let n = blocks(windows);
    let scratch_u32 = [slots, gpus.saturating_add(1), gpus, gpus, gpus, slots, gpus, gpus, gpus];
    let [on, first, fill, changed, seen, kept_on, kept_changed, kept_seen, worst] =
        scratch_u32.map(|len| arena.u32s(len));
    Scratch {
        keys: arena.u64s(experts),
        buffer: arena.u64s(sort_buffer(experts.max(slots).max(gpus))),
        count: arena.u32s(experts),
        places: GaleRyser::list(arena, experts, gpus),
        on,
        first,
        fill,
        changed,
        seen,
        order: arena.u64s(gpus),
        kept_on,
        kept_changed,
        kept_seen,
        mean: arena.f32s(experts),
        peak: arena.f32s(experts),
        slowness: arena.f32s(gpus),
        cost: arena.f32s(gpus),
        worst,
        slot_keys: arena.u64s(slots),
        mine: arena.f32s(slots),
        weight: take_blocks(arena, n),
        replica: take_blocks(arena, experts.saturating_mul(n)),
        sum: take_blocks(arena, gpus.saturating_mul(n)),
        theirs: take_blocks(arena, n),
        ours: take_blocks(arena, n),
        costs: take_blocks(arena, n),
    }
}

/// Whole blocks.
pub fn take_blocks<'a>(arena: &mut impl Carve<'a>, blocks: usize) -> &'a mut [Block] {
    arena.f32s(blocks.saturating_mul(WIDE)).as_chunks_mut().0
}

/// What rows of up to these sizes need: O(W (E + G) + P).
pub fn need(experts: usize, slots: usize, gpus: usize, windows: usize) -> Need {
    let mut need = Need::default();
    list(&mut need, experts, slots, gpus, windows);
    need
}
