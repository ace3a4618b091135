//! Sizes and topology.

use crate::base::arena::addressable;
use crate::parts;
use crate::problem::loads::{LoadShape, check_sizes};
use crate::problem::seconds::Seconds;
use crate::problem::spec::{Scope, Spec};
use crate::problem::topology::Topology;
use crate::status::Status;

/// The sizes and the topology of a problem, checked; all that a size query needs.
#[derive(Clone, Copy, Debug)]
pub struct Shape<'a> {
    loads: LoadShape,
    groups: usize,
    topology: Topology<'a>,
    seconds: Seconds<'a>,
}

impl<'a> Shape<'a> {
    /// Checks sizes and topology. Does not look at `load` and `window_weight`.
    ///
    /// # Errors
    /// [`Status::ShapeZero`], [`Status::ShapeTooLarge`], [`Status::TooManyNodes`], [`Status::WindowStride`], those of
    /// [`Topology::new`], [`Status::Cost`], [`Status::StepTokens`].
    #[inline(never)] // its scratch is off the stack in what follows
    pub fn new(spec: &Spec<'a>) -> Result<Self, Status> {
        let (windows, nodes) = (spec.num_windows.max(1), spec.num_nodes.max(1));
        let (layers, experts) = (spec.num_layers, spec.num_logical_experts);
        let (slots, groups) = (spec.num_physical_experts, spec.num_groups.max(1));
        check_sizes(&[windows, layers, experts, slots, groups, nodes, spec.num_gpus])?;
        if nodes > spec.num_gpus {
            return Err(Status::TooManyNodes);
        }
        if !parts::WINDOWS && windows > 1 {
            return Err(Status::UnsupportedWindows);
        }
        // maps are 4-byte arrays, too, and must fit the address space
        addressable((layers as usize).checked_mul(slots as usize))?;
        let loads = LoadShape::new([windows, layers, experts], spec.load_window_stride)?;
        Seconds::check(spec, loads.windows)?;
        let (topology, seconds) = (Topology::new(spec)?, Seconds::of(spec));
        Ok(Shape { loads, groups: groups as usize, topology, seconds })
    }

    /// W; 1 where the part is left out, so that what is for several is not reached.
    pub fn num_windows(&self) -> usize {
        if parts::WINDOWS { self.loads.windows } else { 1 }
    }
    /// L.
    pub fn num_layers(&self) -> usize {
        self.loads.layers
    }
    /// E.
    pub fn num_logical_experts(&self) -> usize {
        self.loads.experts
    }
    /// P.
    pub fn num_physical_experts(&self) -> usize {
        self.topology.num_slots()
    }
    /// K.
    pub fn num_groups(&self) -> usize {
        self.groups
    }
    /// Where each load is.
    pub(crate) fn loads(&self) -> LoadShape {
        self.loads
    }
    /// The GPUs and nodes.
    pub fn topology(&self) -> &Topology<'a> {
        &self.topology
    }
    /// What a step takes, where that is what counts.
    pub(crate) fn seconds(&self) -> Option<&Seconds<'a>> {
        self.seconds.are_given().then_some(&self.seconds)
    }
    /// Whether an active expert costs time, whatever its tokens.
    pub(crate) fn reads(&self) -> bool {
        self.seconds.reads()
    }
    /// Slots that a plan may fill on a GPU: none unless it receives, and no more than there are experts, since
    /// each may be there once.
    pub fn usable_slots(&self, gpu: usize) -> usize {
        if self.topology.receives(gpu) {
            self.topology.slots(gpu).min(self.loads.experts)
        } else {
            0
        }
    }
    /// The same when GPUs that are about to leave have left.
    pub(crate) fn afterwards(&self) -> Self {
        Shape { topology: self.topology.afterwards(), ..*self }
    }
    /// The shape of a single layer in a single window.
    pub fn one_layer(&self) -> Self {
        Shape { loads: LoadShape::one_layer(self.loads.experts), ..*self }
    }
    /// Elements of `load` that the problem spans, from the first to the last.
    pub fn load_len(&self) -> usize {
        self.loads.span()
    }
    /// Whether `scope` means hierarchical here.
    pub fn is_hierarchical(&self, scope: Scope) -> bool {
        match scope {
            Scope::Hierarchical => true,
            Scope::Global => false,
            Scope::Auto => self.groups.checked_rem(self.topology.num_nodes()) == Some(0),
        }
    }
}
