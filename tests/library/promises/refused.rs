//! After a refusal: that what it says is so; and that what cannot be done cannot, tried one placement after another.

use super::calls::Call;
use super::kept::Layer;
use eplb::{EPLB_MOVES_NONE, Flags, Policy, StaticSplit, Status};

/// Placements tried at most.
const MOST: usize = 300_000;

pub fn check(call: &Call, status: Status) {
    let (problem, slots) = (&call.problem, call.num_slots());
    let balanced = call.policy == Policy::Balanced;
    let uneven = |values: Option<&Vec<f32>>| values.is_some_and(|v| v.iter().any(|x| x != &v[0]));
    let bound = call.is_hierarchical();
    let true_ = match status {
        Status::MovesWithoutPrevious => {
            (call.is_limited() || call.target > 0) && call.previous.is_none()
        }
        Status::UnsupportedFlag if balanced => {
            call.has(Flags::SURVIVE_GPU) && bound && problem.num_nodes > 1 && !call.is_limited()
        }
        Status::UnsupportedFlag => call.survives() || call.has(Flags::FILL_ONLY),
        Status::UnsupportedPrevious => !balanced && (call.is_limited() || call.target > 0),
        Status::UnsupportedSplit => !balanced && call.split != StaticSplit::Even,
        Status::UnsupportedWindows => !balanced && call.windows > 1,
        Status::UnsupportedSpeed => !balanced && uneven(problem.speed.as_ref()),
        Status::UnsupportedSlots => {
            !balanced && problem.slots.iter().any(|x| *x != problem.slots[0])
        }
        Status::UnsupportedNodes => !balanced && bound && problem.node.is_some(),
        Status::UnsupportedState => !balanced && problem.state.is_some(),
        Status::GroupsNotDivisible => !problem.num_groups.is_multiple_of(problem.num_nodes),
        Status::GpusNotDivisible => !problem.slots.len().is_multiple_of(problem.num_nodes),
        Status::ExpertsNotDivisible => {
            bound && !problem.num_logical_experts.is_multiple_of(problem.num_groups)
        }
        Status::LoadTooLarge => !balanced,
        Status::TooFewSlots if balanced => {
            usable(call, 0..problem.slots.len()) < problem.num_logical_experts
        }
        Status::TooFewSlots => slots < problem.num_logical_experts,
        Status::MaxReplicas => too_few_replicas(call),
        Status::PlacementExpert => {
            previous(call).any(|&e| e < -1 || e >= problem.num_logical_experts as i32)
        }
        Status::SourceLost => (0..problem.num_layers).any(|layer| is_lost(call, layer)),
        Status::Infeasible => {
            shape_is_infeasible(call)
                || (0..problem.num_layers).any(|layer| is_infeasible(call, layer))
        }
        _ => false,
    };
    assert!(true_, "{status:?} is not so");
}

fn previous(call: &Call) -> impl Iterator<Item = &i32> {
    call.previous.iter().flatten()
}

/// Slots of living GPUs, each expert once on a GPU.
fn usable(call: &Call, gpus: impl Iterator<Item = usize>) -> usize {
    let experts = call.problem.num_logical_experts;
    let alive = gpus.filter(|&gpu| call.problem.alive(gpu));
    alive.map(|gpu| experts.min(call.problem.slots[gpu] as usize)).sum()
}

fn too_few_replicas(call: &Call) -> bool {
    let (slots, experts) = (call.num_slots(), call.problem.num_logical_experts);
    let most = call.max_replicas;
    if call.policy != Policy::Balanced {
        return call.wants_table && most < slots - experts + 1;
    }
    let more = |index| {
        let slots = vec![-1; slots];
        let layer = Layer::new(call, index, &slots);
        layer.old.is_some_and(|old| !layer.is_within(old))
    };
    call.wants_table && most == 0
        || call.survives() && most == 1
        || call.is_limited() && (0..call.problem.num_layers).any(more)
}

