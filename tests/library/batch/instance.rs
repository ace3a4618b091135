//! A layer of a batch with few GPUs, as it is asked and as it is answered, in plain vectors.

use crate::loads::Rng;
use eplb::{EPLB_GPU_ALIVE, EPLB_GPU_DEAD, EPLB_GPU_LEAVING};

/// What is asked.
#[derive(Clone, Debug, Default)]
pub struct Instance {
    pub experts: usize,
    /// What each slot of each GPU has as a home; -1 is a spare slot.
    pub home: Vec<Vec<i32>>,
    /// What the spare slots hold from the last batch, where that is told.
    pub held: Option<Vec<Vec<i32>>>,
    /// In eighths.
    pub speed: Vec<u64>,
    pub state: Vec<u8>,
    pub node: Vec<u32>,
    /// Tokens by source, by expert; one row where sources are not known.
    pub tokens: Vec<Vec<u32>>,
    /// Of 1,024.
    pub tolerance: u32,
    pub fetch_tokens: u32,
    pub least_tokens: u32,
    pub max_fetches_in: u32,
    pub max_fetches_out: u32,
}

impl Instance {
    /// All GPUs alike and alive, `spare` slots more than homes on each, no limits.
    pub fn plain(home: &[&[i32]], spare: usize, tokens: &[u32]) -> Self {
        let slots = |homes: &&[i32]| [homes.to_vec(), vec![-1; spare]].concat();
        Instance {
            experts: tokens.len(),
            home: home.iter().map(slots).collect(),
            speed: vec![8; home.len()],
            state: vec![EPLB_GPU_ALIVE; home.len()],
            node: vec![0; home.len()],
            tokens: vec![tokens.to_vec()],
            ..Instance::default()
        }
    }

    pub fn gpus(&self) -> usize {
        self.home.len()
    }

    pub fn serves(&self, gpu: usize) -> bool {
        self.state[gpu] != EPLB_GPU_DEAD
    }

    pub fn receives(&self, gpu: usize) -> bool {
        self.state[gpu] == EPLB_GPU_ALIVE
    }

    /// Spare slots that a copy may go to.
    pub fn spare(&self, gpu: usize) -> usize {
        let empty = self.home[gpu].iter().filter(|&&expert| expert < 0).count();
        if self.receives(gpu) { empty } else { 0 }
    }

    /// Tokens of an expert from all sources.
    pub fn total(&self, expert: usize) -> u64 {
        self.tokens.iter().map(|row| u64::from(row[expert])).sum()
    }

    pub fn has_home(&self, expert: usize, gpu: usize) -> bool {
        self.home[gpu].contains(&(expert as i32))
    }

    /// Copies that a GPU has from the last batch and may use: none that is at home there, none twice.
    pub fn held(&self, gpu: usize) -> Vec<usize> {
        let Some(held) = self.held.as_ref().filter(|_| self.receives(gpu)) else {
            return Vec::new();
        };
        let spare = held[gpu].iter().zip(&self.home[gpu]).filter(|&(_, &home)| home < 0);
        let mut held: Vec<usize> = spare.filter_map(|(&e, _)| usize::try_from(e).ok()).collect();
        held.retain(|&expert| !self.has_home(expert, gpu));
        held.sort_unstable();
        held.dedup();
        held
    }

    /// The speed as the library is told it.
    pub fn speed_of(&self, gpu: usize) -> f64 {
        self.speed[gpu] as f64 / 8.0
    }

    pub fn time(&self, tokens: u64, gpu: usize) -> f64 {
        tokens as f64 / self.speed_of(gpu)
    }
}

/// A copy that travels, in which round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fetch {
    pub round: u32,
    pub expert: usize,
    pub from: usize,
    /// The slot that receives it, of all.
    pub slot: usize,
}

/// What is answered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    pub slots: Vec<i32>,
    /// By source, by slot.
    pub quota: Vec<Vec<u32>>,
    pub route_end: Vec<u32>,
    pub route_slot: Vec<i32>,
    pub max_replicas: usize,
    pub fetches: Vec<Fetch>,
    pub report: Report,
}

