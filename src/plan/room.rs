//! Whether the nodes have room for small replicas: what the slots of a node, not only its load, allow.
//!
//! A node whose groups fill its slots cannot split its hottest expert, however little load it has. No GPU of the
//! node is done before time T unless every expert of load l has ceil(l / T / fastest speed) replicas there.

use crate::order::widen;
use crate::problem::Shape;

/// Halvings of the time that a search makes: to a thousandth.
const HALVINGS: u32 = 10;

/// The loads of a layer, and the fastest GPU that receives.
#[derive(Clone, Copy, Debug)]
pub struct Room<'a> {
    load: &'a [f32],
    fastest: f64,
}

impl<'a> Room<'a> {
    /// O(G).
    pub fn new(shape: &Shape, load: &'a [f32]) -> Self {
        let receiving = (0..shape.topology().num_gpus()).filter(|&gpu| shape.usable_slots(gpu) > 0);
        let fastest = receiving.fold(0.0, |fastest, gpu| {
            let speed = f64::from(shape.topology().speed(gpu));
            if speed > fastest { speed } else { fastest }
        });
        Room { load, fastest }
    }

    /// Whether each node has the slots for replicas that take at most `time`. O(E + N K).
    pub fn fits(&self, node_of: &[u32], size: usize, slots_of: &[u32], time: f64) -> bool {
        let largest = time * self.fastest;
        slots_of.iter().enumerate().all(|(node, &slots)| {
            let here = node_of.iter().zip(self.load.chunks_exact(size.max(1)));
            let experts = here.filter(|(of, _)| **of == node as u32).flat_map(|(_, group)| group);
            let mut left = slots;
            experts.map(|&load| pieces(widen(load), largest)).all(|pieces| {
                let fits = pieces <= left;
                left = left.saturating_sub(pieces);
                fits
            })
        })
    }

    /// A time near the least that fits, `most` being one that does; not below `least`. O((E + N K) HALVINGS).
    pub fn least_time(
        &self,
        node_of: &[u32],
        size: usize,
        slots_of: &[u32],
        (mut least, mut most): (f64, f64),
    ) -> f64 {
        for _ in 0..HALVINGS {
            let time = 0.5 * (least + most);
            if self.fits(node_of, size, slots_of, time) {
                most = time;
            } else {
                least = time;
            }
        }
        most
    }
}

/// Replicas of an expert that leave each at most `largest`: at least one.
fn pieces(load: f64, largest: f64) -> u32 {
    let exact = load / largest;
    let whole = exact as u32; // saturates; 0 where both are 0
    whole.saturating_add(u32::from(f64::from(whole) < exact)).max(1)
}
