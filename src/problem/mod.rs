//! The validated problem: whoever holds a [`Problem`] need not check again.

pub mod topology;

use crate::base::arena::addressable;
use crate::parts;
use crate::problem::topology::Topology;
use crate::status::Status;

/// Which hierarchy a plan keeps.
#[allow(non_camel_case_types)] // the C name; Rust code sees it as `eplb::Scope`
#[repr(u32)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum eplb_scope {
    /// Hierarchical when num_groups is a multiple of num_nodes, else global: the rule of DeepSeek EPLB.
    #[default]
    Auto = 0,
    /// Groups of experts go to nodes, experts stay on their node.
    Hierarchical = 1,
    /// Any expert on any GPU; num_groups and num_nodes are ignored.
    Global = 2,
}

pub use eplb_scope as Scope;

impl TryFrom<u32> for Scope {
    type Error = Status;
    fn try_from(number: u32) -> Result<Self, Status> {
        [Scope::Auto, Scope::Hierarchical, Scope::Global]
            .into_iter()
            .find(|&scope| scope as u32 == number)
            .ok_or(Status::UnknownScope)
    }
}

/// What the caller says, unchecked: sizes and arrays, row-major. The C struct `eplb_problem`
/// with slices for pointers; [`Problem::new`] checks it.
///
/// Letters used throughout: L layers, E logical experts, P physical experts (slots), G GPUs,
/// N nodes, K groups, W windows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spec<'a> {
    /// W; 0 is 1.
    pub num_windows: u32,
    /// L, at least 1.
    pub num_layers: u32,
    /// E, at least 1.
    pub num_logical_experts: u32,
    /// P, slots on all GPUs.
    pub num_physical_experts: u32,
    /// K, groups of consecutive experts; 0 is 1: there are none.
    pub num_groups: u32,
    /// N; 0 is 1.
    pub num_nodes: u32,
    /// G, at least 1.
    pub num_gpus: u32,
    /// Elements of `load` from one window to the next; 0 means L * E.
    pub load_window_stride: u64,
    /// `[W][L][E]` tokens, finite and not negative.
    pub load: &'a [f32],
    /// `[L][W]` weights of the windows, or `None`: all equal.
    pub window_weight: Option<&'a [f32]>,
    /// `[G]` speeds, finite and at least 2^-126, or `None`: all equal.
    pub gpu_speed: Option<&'a [f32]>,
    /// `[G]` slots per GPU, their sum P, or `None`: P / G each.
    pub gpu_slots: Option<&'a [u32]>,
    /// `[G]` node of each GPU, or `None`: contiguous.
    pub gpu_node: Option<&'a [u32]>,
    /// `[G]` of `EPLB_GPU_*`, or `None`: all alive.
    pub gpu_state: Option<&'a [u8]>,
}

/// The sizes and the topology of a problem, checked; all that a size query needs.
#[derive(Clone, Copy, Debug)]
pub struct Shape<'a> {
    windows: usize,
    layers: usize,
    experts: usize,
    groups: usize,
    window_stride: usize,
    topology: Topology<'a>,
}

impl<'a> Shape<'a> {
    /// Checks sizes and topology. Does not look at `load` and `window_weight`.
    ///
    /// # Errors
    /// [`Status::ShapeZero`], [`Status::ShapeTooLarge`], [`Status::TooManyNodes`], [`Status::WindowStride`], and
    /// those of [`Topology::new`].
    pub fn new(spec: &Spec<'a>) -> Result<Self, Status> {
        let sizes = [
            spec.num_windows.max(1),
            spec.num_layers,
            spec.num_logical_experts,
            spec.num_physical_experts,
            spec.num_groups.max(1),
            spec.num_nodes.max(1),
            spec.num_gpus,
        ];
        if sizes.contains(&0) {
            return Err(Status::ShapeZero);
        }
        if sizes.iter().any(|&size| size > i32::MAX as u32) {
            return Err(Status::ShapeTooLarge);
        }
        let [windows, layers, experts, slots, groups, nodes, gpus] = sizes.map(|s| s as usize);
        if nodes > gpus {
            return Err(Status::TooManyNodes);
        }
        if !parts::WINDOWS && windows > 1 {
            return Err(Status::UnsupportedWindows);
        }

        // maps and loads are 4-byte arrays; all must fit the address space
        let layer_experts = addressable(layers.checked_mul(experts))?;
        addressable(layers.checked_mul(slots))?;
        addressable(layers.checked_mul(windows))?;
        let window_stride = match spec.load_window_stride {
            0 => layer_experts,
            given => usize::try_from(given).map_err(|_| Status::ShapeTooLarge)?,
        };
        if window_stride < layer_experts {
            return Err(Status::WindowStride);
        }
        let last = window_stride.checked_mul(windows - 1);
        addressable(last.and_then(|n| n.checked_add(layer_experts)))?;

        let topology = Topology::new(
            slots,
            gpus,
            nodes,
            spec.gpu_slots,
            spec.gpu_node,
            spec.gpu_speed,
            spec.gpu_state,
        )?;
        Ok(Shape { windows, layers, experts, groups, window_stride, topology })
    }

