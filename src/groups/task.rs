//! The nodes that groups go to.

/// Relative width of a tie.
pub const TIE: f64 = 1e-12;

/// Groups by what they ask for, and nodes by what they have.
#[derive(Clone, Copy)]
pub struct Task<'a> {
    /// Load of each group, and the slots that it needs, at least 1.
    pub load: &'a [f64],
    pub need: &'a [u32],
    /// Sum of the speeds of the GPUs of each node that receive, and of their slots. Speed 0: takes nothing.
    pub speed: &'a [f64],
    pub slots: &'a [u32],
    /// Groups that each node gets at least; together no more than there are, on each no more than fit.
    pub least: &'a [u32],
}

impl Task<'_> {
    /// Load of a node, groups in ascending order.
    pub fn load_of(&self, node: usize, node_of: &[u32]) -> f64 {
        let groups = self.load.iter().zip(node_of).filter(|(_, of)| **of as usize == node);
        groups.fold(0.0, |sum, (&load, _)| sum + load)
    }

    /// Time of the busiest node.
    pub fn largest_time(&self, node_of: &[u32]) -> f64 {
        let loads = (0..self.speed.len()).map(|node| self.load_of(node, node_of));
        largest_time(loads, self.speed)
    }
}

/// The largest load / speed of a node with load.
pub fn largest_time(loads: impl Iterator<Item = f64>, speeds: &[f64]) -> f64 {
    loads.zip(speeds).fold(0.0, |worst, (load, &speed)| {
        if load > 0.0 && load / speed > worst { load / speed } else { worst }
    })
}
