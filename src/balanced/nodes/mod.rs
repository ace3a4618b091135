//! Groups onto nodes, and a plan for each node.

mod one_load;
mod roomiest;
mod scratch;
mod several_windows;

use crate::problem::{Scope, Shape};

pub use one_load::plan;
pub use scratch::Nodes;
pub use several_windows::{need as need_of_windows, plan as plan_windows};

/// Whether groups are to be assigned: on a single node there is nothing to assign.
pub fn has_groups(shape: &Shape, scope: Scope) -> bool {
    shape.is_hierarchical(scope) && shape.topology().num_nodes() > 1
}
