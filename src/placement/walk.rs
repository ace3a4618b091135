//! Walks over the slots of a layer, GPU by GPU.

use crate::base::cells::part;
use crate::problem::topology::Topology;

/// Each GPU with its first slot and its part of what is given by slot.
#[inline]
pub fn by_gpu<'s, T>(
    topology: &'s Topology,
    slots: &'s [T],
) -> impl Iterator<Item = (usize, usize, &'s [T])> {
    let mut next = 0;
    (0..topology.num_gpus()).map(move |gpu| {
        let first = next;
        next += topology.slots(gpu);
        (gpu, first, part(slots, first, next))
    })
}

/// Calls `visit` with every slot of a layer, its GPU and what it holds, in ascending order of slots.
#[inline]
pub fn each_slot<E>(
    topology: &Topology,
    slots: &[i32],
    mut visit: impl FnMut(usize, usize, i32) -> Result<(), E>,
) -> Result<(), E> {
    for (gpu, first, held) in by_gpu(topology, slots) {
        for (slot, &entry) in (first..).zip(held) {
            visit(slot, gpu, entry)?;
        }
    }
    Ok(())
}

/// Whether a slot may hold this: an expert, or -1 for none.
pub fn is_entry(entry: i32, experts: usize) -> bool {
    entry == -1 || usize::try_from(entry).is_ok_and(|expert| expert < experts)
}
