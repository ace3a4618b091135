//! One thing at a time: for callgrind, and for what is no row of the table.

use std::hint::black_box;
use std::time::Instant;

use eplb::{Operation, Options, Scope, Spec};
use rand::{SeedableRng, rngs::StdRng};

use super::cases::{Case, POLICIES, layers};
use super::planner::{Planner, median, need, sort_keys, spec};

/// Runs one thing on the first layers again and again: under callgrind, the difference between two
/// counts of N is what N more cost.
pub fn once(case: &str, what: &str, times: usize) {
    let case = Case::named(case);
    let layers = layers(case);
    let mut random = StdRng::seed_from_u64(11);
    let keys: Vec<Vec<u64>> =
        layers.iter().map(|load| sort_keys(load, case.slots, &mut random)).collect();
    let mut sorted = keys[0].clone();
    let policy = POLICIES.iter().find(|(_, name)| *name == what).map(|(policy, _)| *policy);
    let options = case.options(policy.unwrap_or_default());
    let mut planner = policy
        .map(|_| Planner::new(case, &need(Operation::Plan, &spec(case, &layers[0]), &options)));
    for i in 0..times {
        match &mut planner {
            Some(planner) => planner.plan(case, &layers[i % layers.len()], &options),
            None => {
                sorted.copy_from_slice(&keys[i % keys.len()]);
                sorted.sort_unstable();
                black_box(&sorted);
            }
        }
    }
}

/// Plans layers on all windows of the trace but one, and sorts in between.
pub fn windows(case: &str, effort: u32, times: usize) {
    const WINDOWS: usize = 8;
    let case = Case::named(case);
    let rows = layers(case);
    let each = rows.len() / WINDOWS;
    let options = Options { effort, scope: Scope::Global, ..Options::default() };
    let mut random = StdRng::seed_from_u64(11);
    let (mut plans, mut sorts) = (Vec::new(), Vec::new());
    let mut planner: Option<Planner> = None;
    for i in 0..times {
        let (out, layer) = (i % WINDOWS, i * 7 % each);
        let kept = (0..WINDOWS).filter(|&window| window != out);
        let load: Vec<f32> = kept.flat_map(|window| rows[window * each + layer].clone()).collect();
        let spec = Spec { num_windows: WINDOWS as u32 - 1, ..spec(case, &load) };
        let planner = planner
            .get_or_insert_with(|| Planner::new(case, &need(Operation::Plan, &spec, &options)));
        let mut keys = sort_keys(&rows[layer], case.slots, &mut random);
        let start = Instant::now();
        black_box(&mut keys).sort_unstable();
        sorts.push(start.elapsed().as_secs_f64() * 1e6);
        let start = Instant::now();
        planner.plan_spec(&spec, &options, None);
        plans.push(start.elapsed().as_secs_f64() * 1e6);
    }
    if times > 0 {
        let (plan, sort) = (median(plans), median(sorts));
        println!("{} effort {effort}: {plan:.1} us, {:.1} x the sort", case.name, plan / sort);
    }
}

/// Plans layers of one workload from the plan for another, and sorts in between: all pairs of workloads in
/// turn. The old plans are made before, once each: with N = 0 nothing else is done.
pub fn previous(case: &str, budget: u32, times: usize) {
    const WINDOWS: usize = 8;
    let case = Case::named(case);
    let rows = layers(case);
    let each = rows.len() / WINDOWS;
    let free = Options { scope: Scope::Global, ..Options::default() };
    let mut planner = Planner::new(case, &need(Operation::Plan, &spec(case, &rows[0]), &free));
    let plan = |load: &Vec<f32>| {
        planner.plan(case, load, &free);
        planner.physical_to_logical.clone()
    };
    let old: Vec<Vec<i32>> = rows.iter().map(plan).collect();
    let options = |previous| Options { previous: Some(previous), max_moves: budget, ..free };
    let mut planner =
        Planner::new(case, &need(Operation::Plan, &spec(case, &rows[0]), &options(&old[0])));
    let mut random = StdRng::seed_from_u64(11);
    let (mut plans, mut sorts) = (Vec::new(), Vec::new());
    for i in 0..times {
        let (from, by, layer) = (i % WINDOWS, 1 + i / WINDOWS % (WINDOWS - 1), i * 7 % each);
        let (from, to) = (from * each + layer, (from + by) % WINDOWS * each + layer);
        let mut keys = sort_keys(&rows[to], case.slots, &mut random);
        let start = Instant::now();
        black_box(&mut keys).sort_unstable();
        sorts.push(start.elapsed().as_secs_f64() * 1e6);
        let options = options(&old[from]);
        let start = Instant::now();
        planner.plan(case, &rows[to], &options);
        plans.push(start.elapsed().as_secs_f64() * 1e6);
    }
    if times > 0 {
        let (plan, sort) = (median(plans), median(sorts));
        println!("{} budget {budget}: {plan:.1} us, {:.1} x the sort", case.name, plan / sort);
    }
}
