//! What is measured: shapes, policies and loads.

use eplb::{Options, Policy, Scope};
use rand::{SeedableRng, rngs::StdRng};
use rand_distr::{Distribution, LogNormal};

use super::trace::Trace;
use super::{generate, loads};

/// One row of the table: E -> P / G, K groups on N nodes.
pub struct Case {
    pub name: &'static str,
    pub loads: Loads,
    pub experts: usize,
    pub slots: usize,
    pub groups: usize,
    pub nodes: usize,
    pub gpus: usize,
}

/// What a case plans for.
#[derive(Clone, Copy, PartialEq)]
pub enum Loads {
    /// Layers of the trace whose width fits, else generated.
    Trace,
    /// Zipf, exponent 1.4.
    Zipf,
    /// Lognormal, sigma 2.2.
    Lognormal,
}

const fn case(
    name: &'static str,
    loads: Loads,
    [experts, slots, gpus]: [usize; 3],
    [groups, nodes]: [usize; 2],
) -> Case {
    Case { name, loads, experts, slots, groups, nodes, gpus }
}

pub const CASES: [Case; 15] = [
    case("256-288-32", Loads::Trace, [256, 288, 32], [1, 1]),
    case("256-288-32-8x4", Loads::Trace, [256, 288, 32], [8, 4]),
    case("256-320-64", Loads::Trace, [256, 320, 64], [1, 1]),
    case("256-288-72", Loads::Trace, [256, 288, 72], [1, 1]),
    case("256-288-96", Loads::Trace, [256, 288, 96], [1, 1]),
    case("256-288-144", Loads::Trace, [256, 288, 144], [1, 1]),
    case("256-256-32", Loads::Trace, [256, 256, 32], [1, 1]),
    case("128-160-32", Loads::Trace, [128, 160, 32], [1, 1]),
    case("64-72-8", Loads::Trace, [64, 72, 8], [1, 1]),
    case("512-576-64", Loads::Trace, [512, 576, 64], [1, 1]),
    case("1024-1152-128", Loads::Trace, [1024, 1152, 128], [1, 1]),
    case("2048-2304-256", Loads::Trace, [2048, 2304, 256], [1, 1]),
    case("zipf-256-288-32", Loads::Zipf, [256, 288, 32], [1, 1]),
    case("zipf-256-320-64", Loads::Zipf, [256, 320, 64], [1, 1]),
    case("lognormal-128-160-32", Loads::Lognormal, [128, 160, 32], [1, 1]),
];

impl Case {
    /// The case of this name.
    pub fn named(name: &str) -> &'static Case {
        CASES.iter().find(|case| case.name == name).expect("a case")
    }

    pub fn options(&self, policy: Policy) -> Options<'static> {
        let scope = if self.groups > 1 { Scope::Hierarchical } else { Scope::Global };
        Options { policy, scope, ..Options::default() }
    }
}

pub const POLICIES: [(Policy, &str); 8] = [
    (Policy::Balanced, "balanced"),
    (Policy::Deepseek, "deepseek"),
    (Policy::MultiSwap, "multi_swap"),
    (Policy::K2Hybrid, "k2_hybrid"),
    (Policy::HybridArgmax, "hybrid_argmax"),
    (Policy::PeakAware, "peak_aware"),
    (Policy::Waterfill, "waterfill"),
    (Policy::WaterfillFixup, "waterfill_fixup"),
];

/// Layers that a case is measured on.
pub fn layers(case: &Case) -> Vec<Vec<f32>> {
    match case.loads {
        Loads::Trace => trace_layers(case.experts),
        Loads::Zipf => (1..=60).map(|seed| loads::zipf(case.experts, 1.4, seed)).collect(),
        Loads::Lognormal => {
            (1..=60).map(|seed| loads::lognormal(case.experts, 2.2, seed)).collect()
        }
    }
}

/// Those of the trace when their width fits, else generated ones.
fn trace_layers(experts: usize) -> Vec<Vec<f32>> {
    let trace = match std::env::var_os("EPLB_TRACE") {
        Some(path) => Trace::read(path.as_ref()).unwrap_or_else(|error| panic!("{error}")),
        None => generate::deepseek_v3(1),
    };
    if trace.experts == experts {
        return trace.load.chunks(experts).map(<[f32]>::to_vec).collect();
    }
    let mut random = StdRng::seed_from_u64(7);
    let skew = LogNormal::new(0.0, 1.0).expect("a distribution");
    (0..58)
        .map(|_| (0..experts).map(|_| (skew.sample(&mut random) * 1e6_f64) as f32).collect())
        .collect()
}

/// What benches/versus reads: the layers of every width, each once, a layer a line.
pub fn print_loads() {
    let mut seen = Vec::new();
    for case in CASES.iter().filter(|case| case.loads == Loads::Trace) {
        if !seen.contains(&case.experts) {
            seen.push(case.experts);
            for load in layers(case) {
                println!("{}", load.iter().map(f32::to_string).collect::<Vec<_>>().join(","));
            }
        }
    }
}
