//! What the planner of one node gets: the one for one load and the one for several windows alike.

use crate::base::cells::{add, at};
use crate::base::keys::widen;

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

impl Instance<'_, &[f32]> {
    /// The largest GPU time, as it is scored: in f64, of tokens. `count`: by expert, scratch.
    pub fn largest_time(&self, expert_at: &[u32], count: &mut [u32]) -> f64 {
        count.fill(0);
        expert_at.iter().for_each(|&expert| add(count, expert, 1));
        let mut slots = expert_at.iter();
        self.slots.iter().zip(self.speed).fold(0.0, |worst, (&here, &speed)| {
            let held = slots.by_ref().take(here as usize);
            let load = held.fold(0.0, |sum, &expert| {
                let count = count.get(expert as usize).copied().unwrap_or(1);
                sum + widen(at(self.loads, expert)) / f64::from(count)
            });
            let time = load / f64::from(speed);
            if time > worst { time } else { worst }
        })
    }
}
