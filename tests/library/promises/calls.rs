//! Random calls: every policy, flag, limit and state together.

use crate::common::plan_limited;
use crate::problems::General;
use crate::problems::loads::{self, Rng};
use crate::reference::judge::{self, Judgement, State, Topology};
use crate::reference::nearest::{Machine, slot_loads};
use eplb::{EPLB_MOVES_NONE, Flags, Options, Policy, Scope, Spec, StaticSplit};

/// A call of `plan`, with all that it reads.
#[derive(Clone, Debug)]
pub struct Call {
    pub problem: General,
    pub windows: usize,
    /// `[W][L][E]`, `[L][W]`.
    pub load: Vec<f32>,
    pub weight: Option<Vec<f32>>,
    pub policy: Policy,
    pub scope: Scope,
    pub effort: u32,
    pub flags: Flags,
    pub previous: Option<Vec<i32>>,
    pub max_moves: u32,
    pub per_pair: u32,
    pub target: u32,
    pub split: StaticSplit,
    pub max_replicas: usize,
    pub wants_rank: bool,
    pub wants_count: bool,
    pub wants_table: bool,
}

impl Call {
    /// From nothing, with nothing asked for.
    pub fn of(problem: General) -> Self {
        Call {
            load: problem.load.clone(),
            problem,
            windows: 1,
            weight: None,
            policy: Policy::Balanced,
            scope: Scope::Global,
            effort: 0,
            flags: Flags::NONE,
            previous: None,
            max_moves: 0,
            per_pair: 0,
            target: 0,
            split: StaticSplit::Even,
            max_replicas: 0,
            wants_rank: true,
            wants_count: true,
            wants_table: false,
        }
    }

    pub fn random(rng: &mut Rng) -> Self {
        let (experts, gpus) = match rng.below(200) {
            0 => (120, 24),
            1..50 => (24, 8),
            _ => (5, 4),
        };
        let flags = draw_flags(rng);
        let twice = flags.contains(Flags::SURVIVE_GPU) || flags.contains(Flags::SURVIVE_NODE);
        let mut problem = General::random(rng, experts, gpus);
        for _ in 0..5 {
            // most have room for what they are asked for
            let needed = problem.num_logical_experts * (1 + usize::from(twice));
            if problem.living_slots() < needed {
                problem = General::random(rng, experts, gpus);
            }
        }
        if rng.once_in(3) {
            let scale = rng.pick(&[1.0, 10.0, 100.0]);
            let speed = |_| ((rng.unit() * 2.0 - 1.0) * scale).exp2() as f32;
            problem.speed = Some((0..problem.slots.len()).map(speed).collect());
        }
        let windows = if rng.once_in(2) { 1 } else { rng.pick(&[2, 2, 3, 4, 8, 9, 17]) };
        let load = draw_windows(rng, &problem, windows);
        let mut call = Call {
            windows,
            load,
            weight: draw_weights(rng, problem.num_layers, windows),
            policy: if rng.once_in(8) { rng.pick(&Policy::ALL) } else { Policy::Balanced },
            scope: rng.pick(&[Scope::Auto, Scope::Hierarchical, Scope::Global, Scope::Global]),
            effort: match rng.below(6) {
                0 => rng.range(1, 3_000) as u32,
                1 if rng.once_in(8) => u32::MAX,
                _ => 0,
            },
            flags,
            wants_rank: rng.once_in(2),
            wants_count: rng.once_in(2),
            wants_table: rng.once_in(3),
            ..Call::of(problem)
        };
        if rng.once_in(5) {
            call.split = StaticSplit::Nearest;
            if !rng.once_in(8) {
                call.effort = rng.range(1, 3_000) as u32; // the default takes milliseconds a layer
            }
        }
        call.draw_limits(rng);
        call
    }

    fn draw_limits(&mut self, rng: &mut Rng) {
        let (slots, experts) = (self.num_slots(), self.problem.num_logical_experts);
        self.max_replicas = match rng.below(3) {
            0 if !self.wants_table => 0,
            1 if slots >= experts => slots - experts + 1,
            _ if rng.once_in(20) => 0,
            _ => rng.range(1, 4),
        };
        if rng.once_in(3) && !rng.once_in(40) {
            return;
        }
        let previous = self.draw_previous(rng);
        self.previous = (!rng.once_in(40)).then_some(previous);
        self.max_moves = match rng.below(8) {
            0..3 => 0,
            3 => EPLB_MOVES_NONE,
            4 => rng.pick(&[slots as u32, slots as u32 / 2, EPLB_MOVES_NONE - 1]),
            _ => rng.range(1, 6) as u32,
        };
        self.per_pair = if rng.once_in(5) { rng.range(1, 3) as u32 } else { 0 };
        self.target = if rng.once_in(5) { rng.range(20_000, 65_536) as u32 } else { 0 };
        if rng.once_in(10) {
            self.flags |= Flags::FILL_ONLY;
        }
    }

