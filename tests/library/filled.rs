//! Every slot of a GPU that is alive holds an expert, in every combination of what a caller may ask for; homes stay
//! where they are when only empty slots may change; a mask moves nothing.
//!
//! EPLB_LONG=1 runs many more problems, EPLB_SEED=n others.

use crate::common;
use crate::common::{plan, plan_limited};
use crate::problems::General;
use crate::problems::loads::{self, Rng, seed, times};
use crate::unfilled::{first_unfilled, gpus_of_slots};
use eplb::{EPLB_GPU_ALIVE, EPLB_GPU_DEAD, EPLB_MOVES_NONE, Flags, Options, Scope, Spec};

/// A problem with its windows, and the placement in force, if any.
struct Call {
    problem: General,
    windows: usize,
    load: Vec<f32>,
    previous: Option<Vec<i32>>,
    max_replicas: usize,
}

impl Call {
    fn random(rng: &mut Rng) -> Self {
        let (experts, gpus) = if rng.once_in(100) { (200, 40) } else { (30, 10) };
        let problem = General::random(rng, experts, gpus);
        let windows = rng.pick(&[1, 4]);
        let (layers, experts) = (problem.num_layers, problem.num_logical_experts);
        let mut load: Vec<f32> =
            (0..windows * layers).flat_map(|_| loads::any(rng, experts)).collect();
        load.iter_mut().for_each(|x| *x = if x.is_finite() { *x } else { f32::MAX });
        let slots = problem.slots.iter().sum::<u32>() as usize;
        let empty = rng.range(1, 4);
        let old = (0..layers * slots)
            .map(|_| if rng.once_in(empty) { -1 } else { rng.below(experts) as i32 });
        let old: Vec<i32> = old.collect();
        let previous = rng.once_in(2).then_some(old);
        let max_replicas = if rng.once_in(3) { rng.range(1, 4) } else { 0 };
        Call { problem, windows, load, previous, max_replicas }
    }

    fn spec(&self) -> Spec<'_> {
        Spec { num_windows: self.windows as u32, load: &self.load, ..self.problem.spec() }
    }

    fn hierarchical(&self, scope: Scope) -> bool {
        scope == Scope::Hierarchical
            || scope == Scope::Auto
                && self.problem.num_groups.is_multiple_of(self.problem.num_nodes)
    }
}

/// Slots of GPUs that are alive whose expert differs.
fn moved(spec: &Spec, old: &[i32], new: &[i32]) -> usize {
    let gpu_of = gpus_of_slots(spec);
    let alive = |slot: usize| spec.gpu_state.is_none_or(|s| s[gpu_of[slot]] == EPLB_GPU_ALIVE);
    (0..old.len()).filter(|&slot| alive(slot) && old[slot] != new[slot]).count()
}

#[test]
fn every_slot_is_filled() {
    let (mut planned, mut from_old) = (0, 0);
    for case in 0..times(6_000, 200_000) {
        let mut rng = Rng(seed(case));
        let call = Call::random(&mut rng);
        let limits = call.previous.is_some();
        let max_moves = if limits { rng.pick(&[0, 0, 1, 4, 16, 10_000]) } else { 0 };
        let options = Options {
            scope: rng.pick(&[Scope::Auto, Scope::Global, Scope::Hierarchical]),
            effort: if rng.once_in(3) { rng.range(1, 3_000) as u32 } else { 0 },
            flags: Flags::EXTERNAL_SOURCE,
            previous: call.previous.as_deref(),
            max_moves,
            ..Options::default()
        };
        let spec = call.spec();
        let Ok(slots) = plan_limited(&spec, &options, call.max_replicas) else { continue };
        planned += 1;
        from_old += usize::from(limits);
        let hierarchical = call.hierarchical(options.scope);
        let row = spec.num_physical_experts as usize;
        for (layer, slots) in slots.chunks(row).enumerate() {
            let spent = call.previous.as_ref().is_some_and(|old| {
                max_moves > 0
                    && moved(&spec, &old[layer * row..][..row], slots) >= max_moves as usize
            });
            let empty = first_unfilled(&spec, slots, call.max_replicas, hierarchical);
            assert!(
                spent || empty.is_none(),
                "case {case}, slot {empty:?} of {slots:?}: {:?} {options:?} max_replicas {}",
                call.problem,
                call.max_replicas
            );
        }
    }
    println!("{planned} planned, {from_old} of them from a placement");
    assert!(planned > times(3_000, 100_000) && from_old > times(500, 20_000));
}

