//! The joint planner's memory: one carve list.

use crate::arena::Arena;
use crate::order::sort_buffer;

/// Every array of the planner. [`super::row::Row`] and [`super::board::Board`] say what each holds.
pub struct Scratch<'a> {
    pub order: &'a mut [u64],
    pub keys: &'a mut [u64],
    pub tmp: &'a mut [u64],
    pub w: &'a mut [u64],
    pub load: &'a mut [u64],
    pub rest: &'a mut [u64],
    pub tree: &'a mut [u64],
    pub count: &'a mut [u32],
    pub start: &'a mut [u32],
    pub extra: &'a mut [u32],
    pub expert: &'a mut [u32],
    pub gpu: &'a mut [u32],
    pub on: &'a mut [u32],
    pub hold: &'a mut [u32],
    pub here: &'a mut [u32],
    pub first: &'a mut [u32],
    pub fill: &'a mut [u32],
    pub reach: &'a mut [u32],
    pub scaled: &'a mut [f32],
    pub speed: &'a mut [f64],
    pub slowness: &'a mut [f64],
}

/// Takes the scratch for rows of up to these sizes: O(E + P + G).
pub fn carve<'a>(arena: &mut Arena<'a>, experts: usize, slots: usize, gpus: usize) -> Scratch<'a> {
    let tree = gpus.checked_next_power_of_two().unwrap_or(usize::MAX / 2).saturating_mul(2);
    let more = |n: usize, by: usize| n.saturating_add(by);
    Scratch {
        order: arena.u64s.take(experts),
        keys: arena.u64s.take(slots),
        tmp: arena.u64s.take(more(slots, sort_buffer(slots))),
        w: arena.u64s.take(slots),
        load: arena.u64s.take(gpus),
        rest: arena.u64s.take(gpus),
        tree: arena.u64s.take(tree),
        count: arena.u32s.take(experts),
        start: arena.u32s.take(experts),
        extra: arena.u32s.take(slots),
        expert: arena.u32s.take(slots),
        gpu: arena.u32s.take(slots),
        on: arena.u32s.take(slots),
        hold: arena.u32s.take(slots),
        here: arena.u32s.take(slots),
        first: arena.u32s.take(more(gpus, 1)),
        fill: arena.u32s.take(gpus),
        reach: arena.u32s.take(super::reach::memory(experts, gpus)),
        scaled: arena.f32s.take(experts),
        speed: arena.f64s.take(gpus),
        slowness: arena.f64s.take(gpus),
    }
}
