//! The memory for several windows: one carve list.

use crate::balanced::construct::gale_ryser::GaleRyser;
use crate::balanced::many_loads::lanes::{Block, WIDE, blocks};
use crate::balanced::many_loads::packing::Packing;
use crate::balanced::many_loads::perturbation::Kept;
use crate::balanced::many_loads::search::Search;
use crate::base::arena::{Arena, Carve, Need};
use crate::base::keys::sort_buffer;

/// Every array of the planner; see the modules for what each holds.
pub struct Scratch<'a> {
    pub packing: Packing<'a>,
    pub search: Search<'a>,
    pub kept: Kept<'a>,
    pub places: GaleRyser<'a>,
    /// By expert: keys; mean and peak over the windows.
    pub keys: &'a mut [u64],
    pub mean: &'a mut [f32],
    pub peak: &'a mut [f32],
    /// By GPU: slots that are filled.
    pub filled: &'a mut [u32],
}

/// Takes the scratch for instances of up to these sizes: O(W (E + G) + P).
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
    Scratch {
        packing: Packing {
            blocks: n,
            load: &mut [],
            replica: take_blocks(arena, experts.saturating_mul(n)),
            count: arena.u32s(experts),
            weight: take_blocks(arena, n),
            expert_at: arena.u32s(slots),
            first: arena.u32s(gpus.saturating_add(1)),
            slowness: arena.f32s(gpus),
            sum: take_blocks(arena, gpus.saturating_mul(n)),
            cost: arena.f32s(gpus),
            worst: arena.u32s(gpus),
        },
        search: Search {
            now: 1,
            changed: arena.u32s(gpus),
            seen: arena.u32s(gpus),
            partners: arena.u64s(gpus),
            keys: arena.u64s(slots),
            loads: arena.f32s(slots),
            buffer: arena.u64s(sort_buffer(experts.max(slots).max(gpus))),
            theirs: take_blocks(arena, n),
            ours: take_blocks(arena, n),
            costs: take_blocks(arena, n),
            left: 0,
        },
        kept: Kept {
            expert_at: arena.u32s(slots),
            changed: arena.u32s(gpus),
            seen: arena.u32s(gpus),
        },
        places: GaleRyser::list(arena, experts, gpus),
        keys: arena.u64s(experts),
        mean: arena.f32s(experts),
        peak: arena.f32s(experts),
        filled: arena.u32s(gpus),
    }
}

/// Whole blocks.
pub fn take_blocks<'a>(arena: &mut impl Carve<'a>, blocks: usize) -> &'a mut [Block] {
    arena.f32s(blocks.saturating_mul(WIDE)).as_chunks_mut().0
}

/// What instances of up to these sizes need: O(W (E + G) + P).
pub fn need(experts: usize, slots: usize, gpus: usize, windows: usize) -> Need {
    let mut need = Need::default();
    list(&mut need, experts, slots, gpus, windows);
    need
}
