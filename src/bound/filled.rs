//! What a GPU has to do at least when all its slots are to be filled.
//!
//! Proof. A GPU of k slots holds k experts, of load l and c replicas, and takes the sum of l / c. Each of the E - k
//! others has `least` replicas somewhere, so those of the k experts sum to at most R = slots - least (E - k). By Cauchy
//! and Schwarz the sum of l / c is at least (sum of sqrt l)^2 / R; and no c is above the number of GPUs. Both are least
//! for the k lightest experts.

use crate::base::keys::widen;
use crate::bound::water_level::Fleet;

/// `loads` descending. O(slots) where GPUs differ; where they are alike the mean is no less.
pub fn filled(loads: &[f32], fleet: &Fleet) -> f64 {
    let mut bound = 0.0;
    if fleet.even {
        return bound;
    }
    for (&speed, &slots) in fleet.speeds.iter().zip(fleet.slots) {
        let (mut sum, mut roots) = (0.0, 0.0);
        for &load in loads.iter().rev().take(slots as usize) {
            sum += widen(load);
            roots += libm::sqrt(widen(load));
        }
        let others = loads.len().saturating_sub(slots as usize) * fleet.least;
        let replicas = fleet.total_slots.saturating_sub(others as u64) as f64;
        let (shared, each) = (roots * roots / replicas, sum / fleet.len() as f64);
        let time = if shared > each { shared } else { each } / f64::from(speed);
        bound = if time > bound { time } else { bound };
    }
    bound * (1.0 - 1e-12)
}
