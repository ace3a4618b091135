//! What the planner of one node gets: the one for one load and the one for several windows alike.

/// The experts and GPUs of a node, or all of them, and what limits their plan. A planner answers with the expert of
/// each slot, those of the first GPU first: a place in `loads`, or [`NONE`](crate::base::cells::NONE).
#[derive(Clone, Copy, Debug)]
pub struct Instance<'a, L> {
    /// Of each expert; see the planner.
    pub loads: L,
    /// Slots of each GPU, at most as many as experts; fewer than 2^16 GPUs. Their sum is at least the experts, and at
    /// most `max_replicas` times as many.
    pub slots: &'a [u32],
    /// Speed of each GPU, above 0.
    pub speed: &'a [f32],
    /// Of all GPUs that share the load, also those of other nodes.
    pub mean_speed: f64,
    /// Replicas that an expert may have, at most one on each GPU.
    pub max_replicas: u32,
    /// Units of effort: about as many pairs of replicas are looked at.
    pub effort: u64,
    /// Whether a slot may be left empty where that is better.
    pub may_stay_empty: bool,
}

impl<L> Instance<'_, L> {
    /// Slots and speeds of the GPUs that have slots: some may have lost them to the limit on replicas.
    pub fn used_gpus(&self) -> impl Iterator<Item = (u32, f32)> {
        let gpus = self.slots.iter().copied().zip(self.speed.iter().copied());
        gpus.filter(|(slots, _)| *slots > 0)
    }
}
