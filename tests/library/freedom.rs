//! More freedom is not worse, over shapes and loads of many kinds: more effort, moves, replicas, slots that may stay
//! empty, no limit against any; and what is the same said otherwise is the same. How often and by how much a plan may be
//! worse is what a search without a proof comes to: the tables below hold it, and may only become stricter.
//!
//! EPLB_LONG=1 runs all shapes, EPLB_SEED=n other loads.

use crate::common::{Plan, plan, plan_limited};
use crate::problems::loads::{self, Rng, long, seed};
use eplb::{Flags, Options, Placement, Scope, Spec};
use std::collections::BTreeMap;

/// Experts, slots, GPUs, groups, nodes.
const SMALL: [[usize; 5]; 6] = [
    [12, 16, 8, 4, 2],
    [16, 32, 8, 4, 4],
    [32, 48, 16, 4, 4],
    [64, 80, 16, 16, 4],
    [128, 160, 32, 8, 4],
    [160, 192, 16, 8, 2],
];
const LARGE: [[usize; 5]; 8] = [
    [256, 288, 32, 8, 4],
    [256, 320, 64, 8, 8],
    [256, 288, 72, 8, 9],
    [256, 288, 96, 8, 4],
    [256, 288, 144, 8, 2],
    [384, 480, 96, 8, 8],
    [512, 576, 64, 8, 8],
    [256, 512, 128, 8, 4],
];
const KINDS: [&str; 7] =
    ["lognormal 1", "lognormal 2", "zipf 1.2", "hot", "zeros", "two kinds", "equal"];

/// What must hold: which part of the cases is worse at most, and none by more than this.
struct Line {
    name: &'static str,
    worse: f64,
    most: f64,
}

const fn line(name: &'static str, worse: f64, most: f64) -> Line {
    Line { name, worse, most }
}

/// What is 0 cannot be worse, by the way that it is planned. Moves that have to fill slots, and slots and replicas without
/// a limit, are far from what is to be: .010 and .004.
const LINES: [Line; 19] = [
    line("a placement in force, and no limit", 0.0, 0.0),
    line("a slot more a GPU", 0.2, 0.16),
    line("a slot more a GPU, windows", 0.1, 0.01),
    line("more effort", 0.02, 0.006),
    line("more effort, windows", 0.01, 0.02),
    line("more moves", 0.01, 0.05),
    line("more moves to fill slots", 0.03, 0.18),
    line("more moves to fill slots, windows", 0.06, 0.11),
    line("more moves, windows", 0.05, 0.012),
    line("more replicas", 0.11, 0.18),
    line("more replicas, windows", 0.11, 0.05),
    line("no groups", 0.03, 0.15),
    line("no groups, windows", 0.05, 0.02),
    line("no limit", 0.0, 0.0),
    line("other names", 0.01, 0.004),
    line("other names, windows", 0.05, 0.014),
    line("slots that may stay empty", 0.0, 0.0),
    line("windows alike within rounding", 0.1, 0.022),
    line("windows that differ by a hundredth", 0.08, 0.044),
];

/// How often each line was tried, how often it was worse, by how much at most, and where.
#[derive(Default)]
struct Seen(BTreeMap<&'static str, (usize, usize, f64, String)>);

/// What rounding may make of a balance.
const ROUNDING: f64 = 1e-6;

impl Seen {
    fn note(&mut self, name: &'static str, less: f64, more: f64, case: &Case) {
        let (tried, worse, most, at) = self.0.entry(name).or_default();
        *tried += 1;
        let loss = less - more;
        *worse += usize::from(loss > ROUNDING);
        if loss > ROUNDING && loss > *most {
            (*most, *at) = (loss, format!("{case:?}: {less:.4} -> {more:.4}"));
        }
    }
}

/// A shape, windows and loads.
struct Case {
    shape: [usize; 5],
    kind: &'static str,
    windows: usize,
    load: Vec<f32>,
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{:?} {} {} windows", self.shape, self.kind, self.windows)
    }
}

impl Case {
    fn new(shape: [usize; 5], kind: &'static str, windows: usize, seed: u64) -> Self {
        let experts = shape[0];
        let mut rng = Rng(seed);
        let base = match kind {
            "lognormal 1" => loads::lognormal(experts, 1.0, seed),
            "lognormal 2" => loads::lognormal(experts, 2.0, seed),
            "zipf 1.2" => loads::zipf(experts, 1.2, seed),
            _ => (0..experts).map(|expert| Case::load(kind, expert, &mut rng)).collect(),
        };
        let drift = if windows > 1 { 0.3 } else { 0.0 };
        let drawn = (0..windows).flat_map(|_| base.clone());
        let load = drawn.map(|x| (f64::from(x) * (drift * rng.normal()).exp()).round() as f32);
        Case { shape, kind, windows, load: load.collect() }
    }

