//! The planner that owns its arrays: sized by constants, made at compile time, fit for a `static`.
//!
//! For firmware in Rust without an allocator: one layer per call, the maps of that layer inside.

use crate::arena::Arena;
use crate::metrics::Metrics;
use crate::placement::PlacementMut;
use crate::plan::{self, Options};
use crate::problem::Problem;
use crate::status::Status;

// Elements of scratch per slot, by type. Every array of the carve list is as long as one of E, P, G, N or
// K, none of which exceeds P, or twice the next power of two; a test holds these against the list.
const U64S: usize = 7;
const F64S: usize = 2;
const U32S: usize = 13;
const F32S: usize = 3;

/// Plans single layers of up to `E` experts on up to `P` slots (and at most `P` GPUs, nodes and groups).
///
/// About 150 bytes a slot: a `Planner<256, 288>` takes 46 KiB.
///
/// ```
/// use eplb::{Options, Policy, Problem, Spec, fixed::Planner};
///
/// static mut _IN_DATA: Planner<8, 12> = Planner::new(); // const-constructible
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
/// let mut planner = Planner::<8, 12>::new();
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
    /// A planner that has not planned yet: its maps are empty.
    pub const fn new() -> Self {
        Planner {
            u64s: [[0; U64S]; P],
            f64s: [[0.0; F64S]; P],
            u32s: [[0; U32S]; P],
            f32s: [[0.0; F32S]; P],
            physical_to_logical: [-1; P],
            replica_rank: [-1; P],
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
