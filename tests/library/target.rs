//! A balance that is enough: reached with the fewest moves that are seen, never with more than without a target.
//!
//! EPLB_LONG=1 runs many more problems, EPLB_SEED=n others.

use crate::common::{evaluate, plan, plan_limited};
use crate::loads;
use crate::moves::{global, spec};
use crate::problems::General;
use crate::problems::loads::{Rng, seed, times};
use crate::unfilled::gpus_of_slots;
use eplb::{
    EPLB_GPU_ALIVE, EPLB_MOVES_NONE, Flags, Options, Placement, Policy, Scope, Spec, Status,
};

/// A layer of a problem with its windows, and any placement in force.
struct Call {
    problem: General,
    windows: usize,
    load: Vec<f32>,
    old: Vec<i32>,
    max_replicas: usize,
}

impl Call {
    fn random(rng: &mut Rng) -> Self {
        let (experts, gpus) = rng.pick(&[(6, 4), (12, 5), (30, 10), (60, 16)]);
        let mut problem = General::random(rng, experts, gpus);
        problem.num_layers = 1;
        let windows = rng.pick(&[1, 1, 3]);
        let experts = problem.num_logical_experts;
        let load = (0..windows).flat_map(|_| loads::any(rng, experts)).collect();
        let slots = problem.slots.iter().sum::<u32>() as usize;
        let empty = rng.pick(&[2, 10, 1_000]);
        let mut old: Vec<i32> = (0..slots).map(|slot| (slot % experts) as i32).collect();
        rng.shuffle(&mut old);
        old.iter_mut().for_each(|slot| *slot = if rng.once_in(empty) { -1 } else { *slot });
        let max_replicas = if rng.once_in(4) { rng.range(1, 4) } else { 0 };
        Call { problem, windows, load, old, max_replicas }
    }

    fn spec(&self) -> Spec<'_> {
        Spec { num_windows: self.windows as u32, load: &self.load, ..self.problem.spec() }
    }

    fn options(&self, rng: &mut Rng) -> Options<'_> {
        let flags = rng.pick(&[
            Flags::NONE,
            Flags::NONE,
            Flags::EMPTY_SLOTS,
            Flags::FILL_ONLY,
            Flags::SURVIVE_GPU,
            Flags::SURVIVE_NODE,
        ]);
        Options {
            scope: rng.pick(&[Scope::Auto, Scope::Global, Scope::Global, Scope::Hierarchical]),
            effort: if rng.once_in(4) { rng.range(1, 2_000) as u32 } else { 0 },
            max_moves: rng.pick(&[0, 0, 1, 2, 4, 8, 20, EPLB_MOVES_NONE]),
            max_moves_per_gpu_pair: if rng.once_in(6) { 1 } else { 0 },
            flags: flags | Flags::EXTERNAL_SOURCE,
            previous: Some(&self.old),
            ..Options::default()
        }
    }

    /// Balance and moves of a plan.
    fn plan(&self, options: &Options) -> Result<(f64, usize), Status> {
        let slots = plan_limited(&self.spec(), options, self.max_replicas)?;
        Ok((self.balance(&slots).unwrap(), self.moved(&slots)))
    }

    fn balance(&self, slots: &[i32]) -> Option<f64> {
        evaluate(&self.spec(), &Placement::of(slots)).ok().map(|metrics| metrics[0].balance)
    }

    fn moved(&self, slots: &[i32]) -> usize {
        let gpu_of = gpus_of_slots(&self.spec());
        let here =
            |&slot: &usize| self.problem.alive(gpu_of[slot]) && slots[slot] != self.old[slot];
        (0..slots.len()).filter(here).count()
    }

    /// Whether speeds are so near each other that the search, which sees them in f32, sees balances as they are.
    fn speeds_compare(&self) -> bool {
        let speeds = self.problem.speed.as_deref().unwrap_or(&[1.0]);
        let (least, most) =
            (speeds.iter().copied().reduce(f32::min), speeds.iter().copied().reduce(f32::max));
        f64::from(most.unwrap()) / f64::from(least.unwrap()) < f64::from(1 << 30)
    }

    /// The placement in force on the GPUs that stay, where nothing forces a change.
    fn needs_nothing(&self, options: &Options) -> bool {
        let gpu_of = gpus_of_slots(&self.spec());
        let stays = |slot: usize| self.problem.alive(gpu_of[slot]);
        let count = |expert: i32| {
            (0..self.old.len()).filter(|&slot| stays(slot) && self.old[slot] == expert).count()
        };
        let most = if self.max_replicas == 0 { usize::MAX } else { self.max_replicas };
        let state = self.problem.state.as_deref().unwrap_or_default();
        options.scope == Scope::Global
            && !options.flags.contains(Flags::SURVIVE_GPU)
            && !options.flags.contains(Flags::SURVIVE_NODE)
            && state.iter().all(|&state| state == EPLB_GPU_ALIVE)
            && (0..self.problem.num_logical_experts as i32).all(|e| (1..=most).contains(&count(e)))
    }
}

