//! Seconds: the ruler against a slow one, its bound against every placement of small layers, and what is refused.

use crate::common::{Memory, evaluate, evaluate_with};
use crate::loads::{self, Rng};
use crate::plan_seconds::{mean_step, step};
use eplb::{
    Cost, EPLB_GPU_ALIVE, EPLB_GPU_DEAD, Flags, Measured, Metrics, Operation, Options, Placement,
    Policy, Scope, Shape, Spec, StaticSplit, Status,
};

/// A layer of a few experts in several windows, with all that a cost can meet.
#[derive(Clone, Debug)]
pub struct Small {
    pub experts: usize,
    windows: usize,
    pub load: Vec<f32>,
    weight: Vec<f32>,
    pub tokens: Option<Vec<f32>>,
    slots: Vec<u32>,
    pub speed: Vec<f32>,
    state: Vec<u8>,
    pub cost: Cost,
}

impl Small {
    pub fn random(rng: &mut Rng, experts: usize, gpus: usize, windows: usize) -> Self {
        let slots = (0..gpus).map(|_| rng.range(1, 2) as u32 + experts.div_ceil(gpus) as u32 - 1);
        let slots: Vec<u32> = slots.collect();
        let alike = rng.once_in(2);
        let mut state = vec![EPLB_GPU_ALIVE; gpus];
        if gpus > 2 && rng.once_in(4) {
            state[rng.below(gpus)] = EPLB_GPU_DEAD;
        }
        let tokens = |_| rng.pick(&[0.5, 3.0, 40.0, 600.0, 1e6]);
        let tokens: Vec<f32> = (0..windows).map(tokens).collect();
        let cost = Cost {
            token_seconds: rng.pick(&[0.0, 0.01, 0.0945]),
            expert_seconds: rng.pick(&[1e-3, 2.0, 11.5]),
            layer_seconds: rng.pick(&[0.0, 18.0]),
            ..Cost::default()
        };
        Small {
            experts,
            windows,
            load: (0..windows * experts)
                .map(|_| rng.below(400) as f32 * rng.unit() as f32)
                .collect(),
            weight: (0..windows).map(|_| rng.range(1, 3) as f32).collect(),
            tokens: rng.once_in(2).then_some(tokens),
            speed: slots
                .iter()
                .map(|_| if alike { 1.0 } else { rng.pick(&[0.5, 1.0, 3.0]) })
                .collect(),
            slots,
            state,
            cost,
        }
    }

    pub fn spec(&self) -> Spec<'_> {
        Spec {
            num_windows: self.windows as u32,
            num_layers: 1,
            num_logical_experts: self.experts as u32,
            num_physical_experts: self.slots.iter().sum(),
            num_gpus: self.slots.len() as u32,
            load: &self.load,
            window_weight: Some(&self.weight),
            gpu_speed: Some(&self.speed),
            gpu_slots: Some(&self.slots),
            gpu_state: Some(&self.state),
            cost: Some(self.cost),
            step_tokens: self.tokens.as_deref(),
            ..Spec::default()
        }
    }

    fn alive(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.slots.len()).filter(|&gpu| self.state[gpu] == EPLB_GPU_ALIVE)
    }

    fn replica(&self, tokens: f64) -> f64 {
        let reading = self.cost.expert_seconds * (1.0 - (-tokens).exp());
        reading.max(self.cost.token_seconds * tokens)
    }

    /// Time of each GPU in a window, without what a layer costs anyway, of slots of which GPU g has `held[g]`.
    fn times(&self, window: usize, held: &[Vec<usize>]) -> Vec<f64> {
        let load = &self.load[window * self.experts..][..self.experts];
        let total: f64 = load.iter().map(|&load| f64::from(load)).sum();
        let scale = match &self.tokens {
            Some(tokens) if total > 0.0 => f64::from(tokens[window]) / total,
            _ => 1.0,
        };
        let count = |expert| {
            self.alive()
                .map(|gpu| held[gpu].iter().filter(|&&e| e == expert).count())
                .sum::<usize>()
        };
        let tokens = |&e: &usize| f64::from(load[e]) * scale / count(e) as f64;
        let time = |gpu: usize| held[gpu].iter().map(|e| self.replica(tokens(e))).sum::<f64>();
        (0..held.len())
            .map(|gpu| {
                if self.state[gpu] == EPLB_GPU_ALIVE {
                    time(gpu) / f64::from(self.speed[gpu])
                } else {
                    0.0
                }
            })
            .collect()
    }

    /// Every placement without duplicates.
    pub fn placements(&self, visit: &mut impl FnMut(&[Vec<usize>])) {
        let mut held = vec![Vec::new(); self.slots.len()];
        self.place(0, &mut held, visit);
    }

    fn place(&self, gpu: usize, held: &mut Vec<Vec<usize>>, visit: &mut impl FnMut(&[Vec<usize>])) {
        if gpu == held.len() {
            let has = |e| self.alive().any(|gpu| held[gpu].contains(&e));
            if (0..self.experts).all(has) {
                visit(held);
            }
            return;
        }
        for set in 0_u32..1 << self.experts {
            let fits = set.count_ones() <= self.slots[gpu];
            if fits && (self.state[gpu] == EPLB_GPU_ALIVE || set == 0) {
                held[gpu] = (0..self.experts).filter(|e| set >> e & 1 == 1).collect();
                self.place(gpu + 1, held, visit);
            }
        }
    }

    pub fn slots_of(&self, held: &[Vec<usize>]) -> Vec<i32> {
        let padded = |(held, &slots): (&Vec<usize>, &u32)| {
            let filled = held.iter().map(|&expert| expert as i32);
            filled.chain(std::iter::repeat(-1)).take(slots as usize).collect::<Vec<i32>>()
        };
        held.iter().zip(&self.slots).flat_map(padded).collect()
    }
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * a.abs().max(b.abs())
}