/// What is said of the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Report {
    pub largest_time: f64,
    pub bound: f64,
    pub balance: f64,
    pub tokens: u64,
    pub leaving_home: u64,
    pub leaving_node: u64,
    pub leaving_gpu: u64,
    pub fetches: u32,
    pub fetches_bound: u32,
    pub busiest_gpu: u32,
    /// No limit kept the largest time above the tolerance.
    pub within: bool,
}

/// What a random instance may have.
#[derive(Clone, Copy, Debug, Default)]
pub struct Kind {
    pub most_gpus: usize,
    pub most_experts: usize,
    /// Speeds, dead and leaving GPUs, replicas among the homes.
    pub uneven: bool,
    pub held: bool,
    pub sources: bool,
    /// What a fetch costs, the least tokens of a copy, fetches into and out of a GPU.
    pub limits: bool,
}

/// A small instance; every expert has a home that serves.
pub fn random(rng: &mut Rng, kind: &Kind) -> Instance {
    let gpus = rng.range(2, kind.most_gpus);
    let experts = rng.range(gpus, kind.most_experts.max(gpus));
    let mut state = vec![EPLB_GPU_ALIVE; gpus];
    if kind.uneven && rng.once_in(3) {
        let gpu = rng.range(1, gpus - 1);
        state[gpu] = rng.pick(&[EPLB_GPU_DEAD, EPLB_GPU_LEAVING]);
    }
    let serving: Vec<usize> = (0..gpus).filter(|&gpu| state[gpu] != EPLB_GPU_DEAD).collect();
    let mut home = vec![Vec::new(); gpus];
    let contiguous = rng.once_in(2);
    for expert in 0..experts {
        let at =
            if contiguous { expert * serving.len() / experts } else { rng.below(serving.len()) };
        home[serving[at]].push(expert as i32);
        let second = rng.below(gpus);
        if kind.uneven && rng.once_in(12) && second != serving[at] {
            home[second].push(expert as i32);
        }
    }
    let (alike, most) = (rng.once_in(2), rng.range(0, 2));
    for (gpu, slots) in home.iter_mut().enumerate() {
        let spare = if alike { most } else { rng.range(0, 2) };
        slots.extend(vec![-1; spare + usize::from(gpu == 0 && slots.is_empty())]);
        if rng.once_in(3) {
            rng.shuffle(slots);
        }
    }
    let fast = kind.uneven && rng.once_in(3);
    let tokens = |rng: &mut Rng| random_tokens(rng, experts);
    let mut instance = Instance {
        experts,
        speed: (0..gpus).map(|_| if fast { rng.range(3, 12) as u64 } else { 8 }).collect(),
        node: (0..gpus).map(|_| rng.below(2) as u32).collect(),
        tokens: (0..if kind.sources { gpus } else { 1 }).map(|_| tokens(rng)).collect(),
        tolerance: rng.pick(&[0, 0, 10, 51, 102, 300]),
        home,
        state,
        ..Instance::default()
    };
    for (source, row) in instance.tokens.iter_mut().enumerate() {
        if kind.sources && instance.state[source] == EPLB_GPU_DEAD {
            row.fill(0);
        }
    }
    if kind.held {
        let held = |slots: &Vec<i32>| -> Vec<i32> {
            slots.iter().map(|_| rng.below(experts + 1) as i32 - 1).collect()
        };
        instance.held = Some(instance.home.iter().map(held).collect());
    }
    if kind.limits {
        instance.fetch_tokens = rng.pick(&[0, 0, 1, 3, 10]);
        instance.least_tokens = rng.pick(&[0, 0, 1, 2, 5, 20]);
        instance.max_fetches_in = rng.pick(&[0, 0, 1]);
        instance.max_fetches_out = rng.pick(&[0, 0, 1, 2]);
    }
    instance
}

/// Even, skewed, tied, mostly nothing.
fn random_tokens(rng: &mut Rng, experts: usize) -> Vec<u32> {
    let kind = rng.below(5);
    let spread = 0.5 + rng.unit();
    let most = rng.range(1, 300);
    let draw = |rng: &mut Rng| match kind {
        0 => rng.below(most + 1) as u32,
        1 => rng.below(6) as u32,
        2 if rng.once_in(3) => rng.below(100) as u32,
        2 => 0,
        _ => ((spread * rng.normal()).exp() * 40.0) as u32,
    };
    (0..experts).map(|_| draw(rng)).collect()
}
