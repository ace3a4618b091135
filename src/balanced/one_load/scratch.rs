//! The joint planner's memory: one carve list, straight into the row and its board, so that the stack holds
//! each slice once.

use crate::balanced::one_load::board::Board;
use crate::balanced::one_load::row::Row;
use crate::base::arena::{Arena, Carve, Need};
use crate::base::keys::sort_buffer;

/// A row of these sizes, all its arrays taken, nothing in them.
#[inline(never)] // what building takes is off the stack while planning
pub fn carve<'a, const S: bool>(
    arena: &'a mut Arena,
    experts: usize,
    slots: usize,
    gpus: usize,
) -> Row<'a, S> {
    list(&mut arena.rest(), experts, slots, gpus)
}

#[inline(always)]
fn list<'a, const S: bool>(
    arena: &mut impl Carve<'a>,
    experts: usize,
    slots: usize,
    gpus: usize,
) -> Row<'a, S> {
    let tree = gpus.checked_next_power_of_two().unwrap_or(usize::MAX / 2).saturating_mul(2);
    let more = |n: usize, by: usize| n.saturating_add(by);
    let speeds = if S { gpus } else { 0 };
    Row {
        b: Board {
            gpus,
            w: arena.u64s(slots),
            expert: arena.u32s(slots),
            gpu: arena.u32s(slots),
            on: arena.u32s(slots),
            first: arena.u32s(more(gpus, 1)),
            load: arena.u64s(gpus),
            speed: arena.f64s(speeds),
            slowness: arena.f64s(speeds),
        },
        cap: 0,
        may_stay_empty: false,
        scaled: arena.f32s(experts),
        factor: 1.0,
        order: arena.u64s(experts),
        count: arena.u32s(experts),
        extra: arena.u32s(slots),
        extras: 0,
        upto: 0,
        keys: arena.u64s(slots),
        tmp: arena.u64s(more(slots, sort_buffer(slots))),
        start: arena.u32s(experts),
        hold: arena.u32s(slots),
        here: arena.u32s(slots),
        rest: arena.u64s(gpus),
        tree: arena.u64s(tree),
        reach: arena.u32s(crate::balanced::one_load::reach::memory(experts, gpus)),
        fill: arena.u32s(gpus),
    }
}

/// What rows of up to these sizes need: O(E + P + G).
pub fn need(experts: usize, slots: usize, gpus: usize) -> Need {
    let mut need = Need::default();
    list::<true>(&mut need, experts, slots, gpus);
    need
}
