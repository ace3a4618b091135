//! What a step of a layer takes in one window.

use crate::base::keys::widen;
use crate::bound::seconds::Experts;
use crate::placement::by_gpu;
use crate::problem::Shape;
use crate::problem::seconds::{Seconds, active};
use crate::score::metrics::Metrics;

/// A layer in a window.
pub struct Step<'a> {
    /// Sizes and topology.
    pub shape: &'a Shape<'a>,
    /// What it costs.
    pub seconds: &'a Seconds<'a>,
    /// Which window.
    pub window: usize,
    /// `[E]` the loads of the experts.
    pub load: &'a [f32],
    /// `[P]` what the slots hold.
    pub slots: &'a [i32],
    /// Replicas of an expert do not all get as much.
    pub uneven: bool,
}

/// What a GPU has to do, for speed 1.
#[derive(Clone, Copy, Default)]
struct Work {
    seconds: f64,
    experts: f64,
}

impl Step<'_> {
    /// Seconds and their bound, into `metrics`. `replica` is the load of a slot that holds an expert.
    pub fn measure(&self, metrics: &mut Metrics, replica: &dyn Fn(usize, i32) -> Option<f64>) {
        let (topology, cost) = (self.shape.topology(), self.seconds);
        let total = self.load.iter().fold(0.0, |sum, &load| sum + widen(load));
        let per_load = self.seconds.per_load(self.window, total);
        let (mut all, mut speeds, mut slowest) = (0.0, 0.0, 0.0);
        for (gpu, first, held) in by_gpu(topology, self.slots) {
            if !topology.serves(gpu) {
                continue;
            }
            let mut work = Work::default();
            for (slot, &expert) in (first..).zip(held) {
                if let Some(load) = replica(slot, expert) {
                    work.seconds += cost.replica(load * per_load);
                    work.experts += active(load * per_load);
                }
            }
            all += work.seconds;
            let speed = widen(topology.speed(gpu));
            if topology.receives(gpu) {
                speeds += speed;
            }
            if work.seconds / speed > slowest {
                slowest = work.seconds / speed;
                metrics.active_experts = work.experts;
            }
        }
        let experts = Experts { load: self.load, per_load, cost };
        let bound = experts.least(self.shape, self.uneven, slowest);
        metrics.max_gpu_seconds = cost.layer + slowest;
        metrics.mean_gpu_seconds = cost.layer + all / speeds;
        metrics.time_balance = if slowest > 0.0 { all / speeds / slowest } else { 1.0 };
        metrics.seconds_bound = cost.layer + bound;
    }
}
