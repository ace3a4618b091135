//! The split in seconds against all splits of small layers: every choice of replicas to use, each split at will.

use crate::common::Memory;
use crate::loads::{self, Rng};
use eplb::{
    Batch, Cost, Lengths, Operation, Options, Placement, QuotasMut, Shape, Spec, Split, SplitKind,
    Status,
};

/// A layer: what its slots hold, and the tokens of its experts.
#[derive(Debug)]
struct Case {
    slots: Vec<u32>,
    held: Vec<i32>,
    speed: Vec<f32>,
    tokens: Vec<u32>,
    cost: Cost,
}

impl Case {
    fn random(rng: &mut Rng, most_tokens: usize) -> Self {
        let (experts, gpus) = (rng.range(1, 5), rng.range(1, 4));
        let slots: Vec<u32> = (0..gpus).map(|_| rng.range(1, 4) as u32).collect();
        let held = slots.iter().flat_map(|&slots| {
            let mut order: Vec<i32> = (0..experts as i32).chain([-1]).collect();
            rng.shuffle(&mut order);
            order.into_iter().chain([-1; 4]).take(slots as usize).collect::<Vec<_>>()
        });
        let held: Vec<i32> = held.collect();
        let tokens = |expert: usize| match held.contains(&(expert as i32)) && !rng.once_in(6) {
            true => rng.range(1, most_tokens) as u32,
            false => 0,
        };
        let tokens = (0..experts).map(tokens).collect();
        let alike = rng.once_in(2);
        let cost = Cost {
            token_seconds: rng.pick(&[0.01, 0.1, 0.25]),
            expert_seconds: rng.pick(&[0.0, 8.0, 11.5]),
            layer_seconds: rng.pick(&[0.0, 18.0]),
            ..Cost::default()
        };
        let speed = slots.iter().map(|_| if alike { 2.0 } else { rng.pick(&[0.5, 1.0, 3.0]) });
        Case { speed: speed.collect(), slots, held, tokens, cost }
    }

    fn spec(&self) -> Spec<'_> {
        Spec {
            num_layers: 1,
            num_logical_experts: self.tokens.len() as u32,
            num_physical_experts: self.held.len() as u32,
            num_gpus: self.slots.len() as u32,
            gpu_slots: Some(&self.slots),
            gpu_speed: Some(&self.speed),
            cost: Some(self.cost),
            ..Spec::default()
        }
    }

    fn gpu_of(&self, slot: usize) -> usize {
        let mut end = 0;
        self.slots
            .iter()
            .take_while(|&&slots| {
                end += slots as usize;
                end <= slot
            })
            .count()
    }

    /// Sets of GPUs that hold an expert, as bits.
    fn places(&self, expert: usize) -> u32 {
        let holds = |&(_, &held): &(usize, &i32)| held == expert as i32;
        self.held
            .iter()
            .enumerate()
            .filter(holds)
            .fold(0, |set, (slot, _)| set | 1 << self.gpu_of(slot))
    }

    /// The least time of all splits into pieces of any size. Where the replicas used are known, what is beyond reading
    /// their weights goes anywhere among them: of every set of GPUs, those do not end sooner than all that has to be
    /// in the set takes, and by Hall's theorem one of them ends no later.
    fn optimum(&self) -> f64 {
        let mut used = vec![0; self.tokens.len()];
        let mut least = f64::INFINITY;
        self.try_uses(0, &mut used, &mut least);
        least + self.cost.layer_seconds
    }

    fn try_uses(&self, expert: usize, used: &mut Vec<u32>, least: &mut f64) {
        if expert == used.len() {
            let sets = 1..1_u32 << self.slots.len();
            *least = least.min(sets.map(|set| self.of_set(set, used)).fold(0.0, f64::max));
            return;
        }
        let places = self.places(expert);
        for set in 0..1_u32 << self.slots.len() {
            if set & !places == 0 && (set == 0) == (self.tokens[expert] == 0) {
                used[expert] = set;
                self.try_uses(expert + 1, used, least);
            }
        }
    }

    fn of_set(&self, set: u32, used: &[u32]) -> f64 {
        let mut work = 0.0;
        for (&used, &tokens) in used.iter().zip(&self.tokens) {
            work += f64::from((used & set).count_ones()) * self.cost.expert_seconds;
            if used & !set == 0 && used != 0 {
                let reading = f64::from(used.count_ones()) * self.cost.expert_seconds;
                work += (f64::from(tokens) * self.cost.token_seconds - reading).max(0.0);
            }
        }
        let inside = (0..self.slots.len()).filter(|gpu| set >> gpu & 1 == 1);
        work / inside.map(|gpu| f64::from(self.speed[gpu])).sum::<f64>()
    }

    fn dispatch(&self, by_source: bool, effort: u32) -> (Split, Vec<u32>) {
        let spec = self.spec();
        let shape = Shape::new(&spec).unwrap();
        let lengths = Lengths::new(&shape, by_source, 0).unwrap();
        let mut tokens = vec![0; lengths.tokens];
        let sources = if by_source { self.slots.len() } else { 1 };
        for (expert, &all) in self.tokens.iter().enumerate() {
            for token in 0..all as usize {
                tokens[token % sources * self.tokens.len() + expert] += 1;
            }
        }
        let need = eplb::workspace(Operation::Dispatch, &shape, &Options::default()).unwrap();
        let mut memory = Memory::new(&need);
        let mut quota = vec![7; lengths.quota];
        let out =
            QuotasMut { quota: &mut quota, route_end: None, route_slot: None, max_replicas: 0 };
        let mut split = Split::default();
        let batch = Batch { tokens: &tokens, by_source, effort };
        let report = &mut |_: usize, found: &Split| split = *found;
        let placement = Placement::of(&self.held);
        eplb::dispatch(&shape, memory.arena(), &placement, &batch, out, Some(report)).unwrap();
        let mut all = vec![0; self.held.len()];
        for source in quota.chunks(self.held.len()) {
            all.iter_mut().zip(source).for_each(|(all, here)| *all += here);
        }
        (split, all)
    }

    /// What quotas take, and whether they are those of the tokens.
    fn time(&self, quota: &[u32]) -> f64 {
        let mut work = vec![0.0; self.slots.len()];
        let mut tokens = vec![0; self.tokens.len()];
        for (slot, &here) in quota.iter().enumerate().filter(|&(_, &here)| here > 0) {
            tokens[self.held[slot] as usize] += here;
            let seconds = (self.cost.token_seconds * f64::from(here)).max(self.cost.expert_seconds);
            work[self.gpu_of(slot)] += seconds;
        }
        assert_eq!(tokens, self.tokens);
        let time = work.iter().zip(&self.speed).map(|(work, &speed)| work / f64::from(speed));
        self.cost.layer_seconds + time.fold(0.0, f64::max)
    }
}