    /// A placement in force of any kind.
    fn draw_previous(&self, rng: &mut Rng) -> Vec<i32> {
        let (slots, experts) = (self.num_slots(), self.problem.num_logical_experts);
        let len = slots * self.problem.num_layers;
        let mut placement = match rng.below(6) {
            0 => {
                let empty = rng.range(1, 5);
                let mut any = |_| if rng.once_in(empty) { -1 } else { rng.below(experts) as i32 };
                (0..len).map(&mut any).collect()
            }
            1 => (0..len).map(|slot| (slot % slots % experts) as i32).collect(),
            _ => self.other_plan(rng).unwrap_or_else(|| vec![-1; len]),
        };
        for _ in 0..if rng.once_in(2) { rng.below(4) } else { 0 } {
            if len > 0 {
                // a slot changed, or emptied
                let slot = rng.below(len);
                placement[slot] = rng.below(experts + 1) as i32 - 1;
            }
        }
        if rng.once_in(4) {
            self.fill_gpu(rng, &mut placement);
        }
        if rng.once_in(50) && len > 0 {
            let slot = rng.below(len);
            placement[slot] = rng.pick(&[-2, experts as i32, i32::MIN, i32::MAX]);
        }
        placement
    }

    /// A GPU empty, or full of one expert.
    fn fill_gpu(&self, rng: &mut Rng, placement: &mut [i32]) {
        let gpu = rng.below(self.problem.slots.len());
        let from = self.problem.slots[..gpu].iter().sum::<u32>() as usize;
        let here = self.problem.slots[gpu] as usize;
        let content =
            if rng.once_in(4) { rng.below(self.problem.num_logical_experts) as i32 } else { -1 };
        for layer in placement.chunks_mut(self.num_slots().max(1)) {
            layer[from..from + here].fill(content);
        }
    }

    /// A plan for other loads, for all GPUs or for those of now, of as many experts or of fewer.
    fn other_plan(&self, rng: &mut Rng) -> Option<Vec<i32>> {
        let mut other = self.problem.clone();
        if rng.once_in(2) {
            other.state = None;
        }
        if rng.once_in(6) {
            other.num_groups = 1;
            other.num_logical_experts = rng.range(1, other.num_logical_experts);
        }
        let (layers, experts) = (other.num_layers, other.num_logical_experts);
        other.load = (0..layers).flat_map(|_| loads::any(rng, experts)).collect();
        other.load.iter_mut().for_each(|x| *x = if x.is_finite() { *x } else { 1.0 });
        let options = Options {
            scope: self.scope,
            flags: self.flags & (Flags::SURVIVE_GPU | Flags::SURVIVE_NODE),
            ..Options::default()
        };
        let limit = if rng.once_in(2) { self.max_replicas } else { 0 };
        let without = Options { flags: Flags::NONE, ..options };
        let options = if rng.once_in(2) { options } else { without };
        plan_limited(&other.spec(), &options, limit).ok()
    }

    /// Leaves all layers out but one.
    pub fn keep_layer(&mut self, index: usize) {
        let loads = (0..self.windows).flat_map(|window| self.load(index, window).to_vec());
        let load = loads.collect();
        let row = self.num_slots();
        if let Some(old) = &mut self.previous {
            *old = old[index * row..][..row].to_vec();
        }
        if let Some(weight) = &mut self.weight {
            *weight = weight[index * self.windows..][..self.windows].to_vec();
        }
        self.load = load;
        self.problem.num_layers = 1;
    }

    pub fn num_slots(&self) -> usize {
        self.problem.slots.iter().sum::<u32>() as usize
    }

