//! Figures that pictures and report share.

use eplb::Metrics;

/// Load of each GPU: the sum over its slots of load / count.
pub fn gpu_loads(load: &[f32], placement: &[i32], gpu_slots: &[u32]) -> Vec<f64> {
    let mut count = vec![0_u32; load.len()];
    let expert = |&slot: &i32| usize::try_from(slot).ok(); // -1 is an empty slot
    placement.iter().filter_map(expert).for_each(|expert| count[expert] += 1);
    let mut slots = placement.iter();
    let of_gpu = |&held: &u32| {
        let held = slots.by_ref().take(held as usize).filter_map(expert);
        held.map(|expert| f64::from(load[expert]) / f64::from(count[expert])).sum()
    };
    gpu_slots.iter().map(of_gpu).collect()
}

/// A figure of one layer over the windows.
pub struct Spread {
    /// The smallest.
    pub low: f64,
    /// The mean.
    pub mean: f64,
    /// The largest.
    pub high: f64,
}

/// `figure` of each layer over the windows.
pub fn over_windows(
    windows: &[&[Metrics]],
    layers: usize,
    figure: impl Fn(&Metrics) -> f64,
) -> Vec<Spread> {
    let of_layer = |layer: usize| {
        let values = windows.iter().map(|metrics| figure(&metrics[layer]));
        Spread {
            low: values.clone().fold(f64::INFINITY, f64::min),
            mean: values.clone().sum::<f64>() / windows.len() as f64,
            high: values.fold(f64::NEG_INFINITY, f64::max),
        }
    };
    (0..layers).map(of_layer).collect()
}

/// A balance: mean over largest, 1 when there is no load.
pub fn ratio(mean: f64, largest: f64) -> f64 {
    if largest > 0.0 { mean / largest } else { 1.0 }
}

/// The load of the busiest GPU of each layer, added up: what has to be waited for, one layer after another.
pub fn busiest(metrics: &[Metrics]) -> f64 {
    metrics.iter().map(|layer| layer.max_gpu_load).sum()
}

/// 4604912 -> "4.60 M tokens".
pub fn tokens(load: f64) -> String {
    match load.abs() {
        1e9.. => format!("{:.2} G tokens", load / 1e9),
        1e6.. => format!("{:.2} M tokens", load / 1e6),
        1e3.. => format!("{:.2} k tokens", load / 1e3),
        _ => format!("{load:.2} tokens"),
    }
}
