//! A trace of DeepSeek-V3 shape and skew, for when there is no real one.
//!
//! The load of expert e in layer l and window w is lognormal with two parts, because DeepSeek-V3
//! chooses groups of experts before it chooses experts:
//!
//! ```text
//! ln load = layer_l * (group_spread_w * G(group of e) + expert_spread_w * X(e))
//! ```
//!
//! G and X are sums of what lasts (a normal bent to the right), of what belongs to a phase (prefill or
//! decode), and of what is new in each window; their shares set the correlations. All constants were
//! fitted to published expert counts of DeepSeek-V3 deployments; docs/BENCHMARKS.md compares the two.
//!
//! The same seed gives the same trace as long as Cargo.lock keeps `rand` where it is.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rand_distr::StandardNormal;

use super::trace::Trace;

const LAYERS: usize = 58;
const EXPERTS: usize = 256;
const GROUPS: usize = 8;
/// Tokens of a layer in a window: 2^23 tokens, 8 experts each.
const TOKENS: f64 = 67_108_864.0;

/// Standard deviations of ln load: between groups, and between the experts of a group.
struct Workload {
    name: &'static str,
    phase: usize,
    group_spread: f64,
    expert_spread: f64,
}

#[rustfmt::skip]
const WORKLOADS: [Workload; 4] = [
    Workload { name: "prefill_short", phase: 0, group_spread: 0.30, expert_spread: 0.54 },
    Workload { name: "prefill_long",  phase: 0, group_spread: 0.40, expert_spread: 0.64 },
    Workload { name: "decode_short",  phase: 1, group_spread: 0.38, expert_spread: 0.54 },
    Workload { name: "decode_long",   phase: 1, group_spread: 0.38, expert_spread: 0.48 },
];
const PHASES: usize = 2;

/// Relative spread of the skew from layer to layer.
const LAYER_SPREAD: f64 = 0.14;
/// Shares of the variance: what lasts, the phase, the window. They sum to 1.
const EXPERT_SHARES: [f64; 3] = [0.72, 0.22, 0.06];
const GROUP_SHARES: [f64; 3] = [0.95, 0.04, 0.01];
/// How far what lasts is bent to the right.
const EXPERT_BEND: f64 = 0.11;
const GROUP_BEND: f64 = 0.18;

/// A trace of four windows: short and long prefill, then short and long decode.
pub fn deepseek_v3(seed: u64) -> Trace {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut load = vec![0.0; WORKLOADS.len() * LAYERS * EXPERTS];
    for layer in 0..LAYERS {
        let width = (1.0 + LAYER_SPREAD * standard_normal(&mut rng)).clamp(0.75, 1.25);
        let groups = Popularity::new(&mut rng, GROUPS, GROUP_SHARES, GROUP_BEND);
        let experts = Popularity::new(&mut rng, EXPERTS, EXPERT_SHARES, EXPERT_BEND);
        for (window, workload) in WORKLOADS.iter().enumerate() {
            let group = groups.in_window(&mut rng, workload.phase);
            let expert = experts.in_window(&mut rng, workload.phase);
            let weight: Vec<f64> = (0..EXPERTS)
                .map(|e| {
                    let of_group = workload.group_spread * group[e * GROUPS / EXPERTS];
                    (width * (of_group + workload.expert_spread * expert[e])).exp()
                })
                .collect();
            let scale = TOKENS / weight.iter().sum::<f64>();
            let row = &mut load[(window * LAYERS + layer) * EXPERTS..][..EXPERTS];
            row.iter_mut().zip(&weight).for_each(|(load, weight)| {
                *load = (scale * weight).round() as f32;
            });
        }
    }
    Trace {
        source: format!("generated, DeepSeek-V3 shape, seed {seed}"),
        generated: true,
        dense: None,
        parts: vec![WORKLOADS.len()],
        windows: WORKLOADS.iter().map(|workload| workload.name.to_string()).collect(),
        layers: (0..LAYERS as u32).collect(),
        experts: EXPERTS,
        load,
    }
}

/// How popular the experts (or groups) of a layer are, in standard deviations.
struct Popularity {
    lasting: Vec<f64>,
    phase: [Vec<f64>; PHASES],
    /// Weights of the lasting part, the phase and the window.
    weights: [f64; 3],
}

impl Popularity {
    fn new(rng: &mut StdRng, len: usize, shares: [f64; 3], bend: f64) -> Self {
        Popularity {
            lasting: (0..len).map(|_| bent_normal(rng, bend)).collect(),
            phase: std::array::from_fn(|_| (0..len).map(|_| standard_normal(rng)).collect()),
            weights: shares.map(f64::sqrt),
        }
    }

    fn in_window(&self, rng: &mut StdRng, phase: usize) -> Vec<f64> {
        let [lasting, of_phase, of_window] = self.weights;
        let parts = self.lasting.iter().zip(&self.phase[phase]);
        parts.map(|(a, b)| lasting * a + of_phase * b + of_window * standard_normal(rng)).collect()
    }
}

fn standard_normal(rng: &mut StdRng) -> f64 {
    rng.sample(StandardNormal)
}

/// A normal bent to the right, with mean 0 and variance 1. Cut off at 3 standard deviations: a token
/// goes to an expert once at most, which bounds how hot an expert can be.
fn bent_normal(rng: &mut StdRng, bend: f64) -> f64 {
    let z = standard_normal(rng).clamp(-3.0, 3.0);
    (z + bend * (z * z - 1.0)) / (1.0 + 2.0 * bend * bend).sqrt()
}