    fn load(kind: &str, expert: usize, rng: &mut Rng) -> f32 {
        let load = match kind {
            "hot" if expert < 2 => 100_000.0,
            "zeros" if expert > 0 && !rng.once_in(5) => 0.0,
            "two kinds" if rng.once_in(10) => 10_000.0 * (0.9 + 0.2 * rng.unit()),
            "equal" => 1_000.0,
            _ => 1_000.0 * (0.5 + rng.unit()),
        };
        load as f32
    }

    fn spec(&self) -> Spec<'_> {
        let [experts, slots, gpus, groups, nodes] = self.shape.map(|size| size as u32);
        Spec {
            num_windows: self.windows as u32,
            num_layers: 1,
            num_logical_experts: experts,
            num_physical_experts: slots,
            num_gpus: gpus,
            num_groups: groups,
            num_nodes: nodes,
            load: &self.load,
            ..Spec::default()
        }
    }

    fn plan(&self, options: &Options) -> Plan {
        let scope = if options.scope == Scope::Auto { Scope::Global } else { Scope::Hierarchical };
        plan(&self.spec(), &Options { scope, ..*options }).unwrap()
    }

    fn balance(&self, options: &Options) -> f64 {
        self.plan(options).metrics[0].balance
    }

    /// The balance of a placement for these loads.
    fn balance_of(&self, slots: &[i32]) -> f64 {
        crate::common::evaluate(&self.spec(), &Placement::of(slots)).unwrap()[0].balance
    }

    /// Experts in order, spare slots empty, the last of each GPU.
    fn in_order(&self) -> Vec<i32> {
        let [experts, slots, gpus, ..] = self.shape;
        let each = slots / gpus;
        let first = |gpu: usize| gpu * experts / gpus;
        let of = |slot: usize| {
            let expert = first(slot / each) + slot % each;
            if expert < first(slot / each + 1) { expert as i32 } else { -1 }
        };
        (0..slots).map(of).collect()
    }

    /// The same case, other loads.
    fn with(&self, windows: usize, load: Vec<f32>) -> Self {
        Case { windows, load, ..*self }
    }

    fn name(&self, one: &'static str, windows: &'static str) -> &'static str {
        if self.windows == 1 { one } else { windows }
    }
}

fn try_effort(case: &Case, seen: &mut Seen) {
    let mut before = 0.0;
    for effort in [1_000, 20_000, 200_000, 4_000_000] {
        let now = case.balance(&Options { effort, ..Options::default() });
        seen.note(case.name("more effort", "more effort, windows"), before, now, case);
        before = now;
    }
}

/// From a placement with empty slots, where moves have to fill them; from one that is full; without a limit.
fn try_moves(case: &Case, seen: &mut Seen) {
    let [_, slots, ..] = case.shape;
    let other = Case::new(case.shape, "lognormal 1", 1, 99).plan(&Options::default());
    let names = [
        case.name("more moves to fill slots", "more moves to fill slots, windows"),
        case.name("more moves", "more moves, windows"),
    ];
    let mut budgets = [1, 4, 16, 64, slots / 2 - 1, slots / 2, slots].map(|moves| moves.min(slots));
    budgets.sort_unstable();
    for (name, old) in names.into_iter().zip([case.in_order(), other.physical_to_logical.clone()]) {
        let mut before = 0.0;
        for moves in budgets {
            let (previous, max_moves) = (Some(&old[..]), moves as u32);
            let now = case.balance(&Options { max_moves, previous, ..Options::default() });
            seen.note(name, before, now, case);
            before = now;
        }
    }
    let fresh = case.balance(&Options::default());
    let previous = Some(&other.physical_to_logical[..]);
    let all = Options { max_moves: slots as u32, previous, ..Options::default() };
    let none = case.balance(&Options { previous, ..Options::default() });
    // what is as near the mean as this is not searched for better
    seen.note("no limit", case.balance(&all).min(1.0 - 1.0 / 2048.0), none, case);
    seen.note("a placement in force, and no limit", fresh, none, case);
}