#[test]
fn less_is_never_dearer() {
    let (mut planned, mut reached, mut saved, mut stayed) = (0, 0, 0, 0);
    for case in 0..times(6_000, 300_000) {
        let mut rng = Rng(seed(case));
        let call = Call::random(&mut rng);
        let options = call.options(&mut rng);
        let Ok((most, all)) = call.plan(&options) else {
            // refused for the same, whatever is enough
            assert_eq!(call.plan(&Options { target: 60_000, ..options }), call.plan(&options));
            continue;
        };
        planned += 1;
        let before = call.balance(&call.old).unwrap_or(0.0);
        let mut last = 0;
        let mut targets: Vec<u32> = (0..4).map(|_| rng.range(1, 65_536) as u32).collect();
        // exactly what is there, and what is reached
        targets.extend([before, most].map(|x| (x.min(1.0) * 65_536.0) as u32).map(|x| x.max(1)));
        targets.sort_unstable();
        for target in targets {
            let enough = f64::from(target) / 65_536.0;
            let (balance, moved) = call.plan(&Options { target, ..options }).unwrap();
            let what =
                format!("case {case}, {enough}: {balance}, {moved} moves; {most}, {all} moves");
            assert!(moved >= last || !call.speeds_compare(), "{what}; {last} for less");
            assert!(
                options.max_moves.wrapping_add(1) < 2 || moved <= options.max_moves as usize,
                "{what}"
            );
            assert!(balance >= enough.min(most * (1.0 - 1e-12)), "{what}");
            assert!(most < enough || moved <= all || !call.speeds_compare(), "{what}");
            if before >= enough && call.needs_nothing(&options) {
                assert_eq!(moved, 0, "{what}");
                stayed += 1;
            }
            last = moved;
            reached += usize::from(balance >= enough);
            saved += all.saturating_sub(moved);
        }
    }
    println!("{planned} planned, {reached} reached, {saved} moves saved, {stayed} as they were");
    assert!(planned > times(2_000, 100_000) && reached > planned && stayed > planned / 10);
}

