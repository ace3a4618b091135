//! Empty slots are filled: those of the GPU that costs least first, each with the replica that makes the potential
//! fall most, or rise least.

use crate::balanced::improve::incumbent::{Incumbent, Kept};
use crate::balanced::improve::marks::Marks;
use crate::balanced::improve::neighborhood::Neighborhood;
use crate::balanced::improve::packing::Packing;
use crate::base::cells::at;

/// Fills the empty slots as far as limits allow.
#[inline(never)]
pub fn fill<const N: usize>(
    packing: &mut Packing<N>,
    marks: &mut Marks,
    incumbent: &mut Incumbent<N>,
    kept: &mut Kept,
) {
    let empty = packing.empty();
    if !packing.expert_at.contains(&empty) {
        return;
    }
    loop {
        packing.know();
        let mut best: Option<(f32, usize)> = None;
        for (slot, &expert) in packing.expert_at.iter().enumerate() {
            let cost = at(packing.cost, at(packing.gpu_of, slot) as usize);
            let open = expert == empty && at(packing.drop_gain, slot) > f32::NEG_INFINITY;
            if open && best.is_none_or(|(least, _)| cost < least) {
                best = Some((cost, slot));
            }
        }
        let Some((_, slot)) = best else { return };
        match Neighborhood::fill(packing, marks, slot) {
            Some((step, price)) => {
                marks.budget -= price;
                packing.make(step);
                incumbent.note(packing, kept);
            }
            // what cannot be filled is out of the way until its GPU is noted anew
            None => packing.close(slot),
        }
    }
}
