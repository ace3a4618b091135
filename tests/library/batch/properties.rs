//! What holds for every answer: that it is one, whatever the order of GPUs and experts, the memory, the limits.

use super::call::{call, call_with, dispatched};
use super::checker::{check, count};
use super::instance::{Instance, Kind, random};
use crate::loads::{Rng, long, seed};
use proptest::prelude::*;
use proptest::test_runner::Config;

fn config() -> Config {
    Config { cases: if long() { 5000 } else { 500 }, ..Config::default() }
}

/// Larger than the exhaustive search takes.
fn instances() -> impl Strategy<Value = (Instance, u64)> {
    (any::<u64>(), any::<[bool; 4]>()).prop_map(|(seed, [uneven, held, sources, limits])| {
        let kind = Kind { most_gpus: 12, most_experts: 30, uneven, held, sources, limits };
        let mut rng = Rng(seed);
        (random(&mut rng, &kind), rng.bits())
    })
}

proptest! {
    #![proptest_config(config())]

    /// Conservation, slots, limits, fetches, tables, report: with sources and without.
    #[test]
    fn every_answer_is_one((instance, _) in instances()) {
        check(&instance, &call(&instance));
    }

    /// The same bytes whatever the workspace held.
    #[test]
    fn the_memory_does_not_matter((instance, _) in instances()) {
        let one = call_with(&instance, 0, 0).unwrap();
        prop_assert_eq!(&call_with(&instance, 0, 0xff).unwrap(), &one);
    }

    /// Whatever the effort, an answer; with more of it the bound on fetches does not lie.
    #[test]
    fn effort_runs_out_in_every_place((instance, _) in instances(), effort in 1_u32..400) {
        let few = call_with(&instance, effort, 1).unwrap();
        let all = call(&instance);
        check(&instance, &few);
        if few.report.within {
            prop_assert!(all.report.fetches_bound <= few.report.fetches);
        }
        if all.report.within {
            prop_assert!(few.report.fetches_bound <= all.report.fetches);
        }
    }

    /// Sources change what is moved where, not how many copies are fetched.
    #[test]
    fn sources_fetch_no_more((mut instance, _) in instances()) {
        let totals: Vec<u32> = (0..instance.experts).map(|e| instance.total(e) as u32).collect();
        let with = call(&instance);
        instance.tokens = vec![totals];
        let without = call(&instance);
        prop_assert_eq!(with.fetches.len(), without.fetches.len());
        prop_assert_eq!(with.report.within, without.report.within);
    }

    /// Dispatch over the same slots has no larger time, and where that is all it gains no less traffic.
    #[test]
    fn dispatch_agrees((mut instance, _) in instances()) {
        instance.fetch_tokens = 0;
        instance.least_tokens = 0;
        let answer = call(&instance);
        let split = dispatched(&instance, &answer.slots);
        prop_assert!(split.largest_time <= answer.report.largest_time);
        if split.largest_time == answer.report.largest_time && answer.fetches.is_empty() {
            let traffic = (answer.report.leaving_node, answer.report.leaving_gpu);
            prop_assert_eq!(traffic, (split.leaving_node, split.leaving_gpu));
        }
    }

    /// A copy of the last batch costs nothing: the same batch again fetches nothing.
    #[test]
    fn the_same_batch_again_fetches_nothing((mut instance, _) in instances()) {
        // a fetch that cost tokens would leave its GPU more of them now
        instance.fetch_tokens = 0;
        let first = call(&instance);
        let mut slots = first.slots.iter().copied();
        let held = instance.home.iter().map(|gpu| slots.by_ref().take(gpu.len()).collect());
        instance.held = Some(held.collect());
        let second = call(&instance);
        check(&instance, &second);
        if first.report.within {
            prop_assert_eq!(second.report.fetches, 0);
        }
    }
}

/// The instance with GPUs and experts in another order.
fn renamed(instance: &Instance, rng: &mut Rng) -> Instance {
    let mut gpus: Vec<usize> = (0..instance.gpus()).collect();
    let mut experts: Vec<usize> = (0..instance.experts).collect();
    rng.shuffle(&mut gpus);
    rng.shuffle(&mut experts); // the new name of each
    let of_gpus = |values: &[u64]| gpus.iter().map(|&gpu| values[gpu]).collect::<Vec<u64>>();
    let slots = |slots: &Vec<i32>| -> Vec<i32> {
        let name = |&e: &i32| usize::try_from(e).map_or(-1, |e| experts[e] as i32);
        slots.iter().map(name).collect()
    };
    let rows = |rows: &[Vec<i32>]| gpus.iter().map(|&gpu| slots(&rows[gpu])).collect();
    let tokens = |row: &Vec<u32>| {
        let mut renamed = vec![0; instance.experts];
        row.iter().zip(&experts).for_each(|(&tokens, &to)| renamed[to] = tokens);
        renamed
    };
    Instance {
        home: rows(&instance.home),
        held: instance.held.as_deref().map(rows),
        speed: of_gpus(&instance.speed),
        state: gpus.iter().map(|&gpu| instance.state[gpu]).collect(),
        node: gpus.iter().map(|&gpu| instance.node[gpu]).collect(),
        tokens: instance.tokens.iter().map(tokens).collect(),
        ..instance.clone()
    }
}

/// Names of GPUs and experts decide between equals alone: seldom more than that, and never by more than a fetch.
#[test]
fn names_do_not_matter() {
    let mut rng = Rng(seed(102));
    let kind = Kind { most_gpus: 6, most_experts: 12, ..Kind::default() };
    let (mut rounds, mut other) = (0, 0);
    for _ in 0..crate::loads::times(1000, 10_000) {
        let mut instance = random(&mut rng, &kind);
        // no ties: every number of tokens once, and sums of a few apart
        for tokens in &mut instance.tokens[0] {
            *tokens = *tokens * 1000 + rng.below(1000) as u32;
        }
        let turned = renamed(&instance, &mut rng);
        let (one, two) = (call(&instance), call(&turned));
        let (a, b) = (count(&instance, &one), count(&turned, &two));
        assert_eq!(one.report.bound, two.report.bound, "{instance:?}");
        rounds += 1;
        let same = a.fetches == b.fetches && a.largest_time == b.largest_time;
        other += usize::from(!same);
        if one.report.within && two.report.within {
            assert!(a.fetches.abs_diff(b.fetches) <= 1, "{instance:?} {turned:?}");
        }
    }
    println!("another name, another answer: {other} of {rounds}");
    assert!(other * 50 <= rounds, "{other} of {rounds}");
}
