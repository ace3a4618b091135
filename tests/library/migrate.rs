//! Planning from a placement: within a budget, renamed, repaired.
//!
//! The frontier of balance over moved slots is asserted on the trace that EPLB_TRACE names, when there is one;
//! everything else on generated loads, always.

use crate::common;
use crate::common::{Plan, plan};
use crate::loads;
use crate::moves::{Pairs, even, global, mean, moved, spec};
use crate::trace;
use crate::unfilled;
use eplb::{
    EPLB_GPU_ALIVE, EPLB_GPU_DEAD, EPLB_GPU_LEAVING, EPLB_MOVES_NONE, Flags, Options, Placement,
    Policy, Scope, Spec, Status,
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

#[test]
fn frontier_on_the_trace() {
    let Some(path) = std::env::var_os("EPLB_TRACE") else {
        println!("EPLB_TRACE names no trace: nothing to measure");
        return;
    };
    let trace = trace::Trace::read(path.as_ref()).unwrap();
    let frontier = [
        (16, [0.933, 0.858]),
        (32, [0.978, 0.909]),
        (48, [0.992, 0.944]),
        (64, [0.9965, 0.968]),
        (128, [0.9992, 0.993]),
    ];
    for (at, shape) in [(288, 32), (320, 64)].into_iter().enumerate() {
        let pairs = Pairs::new(&trace, shape, Policy::Balanced);
        for (budget, least) in frontier {
            let (balance, slots) = pairs.changed(budget);
            println!(
                "{}/{} budget {budget}: balance {balance:.5}, {slots:.2} slots",
                shape.0, shape.1
            );
            assert!(balance >= least[at]);
        }
    }
    let (_, renamed) = Pairs::new(&trace, (288, 32), Policy::Deepseek).changed(0);
    println!("renamed: {renamed:.3} slots change");
    assert!(renamed <= 229.6);
}

/// The loss of every GPU of a plan: repaired with as many moves as experts lost their last copy, or refused.
#[test]
fn every_single_loss() {
    let (load, experts, slots, gpus, layers) = match std::env::var_os("EPLB_TRACE") {
        Some(path) => {
            let trace = trace::Trace::read(path.as_ref()).unwrap();
            let windows = trace.windows.len();
            let load: Vec<f32> = (0..windows).flat_map(|w| trace.window(w).to_vec()).collect();
            (load, trace.experts, 288, 32, windows * trace.layers.len())
        }
        None => {
            let load: Vec<f32> = (1..4).flat_map(|seed| loads::zipf(64, 1.1, seed)).collect();
            (load, 64, 96, 8, 3)
        }
    };
    let first = even(slots, gpus);
    let old = plan(&spec(&load, experts, slots, gpus), &global(Policy::Balanced)).unwrap();
    let (mut repaired, mut refused) = (0, 0);
    for layer in 0..layers {
        let load = &load[layer * experts..][..experts];
        let old = &old.physical_to_logical[layer * slots..][..slots];
        for dead in 0..gpus {
            let state: Vec<u8> =
                (0..gpus).map(|g| if g == dead { EPLB_GPU_DEAD } else { EPLB_GPU_ALIVE }).collect();
            let spec = Spec { gpu_state: Some(&state), ..spec(load, experts, slots, gpus) };
            let lost = (0..experts as i32).filter(|e| {
                (0..slots)
                    .all(|slot| old[slot] != *e || (first[dead]..first[dead + 1]).contains(&slot))
            });
            let lost = lost.count();
            let options = Options {
                previous: Some(old),
                max_moves: lost.max(1) as u32,
                ..global(Policy::Balanced)
            };
            if lost > 0 {
                assert_eq!(plan(&spec, &options), Err(Status::SourceLost));
            }
            let options = Options { flags: Flags::EXTERNAL_SOURCE, ..options };
            let alive = slots - slots / gpus;
            if alive < experts {
                assert_eq!(plan(&spec, &options), Err(Status::TooFewSlots));
                refused += 1;
                continue;
            }
            let new = plan(&spec, &options).unwrap();
            assert!(lost == 0 || new.metrics[0].moved_slots == lost as u32);
            assert!(new.logical_count.iter().all(|&count| count > 0));
            assert!(new.physical_to_logical[first[dead]..first[dead + 1]].iter().all(|&e| e == -1));
            if lost > 1 {
                let less = Options { max_moves: lost as u32 - 1, ..options };
                assert_eq!(plan(&spec, &less), Err(Status::Infeasible));
            }
            repaired += 1;
        }
    }
    println!("{repaired} losses repaired, {refused} refused");
    assert!(repaired > 0);
}

/// FIELD.md, case E.
#[test]
fn published_failure() {
    let state = [0, 0, EPLB_GPU_DEAD, 0];
    let load = [1.0; 4];
    let mask = Spec { gpu_state: Some(&state), ..spec(&load, 4, 8, 4) };
    let old = [0, 1, 0, 2, 1, 3, 2, 3];
    // a mask: nothing moves that need not
    let options =
        Options { previous: Some(&old), max_moves: EPLB_MOVES_NONE, ..global(Policy::Balanced) };
    let new = plan(&mask, &options).unwrap();
    assert_eq!(new.physical_to_logical, [0, 1, 0, 2, -1, -1, 2, 3]);
    assert_eq!(new.logical_count, [2, 1, 2, 1]);
    assert_eq!(new.metrics[0].moved_slots, 0);
    // without a limit 1 gets a third copy, and all GPUs are even
    let new = plan(&mask, &Options { max_moves: 0, ..options }).unwrap();
    assert_eq!(new.metrics[0].balance, 1.0);
    let mask = Spec { gpu_state: Some(&state), ..spec(&load, 4, 4, 4) };
    let options = Options { previous: Some(&[0, 1, 2, 3]), ..global(Policy::Balanced) };
    assert_eq!(plan(&mask, &options), Err(Status::TooFewSlots));
}

/// Any placement, whatever the state of its GPUs: the limit is kept, nothing gets worse, none is lost.
#[test]
fn random_placements() {
    let mut random = Random(11);
    let (mut planned, mut limited) = (0, 0);
    for round in 0..loads::times(1500, 20_000) {
        let experts = 1 + random.below(12);
        let gpus = 1 + random.below(6);
        let gpu_slots: Vec<u32> = (0..gpus).map(|_| random.below(6) as u32).collect();
        let slots: usize = gpu_slots.iter().map(|&s| s as usize).sum();
        let windows = 1 + random.below(2) * random.below(3);
        let load = random.loads(experts * windows);
        let state: Vec<u8> = (0..gpus).map(|_| [0, 0, 0, 1, 2][random.below(5)]).collect();
        let speed: Vec<f32> = (0..gpus).map(|_| [1.0, 1.0, 2.0][random.below(3)]).collect();
        let node: Vec<u32> = (0..gpus).map(|gpu| (gpu * 2 / gpus) as u32).collect();
        if slots == 0 || !state.contains(&EPLB_GPU_ALIVE) {
            continue;
        }
        let old: Vec<i32> = (0..slots).map(|_| random.below(experts + 1) as i32 - 1).collect();
        let spec = Spec {
            num_windows: windows as u32,
            num_nodes: 2,
            gpu_slots: Some(&gpu_slots),
            gpu_speed: Some(&speed),
            gpu_node: Some(&node),
            gpu_state: Some(&state),
            num_layers: 1,
            ..spec(&load, experts, slots, gpus)
        };
        let max_moves = [0, 1, 2, 4, 8][random.below(5)];
        let options = Options {
            previous: Some(&old),
            max_moves,
            max_moves_per_gpu_pair: if round % 7 == 0 { 1 } else { 0 },
            flags: if round % 3 == 0 { Flags::NONE } else { Flags::EXTERNAL_SOURCE },
            ..global(Policy::Balanced)
        };
        let Ok(new) = plan(&spec, &options) else { continue };
        planned += 1;
        let mut first = vec![0];
        gpu_slots.iter().for_each(|&s| first.push(first[first.len() - 1] + s as usize));
        let alive = |gpu: usize| state[gpu] == EPLB_GPU_ALIVE;
        let mut changed = 0;
        let mut kept = old.clone(); // on GPUs that stay
        for gpu in 0..gpus {
            let range = first[gpu]..first[gpu + 1];
            if alive(gpu) {
                let count = moved(
                    &old[range.clone()],
                    &new.physical_to_logical[range.clone()],
                    &[0, range.len()],
                );
                let differ = range.filter(|&s| old[s] != new.physical_to_logical[s]).count();
                assert_eq!(count, differ, "slots are in order");
                changed += count;
            } else {
                assert!(new.physical_to_logical[range.clone()].iter().all(|&e| e == -1));
                kept[range].fill(-1);
            }
        }
        assert_eq!(new.metrics[0].moved_slots as usize, changed);
        if max_moves > 0 {
            assert!(changed <= max_moves as usize);
            limited += 1;
        }
        // by the ruler on the GPUs that stay, where nothing has to be filled
        let full = unfilled::first_unfilled(&spec, &kept, 0, false).is_none();
        if windows == 1
            && full
            && let Ok(before) = common::evaluate(&spec, &Placement::of(&kept))
        {
            assert!(new.metrics[0].balance >= before[0].balance * (1.0 - 1e-12), "round {round}");
        }
    }
    println!("{planned} planned, {limited} of them within a limit");
    assert!(planned > 100 && limited > 50);
}

/// Renaming against every way to rename.
#[test]
fn relabel_equals_brute_force() {
    fn permutations(n: usize) -> Vec<Vec<usize>> {
        if n == 0 {
            return vec![vec![]];
        }
        let mut all = Vec::new();
        for shorter in permutations(n - 1) {
            for at in 0..n {
                let mut longer = shorter.clone();
                longer.insert(at, n - 1);
                all.push(longer);
            }
        }
        all
    }
    let mut random = Random(5);
    for _ in 0..150 {
        let (experts, gpus, each) = (8, 5, 2);
        let slots = gpus * each;
        let (a, b) = (random.loads(experts), random.loads(experts));
        let options = global(Policy::Deepseek);
        let old = plan(&spec(&a, experts, slots, gpus), &options).unwrap();
        let fresh = plan(&spec(&b, experts, slots, gpus), &options).unwrap();
        let previous = Some(&old.physical_to_logical[..]);
        let new = plan(&spec(&b, experts, slots, gpus), &Options { previous, ..options }).unwrap();
        let named = |names: &[usize]| -> Vec<i32> {
            names
                .iter()
                .flat_map(|&g| fresh.physical_to_logical[g * each..][..each].to_vec())
                .collect()
        };
        let best = permutations(gpus)
            .iter()
            .map(|names| moved(&old.physical_to_logical, &named(names), &even(slots, gpus)))
            .min();
        assert_eq!(new.metrics[0].moved_slots as usize, best.unwrap());
        assert_eq!(new.metrics[0].max_gpu_load.to_bits(), fresh.metrics[0].max_gpu_load.to_bits());
        // the maps agree with each other, and ranks went along
        let promises = eplb::Promises { scope: Scope::Global, full: true, distinct: false };
        let found = common::check(&spec(&b, experts, slots, gpus), &promises, &new.placement());
        assert_eq!(found, Ok(None));
    }
}

/// Eight more GPUs and back: the union of old and new.
#[test]
fn scale_up_and_down() {
    let (load, experts) = match std::env::var_os("EPLB_TRACE") {
        Some(path) => {
            let trace = trace::Trace::read(path.as_ref()).unwrap();
            (trace.window(0).to_vec(), trace.experts)
        }
        None => (loads::zipf(256, 0.9, 3), 256),
    };
    let (each, slots) = (9, 40 * 9);
    let states = |more: u8| -> Vec<u8> {
        (0..40).map(|g| if g < 32 { EPLB_GPU_ALIVE } else { more }).collect()
    };
    let (small, large) = (states(EPLB_GPU_LEAVING), states(EPLB_GPU_ALIVE));
    let on = |state| Spec { gpu_state: Some(state), ..spec(&load, experts, slots, 40) };
    let small_only = |plan: &Plan| {
        let layers = plan.physical_to_logical.chunks(slots);
        layers.into_iter().all(|map| map[32 * each..].iter().all(|&e| e == -1))
    };
    let start = plan(&on(&small), &global(Policy::Balanced)).unwrap();
    assert!(small_only(&start));
    let options = |previous, max_moves| Options {
        previous: Some(previous),
        max_moves,
        ..global(Policy::Balanced)
    };
    let up = plan(&on(&large), &options(&start.physical_to_logical, 150)).unwrap();
    let back = plan(&on(&small), &options(&up.physical_to_logical, 150)).unwrap();
    for (name, plan) in [("32 -> 40", &up), ("back", &back)] {
        let moved = mean(plan, |m| f64::from(m.moved_slots));
        let worst = plan.metrics.iter().map(|m| m.balance).fold(1.0, f64::min);
        let balance = mean(plan, |m| m.balance);
        println!("{name}: {balance:.5}, worst {worst:.5}, with {moved:.1} moves");
        assert!(balance > 0.99 && worst > 0.95);
        assert!(plan.metrics.iter().all(|m| m.moved_slots <= 150));
    }
    assert!(small_only(&back));
}

#[test]
fn surviving() {
    let mut random = Random(3);
    let mut served = 0;
    for round in 0..300 {
        let experts = 2 + random.below(8);
        let (gpus, each) = (4, 1 + random.below(7));
        let slots = gpus * each;
        let load = random.loads(experts);
        let node_flag = round % 2 == 1;
        let flags = if node_flag { Flags::SURVIVE_NODE } else { Flags::SURVIVE_GPU };
        let spec = Spec { num_nodes: 2, ..spec(&load, experts, slots, gpus) };
        let options = Options { flags, ..global(Policy::Balanced) };
        let usable: usize = if node_flag {
            2 * (2 * each.min(experts)).min(experts)
        } else {
            gpus * each.min(experts)
        };
        let fresh = plan(&spec, &options);
        if slots >= experts && usable < 2 * experts {
            assert_eq!(fresh, Err(Status::Infeasible));
            continue;
        }
        let Ok(fresh) = fresh else { continue };
        let place = |slot: usize| slot / each / if node_flag { 2 } else { 1 };
        let safe = |map: &[i32]| {
            (0..experts as i32).all(|e| {
                let mut places: Vec<usize> =
                    (0..slots).filter(|&s| map[s] == e).map(place).collect();
                places.dedup();
                places.len() >= 2
            })
        };
        assert!(safe(&fresh.physical_to_logical), "round {round}");
        assert_eq!(fresh.metrics[0].duplicates, 0);
        let load = random.loads(experts);
        let spec = Spec { load: &load, ..spec };
        for max_moves in [0, 2] {
            let previous = Some(&fresh.physical_to_logical[..]);
            let new = plan(&spec, &Options { previous, max_moves, ..options }).unwrap();
            assert!(
                safe(&new.physical_to_logical),
                "round {round}, {max_moves} moves: {:?} from {:?}",
                new.physical_to_logical,
                fresh.physical_to_logical
            );
        }
        served += 1;
    }
    assert!(served > 50);
}

#[test]
fn refusals() {
    let load = [1.0; 8];
    let spec = spec(&load, 4, 8, 4); // two layers
    let good = [0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3];
    let options = Options { previous: Some(&good), max_moves: 1, ..global(Policy::Balanced) };
    assert!(plan(&spec, &options).is_ok());
    let mut bad = good;
    bad[15] = 4;
    assert_eq!(
        plan(&spec, &Options { previous: Some(&bad), ..options }),
        Err(Status::PlacementExpert)
    );
    bad[15] = -2;
    assert_eq!(
        plan(&spec, &Options { previous: Some(&bad), ..options }),
        Err(Status::PlacementExpert)
    );
    assert_eq!(
        plan(&spec, &Options { previous: Some(&good[1..]), ..options }),
        Err(Status::ArrayLength)
    );
    assert_eq!(
        plan(&spec, &Options { previous: None, ..options }),
        Err(Status::MovesWithoutPrevious)
    );
    let deepseek = Options { policy: Policy::Deepseek, ..options };
    assert_eq!(plan(&spec, &deepseek), Err(Status::UnsupportedPrevious));
    let survive =
        Options { flags: Flags::SURVIVE_GPU, policy: Policy::Deepseek, max_moves: 0, ..options };
    assert_eq!(plan(&spec, &survive), Err(Status::UnsupportedFlag));
    let survive = Options { flags: Flags::SURVIVE_NODE, ..options };
    assert_eq!(plan(&spec, &survive), Err(Status::Infeasible)); // one node
    // expert 3 is nowhere in the second layer
    let mut lost = good;
    (lost[11], lost[15]) = (0, 0);
    assert_eq!(plan(&spec, &Options { previous: Some(&lost), ..options }), Err(Status::SourceLost));
    let outside = Options { previous: Some(&lost), flags: Flags::EXTERNAL_SOURCE, ..options };
    assert_eq!(plan(&spec, &outside).unwrap().metrics[1].moved_slots, 1);
}