fn try_flags(case: &Case, seen: &mut Seen) {
    let fresh = case.balance(&Options::default());
    let flags = Flags::EMPTY_SLOTS;
    let empty = case.balance(&Options { flags, ..Options::default() });
    seen.note("slots that may stay empty", fresh, empty, case);
    let bound = case.balance(&Options { scope: Scope::Hierarchical, ..Options::default() });
    seen.note(case.name("no groups", "no groups, windows"), bound, fresh, case);
}

fn try_slots(case: &Case, seen: &mut Seen) {
    let [experts, slots, gpus, groups, nodes] = case.shape;
    let fresh = case.balance(&Options::default());
    let shape = [experts, slots + gpus, gpus, groups, nodes];
    let more = Case { shape, load: case.load.clone(), ..*case };
    let more = more.balance(&Options::default());
    seen.note(case.name("a slot more a GPU", "a slot more a GPU, windows"), fresh, more, case);
    let mut before = 0.0;
    for most in [2, 3, 4, 8, slots].into_iter().filter(|most| most * experts >= slots) {
        let options = Options { scope: Scope::Global, ..Options::default() };
        let now = case.balance_of(&plan_limited(&case.spec(), &options, most).unwrap());
        seen.note(case.name("more replicas", "more replicas, windows"), before, now, case);
        before = now;
    }
}

/// What is the same, said otherwise.
fn try_names(case: &Case, seen: &mut Seen) {
    let fresh = case.plan(&Options::default());
    let experts = case.shape[0];
    let balance = fresh.metrics[0].balance;
    let mut name: Vec<usize> = (0..experts).collect();
    Rng(5).shuffle(&mut name);
    let load = case.load.chunks(experts).flat_map(|load| name.iter().map(|&e| load[e]));
    let renamed = case.with(case.windows, load.collect()).balance(&Options::default());
    seen.note(case.name("other names", "other names, windows"), balance, renamed, case);
    if case.windows > 1 {
        return;
    }
    let windows = |drift: &mut dyn FnMut(usize) -> f64| {
        let load = (0..4).flat_map(|w| case.load.iter().map(move |&x| (w, x)));
        case.with(4, load.map(|(w, x)| (f64::from(x) * drift(w)) as f32).collect())
    };
    let alike = windows(&mut |window| f64::from(1 << window)).plan(&Options::default());
    assert_eq!(alike.physical_to_logical, fresh.physical_to_logical, "{case:?}: windows alike");
    let mut rng = Rng(3);
    let nearly = windows(&mut |_| 1.0 + 1e-6 * rng.unit()).plan(&Options::default());
    let nearly = case.balance_of(&nearly.physical_to_logical);
    seen.note("windows alike within rounding", balance, nearly, case);
    let noisy = windows(&mut |_| 1.0 + 0.01 * rng.normal());
    let of_mean = noisy.balance_of(&fresh.physical_to_logical);
    let planned = noisy.balance(&Options::default());
    seen.note("windows that differ by a hundredth", of_mean, planned, case);
}

#[test]
fn more_is_not_worse() {
    let large = if long() { &LARGE[..] } else { &[] };
    let mut cases = Vec::new();
    for seed_of in 0..if long() { 3 } else { 1 } {
        for &shape in SMALL.iter().chain(large) {
            for kind in KINDS {
                let all = [1, 4].map(|windows| Case::new(shape, kind, windows, seed(seed_of)));
                cases.extend(all);
            }
        }
    }
    let mut all = Seen::default();
    let parts = std::thread::scope(|scope| {
        let run = |cases: &[Case]| {
            let mut seen = Seen::default();
            for case in cases {
                let tries = [try_effort, try_moves, try_flags, try_slots, try_names];
                tries.iter().for_each(|try_one| try_one(case, &mut seen));
            }
            seen
        };
        let threads: Vec<_> =
            cases.chunks(cases.len() / 4).map(|cases| scope.spawn(move || run(cases))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    for (name, (tried, worse, most, at)) in parts.into_iter().flat_map(|part| part.0) {
        let line = all.0.entry(name).or_default();
        *line = (
            line.0 + tried,
            line.1 + worse,
            line.2.max(most),
            if most > line.2 { at } else { line.3.clone() },
        );
    }
    for (name, (tried, worse, most, at)) in &all.0 {
        println!("{name:36} {worse:4} of {tried:4} worse, by {most:.4} at most: {at}");
    }
    for line in LINES {
        let (tried, worse, most, at) = &all.0[line.name];
        let few = *worse as f64 <= line.worse * *tried as f64;
        assert!(few && *most <= line.most, "{}: {worse} of {tried}, {at}", line.name);
    }
    assert_eq!(LINES.len(), all.0.len());
}
