//! Explanations agree with the functions: on thousands of random calls, most of them broken in a place or two, the
//! status in the sentence is the one that the function answers, and the place has been found.

use crate::common::Memory;
use crate::problems::General;
use crate::problems::loads::Rng;
use eplb::{
    Flags, Numbering, Operation, Options, Placement, PlacementMut, Policy, Problem, Refusal, Scope,
    Shape, Spec, Status,
};
use std::collections::BTreeMap;

/// What is given to a function, owned.
struct Call {
    problem: General,
    windows: usize,
    load: Vec<f32>,
    weight: Option<Vec<f32>>,
    gpu_slots: Vec<u32>,
    num_nodes: u32,
    num_gpus: u32,
    num_physical_experts: u32,
    num_layers: u32,
    stride: u64,
    held: Vec<i32>,
    old: Vec<i32>,
    ranks: Option<Vec<i32>>,
    counts: Option<Vec<i32>>,
    table: Option<Vec<i32>>,
    max_replicas: usize,
}

impl Call {
    fn random(rng: &mut Rng) -> Call {
        let problem = General::random(rng, 12, 6);
        let windows = if rng.once_in(4) { 2 } else { 1 };
        let (layers, experts) = (problem.num_layers, problem.num_logical_experts);
        let slots: u32 = problem.slots.iter().sum();
        let len = layers * slots as usize;
        let mut held = some_placement(rng, &problem);
        let old = some_placement(rng, &problem);
        let max_replicas = rng.pick(&[1, 2, slots as usize, slots as usize]);
        let mut ranks = vec![-1; len];
        let mut counts = vec![-1; layers * experts];
        let mut table = vec![-1; layers * experts * max_replicas];
        let spec = problem.spec();
        if let Ok(shape) = Shape::new(&spec) {
            let maps = Numbering {
                replica_rank: Some(&mut ranks),
                logical_count: Some(&mut counts),
                logical_to_physical: Some(&mut table),
                max_replicas,
            };
            let _filled = eplb::number(&shape, &held, maps);
        }
        // a map that is not that of the slots, now and then
        for map in [&mut held, &mut ranks, &mut counts, &mut table] {
            if rng.once_in(4) && !map.is_empty() {
                let at = rng.below(map.len());
                map[at] = rng.pick(&[-1, -2, 0, 1, experts as i32, 1000, i32::MIN, i32::MAX]);
            }
        }
        let every = |rng: &mut Rng, map: Vec<i32>| rng.once_in(2).then_some(map);
        Call {
            windows,
            load: problem.load.repeat(windows),
            weight: rng.once_in(3).then(|| vec![1.0; layers * windows]),
            gpu_slots: problem.slots.clone(),
            num_nodes: problem.num_nodes as u32,
            num_gpus: problem.slots.len() as u32,
            num_physical_experts: slots,
            num_layers: layers as u32,
            stride: 0,
            held,
            old,
            ranks: every(rng, ranks),
            counts: every(rng, counts),
            table: every(rng, table),
            max_replicas,
            problem,
        }
    }

    /// Breaks one thing.
    fn break_something(&mut self, rng: &mut Rng) {
        match rng.below(14) {
            0 if !self.load.is_empty() => {
                let at = rng.below(self.load.len());
                self.load[at] = rng.pick(&[
                    f32::NAN,
                    f32::INFINITY,
                    -1.0,
                    f32::NEG_INFINITY,
                    1e38,
                    -0.0,
                    -1e-45,
                ]);
            }
            1 => {
                if let Some(weight) = &mut self.weight {
                    let at = rng.below(weight.len());
                    weight[at] = rng.pick(&[0.0, -1.0, f32::NAN]);
                }
            }
            2 => self.num_nodes = rng.pick(&[0, 2, 3, 100]),
            3 => self.gpu_slots[0] = self.gpu_slots[0].wrapping_add(1),
            4 => {
                self.num_gpus =
                    rng.pick(&[0, self.num_gpus, self.num_gpus.wrapping_add(1), u32::MAX])
            }
            5 => self.num_layers = rng.pick(&[0, u32::MAX, self.num_layers]),
            6 => self.stride = rng.below(40) as u64,
            7 => {
                if let Some(state) = &mut self.problem.state {
                    let at = rng.below(state.len());
                    state[at] = rng.below(5) as u8;
                }
            }
            8 => {
                if let Some(speed) = &mut self.problem.speed {
                    let at = rng.below(speed.len());
                    speed[at] = rng.pick(&[0.0, -1.0, f32::NAN, 1e-45, f32::INFINITY, 2.0]);
                }
            }
            9 => {
                if let Some(node) = &mut self.problem.node {
                    let at = rng.below(node.len());
                    node[at] = rng.below(6) as u32;
                }
            }
            10 => self.problem.num_groups = rng.range(1, 14),
            11 | 12 if !self.old.is_empty() => {
                let at = rng.below(self.old.len());
                self.old[at] = rng.pick(&[-1, -1, 0, 5, 99, -2]);
            }
            _ => {
                self.held.iter_mut().filter(|_| rng.once_in(3)).for_each(|slot| *slot = -1);
            }
        }
    }

