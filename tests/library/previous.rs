//! Planning from a placement, where several rules meet: windows, limits between GPUs, groups on nodes, names
//! across nodes, other flags.

use crate::common;
use crate::common::{Plan, plan};
use eplb::{
    EPLB_GPU_ALIVE, EPLB_GPU_DEAD, Flags, Options, Placement, Policy, Promises, Scope, Spec,
};

/// A small generator: the sequence does not matter, only that it is fixed.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }
    fn loads(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| (1 + self.below(30) * self.below(30)) as f32).collect()
    }
}

/// One layer, GPUs alike.
fn even(load: &[f32], experts: usize, slots: usize, gpus: usize) -> Spec<'_> {
    Spec {
        num_windows: (load.len() / experts) as u32,
        num_layers: 1,
        num_logical_experts: experts as u32,
        num_physical_experts: slots as u32,
        num_gpus: gpus as u32,
        load,
        ..Spec::default()
    }
}

fn differ(old: &[i32], new: &[i32]) -> usize {
    old.iter().zip(new).filter(|(old, new)| old != new).count()
}

/// The largest number of experts that one GPU gets from one other: each new one comes from the first GPU on
/// its node that held it, or the first elsewhere.
fn busiest_pair(old: &[i32], new: &[i32], gpus: usize, node: &[u32], dead: usize) -> usize {
    let each = old.len() / gpus;
    let on = |map: &'_ [i32], gpu: usize| map[gpu * each..][..each].to_vec();
    let mut most = 0;
    for gpu in 0..gpus {
        let mut from = vec![0; gpus];
        let mut left = on(old, gpu);
        for expert in on(new, gpu).into_iter().filter(|&expert| expert >= 0) {
            if let Some(at) = left.iter().position(|&other| other == expert) {
                left.swap_remove(at);
                continue;
            }
            let held = |source: &usize| *source != dead && on(old, *source).contains(&expert);
            let near = (0..gpus).filter(|&source| node[source] == node[gpu]).find(held);
            if let Some(source) = near.or_else(|| (0..gpus).find(held)) {
                from[source] += 1;
            }
        }
        most = most.max(from.into_iter().max().unwrap_or(0));
    }
    most
}

/// Several windows, any placement: valid, within the limits, and never worse by the ruler over the windows.
#[test]
fn windows_and_pairs() {
    let mut random = Random(29);
    let (mut planned, mut better, mut bound) = (0, 0, 0);
    for round in 0..1500 {
        let gpus = 2 + random.below(5);
        let each = 2 + random.below(4);
        let slots = gpus * each;
        let experts = 2 + random.below(slots - 1);
        let windows = 1 + random.below(4);
        let load = random.loads(experts * windows);
        let weight: Vec<f32> = (0..windows).map(|w| (1 + (w + round) % 3) as f32).collect();
        let node: Vec<u32> = (0..gpus).map(|gpu| (gpu * 2 / gpus) as u32).collect();
        let dead = if round % 3 == 0 { random.below(gpus) } else { gpus };
        let state: Vec<u8> =
            (0..gpus).map(|g| if g == dead { EPLB_GPU_DEAD } else { EPLB_GPU_ALIVE }).collect();
        let spec = Spec {
            num_nodes: 2,
            gpu_node: Some(&node),
            gpu_state: Some(&state),
            window_weight: Some(&weight),
            ..even(&load, experts, slots, gpus)
        };
        let mut old: Vec<i32> = (0..slots).map(|slot| (slot % experts) as i32).collect();
        for slot in 0..slots {
            old.swap(slot, random.below(slots));
        }
        let (max_moves, per_pair) = ([0, 1, 2, 4, 9][random.below(5)], random.below(3));
        let options = Options {
            policy: Policy::Balanced,
            scope: Scope::Global,
            previous: Some(&old),
            max_moves: max_moves as u32,
            max_moves_per_gpu_pair: per_pair as u32,
            flags: Flags::EXTERNAL_SOURCE,
            ..Options::default()
        };
        let Ok(new) = plan(&spec, &options) else { continue };
        planned += 1;
        let map = &new.physical_to_logical;
        assert!(new.logical_count.iter().all(|&count| count > 0), "round {round}");
        let mut kept = old.clone();
        if dead < gpus {
            kept[dead * each..][..each].fill(-1);
            assert!(map[dead * each..][..each].iter().all(|&expert| expert == -1));
        }
        assert!(max_moves == 0 || differ(&kept, map) <= max_moves, "round {round}");
        assert_eq!(new.metrics[0].moved_slots as usize, differ(&kept, map), "round {round}");
        if per_pair > 0 {
            let most = busiest_pair(&old, map, gpus, &node, dead);
            assert!(most <= per_pair, "round {round}: {most} from one GPU to another");
            bound += usize::from(most == per_pair);
        }
        let Ok(before) = common::evaluate(&spec, &Placement::of(&kept)) else { continue };
        let (before, after) = (before[0].balance, new.metrics[0].balance);
        assert!(after >= before * (1.0 - 1e-12), "round {round}: {before} becomes {after}");
        better += usize::from(after > before * 1.001 && windows > 1);
    }
    println!("{planned} planned, {better} better over windows, {bound} at the limit of a pair");
    assert!(planned > 500 && better > 100 && bound > 50);
}

