//! Capped counts: hot replicas few and large. D'Hondt equalises many replicas just above half of a GPU's
//! share, and no two of them fit together; here every expert gets just enough replicas to be under a cap, and
//! D'Hondt deals what is left among the experts whose replicas are small anyway.

use crate::balanced::one_load::counts::dhondt;
use crate::balanced::one_load::scale::fixed;
use crate::base::cells::{at, part_mut, put};
use crate::base::keys::{descending, heap};

/// Counts for one cap; `limit`: the replicas above it get no more. Both in fixed point. Gives the number of
/// extras written and the end of the split part of `order`; None when the cap needs too many slots.
#[allow(clippy::too_many_arguments)]
pub fn capped(
    load: &[f32],
    order: &[u64],
    factor: f64,
    cap: u64,
    limit: u64,
    gpus: u32,
    heap: &mut [u64],
    count: &mut [u32],
    extra: &mut [u32],
) -> Option<(usize, usize)> {
    count.fill(1);
    let (mut used, mut waiting, mut from) = (0usize, 0usize, 0usize);
    let cap_load = cap as f64;
    for &o in order {
        let e = o as u32;
        let w = f64::from(at(load, e as usize)) * factor;
        if w <= cap_load {
            if fixed(w) <= limit {
                break;
            }
            from += 1;
            continue;
        }
        let mut c = (w / cap_load) as u32;
        c += u32::from(f64::from(c) * cap_load < w);
        c = if c > gpus { gpus } else { c };
        for _ in 1..c {
            if used >= extra.len() {
                return None;
            }
            put(extra, used, e);
            used += 1;
        }
        put(count, e as usize, c);
        if c < gpus && w <= limit as f64 * f64::from(c) {
            put(heap, waiting, descending(at(load, e as usize) / c as f32, e as usize));
            waiting += 1;
            heap::sift_up(part_mut(heap, 0, waiting));
        }
        from += 1;
    }
    let rest = extra.get_mut(used..)?;
    let (dealt, end) = dhondt(load, order, from, waiting, gpus, heap, count, rest);
    Some((used + dealt, end))
}
