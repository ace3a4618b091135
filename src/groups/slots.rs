//! Whether the nodes have room for small replicas: what the slots of a node, not only its load, allow.
//!
//! A node whose groups fill its slots cannot split its hottest expert, however little load it has: it is not done
//! by time T unless every expert of load l has at least ceil(l / (T * speed of the fastest GPU)) replicas there.

use crate::base::arena::Carve;
use crate::base::cells::{at, put};
use crate::base::keys::widen;
use crate::problem::Shape;

/// What the groups of a layer ask of their nodes if a time is to be kept.
#[derive(Debug)]
pub struct Room<'a> {
    /// Of the GPUs that receive.
    fastest: f64,
    size: usize,
    /// `[K]` replicas that a group needs to keep the time at hand.
    pieces: &'a mut [u32],
    /// `[N]` slots left while groups are counted.
    left: &'a mut [u32],
}

impl<'a> Room<'a> {
    /// Takes the memory, O(K + N), and looks for the fastest GPU, O(G).
    pub fn carve(arena: &mut impl Carve<'a>, shape: &Shape) -> Self {
        let receiving = (0..shape.topology().num_gpus()).filter(|&gpu| shape.usable_slots(gpu) > 0);
        let fastest = receiving.fold(0.0, |fastest, gpu| {
            let speed = f64::from(shape.topology().speed(gpu));
            if speed > fastest { speed } else { fastest }
        });
        let size = shape.num_logical_experts().checked_div(shape.num_groups()).unwrap_or(0);
        Room {
            fastest,
            size,
            pieces: arena.u32s(shape.num_groups()),
            left: arena.u32s(shape.topology().num_nodes()),
        }
    }

    /// From here on `time` is to be kept. O(E).
    pub fn set_time(&mut self, load: &[f32], time: f64) {
        let largest = time * self.fastest;
        for (pieces, group) in self.pieces.iter_mut().zip(load.chunks_exact(self.size.max(1))) {
            let of = |sum: u32, &load: &f32| sum.saturating_add(replicas(widen(load), largest));
            *pieces = group.iter().fold(0, of);
        }
    }

    /// `[K]` the slots that each group needs for that.
    pub fn pieces(&self) -> &[u32] {
        self.pieces
    }

    /// Whether each node has them. O(K + N).
    pub fn fits(&mut self, node_of: &[u32], slots_of: &[u32]) -> bool {
        self.left.iter_mut().zip(slots_of).for_each(|(left, &slots)| *left = slots);
        node_of.iter().zip(self.pieces.iter()).all(|(&node, &pieces)| {
            let left = at(self.left, node);
            put(self.left, node, left.saturating_sub(pieces));
            pieces <= left
        })
    }
}

/// Replicas of an expert that leave each at most `largest`: at least one.
fn replicas(load: f64, largest: f64) -> u32 {
    let exact = load / largest;
    let whole = exact as u32; // saturates; 0 where both are 0
    whole.saturating_add(u32::from(f64::from(whole) < exact)).max(1)
}