    /// W; 1 where the part is left out, so that what is for several is not reached.
    pub fn num_windows(&self) -> usize {
        if parts::WINDOWS { self.windows } else { 1 }
    }
    /// L.
    pub fn num_layers(&self) -> usize {
        self.layers
    }
    /// E.
    pub fn num_logical_experts(&self) -> usize {
        self.experts
    }
    /// P.
    pub fn num_physical_experts(&self) -> usize {
        self.topology.num_slots()
    }
    /// K.
    pub fn num_groups(&self) -> usize {
        self.groups
    }
    /// Elements of `load` from one window to the next.
    pub(crate) fn window_stride(&self) -> usize {
        self.window_stride
    }
    /// The GPUs and nodes.
    pub fn topology(&self) -> &Topology<'a> {
        &self.topology
    }
    /// Slots that a plan may fill on a GPU: none unless it receives, and no more than there are experts, since
    /// each may be there once.
    pub fn usable_slots(&self, gpu: usize) -> usize {
        if self.topology.receives(gpu) { self.topology.slots(gpu).min(self.experts) } else { 0 }
    }
    /// The shape of a single layer in a single window.
    pub fn one_layer(&self) -> Self {
        Shape { windows: 1, layers: 1, window_stride: self.experts, ..*self }
    }
    /// Elements of `load` that the problem spans, from the first to the last.
    pub fn load_len(&self) -> usize {
        self.window_stride * (self.windows - 1) + self.layers * self.experts
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

/// A problem that has been checked as a whole.
#[derive(Clone, Copy, Debug)]
pub struct Problem<'a> {
    shape: Shape<'a>,
    load: &'a [f32],
    window_weight: Option<&'a [f32]>,
}

impl<'a> Problem<'a> {
    /// Checks everything a problem can say. O(W L E + G).
    ///
    /// # Errors
    /// Those of [`Shape::new`], [`Status::ArrayLength`], [`Status::LoadNan`],
    /// [`Status::LoadInfinite`], [`Status::LoadNegative`], [`Status::WindowWeight`].
    pub fn new(spec: &Spec<'a>) -> Result<Self, Status> {
        Problem::with_shape(Shape::new(spec)?, spec.load, spec.window_weight)
    }

    /// The same for a shape that has been checked.
    ///
    /// # Errors
    /// Those of [`Problem::new`] but for the shape's.
    pub fn with_shape(
        shape: Shape<'a>,
        load: &'a [f32],
        window_weight: Option<&'a [f32]>,
    ) -> Result<Self, Status> {
        let load = load.get(..shape.load_len()).ok_or(Status::ArrayLength)?;
        let problem = Problem { shape, load, window_weight };
        for window in 0..shape.num_windows() {
            check_loads(problem.window(window))?;
        }
        if let Some(weight) = window_weight {
            if weight.len() != shape.layers * shape.windows {
                return Err(Status::ArrayLength);
            }
            for layer in weight.chunks_exact(shape.windows.max(1)) {
                check_loads(layer).map_err(|_| Status::WindowWeight)?;
                if layer.iter().all(|&w| is_zero(w)) {
                    return Err(Status::WindowWeight);
                }
            }
        }
        Ok(problem)
    }

    /// Sizes and topology.
    pub fn shape(&self) -> &Shape<'a> {
        &self.shape
    }

    /// All loads, as they lie.
    pub(crate) fn loads(&self) -> &'a [f32] {
        self.load
    }

    /// The loads `[L][E]` of one window.
    fn window(&self, window: usize) -> &'a [f32] {
        let start = self.shape.window_stride * window;
        let len = self.shape.layers * self.shape.experts;
        self.load.get(start..).and_then(|tail| tail.get(..len)).unwrap_or_default()
    }

    /// The loads `[E]` of one layer in one window.
    pub fn load(&self, window: usize, layer: usize) -> &'a [f32] {
        let start = self.shape.experts * layer;
        let loads = self.window(window);
        loads.get(start..).and_then(|tail| tail.get(..self.shape.experts)).unwrap_or_default()
    }

    /// The weight of a window for a layer; 1 when none was given.
    pub fn window_weight(&self, window: usize, layer: usize) -> f32 {
        self.window_weight
            .and_then(|weight| weight.get(layer * self.shape.windows + window).copied())
            .unwrap_or(1.0)
    }

    /// The largest load of all windows and layers.
    pub fn largest_load(&self) -> f32 {
        (0..self.shape.windows)
            .flat_map(|w| self.window(w))
            .fold(0.0, |most, &load| if load > most { load } else { most })
    }
}

/// Finite and not negative, decided by bits: flush-to-zero cannot change the answer, and one
/// integer maximum over the array is all that a good array costs.
pub(crate) fn check_loads(loads: &[f32]) -> Result<(), Status> {
    let largest = loads.iter().fold(0, |most, load| most.max(load.to_bits()));
    if largest <= f32::MAX.to_bits() {
        return Ok(());
    }
    loads.iter().try_for_each(|&load| load_fault(load).map_or(Ok(()), Err))
}

/// What is wrong with a load.
pub(crate) fn load_fault(load: f32) -> Option<Status> {
    if load.is_nan() {
        Some(Status::LoadNan)
    } else if load == f32::INFINITY {
        Some(Status::LoadInfinite)
    } else if load.is_sign_negative() && !is_zero(load) {
        Some(Status::LoadNegative)
    } else {
        None
    }
}

/// +0.0 or -0.0, and nothing that flush-to-zero would take for it.
pub(crate) fn is_zero(value: f32) -> bool {
    // a compiler that sees that the bits are those of a float compares floats
    core::hint::black_box(value.to_bits()) << 1 == 0
}
