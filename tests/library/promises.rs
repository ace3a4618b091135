//! What include/eplb.h promises of a plan, checked by code of its own over random calls with every flag, limit, split,
//! target and state together: after OK each promise, after a refusal that nothing was written and that it is true.
//!
//! EPLB_LONG=1 runs 300,000 calls, EPLB_SEED=n others.

mod calls;
mod kept;
mod refused;

use crate::common::Memory;
use crate::problems::General;
use crate::problems::loads::{Rng, seed, times};
use calls::Call;
use eplb::{
    EPLB_MOVES_NONE, Flags, Metrics, Need, Operation, PlacementMut, Problem, Scope, Status,
};
use std::collections::BTreeMap;

/// What a call wrote; arrays that are not wanted are empty.
#[derive(Clone, Debug, PartialEq)]
pub struct Outputs {
    pub slots: Vec<i32>,
    pub rank: Vec<i32>,
    pub count: Vec<i32>,
    pub table: Vec<i32>,
    pub metrics: Vec<Metrics>,
}

const UNTOUCHED: i32 = -7;

impl Outputs {
    fn untouched(call: &Call) -> Self {
        let (layers, experts) = (call.problem.num_layers, call.problem.num_logical_experts);
        let slots = call.num_slots();
        let some = |wanted: bool, len: usize| vec![UNTOUCHED; if wanted { len } else { 0 }];
        Outputs {
            slots: some(true, layers * slots),
            rank: some(call.wants_rank, layers * slots),
            count: some(call.wants_count, layers * experts),
            table: some(call.wants_table, layers * experts * call.max_replicas),
            metrics: Vec::new(),
        }
    }
}

/// Workspace full of something.
fn dirty(need: &Need, content: u32) -> Memory {
    let mut memory = Memory::new(need);
    if content > 0 {
        memory.u64s.iter_mut().for_each(|x| *x = u64::from(content) * 0x9e37_79b9);
        memory.f64s.iter_mut().for_each(|x| *x = -f64::from(content));
        memory.u32s.iter_mut().enumerate().for_each(|(i, x)| *x = content ^ i as u32);
        memory.f32s.iter_mut().for_each(|x| *x = 1.0);
    }
    memory
}

/// Makes the call.
fn plan(call: &Call, content: u32) -> (Result<(), Status>, Outputs) {
    let mut out = Outputs::untouched(call);
    let status = plan_into(call, content, &mut out);
    (status, out)
}

fn plan_into(call: &Call, content: u32, out: &mut Outputs) -> Result<(), Status> {
    let (spec, options) = (call.spec(), call.options());
    let problem = Problem::new(&spec)?;
    let need = eplb::workspace(Operation::Plan, problem.shape(), &options)?;
    let Outputs { slots, rank, count, table, metrics } = out;
    let maps = PlacementMut {
        physical_to_logical: slots,
        replica_rank: call.wants_rank.then_some(rank),
        logical_count: call.wants_count.then_some(count),
        logical_to_physical: call.wants_table.then_some(table),
        max_replicas: call.max_replicas,
    };
    let report = &mut |_: usize, m: &Metrics| metrics.push(*m);
    eplb::plan(&problem, &options, dirty(&need, content).arena(), maps, Some(report))
}

/// One call and all that must hold of it.
fn check(call: &Call) -> Result<(), Status> {
    let (status, out) = plan(call, 0);
    let (again, other) = plan(call, 1);
    assert!(status == again && same(&out, &other), "the workspace mattered");
    match status {
        Ok(()) => kept::check(call, &out),
        Err(status) => {
            assert!(out == Outputs::untouched(call), "{status:?}, but outputs were written");
            refused::check(call, status);
        }
    }
    status
}

fn same(a: &Outputs, b: &Outputs) -> bool {
    let bits = |m: &Metrics| format!("{m:?}");
    a.slots == b.slots
        && a.rank == b.rank
        && a.count == b.count
        && a.table == b.table
        && a.metrics.iter().map(bits).eq(b.metrics.iter().map(bits))
}

/// Statuses, and the calls for which something does not hold.
#[derive(Default)]
struct Seen {
    statuses: BTreeMap<String, usize>,
    broken: Vec<String>,
}