/// Whether an expert can be read from nowhere.
fn is_lost(call: &Call, index: usize) -> bool {
    let slots = vec![-1; call.num_slots()];
    let layer = Layer::new(call, index, &slots);
    let Some(old) = layer.old else { return false };
    let read = |slot: usize| {
        call.problem.state.as_ref().is_none_or(|s| s[layer.gpu_of[slot]] != eplb::EPLB_GPU_DEAD)
    };
    let held = |expert: usize| (0..old.len()).any(|slot| old[slot] == expert as i32 && read(slot));
    !call.has(Flags::EXTERNAL_SOURCE) && !(0..call.problem.num_logical_experts).all(held)
}

/// Whether no placement keeps groups on their nodes, or lets experts survive.
fn shape_is_infeasible(call: &Call) -> bool {
    let problem = &call.problem;
    let (experts, nodes) = (problem.num_logical_experts, problem.num_nodes);
    let on = |node: usize| {
        let gpus = (0..problem.slots.len()).filter(move |&gpu| problem.node(gpu) == node);
        usable(call, gpus)
    };
    if call.is_hierarchical() {
        let size = (experts / problem.num_groups).max(1);
        let fit: usize = (0..nodes).map(|node| on(node) / size).sum();
        if fit < problem.num_groups || call.has(Flags::SURVIVE_NODE) && nodes > 1 {
            return true;
        }
    }
    let places: usize = if call.has(Flags::SURVIVE_NODE) {
        (0..nodes).map(|node| on(node).min(experts)).sum()
    } else if call.has(Flags::SURVIVE_GPU) {
        usable(call, 0..problem.slots.len())
    } else {
        usize::MAX
    };
    places < 2 * experts
}

/// Whether no placement of a layer is within the limits; true where there are too many to try.
fn is_infeasible(call: &Call, index: usize) -> bool {
    let mut slots = vec![-1; call.num_slots()];
    let layer = Layer::new(call, index, &slots);
    let Some(old) = layer.old else { return false };
    let living: Vec<usize> = (0..old.len()).filter(|&slot| layer.alive(slot)).collect();
    let pinned = |slot: usize| call.has(Flags::FILL_ONLY) && old[slot] >= 0;
    let open: Vec<usize> = living.iter().copied().filter(|&slot| !pinned(slot)).collect();
    let old = old.to_vec();
    living.iter().for_each(|&slot| slots[slot] = old[slot]);
    let moves = match call.max_moves {
        0 | EPLB_MOVES_NONE => open.len(),
        most => open.len().min(most as usize),
    };
    let experts = call.problem.num_logical_experts;
    // ways to choose the slots that change, and what they change to
    let ways = (0..=moves).fold((0.0, 1.0), |(sum, ways), n| {
        (sum + ways, ways * (open.len() - n) as f64 * experts as f64 / (n + 1) as f64)
    });
    if ways.0 > MOST as f64 {
        return true;
    }
    !some_is_possible(call, index, &mut slots, &open, moves)
}

/// Tries all placements that differ in at most `moves` of the slots `open`.
fn some_is_possible(
    call: &Call,
    index: usize,
    slots: &mut Vec<i32>,
    open: &[usize],
    moves: usize,
) -> bool {
    let layer = Layer::new(call, index, slots);
    if layer.is_placed(slots)
        && layer.groups_are_kept(slots)
        && layer.groups_stay(slots)
        && layer.is_within(slots)
        && layer.adds_no_duplicate(slots)
        && layer.pairs_are_within(slots)
    {
        return true;
    }
    if moves == 0 {
        return false;
    }
    open.iter().enumerate().any(|(place, &slot)| {
        let before = slots[slot];
        let found =
            (0..call.problem.num_logical_experts as i32).filter(|&e| e != before).any(|expert| {
                slots[slot] = expert;
                some_is_possible(call, index, slots, &open[place + 1..], moves - 1)
            });
        slots[slot] = before;
        found
    })
}
