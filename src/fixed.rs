//! The planner that owns its arrays: sized by constants, made at compile time, fit for a `static`.
//!
//! For firmware in Rust without an allocator: one layer per call, the maps of that layer inside.

use crate::base::arena::Arena;
use crate::options::Options;
use crate::placement::PlacementMut;
use crate::plan;
use crate::problem::Problem;
use crate::score::Metrics;
use crate::status::Status;

// Elements of scratch per slot, by type: enough for the shapes that `Planner` names; the test below holds
// them against the carve lists.
const U64S: usize = 13;
const F64S: usize = 2;
const U32S: usize = 18;
const F32S: usize = 3;

/// Plans single layers of up to `E` experts on up to `P` slots, 32 or more, with at least two slots a GPU and
/// in hierarchical scope at most `P / 8` groups and nodes; from nothing, and without a cost. For all else take
/// [`workspace()`](crate::workspace()) and arrays of your own.
///
/// 212 bytes a slot and 4 an expert: a `Planner<256, 288>` takes 61 KiB.
///
/// ```
/// use eplb::{Options, Policy, Problem, Spec, fixed::Planner};
/// use std::sync::Mutex;
///
/// static _IN_BSS: Mutex<Planner<8, 32>> = Mutex::new(Planner::new()); // all zeroes: takes no place in the image
///
/// let load = [9.0, 1.0, 4.0, 2.0, 2.0, 3.0, 1.0, 5.0];
/// let problem = Problem::new(&Spec {
///     num_layers: 1,
///     num_logical_experts: 8,
///     num_physical_experts: 12,
///     num_gpus: 4,
///     load: &load,
///     ..Spec::default()
/// })?;
/// let mut planner = Planner::<8, 32>::new();
/// let metrics = planner.plan(&problem, &Options { policy: Policy::Deepseek, ..Options::default() })?;
/// assert!(metrics.balance > 0.9);
/// assert_eq!(planner.physical_to_logical().len(), 12);
/// # Ok::<(), eplb::Status>(())
/// ```
#[derive(Debug)]
pub struct Planner<const E: usize, const P: usize> {
    u64s: [[u64; U64S]; P],
    f64s: [[f64; F64S]; P],
    u32s: [[u32; U32S]; P],
    f32s: [[f32; F32S]; P],
    physical_to_logical: [i32; P],
    replica_rank: [i32; P],
    logical_count: [i32; E],
    slots: usize,
    experts: usize,
}

impl<const E: usize, const P: usize> Planner<E, P> {
    /// A planner that has not planned yet: its maps are empty. All of it is zero, so that a static of it lies in
    /// .bss and takes no place in a firmware image.
    pub const fn new() -> Self {
        const { assert!(P >= 32, "a planner has at least 32 slots") };
        Planner {
            u64s: [[0; U64S]; P],
            f64s: [[0.0; F64S]; P],
            u32s: [[0; U32S]; P],
            f32s: [[0.0; F32S]; P],
            physical_to_logical: [0; P],
            replica_rank: [0; P],
            logical_count: [0; E],
            slots: 0,
            experts: 0,
        }
    }

    /// Plans the one layer of `problem` and keeps its maps until the next call.
    ///
    /// # Errors
    /// [`Status::ShapeTooLarge`] when the problem has more than one layer; [`Status::WorkspaceTooSmall`]
    /// when it exceeds `E` or `P`; those of [`plan()`](crate::plan()). The maps are then as they were.
    pub fn plan(&mut self, problem: &Problem, options: &Options) -> Result<Metrics, Status> {
        let shape = problem.shape();
        let (slots, experts) = (shape.num_physical_experts(), shape.num_logical_experts());
        if shape.num_layers() != 1 {
            return Err(Status::ShapeTooLarge);
        }
        let (Some(physical_to_logical), Some(replica_rank), Some(logical_count)) = (
            self.physical_to_logical.get_mut(..slots),
            self.replica_rank.get_mut(..slots),
            self.logical_count.get_mut(..experts),
        ) else {
            return Err(Status::WorkspaceTooSmall);
        };
        let maps = PlacementMut {
            physical_to_logical,
            replica_rank: Some(replica_rank),
            logical_count: Some(logical_count),
            logical_to_physical: None,
            max_replicas: 0,
        };
        let arena = Arena::new(
            self.u64s.as_flattened_mut(),
            self.f64s.as_flattened_mut(),
            self.u32s.as_flattened_mut(),
            self.f32s.as_flattened_mut(),
        );
        let mut metrics = Metrics::default();
        plan::plan(problem, options, arena, maps, Some(&mut |_, layer| metrics = *layer))?;
        self.slots = slots;
        self.experts = experts;
        Ok(metrics)
    }

    /// `[P]` expert of each slot of the last plan, -1 when empty; of length 0 before the first.
    pub fn physical_to_logical(&self) -> &[i32] {
        self.physical_to_logical.get(..self.slots).unwrap_or_default()
    }

    /// `[P]` which replica of its expert each slot holds.
    pub fn replica_rank(&self) -> &[i32] {
        self.replica_rank.get(..self.slots).unwrap_or_default()
    }

    /// `[E]` replicas of each expert.
    pub fn logical_count(&self) -> &[i32] {
        self.logical_count.get(..self.experts).unwrap_or_default()
    }
}

impl<const E: usize, const P: usize> Default for Planner<E, P> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::compat::policy::Policy;
    use crate::options::operation::Operation;
    use crate::plan::workspace;
    use crate::problem::{Scope, Shape, Spec};

    /// The largest share of what a planner of P slots owns that any shape needs, by type.
    #[test]
    fn every_shape_that_fits_finds_its_scratch() {
        let mut most = [0.0_f64; 4];
        for slots in (32_u32..80).chain([96, 128, 257, 288, 320, 1000, 2304]) {
            for gpus in (1..=slots / 2).filter(|gpus| slots % gpus == 0) {
                for experts in [slots, slots / 2, 1] {
                    let (k, n) = ((slots / 8).min(experts), (slots / 8).min(gpus));
                    for (groups, nodes) in [(1, 1), (k, 1), (1, n), (k, n)] {
                        for policy in Policy::ALL {
                            for scope in [Scope::Global, Scope::Hierarchical] {
                                let spec = Spec {
                                    num_layers: 1,
                                    num_logical_experts: experts,
                                    num_physical_experts: slots,
                                    num_groups: groups,
                                    num_nodes: nodes,
                                    num_gpus: gpus,
                                    ..Spec::default()
                                };
                                let options = Options { policy, scope, ..Options::default() };
                                let shape = Shape::new(&spec).unwrap();
                                let Ok(need) = workspace(Operation::Plan, &shape, &options) else {
                                    continue; // refused: needs nothing
                                };
                                let needed = [need.u64s, need.f64s, need.u32s, need.f32s];
                                for (most, needed) in most.iter_mut().zip(needed) {
                                    *most = most.max(needed as f64 / f64::from(slots));
                                }
                            }
                        }
                    }
                }
            }
        }
        let owned = [U64S, F64S, U32S, F32S];
        for (most, owned) in most.iter().zip(owned) {
            let fits = *most <= owned as f64 && *most > owned as f64 - 1.0;
            assert!(fits, "needed {most:?} a slot, owned {owned:?}");
        }
    }
}