#[test]
fn the_ruler_is_that_of_a_slow_one() {
    for case in 0..loads::times(300, 10_000) {
        let rng = &mut Rng(loads::seed(case));
        let (experts, gpus, windows) = (rng.range(1, 4), rng.range(1, 3), rng.range(1, 3));
        let small = Small::random(rng, experts, gpus, windows);
        let mut all = Vec::new();
        small.placements(&mut |held| all.push(held.to_vec()));
        let Some(held) = all.get(rng.below(all.len().max(1))) else { continue };
        let found = evaluate(&small.spec(), &Placement::of(&small.slots_of(held))).unwrap()[0];
        let (mut slowest, mut mean, mut balance, mut weights) = (0.0, 0.0, 0.0, 0.0);
        for window in 0..windows {
            let weight = f64::from(small.weight[window]);
            let times = small.times(window, held);
            let most = times.iter().copied().fold(0.0, f64::max);
            let work = |&gpu: &usize| times[gpu] * f64::from(small.speed[gpu]);
            let alive: Vec<usize> = small.alive().collect();
            let even = alive.iter().map(work).sum::<f64>()
                / alive.iter().map(|&gpu| f64::from(small.speed[gpu])).sum::<f64>();
            slowest += weight * (small.cost.layer_seconds + most);
            mean += weight * (small.cost.layer_seconds + even);
            balance += weight * if most > 0.0 { even / most } else { 1.0 };
            weights += weight;
        }
        assert!(close(found.max_gpu_seconds, slowest / weights), "{small:?} {found:?}");
        assert!(close(found.mean_gpu_seconds, mean / weights), "{small:?} {found:?}");
        assert!(close(found.time_balance, balance / weights), "{small:?} {found:?}");
        assert!(found.seconds_bound <= found.max_gpu_seconds && found.seconds_gap >= 0.0);
        let most = *small.slots.iter().max().unwrap();
        assert!((0.0..=f64::from(most) + 1e-9).contains(&found.active_experts));
    }
}