/// Shapes whose nodes are small, so that they are searched exactly: full, and what that costs.
#[test]
fn shapes_that_had_empty_slots() {
    let shapes = [
        (8, 12, 4, 1, 1),
        (8, 12, 6, 1, 1),
        (16, 24, 4, 4, 2),
        (64, 80, 16, 1, 1),
        (128, 192, 64, 16, 16),
        (256, 384, 128, 32, 32),
    ];
    for (experts, slots, gpus, groups, nodes) in shapes {
        let layers = times(20, 1_000);
        let load: Vec<f32> =
            (0..layers).flat_map(|layer| loads::lognormal(experts, 1.0, layer as u64)).collect();
        let spec = Spec {
            num_layers: layers as u32,
            num_logical_experts: experts as u32,
            num_physical_experts: slots as u32,
            num_gpus: gpus as u32,
            num_groups: groups,
            num_nodes: nodes,
            load: &load,
            ..Spec::default()
        };
        let filled = plan(&spec, &Options::default()).unwrap();
        assert!(!filled.physical_to_logical.contains(&-1));
        let flags = Flags::EMPTY_SLOTS;
        let emptier = plan(&spec, &Options { flags, ..Options::default() }).unwrap();
        let mean = |plan: &common::Plan| {
            plan.metrics.iter().map(|m| m.balance).sum::<f64>() / layers as f64
        };
        let (full, any) = (mean(&filled), mean(&emptier));
        let empty = emptier.physical_to_logical.iter().filter(|&&expert| expert < 0).count();
        println!(
            "{experts}/{slots}/{gpus}, {groups} groups on {nodes} nodes: {full:.4}; with \
             EMPTY_SLOTS {any:.4}, {:.2} slots empty a layer",
            empty as f64 / layers as f64
        );
        assert!(full <= any + 1e-9 && full > any - 0.05);
    }
}

#[test]
fn homes_stay() {
    let mut planned = 0;
    for case in 0..times(2_000, 10_000) {
        let mut rng = Rng(seed(case));
        let mut call = Call::random(&mut rng);
        let row = call.problem.slots.iter().sum::<u32>() as usize;
        let layers = call.problem.num_layers;
        // homes for all, and some slots to spare
        let (experts, gpus) = (call.problem.num_logical_experts, call.problem.slots.len());
        if row < experts {
            continue;
        }
        let mut old = vec![-1; layers * row];
        for layer in old.chunks_mut(row) {
            let mut at: Vec<usize> = (0..row).collect();
            rng.shuffle(&mut at);
            (0..experts).for_each(|expert| layer[at[expert]] = expert as i32);
        }
        if rng.once_in(3) {
            let mut state = vec![EPLB_GPU_ALIVE; gpus];
            state[rng.below(gpus)] = EPLB_GPU_DEAD;
            call.problem.state = Some(state);
        }
        let options = Options {
            scope: Scope::Global,
            flags: Flags::FILL_ONLY | Flags::EXTERNAL_SOURCE,
            previous: Some(&old),
            max_moves: rng.pick(&[0, 0, 1, 5, 1_000]),
            ..Options::default()
        };
        let spec = call.spec();
        let Ok(new) = plan_limited(&spec, &options, call.max_replicas) else { continue };
        planned += 1;
        let gpu_of = gpus_of_slots(&spec);
        let alive = |slot: usize| spec.gpu_state.is_none_or(|s| s[gpu_of[slot]] == EPLB_GPU_ALIVE);
        for (old, new) in old.chunks(row).zip(new.chunks(row)) {
            for slot in (0..row).filter(|&slot| alive(slot) && old[slot] >= 0) {
                assert_eq!(old[slot], new[slot], "case {case}: a home moved");
            }
            let spent =
                options.max_moves > 0 && moved(&spec, old, new) >= options.max_moves as usize;
            let empty = first_unfilled(&spec, new, call.max_replicas, false);
            assert!(spent || empty.is_none(), "case {case}, slot {empty:?} of {new:?}");
        }
    }
    println!("{planned} planned");
    assert!(planned > times(500, 3_000));
}