#[test]
fn near_the_optimum_and_never_below_the_bound() {
    let (mut cases, mut within, mut worst) = (0, 0, 1.0);
    for case in 0..loads::times(1_500, 20_000) {
        let rng = &mut Rng(loads::seed(case));
        let most = rng.pick(&[3, 40, 300, 3000]);
        let case = Case::random(rng, most);
        let (optimum, (split, quota)) = (case.optimum(), case.dispatch(false, 0));
        let time = case.time(&quota);
        assert!((time - split.largest_time).abs() <= 1e-9 * time, "{case:?} {split:?} {time}");
        // the optimum cuts tokens, the split does not: one more on each GPU
        let slack = case.cost.token_seconds / 0.5;
        assert!(split.bound <= time * (1.0 + 1e-12), "{case:?} {split:?}");
        assert!(split.bound <= optimum * (1.0 + 1e-9) + slack, "{case:?} {split:?} {optimum}");
        let gap = if time <= optimum + slack { 1.0 } else { time / optimum };
        let free = case.cost.expert_seconds / case.cost.token_seconds;
        if case.tokens.iter().all(|&tokens| f64::from(tokens) <= free) {
            assert!(time <= optimum * (1.0 + 1e-9), "{case:?} {split:?} {optimum}");
            assert!((split.bound - time).abs() <= 1e-9 * time, "{case:?} {split:?} {optimum}");
        }
        cases += 1;
        within += usize::from(gap <= 1.01);
        if gap > worst {
            worst = gap;
            println!("{gap:.4} {case:?} {split:?} {quota:?} {optimum}");
        }
    }
    println!("{cases} layers, {within} within 1 %, the worst {worst:.4}");
    assert!(within * 100 >= cases * 99 && worst <= 1.05);
}

/// Sources split what each replica gets, and do not change it; effort that runs out is said.
#[test]
fn sources_and_effort_keep_their_meaning() {
    for case in 0..300 {
        let rng = &mut Rng(loads::seed(case));
        let case = Case {
            cost: Cost { expert_seconds: 8.0, ..Cost::default() },
            ..Case::random(rng, 300)
        };
        let case = Case { cost: Cost { token_seconds: 0.1, ..case.cost }, ..case };
        let (split, quota) = case.dispatch(false, 0);
        let (by_source, of_sources) = case.dispatch(true, 0);
        assert_eq!(quota, of_sources);
        assert_eq!((split.largest_time, split.kind), (by_source.largest_time, by_source.kind));
        assert!(by_source.leaving_node <= by_source.leaving_gpu);
        let (hurried, quota) = case.dispatch(false, 1);
        assert!((case.time(&quota) - hurried.largest_time).abs() <= 1e-9 * hurried.largest_time);
        let is_idle = hurried.tokens == 0;
        assert!(is_idle || matches!(hurried.kind, SplitKind::Even | SplitKind::Time));
    }
}

/// Where reading costs nothing, the split is that of tokens.
#[test]
fn tokens_alone_are_split_as_without_a_cost() {
    for case in 0..300 {
        let rng = &mut Rng(loads::seed(case));
        let most = rng.pick(&[3, 300]);
        let case = Case::random(rng, most);
        let cost = Cost { token_seconds: 0.5, layer_seconds: 2.0, ..Cost::default() };
        let case = Case { cost, ..case };
        let (split, quota) = case.dispatch(false, 0);
        let spec = Spec { cost: None, ..case.spec() };
        let shape = Shape::new(&spec).unwrap();
        let need = eplb::workspace(Operation::Dispatch, &shape, &Options::default()).unwrap();
        let (mut memory, mut plain, mut of_tokens) =
            (Memory::new(&need), vec![7; quota.len()], Split::default());
        let out =
            QuotasMut { quota: &mut plain, route_end: None, route_slot: None, max_replicas: 0 };
        let batch = Batch { tokens: &case.tokens, by_source: false, effort: 0 };
        let report = &mut |_: usize, found: &Split| of_tokens = *found;
        let placement = Placement::of(&case.held);
        let done: Result<(), Status> =
            eplb::dispatch(&shape, memory.arena(), &placement, &batch, out, Some(report));
        done.unwrap();
        assert_eq!((quota, split.kind), (plain, SplitKind::Exact));
        assert!((split.largest_time - 2.0 - 0.5 * of_tokens.largest_time).abs() < 1e-9);
        assert!((split.bound - split.largest_time).abs() < 1e-9);
    }
}