/// Groups stay whole on their nodes while some slots change.
#[test]
fn groups_within_a_limit() {
    let mut random = Random(31);
    let mut moved = 0;
    for _ in 0..200 {
        let (experts, slots, gpus) = (32, 48, 8);
        let (first, second) = (random.loads(experts), random.loads(experts));
        let on = |load| Spec { num_groups: 8, num_nodes: 4, ..even(load, experts, slots, gpus) };
        let options =
            Options { policy: Policy::Balanced, scope: Scope::Hierarchical, ..Options::default() };
        let old = plan(&on(&first), &options).unwrap();
        let previous = Some(&old.physical_to_logical[..]);
        let limit = 1 + random.below(8);
        let new = plan(&on(&second), &Options { previous, max_moves: limit as u32, ..options });
        let new = new.unwrap();
        let before = common::evaluate(&on(&second), &old.placement()).unwrap();
        assert!(new.metrics[0].balance >= before[0].balance * (1.0 - 1e-12));
        let changed = differ(&old.physical_to_logical, &new.physical_to_logical);
        assert!(changed <= limit && changed == new.metrics[0].moved_slots as usize);
        moved += changed;
        let promises = Promises { scope: Scope::Hierarchical, full: false, distinct: true };
        assert_eq!(common::check(&on(&second), &promises, &new.placement()), Ok(None));
    }
    assert!(moved > 200);
}

fn turned(plan: &Plan, by: usize) -> Vec<i32> {
    let mut map = plan.physical_to_logical.clone();
    map.rotate_left(by);
    map
}

/// The same plan under other names costs nothing: GPUs across nodes in global scope, whole nodes where groups
/// are bound to them.
#[test]
fn names_across_nodes() {
    let mut random = Random(37);
    for _ in 0..50 {
        let (experts, slots, gpus) = (32, 48, 8);
        let load = random.loads(experts);
        let spec = Spec { num_groups: 8, num_nodes: 4, ..even(&load, experts, slots, gpus) };
        for (scope, by) in [(Scope::Global, slots / gpus), (Scope::Hierarchical, slots / 4)] {
            let options = Options { policy: Policy::Deepseek, scope, ..Options::default() };
            let fresh = plan(&spec, &options).unwrap();
            let old = turned(&fresh, by);
            let new = plan(&spec, &Options { previous: Some(&old), ..options }).unwrap();
            assert_eq!(new.metrics[0].moved_slots, 0, "{scope:?}");
            assert_eq!(new.physical_to_logical, old, "{scope:?}");
        }
    }
}

/// Judging dispatch changes what is measured, not what is planned.
#[test]
fn dispatch_is_judged() {
    let mut random = Random(41);
    for round in 0..100 {
        let (experts, slots, gpus) = (16, 24, 4);
        let (first, second) = (random.loads(experts), random.loads(experts));
        let options = Options { scope: Scope::Global, ..Options::default() };
        let old = plan(&even(&first, experts, slots, gpus), &options).unwrap();
        let previous = Some(&old.physical_to_logical[..]);
        let options = Options { previous, max_moves: round % 4 * 2, ..options };
        let spec = even(&second, experts, slots, gpus);
        let without = plan(&spec, &options).unwrap();
        let with = plan(&spec, &Options { flags: Flags::DISPATCH, ..options }).unwrap();
        assert_eq!(with.physical_to_logical, without.physical_to_logical);
        assert_eq!(with.metrics[0].moved_slots, without.metrics[0].moved_slots);
        assert_eq!(with.metrics[0].balance, without.metrics[0].balance);
        assert_eq!(without.metrics[0].dispatch_balance, 0.0);
        assert!(with.metrics[0].dispatch_balance >= with.metrics[0].balance * (1.0 - 1e-9));
        assert!(with.metrics[0].dispatch_bound > 0.0);
    }
}
