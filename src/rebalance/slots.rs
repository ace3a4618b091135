//! Slots that take over the experts of others: copied, permuted, compared.

use crate::balanced::layer::keep;
use crate::base::cells::{at, put};
use crate::placement::LayerMaps;
use crate::problem::Shape;

/// Slots of GPUs that are alive for which `same` does not hold.
fn count_changed(shape: &Shape, same: impl Fn(usize) -> bool) -> u32 {
    let topology = shape.topology();
    let (mut sum, mut slot) = (0, 0);
    for gpu in 0..topology.num_gpus() {
        for _ in 0..topology.slots(gpu) {
            sum += u32::from(topology.receives(gpu) && !same(slot));
            slot += 1;
        }
    }
    sum
}

/// Slots of GPUs that are alive whose expert differs.
pub fn differing(shape: &Shape, old: &[i32], new: &[i32]) -> u32 {
    count_changed(shape, |slot| old.get(slot) == new.get(slot))
}

/// The same of a plan whose slots are to be taken over as `from` says.
pub fn changed(shape: &Shape, old: &[i32], new: &[i32], from: &[u32]) -> u32 {
    count_changed(shape, |slot| old.get(slot) == new.get(at(from, slot) as usize))
}

/// The placement in force, without the GPUs that do not receive.
pub fn stay(shape: &Shape, old: &[i32], slots: &mut [i32]) {
    let topology = shape.topology();
    let mut pairs = old.iter().zip(slots.iter_mut());
    for gpu in 0..topology.num_gpus() {
        let receives = topology.receives(gpu);
        for (&old, slot) in pairs.by_ref().take(topology.slots(gpu)) {
            *slot = if receives { old } else { -1 };
        }
    }
}

/// Every slot takes over what `from` says. `aside` is scratch.
pub fn permute(from: &[u32], aside: &mut [u32], slots: &mut [i32]) {
    keep(slots, aside);
    for (slot, &from) in slots.iter_mut().zip(from) {
        *slot = at(aside, from as usize) as i32;
    }
}

/// The same for all maps: ranks go with the slots.
pub fn permute_maps(from: &[u32], aside: &mut [u32], maps: &mut LayerMaps) {
    permute(from, aside, maps.physical_to_logical);
    permute(from, aside, maps.replica_rank);
    for (slot, &from) in from.iter().enumerate() {
        put(aside, from as usize, slot as u32);
    }
    for entry in maps.logical_to_physical.iter_mut() {
        if let Some(&slot) = aside.get(*entry as usize) {
            *entry = slot as i32;
        }
    }
}