    pub fn spec(&self) -> Spec<'_> {
        Spec {
            num_windows: self.windows as u32,
            load: &self.load,
            window_weight: self.weight.as_deref(),
            ..self.problem.spec()
        }
    }

    pub fn options(&self) -> Options<'_> {
        Options {
            policy: self.policy,
            scope: self.scope,
            effort: self.effort,
            flags: self.flags,
            previous: self.previous.as_deref(),
            max_moves: self.max_moves,
            max_moves_per_gpu_pair: self.per_pair,
            target: self.target,
            split: self.split,
            ..Options::default()
        }
    }

    /// Whether groups are bound to nodes.
    pub fn is_hierarchical(&self) -> bool {
        match self.scope {
            Scope::Auto => self.problem.num_groups.is_multiple_of(self.problem.num_nodes),
            scope => scope == Scope::Hierarchical,
        }
    }

    pub fn has(&self, flag: Flags) -> bool {
        self.flags.contains(flag)
    }

    /// Whether what may change is limited.
    pub fn is_limited(&self) -> bool {
        self.max_moves != 0 || self.per_pair != 0 || self.has(Flags::FILL_ONLY)
    }

    pub fn survives(&self) -> bool {
        self.has(Flags::SURVIVE_GPU) || self.has(Flags::SURVIVE_NODE)
    }

    /// The GPU of each slot.
    pub fn gpus(&self) -> Vec<usize> {
        let slots = self.problem.slots.iter().enumerate();
        slots.flat_map(|(gpu, &slots)| std::iter::repeat_n(gpu, slots as usize)).collect()
    }

    /// What the ruler says of a layer.
    pub fn judge(&self, map: &[i32], load: &[f32]) -> Judgement {
        let problem = &self.problem;
        let of = |gpu: usize| if problem.alive(gpu) { State::Alive } else { State::Dead };
        let gpus = 0..problem.slots.len();
        let topology = Topology {
            gpu_slots: problem.slots.iter().map(|&slots| slots as usize).collect(),
            gpu_node: gpus.clone().map(|gpu| problem.node(gpu)).collect(),
            gpu_speed: gpus.clone().map(|gpu| problem.speed(gpu)).collect(),
            gpu_state: gpus.clone().map(of).collect(),
        };
        if self.split == StaticSplit::Even {
            return judge::judge(map, load, &topology);
        }
        let alive: Vec<bool> = gpus.map(|gpu| problem.alive(gpu)).collect();
        let (gpu_of, node) = (&self.gpus()[..], &topology.gpu_node[..]);
        let machine = Machine { gpu_of, node, sends: &alive, serves: &alive };
        judge::judge_split(map, &slot_loads(&machine, map, load), &topology)
    }

    pub fn weight(&self, layer: usize, window: usize) -> f64 {
        let weight = self.weight.as_ref();
        weight.map_or(1.0, |weight| f64::from(weight[layer * self.windows + window]))
    }

    pub fn load(&self, layer: usize, window: usize) -> &[f32] {
        let experts = self.problem.num_logical_experts;
        &self.load[(window * self.problem.num_layers + layer) * experts..][..experts]
    }
}

fn draw_flags(rng: &mut Rng) -> Flags {
    let mut flags = Flags::NONE;
    let often = [
        (Flags::EXTERNAL_SOURCE, 2),
        (Flags::SURVIVE_GPU, 4),
        (Flags::SURVIVE_NODE, 6),
        (Flags::DISPATCH, 10),
        (Flags::EMPTY_SLOTS, 4),
    ];
    for (flag, once_in) in often {
        if rng.once_in(once_in) {
            flags |= flag;
        }
    }
    flags
}

/// Windows of any kind, much like the first, or the first in another unit.
fn draw_windows(rng: &mut Rng, problem: &General, windows: usize) -> Vec<f32> {
    let (layers, experts) = (problem.num_layers, problem.num_logical_experts);
    let len = layers * experts;
    let mut load: Vec<f32> = (0..windows * layers).flat_map(|_| loads::any(rng, experts)).collect();
    load.iter_mut().for_each(|x| *x = if x.is_finite() { *x } else { f32::MAX });
    let apart = rng.pick(&[0.0, 1e-6, 0.01, 0.3]);
    if rng.once_in(2) {
        let (first, others) = load.split_at_mut(len);
        for (window, load) in others.chunks_mut(len).enumerate() {
            for (load, &first) in load.iter_mut().zip(first.iter()) {
                let drift = (1.0 + apart * rng.unit()) as f32 / (window + 1) as f32;
                *load = (first * drift).min(f32::MAX);
            }
        }
    }
    load
}

fn draw_weights(rng: &mut Rng, layers: usize, windows: usize) -> Option<Vec<f32>> {
    let any = [0.0, 1.0, 1.0, 0.5, 3.0, 1e-30, f32::MIN_POSITIVE / 8.0];
    let mut weight: Vec<f32> = (0..layers * windows).map(|_| rng.pick(&any)).collect();
    weight.chunks_mut(windows).for_each(|layer| layer[rng.below(windows)] = 1.0);
    rng.once_in(2).then_some(weight)
}
