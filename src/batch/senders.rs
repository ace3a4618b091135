//! Who sends what is fetched.

use crate::base::cells::{NONE, add, at, part, put};
use crate::batch::layout::{FETCHED, Layout};
use crate::problem::Shape;

/// Chooses anew who sends each fetch, now that all are known: a home or a copy of the last batch, else a copy that is
/// fetched before; of these one on the node of who receives, then the GPU that sends least, then the first. Stays with
/// what there is where a limit on what a GPU sends forbids it.
pub fn choose(layout: &mut Layout, shape: &Shape) {
    layout.sent.fill(0);
    for place in 0..layout.num_made {
        let slot = at(layout.made, place);
        let node = |slot: usize| shape.topology().node(at(layout.gpu, slot) as usize);
        let here = node(slot as usize);
        let before = part(layout.made, 0, place);
        let mut best = (true, true, u32::MAX, NONE);
        for other in layout.of_expert(at(layout.expert, slot)) {
            let sent = at(layout.sent, at(layout.gpu, other));
            let fetched = at(layout.kind, other) == FETCHED;
            let ready = !fetched || before.contains(&(other as u32));
            let rank = (fetched, node(other) != here, sent, other as u32);
            if ready && sent < layout.limits.fetches_out && rank < best {
                best = rank;
            }
        }
        if best.3 == NONE {
            return;
        }
        put(layout.chosen, place, best.3);
        add(layout.sent, at(layout.gpu, best.3), 1);
    }
    for place in 0..layout.num_made {
        put(layout.sender, at(layout.made, place), at(layout.chosen, place));
    }
}
