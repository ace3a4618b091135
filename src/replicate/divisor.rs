//! Divisor rules: extra replicas one at a time, each to the largest load / divisor(count).
//!
//! D'Hondt: T. Jefferson 1792, V. D'Hondt 1878; in DeepSeek EPLB (2025) as `replicate_experts`.

use super::Replicas;
use crate::order::{descending, heap, index_of};

/// D'Hondt, divisor = count. The first E' physical experts are the experts themselves; each extra
/// replica is appended with the next rank.
pub fn d_hondt(load: &[f32], replicas: &mut Replicas, heap: &mut [u64]) {
    start(load, replicas);
    for (expert, (key, &load)) in heap.iter_mut().zip(load).enumerate() {
        *key = descending(load, expert);
    }
    heap::build(heap);
    let extra = replicas.expert.iter_mut().zip(replicas.rank.iter_mut()).skip(load.len());
    for (to, rank) in extra {
        let expert = index_of(heap::top(heap));
        if let (Some(count), Some(&load)) = (replicas.count.get_mut(expert), load.get(expert)) {
            *to = expert as u32;
            *rank = *count;
            *count += 1;
            heap::replace_top(heap, descending(load / *count as f32, expert));
        }
    }
}

/// One replica each.
fn start(load: &[f32], replicas: &mut Replicas) {
    replicas.count.fill(1);
    replicas.rank.fill(0);
    for (i, expert) in replicas.expert.iter_mut().take(load.len()).enumerate() {
        *expert = i as u32;
    }
}
