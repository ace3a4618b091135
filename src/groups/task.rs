//! The nodes that groups go to.

use crate::base::cells::{Index, at, put};

/// Relative width of a tie.
pub const TIE: f64 = 1e-12;
/// Nodes are told apart by the speed of their fastest GPU, up to so many.
pub const ROWS: usize = 4;

/// Groups by what they ask for, and nodes by what they have.
#[derive(Clone, Copy)]
pub struct Task<'a> {
    /// Load of each group.
    pub load: &'a [f64],
    /// Slots that each group needs, at least 1: a row for nodes as fast as one another at best, and the row of each
    /// node.
    pub need: &'a [u32],
    pub row: &'a [u32],
    /// Sum of the speeds of the GPUs of each node that receive, and of their slots. Speed 0: takes nothing.
    pub speed: &'a [f64],
    pub slots: &'a [u32],
    /// Groups that each node gets at least; together no more than there are, on each no more than fit.
    pub least: &'a [u32],
    /// Slots and speeds of the GPUs of each node, digested: only nodes of the same are alike.
    pub kind: &'a [u64],
    /// By row: speed of the fastest GPU of its nodes, or a higher one.
    pub fastest: &'a [f64],
}

impl Task<'_> {
    /// Slots that a group needs on a node.
    #[inline(always)]
    pub fn need(&self, group: impl Index, node: impl Index) -> u32 {
        at(self.need, at(self.row, node) as usize * self.load.len() + group.index())
    }
}

/// The largest load / speed of a node with load.
pub fn largest_time(loads: impl Iterator<Item = f64>, speeds: &[f64]) -> f64 {
    loads.zip(speeds).fold(0.0, |worst, (load, &speed)| {
        if load > 0.0 && load / speed > worst { load / speed } else { worst }
    })
}

/// Group numbers by falling load, ties by rising number. K is small: insertion.
pub fn sort_falling(loads: &[f64], order: &mut [u32]) {
    for filled in 0..order.len() {
        let load = at(loads, filled);
        let mut hole = filled;
        while hole > 0 {
            let before = at(order, hole - 1);
            if at(loads, before) >= load {
                break;
            }
            put(order, hole, before);
            hole -= 1;
        }
        put(order, hole, filled as u32);
    }
}