/// Under dispatch a step takes what eplb_dispatch says of its whole tokens, in the mean over the windows.
#[test]
fn dispatch_is_measured_in_seconds() {
    for case in 0..loads::times(300, 10_000) {
        let rng = &mut Rng(loads::seed(case));
        let (experts, gpus, windows) = (rng.range(1, 4), rng.range(1, 3), rng.range(1, 3));
        let small = Small::random(rng, experts, gpus, windows);
        let mut all = Vec::new();
        small.placements(&mut |held| all.push(small.slots_of(held)));
        let Some(slots) = all.get(rng.below(all.len().max(1))) else { continue };
        let spec = small.spec();
        let found = evaluate_with(&spec, &Placement::of(slots), Flags::DISPATCH).unwrap()[0];
        let (mut sum, mut weights) = (0.0, 0.0);
        for window in 0..windows {
            let load = &small.load[window * experts..][..experts];
            let tokens = mean_step(load, small.tokens.as_ref().map(|tokens| tokens[window]));
            sum += f64::from(small.weight[window]) * step(&spec, slots, &tokens);
            weights += f64::from(small.weight[window]);
        }
        assert!(close(found.dispatch_seconds, sum / weights), "{small:?} {found:?}");
        assert!(found.dispatch_seconds_bound <= found.dispatch_seconds * (1.0 + 1e-12));
        let plain = Spec { cost: None, step_tokens: None, ..spec };
        let plain = evaluate_with(&plain, &Placement::of(slots), Flags::DISPATCH).unwrap()[0];
        assert_eq!(found.dispatch_balance, plain.dispatch_balance);
        assert_eq!(found.dispatch_bound, plain.dispatch_bound);
        assert_eq!(plain.dispatch_seconds, 0.0);
    }
}

/// And it is near the optimum more often than not.
#[test]
fn no_placement_is_below_the_bound() {
    let (mut cases, mut gaps) = (0, 0.0);
    for case in 0..loads::times(500, 20_000) {
        let rng = &mut Rng(loads::seed(case));
        let (experts, gpus) = (rng.range(1, 4), rng.range(1, 3));
        let small = Small::random(rng, experts, gpus, 1);
        let (mut least, mut best) = (f64::INFINITY, None);
        small.placements(&mut |held| {
            let slowest = small.times(0, held).into_iter().fold(0.0, f64::max);
            if slowest < least {
                (least, best) = (slowest, Some(held.to_vec()));
            }
        });
        let Some(best) = best else { continue };
        let least = least + small.cost.layer_seconds;
        let found = evaluate(&small.spec(), &Placement::of(&small.slots_of(&best))).unwrap()[0];
        assert!(close(found.max_gpu_seconds, least), "{small:?} {found:?}");
        assert!(found.seconds_bound <= least * (1.0 + 1e-12), "{small:?} {found:?} {least}");
        cases += 1;
        gaps += found.seconds_gap;
        // a placement that is not the best has the same bound, or its own time where that is less
        let mut worst = (0.0, best);
        small.placements(&mut |held| {
            let slowest = small.times(0, held).into_iter().fold(0.0, f64::max);
            if slowest > worst.0 {
                worst = (slowest, held.to_vec());
            }
        });
        let found = evaluate(&small.spec(), &Placement::of(&small.slots_of(&worst.1))).unwrap()[0];
        assert!(found.seconds_bound <= least * (1.0 + 1e-9), "{small:?} {found:?} {least}");
    }
    println!("{cases} layers, mean gap of the optimum {:.4}", gaps / f64::from(cases));
    assert!(gaps / f64::from(cases) < 0.25);
}

#[test]
fn with_a_cost_of_tokens_alone_seconds_are_tokens() {
    for case in 0..200 {
        let rng = &mut Rng(loads::seed(case));
        let mut small = Small::random(rng, 4, 3, 1);
        small.cost = Cost { token_seconds: 0.25, ..Cost::default() };
        small.tokens = None;
        let slots: Vec<i32> =
            (0..small.spec().num_physical_experts as i32).map(|slot| slot % 4).collect();
        let Ok(found) = evaluate(&small.spec(), &Placement::of(&slots)) else { continue };
        let without =
            evaluate(&Spec { cost: None, ..small.spec() }, &Placement::of(&slots)).unwrap()[0];
        assert!(close(found[0].max_gpu_seconds, 0.25 * without.max_gpu_load));
        assert!(close(found[0].mean_gpu_seconds, 0.25 * without.mean_gpu_load));
        assert!(close(found[0].time_balance, without.balance));
        let tokens = Metrics {
            max_gpu_seconds: 0.0,
            mean_gpu_seconds: 0.0,
            time_balance: 0.0,
            active_experts: 0.0,
            seconds_bound: 0.0,
            seconds_gap: 0.0,
            ..found[0]
        };
        assert_eq!(tokens, without, "what is in tokens knows nothing of a cost");
    }
}

