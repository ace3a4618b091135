//! The cases, their layers, and the memory to plan them in.

use eplb::{Arena, Need, Operation, Options, PlacementMut, Problem, Scope, Shape, Spec};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng, rngs::StdRng};
use rand_distr::{Distribution, Normal};
use std::hint::black_box;

pub const WINDOWS: usize = 8;

/// E -> P / G on nodes of 8 GPUs, two groups a node. Cases of a family differ in size alone.
#[derive(Clone, Copy)]
pub struct Case {
    pub family: &'static str,
    pub experts: usize,
    pub slots: usize,
    pub gpus: usize,
}

pub const fn case(family: &'static str, experts: usize, slots: usize, gpus: usize) -> Case {
    Case { family, experts, slots, gpus }
}

pub const CASES: [Case; 15] = [
    case("9 slots a GPU", 256, 288, 32),
    case("9 slots a GPU", 512, 576, 64),
    case("9 slots a GPU", 1024, 1152, 128),
    case("9 slots a GPU", 2048, 2304, 256),
    case("9 slots a GPU", 4096, 4608, 512),
    case("5 slots a GPU", 256, 320, 64),
    case("5 slots a GPU", 512, 640, 128),
    case("5 slots a GPU", 1024, 1280, 256),
    case("5 slots a GPU", 2048, 2560, 512),
    case("5 slots a GPU", 4096, 5120, 1024),
    case("2 slots a GPU", 256, 512, 256),
    case("2 slots a GPU", 512, 1024, 512),
    case("2 slots a GPU", 1024, 2048, 1024),
    case("1 slot a GPU", 256, 1024, 1024),
    case("8 slots, half replicas", 4096, 8192, 1024),
];

impl Case {
    pub fn name(&self) -> String {
        format!("{}-{}-{}", self.experts, self.slots, self.gpus)
    }

    pub fn spec<'a>(&self, load: &'a [f32]) -> Spec<'a> {
        let nodes = (self.gpus / 8) as u32;
        Spec {
            num_windows: 1,
            num_layers: 1,
            num_logical_experts: self.experts as u32,
            num_physical_experts: self.slots as u32,
            num_groups: 2 * nodes,
            num_nodes: nodes,
            num_gpus: self.gpus as u32,
            load,
            ..Spec::default()
        }
    }

    /// Slots that a plan may change: a sixth, as 48 of 288.
    pub fn budget(&self) -> u32 {
        (self.slots / 6) as u32
    }
}

/// A layer: its windows one after another and their mean, the sort's keys, a batch, and the plan for the second window.
pub struct Layer {
    pub load: Vec<f32>,
    pub mean: Vec<f32>,
    pub keys: Vec<u64>,
    pub tokens: Vec<u32>,
    pub by_source: Vec<u32>,
    pub old: Vec<i32>,
}

impl Layer {
    pub fn window(&self, case: &Case, window: usize) -> &[f32] {
        &self.load[window * case.experts..][..case.experts]
    }
}

pub fn layer(case: &Case, random: &mut StdRng) -> Layer {
    let normal = Normal::new(0.0, 1.0).expect("a distribution");
    let lasting: Vec<f64> = (0..case.experts).map(|_| 0.55 * normal.sample(random)).collect();
    let load: Vec<f32> = (0..WINDOWS)
        .flat_map(|_| lasting.clone())
        .map(|lasting| ((lasting + 0.33 * normal.sample(random)).exp() * 1e4) as f32)
        .collect();
    let now = &load[..case.experts];
    let total: f64 = now.iter().map(|&load| f64::from(load)).sum();
    // 128 tokens x 8 experts from each GPU
    let mut by_source = vec![0; case.gpus * case.experts];
    let mut tokens = vec![0; case.experts];
    for row in by_source.chunks_exact_mut(case.experts) {
        for ((count, sum), &load) in row.iter_mut().zip(&mut tokens).zip(now) {
            *count = (f64::from(load) / total * 1024.0 + random.random::<f64>()) as u32;
            *sum += *count;
        }
    }
    let key = |slot: usize| (u64::from(now[slot % now.len()].to_bits()) << 32) | slot as u64;
    let mut keys: Vec<u64> = (0..case.slots).map(key).collect();
    keys.shuffle(random);
    let mean_of = |expert: usize| load.iter().skip(expert).step_by(case.experts).sum::<f32>();
    let mean = (0..case.experts).map(|expert| mean_of(expert) / WINDOWS as f32).collect();
    let mut layer = Layer { load, mean, keys, tokens, by_source, old: Vec::new() };
    let global = Options { scope: Scope::Global, ..Options::default() };
    let mut planner = Planner::new(case, &case.spec(layer.window(case, 1)), &global);
    planner.plan(&case.spec(layer.window(case, 1)), &global);
    layer.old = planner.slots;
    layer
}

pub fn layers(case: &Case, count: usize) -> Vec<Layer> {
    let mut random = StdRng::seed_from_u64(7);
    (0..count).map(|_| layer(case, &mut random)).collect()
}

/// The pools of a workspace.
pub struct Memory(Vec<u64>, Vec<f64>, Vec<u32>, Vec<f32>);

impl Memory {
    pub fn new(need: Need) -> Self {
        let Need { u64s, f64s, u32s, f32s } = need;
        Memory(vec![0; u64s], vec![0.0; f64s], vec![0; u32s], vec![0.0; f32s])
    }

    pub fn arena(&mut self) -> Arena<'_> {
        Arena::new(&mut self.0, &mut self.1, &mut self.2, &mut self.3)
    }
}

pub fn need(operation: Operation, spec: &Spec, options: &Options) -> Need {
    let shape = Shape::new(spec).expect("a shape");
    eplb::workspace(operation, &shape, options).expect("a size")
}

pub fn bytes(need: Need) -> usize {
    8 * (need.u64s + need.f64s) + 4 * (need.u32s + need.f32s)
}

/// A planner with its memory.
pub struct Planner {
    pub memory: Memory,
    pub slots: Vec<i32>,
    pub rank: Vec<i32>,
    pub count: Vec<i32>,
}

impl Planner {
    pub fn new(case: &Case, spec: &Spec, options: &Options) -> Self {
        let layers = spec.num_layers as usize;
        Planner {
            memory: Memory::new(need(Operation::Plan, spec, options)),
            slots: vec![0; layers * case.slots],
            rank: vec![0; layers * case.slots],
            count: vec![0; layers * case.experts],
        }
    }

    pub fn plan(&mut self, spec: &Spec, options: &Options) {
        let problem = Problem::new(spec).expect("a problem");
        let maps = PlacementMut {
            physical_to_logical: &mut self.slots,
            replica_rank: Some(&mut self.rank),
            logical_count: Some(&mut self.count),
            logical_to_physical: None,
            max_replicas: 0,
        };
        eplb::plan(&problem, options, self.memory.arena(), maps, None).expect("a plan");
        black_box(&self.slots);
    }
}