    fn spec(&self) -> Spec<'_> {
        let even = self.gpu_slots.iter().all(|&slots| slots == self.gpu_slots[0]);
        Spec {
            num_windows: self.windows as u32,
            num_layers: self.num_layers,
            num_physical_experts: self.num_physical_experts,
            num_nodes: self.num_nodes,
            num_gpus: self.num_gpus,
            load_window_stride: self.stride,
            load: &self.load,
            window_weight: self.weight.as_deref(),
            gpu_slots: (!even).then_some(&self.gpu_slots),
            ..self.problem.spec()
        }
    }

    fn placement(&self) -> Placement<'_> {
        Placement {
            physical_to_logical: &self.held,
            replica_rank: self.ranks.as_deref(),
            logical_count: self.counts.as_deref(),
            logical_to_physical: self.table.as_deref(),
            max_replicas: self.max_replicas,
        }
    }

    fn options<'a>(&'a self, rng: &mut Rng) -> Options<'a> {
        let flags = rng.pick(&[
            Flags::NONE,
            Flags::NONE,
            Flags::EXTERNAL_SOURCE,
            Flags::EXTERNAL_SOURCE,
            Flags::SURVIVE_GPU,
            Flags::SURVIVE_NODE,
            Flags::FILL_ONLY,
            Flags::EMPTY_SLOTS,
        ]);
        Options {
            policy: rng.pick(&[Policy::Balanced, Policy::Balanced, Policy::Deepseek]),
            scope: rng.pick(&[Scope::Auto, Scope::Hierarchical, Scope::Global, Scope::Global]),
            max_moves: rng.pick(&[0, 0, 1, 2, 5, eplb::EPLB_MOVES_NONE]),
            max_moves_per_gpu_pair: rng.pick(&[0, 0, 0, 1]),
            target: rng.pick(&[0, 0, 0, 50_000, 65_537]),
            flags,
            previous: (!rng.once_in(3)).then_some(&self.old),
            effort: 50,
            ..Options::default()
        }
    }
}

/// Most experts on some living GPU.
fn some_placement(rng: &mut Rng, problem: &General) -> Vec<i32> {
    let slots: usize = problem.slots.iter().sum::<u32>() as usize;
    let experts = problem.num_logical_experts;
    (0..problem.num_layers)
        .flat_map(|_| {
            let mut layer: Vec<i32> = (0..slots).map(|slot| (slot % experts) as i32).collect();
            rng.shuffle(&mut layer);
            layer
        })
        .collect()
}

/// What the function itself answers.
fn answer(call: &Call, operation: Operation, options: &Options) -> Result<(), Status> {
    let spec = call.spec();
    let shape = Shape::new(&spec)?;
    let need = eplb::workspace(operation, &shape, options)?;
    let memory = &mut Memory::new(&need);
    match operation {
        Operation::Plan => {
            let problem = Problem::new(&spec)?;
            let mut held = call.held.clone();
            let (mut ranks, mut counts, mut table) =
                (call.ranks.clone(), call.counts.clone(), call.table.clone());
            let maps = PlacementMut {
                physical_to_logical: &mut held,
                replica_rank: ranks.as_deref_mut(),
                logical_count: counts.as_deref_mut(),
                logical_to_physical: table.as_deref_mut(),
                max_replicas: call.max_replicas,
            };
            eplb::plan(&problem, options, memory.arena(), maps, None)
        }
        Operation::Evaluate => {
            let problem = Problem::new(&spec)?;
            let placement = &call.placement();
            let report = &mut |_: usize, _: &eplb::Metrics| {};
            eplb::evaluate(&problem, options.scope, false, memory.arena(), placement, report)
        }
        Operation::Check => {
            let promises = options.promises();
            match eplb::check(&shape, &promises, memory.arena(), &call.placement())? {
                None => Ok(()),
                Some(_) => Err(Status::PlacementInvalid),
            }
        }
        _ => {
            let (mut ranks, mut counts, mut table) =
                (call.ranks.clone(), call.counts.clone(), call.table.clone());
            call.placement().check_lengths(&shape)?;
            let maps = Numbering {
                replica_rank: ranks.as_deref_mut(),
                logical_count: counts.as_deref_mut(),
                logical_to_physical: table.as_deref_mut(),
                max_replicas: call.max_replicas,
            };
            eplb::number(&shape, &call.held, maps)
        }
    }
}

