//! How many replicas: D'Hondt, each spare slot to the largest load / count, lowest index first.
//!
//! The experts are sorted once; D'Hondt walks down that order and keeps only the experts already split in a
//! heap.

use crate::base::cells::{at, part_mut, put};
use crate::base::keys::{descending, heap};

/// Deals up to `extra.len()` replicas, none above `cap` per expert, to the experts of `order` from `from` on
/// (keys at count 1, sorted) and those `waiting` in the heap already (any order of keys at their present
/// count). Gives how many were dealt and the end of the part of `order` that was split.
#[allow(clippy::too_many_arguments)]
pub fn dhondt(
    load: &[f32],
    order: &[u64],
    from: usize,
    waiting: usize,
    cap: u32,
    heap: &mut [u64],
    count: &mut [u32],
    extra: &mut [u32],
) -> (usize, usize) {
    let (mut split, mut size, mut dealt) = (from, waiting, 0usize);
    if cap < 2 {
        return (0, from);
    }
    let mut next = order.get(split).copied().unwrap_or(u64::MAX);
    for x in extra.iter_mut() {
        let top = if size == 0 { u64::MAX } else { at(heap, 0) };
        if next < top {
            let e = next as u32;
            *x = e;
            put(count, e as usize, 2);
            let k = if cap == 2 {
                u64::MAX
            } else {
                descending(at(load, e as usize) / 2.0, e as usize)
            };
            put(heap, size, k);
            size += 1;
            heap::sift_up(part_mut(heap, 0, size));
            split += 1;
            next = order.get(split).copied().unwrap_or(u64::MAX);
        } else if top < u64::MAX {
            let e = top as u32;
            *x = e;
            let c = at(count, e as usize).wrapping_add(1);
            put(count, e as usize, c);
            let k = if c >= cap {
                u64::MAX
            } else {
                descending(at(load, e as usize) / c as f32, e as usize)
            };
            heap::replace_top(part_mut(heap, 0, size), k);
        } else {
            break;
        }
        dealt += 1;
    }
    (dealt, split)
}