/// As few moves as the smallest budget that reaches it, and hardly more with windows; without a limit, too.
#[test]
fn as_few_as_the_smallest_budget() {
    for (experts, slots, gpus, windows, more) in
        [(256, 288, 32, 1, 0), (64, 96, 16, 1, 1), (256, 288, 32, 7, 3), (256, 320, 64, 4, 3)]
    {
        for seed in 1..4 {
            let drawn = |seed| loads::lognormal(experts, 1.0, seed);
            let before = drawn(100 * seed + 50);
            let one = |window| {
                before.iter().zip(drawn(100 * seed + window)).map(|(a, b)| a + 0.3 * b).collect()
            };
            let load: Vec<f32> = (0..windows).flat_map(|w| -> Vec<f32> { one(w) }).collect();
            let old =
                plan(&spec(&before, experts, slots, gpus), &global(Policy::Balanced)).unwrap();
            let previous = Some(&old.physical_to_logical[..]);
            let spec = spec(&load, experts, slots, gpus);
            let spec = Spec { num_windows: windows as u32, num_layers: 1, ..spec };
            let run = |max_moves: u32, target: u32| {
                let options = Options { previous, max_moves, target, ..global(Policy::Balanced) };
                plan(&spec, &options).unwrap().metrics[0]
            };
            let budgets: Vec<_> = (1..=48).map(|moves| run(moves, 0)).collect();
            let (least, most) = (run(EPLB_MOVES_NONE, 0).balance, budgets[47].balance);
            for part in [0.3, 0.6, 0.9] {
                let target = ((least + part * (most - least)) * 65_536.0) as u32;
                let reaches = |m: &eplb::Metrics| m.balance >= f64::from(target) / 65_536.0;
                let fewest = budgets.iter().find(|m| reaches(m)).unwrap().moved_slots;
                for max_moves in [48, 0] {
                    let found = run(max_moves, target);
                    assert!(
                        reaches(&found) && found.moved_slots <= fewest + more,
                        "{fewest} {found:?}"
                    );
                }
            }
        }
    }
}

/// Two experts that share a GPU and are hot: one swap is enough, and what was empty stays so; what must be moves.
#[test]
fn small_cases() {
    let load = [4.0, 4.0, 1.0, 1.0, 2.0, 2.0];
    let spec = Spec { num_windows: 1, ..spec(&load, 6, 12, 3) };
    let old = [0, 1, -1, -1, 2, 3, -1, -1, 4, 5, -1, -1];
    let options = Options { previous: Some(&old), max_moves: 12, ..global(Policy::Balanced) };
    let moved = |target: f64, options: &Options| {
        let target = (target * 65_536.0) as u32;
        let metrics = plan(&spec, &Options { target, ..*options }).unwrap().metrics[0];
        assert!(metrics.balance >= f64::from(target) / 65_536.0);
        metrics.moved_slots
    };
    let all = plan(&spec, &options).unwrap();
    assert_eq!((all.metrics[0].balance, all.physical_to_logical.contains(&-1)), (1.0, false));
    assert_eq!(moved(0.5, &options), 0);
    assert_eq!(moved(0.75, &options), 1); // a copy of 0 or 1 on the second GPU: 6, 4, 4
    // every expert on two GPUs: six copies, whatever is enough
    let survive = Options { flags: Flags::SURVIVE_GPU, ..options };
    assert_eq!(moved(0.1, &survive), 6);
    // all that a mask of dead GPUs has to move
    let state = [EPLB_GPU_ALIVE, EPLB_GPU_ALIVE, eplb::EPLB_GPU_DEAD];
    let dead = Spec { gpu_state: Some(&state), ..spec };
    let options = Options { target: 1, flags: Flags::EXTERNAL_SOURCE, ..options };
    assert_eq!(plan(&dead, &options).unwrap().metrics[0].moved_slots, 2);
}

#[test]
fn refused() {
    let load = [1.0; 4];
    let spec = spec(&load, 4, 8, 4);
    let options = Options { target: 60_000, ..global(Policy::Balanced) };
    assert_eq!(plan(&spec, &options), Err(Status::MovesWithoutPrevious));
    let old = [0, 1, 2, 3, 0, 1, 2, 3];
    let options = Options { previous: Some(&old), ..options };
    assert!(plan(&spec, &options).is_ok());
    assert_eq!(plan(&spec, &Options { target: 65_537, ..options }), Err(Status::Target));
    let deepseek = Options { policy: Policy::Deepseek, ..options };
    assert_eq!(plan(&spec, &deepseek), Err(Status::UnsupportedPrevious));
}