fn check_sentence(refusal: &Refusal) {
    let (status, text) = (refusal.status(), refusal.text());
    let end = format!(" (status {})", status.code());
    assert!(text.len() < 400 && text.ends_with(&end), "{text}");
    // the place has been found: not the text that every call with this status has
    assert!(!text.starts_with(&status.to_string()), "no place: {text}");
    assert!(text.is_ascii() && !text.contains('%'), "{text}");
}

#[test]
fn the_status_is_that_of_the_function() {
    let mut rng = Rng(2024);
    let mut seen: BTreeMap<i32, usize> = BTreeMap::new();
    let operations = [Operation::Plan, Operation::Evaluate, Operation::Check, Operation::Number];
    for round in 0..20_000 {
        let mut call = Call::random(&mut rng);
        for _ in 0..rng.below(3) {
            call.break_something(&mut rng);
        }
        let options = call.options(&mut rng);
        let operation = operations[round % operations.len()];
        let (spec, placement) = (call.spec(), call.placement());
        let refusal = eplb::explain(operation, &spec, &options, Some(&placement));
        let expected = answer(&call, operation, &options);
        let told = refusal.as_ref().map_or(Ok(()), |refusal| Err(refusal.status()));
        // some repairs take memory to be tried
        let repair = operation == Operation::Plan && expected == Err(Status::Infeasible);
        let later = repair && options.previous.is_some();
        assert!(
            told == expected || later,
            "{operation:?}: told {refusal:?}, answered {expected:?}"
        );
        if let Some(refusal) = &refusal {
            check_sentence(refusal);
            *seen.entry(refusal.status().code()).or_default() += 1;
        }
        // what the size query refuses is what it is said to
        let query =
            Shape::new(&spec).and_then(|shape| eplb::workspace(operation, &shape, &options));
        let told = eplb::explain(operation, &spec, &options, None);
        assert_eq!(told.map(|refusal| refusal.status()), query.err(), "{operation:?}");
    }
    println!("{seen:?}");
    assert!(seen.len() >= 25, "only {} statuses: {seen:?}", seen.len());
}

/// The example of the documentation, and lengths, which only Rust has.
#[test]
fn sentences() {
    let mut load = vec![1.0; 2 * 8];
    load[11] = f32::NAN;
    let spec = Spec {
        num_layers: 2,
        num_logical_experts: 8,
        num_physical_experts: 12,
        num_gpus: 4,
        load: &load,
        ..Spec::default()
    };
    let slots = vec![0; 24];
    let say = |spec: &Spec, options: &Options, placement: &Placement| {
        eplb::explain(Operation::Plan, spec, options, Some(placement)).unwrap().to_string()
    };
    let (options, placement) = (Options::default(), Placement::of(&slots));
    assert_eq!(
        say(&spec, &options, &placement),
        "problem.load[window 0][layer 1][expert 3] is NaN: loads are finite and at least 0 (status -40)"
    );
    let load = vec![1.0; 15];
    let short = Spec { load: &load, ..spec };
    assert_eq!(
        say(&short, &options, &placement),
        "problem.load has 15 elements, its sizes ask for 16 (status -38)"
    );
    let load = vec![1.0; 16];
    let spec = Spec { load: &load, ..spec };
    assert_eq!(
        say(&spec, &options, &Placement::of(&slots[1..])),
        "placement.physical_to_logical has 23 elements, the problem asks for 24 (status -38)"
    );
    let speeds = [1.0; 3];
    assert_eq!(
        say(&Spec { gpu_speed: Some(&speeds), ..spec }, &options, &placement),
        "problem.gpu_speed has 3 elements, problem.num_gpus is 4 (status -38)"
    );
    let weight = [1.0; 3];
    assert_eq!(
        say(&Spec { window_weight: Some(&weight), ..spec }, &options, &placement),
        "problem.window_weight has 3 elements, its sizes ask for 2 (status -38)"
    );
    let refused = eplb::explain(Operation::Plan, &spec, &options, Some(&placement));
    assert!(refused.is_none());
}
