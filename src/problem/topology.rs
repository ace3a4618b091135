//! GPUs, nodes, slots per GPU, speeds, states: what the plan is for, checked.

use crate::problem::spec::Spec;
use crate::status::Status;

/// gpu_state: the GPU serves and receives experts.
pub const EPLB_GPU_ALIVE: u8 = 0;
/// gpu_state: the GPU is gone. Its slots stay empty and what they held cannot be read.
pub const EPLB_GPU_DEAD: u8 = 1;
/// gpu_state: the GPU is about to leave: it can be read from, and its slots become empty.
pub const EPLB_GPU_LEAVING: u8 = 2;

/// The machine a plan is for: `num_gpus` GPUs on `num_nodes` nodes with `num_slots` slots in all.
/// Slots are numbered GPU by GPU: those of GPU 0 first. Holding one means that it has been checked.
#[derive(Clone, Copy, Debug)]
pub struct Topology<'a> {
    num_slots: usize,
    num_gpus: usize,
    num_nodes: usize,
    slots: Option<&'a [u32]>,
    node: Option<&'a [u32]>,
    speed: Option<&'a [f32]>,
    state: Option<&'a [u8]>,
    /// GPUs that are about to leave have left.
    left: bool,
}

impl<'a> Topology<'a> {
    /// Checks the arrays against the sizes; `None` means the default of each.
    ///
    /// # Errors
    /// [`Status::ArrayLength`], [`Status::GpuSlots`], [`Status::GpuSpeed`], [`Status::GpuNode`],
    /// [`Status::GpuState`], [`Status::NoAliveGpu`]; [`Status::SlotsNotDivisible`] when `slots` is
    /// absent and `num_slots` is not a multiple of `num_gpus`.
    pub fn new(spec: &Spec<'a>) -> Result<Self, Status> {
        let Spec { gpu_slots: slots, gpu_node: node, gpu_speed: speed, gpu_state: state, .. } =
            *spec;
        let sizes = [spec.num_physical_experts, spec.num_gpus, spec.num_nodes.max(1)];
        let [num_slots, num_gpus, num_nodes] = sizes.map(|size| size as usize);
        let lengths = [
            slots.map(<[u32]>::len),
            node.map(<[u32]>::len),
            speed.map(<[f32]>::len),
            state.map(<[u8]>::len),
        ];
        if lengths.into_iter().flatten().any(|len| len != num_gpus) {
            return Err(Status::ArrayLength);
        }
        let sum = slots.map(|slots| slots.iter().map(|&slots| u64::from(slots)).sum::<u64>());
        if sum.is_some_and(|sum| sum != num_slots as u64) {
            return Err(Status::GpuSlots);
        }
        if sum.is_none() && num_slots.checked_rem(num_gpus) != Some(0) {
            return Err(Status::SlotsNotDivisible);
        }
        if speed.is_some_and(|speed| speed.iter().any(|&v| !is_speed(v))) {
            return Err(Status::GpuSpeed);
        }
        if node.is_some_and(|node| node.iter().any(|&n| n as usize >= num_nodes)) {
            return Err(Status::GpuNode);
        }
        if state.is_some_and(|state| state.iter().any(|&s| s > EPLB_GPU_LEAVING)) {
            return Err(Status::GpuState);
        }
        if state.is_some_and(|state| !state.contains(&EPLB_GPU_ALIVE)) {
            return Err(Status::NoAliveGpu);
        }
        Ok(Topology { num_slots, num_gpus, num_nodes, slots, node, speed, state, left: false })
    }

    /// Number of GPUs, dead ones included.
    pub fn num_gpus(&self) -> usize {
        self.num_gpus
    }

    /// Number of nodes.
    pub fn num_nodes(&self) -> usize {
        self.num_nodes
    }

    /// Number of slots on all GPUs, dead ones included.
    pub fn num_slots(&self) -> usize {
        self.num_slots
    }

    /// Slots of a GPU, whatever its state.
    #[inline]
    pub fn slots(&self, gpu: usize) -> usize {
        match self.slots {
            Some(slots) => slots.get(gpu).copied().unwrap_or(0) as usize,
            None => self.num_slots.checked_div(self.num_gpus).unwrap_or(0),
        }
    }

    /// Node of a GPU: as given, or contiguous blocks of `num_gpus / num_nodes` (the first
    /// `num_gpus % num_nodes` nodes one more).
    #[inline]
    pub fn node(&self, gpu: usize) -> usize {
        match self.node {
            Some(node) => node.get(gpu).copied().unwrap_or(0) as usize,
            None => {
                let (Some(each), Some(more)) = (
                    self.num_gpus.checked_div(self.num_nodes),
                    self.num_gpus.checked_rem(self.num_nodes),
                ) else {
                    return 0;
                };
                let long = (each + 1) * more; // GPUs on the nodes that have one more
                if gpu < long {
                    gpu.checked_div(each + 1).unwrap_or(0)
                } else {
                    more + (gpu - long).checked_div(each).unwrap_or(0)
                }
            }
        }
    }

    /// Speed of a GPU; 1 when none was given.
    #[inline]
    pub fn speed(&self, gpu: usize) -> f32 {
        self.speed.and_then(|speed| speed.get(gpu).copied()).unwrap_or(1.0)
    }

    /// Whether a plan may put experts on this GPU.
    #[inline]
    pub fn receives(&self, gpu: usize) -> bool {
        self.state.is_none_or(|state| state.get(gpu) == Some(&EPLB_GPU_ALIVE))
    }

    /// Whether what this GPU holds serves tokens now: all but dead ones.
    #[inline]
    pub fn serves(&self, gpu: usize) -> bool {
        let gone = |&state: &u8| state == EPLB_GPU_DEAD || self.left && state == EPLB_GPU_LEAVING;
        self.state.is_none_or(|state| !state.get(gpu).is_none_or(gone))
    }

    /// The same when GPUs that are about to leave have left.
    pub(crate) fn afterwards(&self) -> Topology<'a> {
        Topology { left: true, ..*self }
    }

    /// Every GPU as fast as the next.
    pub fn equal_speeds(&self) -> bool {
        self.speed.is_none_or(all_equal)
    }

    /// Every GPU has as many slots as the next.
    pub fn equal_slots(&self) -> bool {
        self.slots.is_none_or(all_equal)
    }

    /// Every GPU is alive.
    pub fn all_alive(&self) -> bool {
        self.state.is_none_or(|state| state.iter().all(|&s| s == EPLB_GPU_ALIVE))
    }

    /// The same with nodes in contiguous blocks.
    pub(crate) fn contiguous(&self) -> Topology<'a> {
        Topology { node: None, ..*self }
    }

    /// The nodes are contiguous blocks of equally many GPUs.
    pub fn contiguous_nodes(&self) -> bool {
        let contiguous = self.contiguous();
        (0..self.num_gpus).all(|gpu| self.node(gpu) == contiguous.node(gpu))
    }
}

/// No subnormals, which flush-to-zero would turn into zero; by bits, for the same reason.
pub(crate) fn is_speed(value: f32) -> bool {
    (f32::MIN_POSITIVE.to_bits()..=f32::MAX.to_bits()).contains(&value.to_bits())
}

fn all_equal<T: PartialEq>(values: &[T]) -> bool {
    values.iter().zip(values.iter().skip(1)).all(|(a, b)| a == b)
}