impl Seen {
    fn see(&mut self, case: usize) {
        let call = Call::random(&mut Rng(seed(case)));
        match std::panic::catch_unwind(|| check(&call)) {
            Ok(status) => *self.statuses.entry(format!("{status:?}")).or_default() += 1,
            Err(_) => self.broken.push(format!("case {case}: {call:?}")),
        }
    }
}

#[test]
fn random_calls() {
    let calls = times(4_000, 300_000);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let parts = std::thread::scope(|scope| {
        let run = |first: usize| {
            move || {
                let mut seen = Seen::default();
                (first..calls).step_by(threads).for_each(|case| seen.see(case));
                seen
            }
        };
        let threads: Vec<_> = (0..threads).map(|first| scope.spawn(run(first))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    let mut all = Seen::default();
    for Seen { statuses, broken } in parts {
        statuses.into_iter().for_each(|(s, n)| *all.statuses.entry(s).or_default() += n);
        all.broken.extend(broken);
    }
    println!("{:?}", all.statuses);
    assert!(all.broken.is_empty(), "{} calls: {:#?}", all.broken.len(), all.broken);
    assert!(all.statuses["Ok(())"] > calls / 3);
}

/// One expert on GPUs that are nodes.
fn few(slots: &[u32], speed: &[f32], flags: Flags) -> Call {
    let problem = General {
        num_layers: 1,
        num_logical_experts: 1,
        num_groups: 1,
        num_nodes: slots.len(),
        slots: slots.to_vec(),
        speed: Some(speed.to_vec()),
        node: None,
        state: None,
        load: vec![1.0],
    };
    Call { flags: flags | Flags::EXTERNAL_SOURCE, load: vec![1.0], ..Call::of(problem) }
}

/// Survival is kept where it costs nearly all of the balance, and where two replicas are the most.
#[test]
fn survival_wins() {
    let slow = few(&[2, 1], &[1e-29, 1e-12], Flags::SURVIVE_GPU);
    let (max_moves, previous) = (5, Some(vec![-1, -1, 0]));
    assert_eq!(check(&Call { max_moves, previous, ..slow }), Ok(()));
    let mut two = few(&[2, 1, 2], &[1.0, 2.0, 3.0], Flags::SURVIVE_NODE);
    two.max_replicas = 2;
    two.problem.node = Some(vec![0, 0, 1]);
    assert_eq!(check(&two), Ok(()));
    assert_eq!(check(&Call { max_replicas: 1, ..two }), Err(Status::MaxReplicas));
}

/// Each was refused, or changed more than it had to.
#[test]
fn repairs_that_are_possible() {
    // a group that is nowhere goes to a node of two GPUs
    let mut pair = few(&[2, 5, 2, 2], &[1.0; 4], Flags::SURVIVE_GPU);
    (pair.problem.num_logical_experts, pair.problem.num_groups) = (2, 2);
    pair.problem.num_nodes = 2;
    pair.problem.state = Some(vec![0, 2, 0, 0]);
    (pair.load, pair.scope) = (vec![1.0; 2], Scope::Hierarchical);
    (pair.max_moves, pair.previous) = (EPLB_MOVES_NONE, Some(vec![-1; 11]));
    assert_eq!(check(&pair), Ok(()));
    // two experts that have just got their places trade them
    let mut trade = few(&[2, 3, 3], &[1.0; 3], Flags::SURVIVE_GPU);
    trade.problem.num_logical_experts = 4;
    trade.load = vec![2.3335357, 1.416611, 6.366728, 2.3949914];
    (trade.max_moves, trade.previous) = (4, Some(vec![0, 3, -1, 0, -1, -1, 1, -1]));
    trade.scope = Scope::Global;
    assert_eq!(check(&trade), Ok(()));
}

/// Windows of hardly any weight beside one without load: everything had cost 0 then, and no slot was good enough.
#[test]
fn windows_of_hardly_any_weight() {
    let mut call = few(&[8], &[1.0], Flags::NONE);
    (call.problem.num_logical_experts, call.windows) = (3, 3);
    call.load = vec![1564.0, 34.0, 135.0, 0.0, 0.0, 0.0, 2.565709e-39, 7.93438e-39, 3.50868e-40];
    call.weight = Some(vec![1e-30, 1.0, 1.469368e-39]);
    (call.max_moves, call.previous) = (5, Some(vec![-1; 8]));
    assert_eq!(check(&call), Ok(()));
}