/// Four slots that had 0, 30, 10 and 200 tokens, of 480 in a step.
#[test]
fn measured_slots_take_what_they_had() {
    let cost =
        Cost { token_seconds: 0.1, expert_seconds: 10.0, layer_seconds: 1.0, ..Cost::default() };
    let spec = Spec {
        num_layers: 1,
        num_logical_experts: 3,
        num_physical_experts: 4,
        num_gpus: 2,
        cost: Some(cost),
        step_tokens: Some(&[480.0]),
        ..Spec::default()
    };
    let shape = &Shape::new(&spec).unwrap();
    let need = eplb::workspace(Operation::Evaluate, shape, &Options::default()).unwrap();
    let (mut memory, mut found) = (Memory::new(&need), Metrics::default());
    let report = &mut |_: usize, metrics: &Metrics| found = *metrics;
    let measured = Measured { shape, physical_load: &[0.0, 30.0, 10.0, 200.0] };
    let placement = &Placement::of(&[0, 1, 0, 2]);
    eplb::evaluate_measured(&measured, Scope::Auto, false, memory.arena(), placement, report)
        .unwrap();
    assert!(close(found.max_gpu_seconds, 1.0 + 10.0 + 40.0));
    assert!(close(found.mean_gpu_seconds, 1.0 + (10.0 + 10.0 + 40.0) / 2.0));
    assert!((found.active_experts - 2.0).abs() < 1e-6);
}

#[test]
fn what_counts_in_tokens_refuses_a_cost() {
    let small = Small::random(&mut Rng(1), 4, 2, 1);
    let (spec, slots) = (small.spec(), [0, 1, 2, 3]);
    let spec = Spec { num_physical_experts: 4, gpu_slots: None, ..spec };
    let refuses = |options: Options, words: &str| {
        let shape = &Shape::new(&spec).unwrap();
        let status = eplb::workspace(Operation::Plan, shape, &options).unwrap_err();
        assert_eq!(status, Status::UnsupportedCost);
        let refusal = eplb::explain(Operation::Plan, &spec, &options, None).unwrap();
        assert!(refusal.text().contains(words), "{refusal}");
    };
    for policy in Policy::ALL.into_iter().filter(|&policy| policy != Policy::Balanced) {
        let options = Options { policy, ..Options::default() };
        refuses(options, "problem.cost is set, and EPLB_POLICY_");
    }
    let global = Options { scope: Scope::Global, ..Options::default() };
    refuses(Options { split: StaticSplit::Nearest, ..global }, "EPLB_SPLIT_NEAREST counts");
    let previous = Options { previous: Some(&slots), ..global };
    refuses(Options { target: 65_000, ..previous }, "options.target counts");
    let flags = Flags::EMPTY_SLOTS;
    refuses(
        Options { flags, max_moves: 1, ..previous },
        "EPLB_FLAG_EMPTY_SLOTS with a limit on moves counts",
    );
}

#[test]
fn costs_are_checked_and_explained() {
    let small = Small::random(&mut Rng(1), 4, 2, 2);
    let says = |spec: &Spec, status, words: &str| {
        assert_eq!(Shape::new(spec).unwrap_err(), status);
        let refusal = eplb::explain(Operation::Evaluate, spec, &Options::default(), None).unwrap();
        assert!(refusal.status() == status && refusal.text().contains(words), "{refusal}");
    };
    let cost = Cost { token_seconds: 1.0, ..Cost::default() };
    let with = |cost| Spec { cost: Some(cost), ..small.spec() };
    says(
        &with(Cost { expert_seconds: f64::NAN, ..cost }),
        Status::Cost,
        "cost.expert_seconds is NaN",
    );
    says(&with(Cost { layer_seconds: -1.0, ..cost }), Status::Cost, "cost.layer_seconds is -1");
    says(&with(Cost::default()), Status::Cost, "are 0: set one");
    let with = |tokens| Spec { step_tokens: Some(tokens), ..small.spec() };
    says(&with(&[1.0, 0.0]), Status::StepTokens, "step_tokens[window 1] is 0");
    says(&with(&[1.0]), Status::ArrayLength, "step_tokens has 1 elements");
}