/// A mask of dead GPUs: only experts that are nowhere any more move.
#[test]
fn a_mask_moves_what_it_must() {
    let (mut planned, mut repaired) = (0, 0);
    for case in 0..times(2_000, 10_000) {
        let mut rng = Rng(seed(case));
        let call = Call::random(&mut rng);
        let Some(old) = &call.previous else { continue };
        let options = Options {
            scope: Scope::Global,
            flags: Flags::EXTERNAL_SOURCE,
            previous: Some(old),
            max_moves: EPLB_MOVES_NONE,
            ..Options::default()
        };
        let spec = call.spec();
        let Ok(new) = plan_limited(&spec, &options, 0) else { continue };
        planned += 1;
        let gpu_of = gpus_of_slots(&spec);
        let alive = |slot: usize| spec.gpu_state.is_none_or(|s| s[gpu_of[slot]] == EPLB_GPU_ALIVE);
        for (old, new) in old.chunks(gpu_of.len()).zip(new.chunks(gpu_of.len())) {
            let there = |expert: i32| (0..old.len()).any(|s| alive(s) && old[s] == expert);
            let lost =
                (0..spec.num_logical_experts as i32).filter(|&expert| !there(expert)).count();
            assert_eq!(moved(&spec, old, new), lost, "case {case}: {old:?} to {new:?}");
            repaired += usize::from(lost > 0);
        }
    }
    println!("{planned} planned, {repaired} layers repaired");
    assert!(planned > times(300, 2_000) && repaired > times(100, 500));
}

/// 256 slots in force on 32 GPUs, one slot added to each: filled when the budget allows, for one load and for windows.
#[test]
fn slots_that_were_added() {
    let (experts, gpus, each) = (256, 32, 9);
    let mut old = vec![-1; gpus * each];
    (0..experts).for_each(|expert| old[expert / 8 * each + expert % 8] = expert as i32);
    for windows in [1, 4] {
        let load: Vec<f32> =
            (0..windows).flat_map(|w| loads::lognormal(experts, 1.0, w as u64)).collect();
        let spec = Spec {
            num_windows: windows as u32,
            num_layers: 1,
            num_logical_experts: experts as u32,
            num_physical_experts: (gpus * each) as u32,
            num_gpus: gpus as u32,
            load: &load,
            ..Spec::default()
        };
        let mut before = 0.0;
        let none = Flags::NONE;
        for (max_moves, flags) in
            [(16, none), (32, Flags::FILL_ONLY), (32, none), (64, none), (0, none)]
        {
            let previous = Some(&old[..]);
            let options = Options { previous, max_moves, flags, ..Options::default() };
            let new = plan(&spec, &options).unwrap();
            let empty = new.physical_to_logical.iter().filter(|&&expert| expert < 0).count();
            assert_eq!(empty, if max_moves == 16 { 16 } else { 0 });
            let balance = new.metrics[0].balance;
            println!("{windows} windows, {max_moves} moves, {flags:?}: {balance:.4}");
            assert!(balance >= before);
            before = balance;
        }
    }
}

/// 8 GPUs become 12, the new ones empty: the budget goes into their slots, whether homes may move or not.
#[test]
fn growth() {
    let (experts, each) = (256, 36);
    let load = vec![1.0; experts];
    let spec = |gpus: usize| Spec {
        num_layers: 1,
        num_logical_experts: experts as u32,
        num_physical_experts: (gpus * each) as u32,
        num_gpus: gpus as u32,
        load: &load,
        ..Spec::default()
    };
    let mut old = plan(&spec(8), &Options::default()).unwrap().physical_to_logical;
    old.resize(12 * each, -1);
    for flags in [Flags::NONE, Flags::FILL_ONLY] {
        let mut before = 0.0;
        for max_moves in [8, 48, 100, 144, 175, 215] {
            let previous = Some(&old[..]);
            let options = Options { previous, max_moves, flags, ..Options::default() };
            let new = plan(&spec(12), &options).unwrap();
            let empty = new.physical_to_logical.iter().filter(|&&expert| expert < 0).count();
            assert_eq!(empty, 144_usize.saturating_sub(max_moves as usize));
            let balance = new.metrics[0].balance;
            println!("{max_moves} moves, {flags:?}: {balance:.4}");
            assert!(balance >= before);
            before = balance;
        }
        assert!(before > 0.92, "{before}");
    }
}
