//! Whether the nodes have room for small replicas: what the slots of a node, not only its load, allow.
//!
//! A node whose groups fill its slots cannot split its hottest expert, however little load it has: it is not done
//! by time T unless every expert of load l has at least ceil(l / (T * speed of the fastest GPU)) replicas there.

use crate::base::arena::Carve;
use crate::base::cells::{at, put};
use crate::base::keys::widen;
use crate::groups::task::{ROWS, Task};
use crate::problem::Shape;

/// What the groups of a layer ask of their nodes if a time is to be kept.
#[derive(Debug)]
pub struct Room<'a> {
    size: usize,
    /// Replicas that a group needs to keep the time at hand, as [`Task::need`].
    pieces: &'a mut [u32],
    /// `[N]` slots left while groups are counted.
    left: &'a mut [u32],
}

impl<'a> Room<'a> {
    /// Takes the memory: O(K + N).
    pub fn carve(arena: &mut impl Carve<'a>, shape: &Shape) -> Self {
        let size = shape.num_logical_experts().checked_div(shape.num_groups()).unwrap_or(0);
        Room {
            size,
            pieces: arena.u32s(shape.num_groups().saturating_mul(ROWS)),
            left: arena.u32s(shape.topology().num_nodes()),
        }
    }

    /// From here on `time` is to be kept; `fastest`: of each row of nodes. O(E).
    pub fn set_time(&mut self, load: &[f32], time: f64, fastest: &[f64]) {
        let size = self.size.max(1);
        let groups = load.len().checked_div(size).unwrap_or(0).max(1);
        for (row, &fastest) in self.pieces.chunks_exact_mut(groups).zip(fastest) {
            let largest = time * fastest;
            for (pieces, group) in row.iter_mut().zip(load.chunks_exact(size)) {
                let of = |sum: u32, &load: &f32| sum.saturating_add(replicas(widen(load), largest));
                *pieces = if fastest > 0.0 { group.iter().fold(0, of) } else { 0 };
            }
        }
    }

    /// The slots that each group needs for that, as [`Task::need`].
    pub fn pieces(&self) -> &[u32] {
        self.pieces
    }

    /// Whether each node has them. O(K + N).
    pub fn fits(&mut self, node_of: &[u32], nodes: &Task) -> bool {
        self.left.iter_mut().zip(nodes.slots).for_each(|(left, &slots)| *left = slots);
        let task = Task { need: self.pieces, ..*nodes };
        node_of.iter().enumerate().all(|(group, &node)| {
            let pieces = task.need(group, node);
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
