//! Routing: which replica a token goes to, from a table that any kernel can read.

use crate::base::cells::{at, put};
use crate::dispatch::replicas::Replicas;

/// The slot of token number `token` of an expert and a source, -1 when they have fewer tokens. `end` and `slot`
/// are their rows of the table, both `[max_replicas]`. O(max_replicas), without a branch.
///
/// The same as `eplb_route` of the C header.
pub fn route(end: &[u32], slot: &[i32], token: u32) -> i32 {
    let place = end.iter().filter(|&&end| end <= token).count();
    slot.get(place).copied().unwrap_or(-1)
}

/// Writes which slots an expert is at: `slots` is `[E][max_replicas]`.
pub fn write_slots(replicas: &Replicas, max_replicas: usize, slots: &mut [i32]) {
    slots.fill(-1);
    for (expert, row) in slots.chunks_exact_mut(max_replicas.max(1)).enumerate() {
        for (place, replica) in row.iter_mut().zip(replicas.of_expert(expert)) {
            *place = at(replicas.slot, replica) as i32;
        }
    }
}

/// Writes up to which token each replica is the one, for a source: `quota` is `[P]`, `ends` `[E][max_replicas]`.
pub fn write_ends(replicas: &Replicas, max_replicas: usize, quota: &[u32], ends: &mut [u32]) {
    for (expert, row) in ends.chunks_exact_mut(max_replicas.max(1)).enumerate() {
        let mut end = 0;
        let mut places = 0;
        for replica in replicas.of_expert(expert) {
            end += at(quota, at(replicas.slot, replica));
            put(row, places, end);
            places += 1;
        }
        row.iter_mut().skip(places).for_each(|place| *place = end);
    }
}
