//! After OK: each promise, layer by layer.

use super::calls::Call;
use super::{Outputs, UNTOUCHED, plan};
use crate::reference::judge::Judgement;
use eplb::{EPLB_MOVES_NONE, Flags, Metrics, Policy, Status};

/// A layer of a plan.
pub struct Layer<'a> {
    pub call: &'a Call,
    pub index: usize,
    pub slots: &'a [i32],
    pub old: Option<&'a [i32]>,
    pub gpu_of: Vec<usize>,
}

impl<'a> Layer<'a> {
    pub fn new(call: &'a Call, index: usize, slots: &'a [i32]) -> Self {
        let row = call.num_slots();
        let old = call.previous.as_ref().map(|old| &old[index * row..][..row]);
        Layer { call, index, slots, old, gpu_of: call.gpus() }
    }

    fn experts(&self) -> usize {
        self.call.problem.num_logical_experts
    }

    pub fn alive(&self, slot: usize) -> bool {
        self.call.problem.alive(self.gpu_of[slot])
    }

    fn node(&self, slot: usize) -> usize {
        self.call.problem.node(self.gpu_of[slot])
    }

    /// The slots of living GPUs that hold an expert.
    fn holders<'s>(&'s self, map: &'s [i32], expert: usize) -> impl Iterator<Item = usize> + 's {
        (0..map.len()).filter(move |&slot| map[slot] == expert as i32 && self.alive(slot))
    }

    fn copies(&self, map: &[i32], gpu: usize, expert: usize) -> usize {
        self.holders(map, expert).filter(|&slot| self.gpu_of[slot] == gpu).count()
    }

    pub fn changed(&self, slot: usize) -> bool {
        self.alive(slot) && self.old.is_some_and(|old| old[slot] != self.slots[slot])
    }

    fn moved(&self) -> usize {
        (0..self.slots.len()).filter(|&slot| self.changed(slot)).count()
    }

    /// Every expert where it must be, on as many places as it must be.
    pub fn is_placed(&self, map: &[i32]) -> bool {
        let (gpus, nodes) = (self.call.has(Flags::SURVIVE_GPU), self.call.has(Flags::SURVIVE_NODE));
        let distinct = |place: &dyn Fn(usize) -> usize, expert| {
            let mut places: Vec<usize> = self.holders(map, expert).map(place).collect();
            places.sort_unstable();
            places.dedup();
            places.len()
        };
        (0..self.experts()).all(|expert| {
            let least = 1 + usize::from(gpus || nodes);
            distinct(&|slot| self.gpu_of[slot], expert) >= least
                && (!nodes || distinct(&|slot| self.node(slot), expert) >= 2)
        })
    }

    /// The same, and groups on one node.
    pub fn is_whole(&self, map: &[i32]) -> bool {
        self.is_placed(map) && self.groups_are_whole(map)
    }

    pub fn groups_are_whole(&self, map: &[i32]) -> bool {
        (0..self.call.problem.num_groups).all(|group| self.is_together(map, group))
    }

    /// Whether a group is on one node, where it is bound to one.
    fn is_together(&self, map: &[i32], group: usize) -> bool {
        let size = self.experts() / self.call.problem.num_groups;
        let held = (group * size..(group + 1) * size).flat_map(|e| self.holders(map, e));
        let mut nodes = held.map(|slot| self.node(slot));
        let first = nodes.next();
        !self.call.is_hierarchical() || nodes.all(|node| Some(node) == first)
    }

    /// Whether all groups are on one node but those that were on several within a limit.
    pub fn groups_are_kept(&self, map: &[i32]) -> bool {
        let was = |group| self.old.is_none_or(|old| self.is_together(old, group));
        (0..self.call.problem.num_groups)
            .all(|group| self.is_together(map, group) || self.call.is_limited() && !was(group))
    }

    /// Groups that are on a node stay there.
    pub fn groups_stay(&self, map: &[i32]) -> bool {
        let both: Vec<i32> =
            self.old.iter().flat_map(|old| old.iter()).chain(map).copied().collect();
        let len = self.slots.len();
        let size = self.experts() / self.call.problem.num_groups;
        !self.call.is_hierarchical()
            || (0..self.call.problem.num_groups).all(|group| {
                if self.old.is_some_and(|old| !self.is_together(old, group)) {
                    return true;
                }
                let members = group * size..(group + 1) * size;
                let held = (0..both.len())
                    .filter(|&at| both[at] >= 0 && members.contains(&(both[at] as usize)));
                let mut nodes = held
                    .map(|at| at % len)
                    .filter(|&slot| self.alive(slot))
                    .map(|slot| self.node(slot));
                let first = nodes.next();
                nodes.all(|node| Some(node) == first)
            })
    }

    /// No more replicas of an expert than it may have.
    pub fn is_within(&self, map: &[i32]) -> bool {
        let most = self.call.max_replicas;
        most == 0 || (0..self.experts()).all(|expert| self.holders(map, expert).count() <= most)
    }

    /// No expert more than once on a GPU, but where it was so.
    pub fn adds_no_duplicate(&self, map: &[i32]) -> bool {
        let gpus = 0..self.call.problem.slots.len();
        gpus.flat_map(|gpu| (0..self.experts()).map(move |expert| (gpu, expert))).all(
            |(gpu, expert)| {
                let before = self.old.map_or(0, |old| self.copies(old, gpu, expert));
                self.copies(map, gpu, expert) <= before.max(1)
            },
        )
    }

    /// The GPU that `gpu` gets an expert from: one on its node that held it, else any, lowest index first.
    fn source(&self, gpu: usize, expert: i32) -> Option<usize> {
        let (old, problem) = (self.old?, &self.call.problem);
        let read = |slot: &usize| {
            let state = problem.state.as_ref().map_or(0, |state| state[self.gpu_of[*slot]]);
            old[*slot] == expert && state != eplb::EPLB_GPU_DEAD
        };
        let held = (0..old.len()).filter(read).map(|slot| self.gpu_of[slot]);
        held.min_by_key(|&from| (problem.node(from) != problem.node(gpu), from))
    }

    /// Experts that a GPU got from where it gets `expert` from, not counting the slot `but`.
    fn arrivals(&self, map: &[i32], but: usize, from: usize) -> usize {
        let gpu = self.gpu_of[but];
        let old = self.old.unwrap_or_default();
        (0..map.len())
            .filter(|&slot| slot != but && self.gpu_of[slot] == gpu && map[slot] != old[slot])
            .filter(|&slot| map[slot] >= 0 && self.source(gpu, map[slot]) == Some(from))
            .count()
    }

    /// Whether what GPUs get from one other is within the limit.
    pub fn pairs_are_within(&self, map: &[i32]) -> bool {
        let (Some(old), most) = (self.old, self.call.per_pair as usize) else { return true };
        most == 0
            || (0..map.len()).all(|slot| {
                let arrives = self.alive(slot) && map[slot] >= 0 && map[slot] != old[slot];
                let from = self.source(self.gpu_of[slot], map[slot]).filter(|_| arrives);
                from.is_none_or(|from| self.arrivals(map, slot, from) < most)
            })
    }

    /// Whether limits allow an expert in an empty slot.
    fn may_fill(&self, slot: usize, expert: usize) -> bool {
        let mut map = self.slots.to_vec();
        map[slot] = expert as i32;
        let gpu = self.gpu_of[slot];
        let back = self.old.is_some_and(|old| {
            self.copies(old, gpu, expert) > self.copies(self.slots, gpu, expert)
        });
        self.copies(self.slots, gpu, expert) == 0
            && self.is_within(&map)
            && self.is_together(&map, expert * self.call.problem.num_groups / self.experts())
            && (back || self.pairs_are_within(&map))
    }

    /// Whether the layer cannot be repaired with fewer moves.
    fn needs(&self, moves: usize) -> bool {
        let mut call = Call { max_moves: moves as u32 - 1, ..self.call.clone() };
        call.keep_layer(self.index);
        super::check(&call) == Err(Status::Infeasible)
    }

    fn is_full(&self) -> bool {
        (0..self.slots.len()).filter(|&slot| self.slots[slot] < 0 && self.alive(slot)).all(|slot| {
            self.is_pinned(slot) || (0..self.experts()).all(|expert| !self.may_fill(slot, expert))
        })
    }

    fn is_pinned(&self, slot: usize) -> bool {
        self.call.has(Flags::FILL_ONLY) && self.old.is_some_and(|old| old[slot] >= 0)
    }

    fn judge(&self, map: &[i32], window: usize) -> Judgement {
        self.call.judge(map, self.call.load(self.index, window))
    }

    /// The mean over the windows of a figure.
    fn mean(&self, map: &[i32], of: impl Fn(&Judgement) -> f64) -> f64 {
        let weight = |window| self.call.weight(self.index, window);
        let windows = || (0..self.call.windows).filter(|&window| weight(window) > 0.0);
        let all: f64 = windows().map(weight).sum();
        windows().map(|w| weight(w) / all * of(&self.judge(map, w))).sum()
    }
}

pub fn check(call: &Call, out: &Outputs) {
    let row = call.num_slots();
    assert_eq!(out.metrics.len(), call.problem.num_layers);
    for (index, slots) in out.slots.chunks(row).enumerate() {
        let layer = &Layer::new(call, index, slots);
        check_rules(layer);
        check_maps(layer, out);
        check_metrics(layer, &out.metrics[index]);
        if call.policy == Policy::Balanced {
            check_balanced(layer);
            check_limits(layer);
            check_never_worse(layer);
        }
    }
    check_rival(call, out);
}

fn check_rules(layer: &Layer) {
    let (call, slots) = (layer.call, layer.slots);
    let entries = -1..call.problem.num_logical_experts as i32;
    assert!(slots.iter().all(|entry| entries.contains(entry)), "not an expert");
    let empty = |slot: usize| slots[slot] == -1;
    assert!((0..slots.len()).all(|slot| layer.alive(slot) || empty(slot)), "on a dead GPU");
    assert!(layer.is_placed(slots), "an expert is missing, or does not survive");
    assert!(layer.groups_are_kept(slots), "a group is elsewhere");
    let few = call.is_limited() && (call.max_moves as usize) < slots.len() / 2;
    assert!(!few || layer.groups_stay(slots), "a group has left its node");
    if call.policy != Policy::Balanced {
        assert!(!slots.contains(&-1), "an empty slot");
    }
}

fn check_maps(layer: &Layer, out: &Outputs) {
    let (call, slots, index) = (layer.call, layer.slots, layer.index);
    let experts = call.problem.num_logical_experts;
    let rank = out.rank.chunks(slots.len()).nth(index);
    let count = out.count.chunks(experts).nth(index);
    let table = out.table.chunks((experts * call.max_replicas).max(1)).nth(index);
    for expert in 0..experts {
        let held: Vec<i32> = layer.holders(slots, expert).map(|slot| slot as i32).collect();
        assert!(count.is_none_or(|count| count[expert] == held.len() as i32), "count");
        let mut by_rank = held.clone();
        if let Some(rank) = rank {
            by_rank.sort_by_key(|&slot| rank[slot as usize]);
            let ranks = by_rank.iter().map(|&slot| rank[slot as usize]);
            assert!(ranks.eq(0..held.len() as i32), "rank");
        }
        if call.policy == Policy::Balanced {
            assert_eq!(by_rank, held, "numbered in order of slots");
        }
        if let Some(table) = table {
            let (all, rest) = table[expert * call.max_replicas..][..call.max_replicas]
                .split_at(held.len().min(call.max_replicas));
            assert!(rest.iter().all(|&slot| slot == -1), "table");
            let mut sorted = all.to_vec();
            sorted.sort_unstable();
            assert_eq!(sorted, held, "table");
            assert!(rank.is_none() || all == by_rank, "table in order of rank");
        }
    }
    if let Some(rank) = rank {
        assert!((0..slots.len()).all(|slot| (slots[slot] < 0) == (rank[slot] == -1)), "rank");
    }
    let maps = [&out.slots, &out.rank, &out.count, &out.table];
    assert!(maps.iter().all(|map| !map.contains(&UNTOUCHED)), "an element was not written");
}

fn near(a: f64, b: f64) -> bool {
    a == b || (a - b).abs() <= 1e-9 * a.abs().max(b.abs())
}

fn check_metrics(layer: &Layer, m: &Metrics) {
    let (call, slots) = (layer.call, layer.slots);
    let mean = |of: fn(&Judgement) -> f64| layer.mean(slots, of);
    assert!(near(m.mean_gpu_load, mean(|j| j.mean)), "mean");
    assert!(near(m.max_gpu_load, mean(|j| j.max)), "largest");
    assert!(near(m.balance, mean(|j| j.balance)), "balance");
    assert!(near(m.node_balance, mean(|j| j.node_balance)), "node_balance");
    assert!(near(m.expert_balance, mean(|j| j.physical_expert_balance)), "expert_balance");
    assert_eq!(m.duplicates as usize, layer.judge(slots, 0).duplicates, "duplicates");
    assert!(m.bound >= 0.0 && m.bound <= m.max_gpu_load, "bound");
    let gap = if m.bound > 0.0 { m.max_gpu_load / m.bound - 1.0 } else { 0.0 };
    assert!(m.gap >= 0.0 && near(1.0 + m.gap, 1.0 + gap), "gap");
    let windows = (0..call.windows).filter(|&w| call.weight(layer.index, w) > 0.0);
    let worst = windows.map(|w| layer.judge(slots, w).balance).fold(f64::INFINITY, f64::min);
    let there = layer.judge(slots, m.worst_window as usize);
    assert!(near(m.worst_window_balance, worst) && near(there.balance, worst), "worst window");
    let gpu = m.busiest_gpu as usize;
    let time = there.gpu_load[gpu] / f64::from(call.problem.speed(gpu));
    assert!(near(time, there.max), "busiest GPU");
    assert_eq!(m.moved_slots as usize, layer.moved(), "moved");
    let split = [m.dispatch_balance, m.dispatch_bound];
    if call.has(Flags::DISPATCH) {
        assert!(split.iter().all(|x| x.is_finite() && *x >= 0.0), "dispatch");
    } else {
        assert_eq!(split, [0.0, 0.0], "dispatch was not asked for");
    }
}

/// Replicas on different GPUs, no more than allowed, slots filled.
fn check_balanced(layer: &Layer) {
    let call = layer.call;
    assert!(layer.adds_no_duplicate(layer.slots), "a duplicate was added");
    assert!(layer.is_within(layer.slots), "max_replicas");
    let spent = match call.max_moves {
        0 => false,
        EPLB_MOVES_NONE => true,
        most => layer.moved() >= most as usize,
    };
    let may = call.has(Flags::EMPTY_SLOTS) || call.target > 0;
    assert!(spent || may || layer.is_full(), "a slot is empty");
}

/// What may change, and what stays where it is.
fn check_limits(layer: &Layer) {
    let call = layer.call;
    let Some(old) = layer.old else { return };
    if call.max_moves != 0 && call.max_moves != EPLB_MOVES_NONE {
        assert!(layer.moved() <= call.max_moves as usize, "max_moves");
    }
    assert!(layer.pairs_are_within(layer.slots), "max_moves_per_gpu_pair");
    let stays = |slot| !layer.is_pinned(slot) || !layer.changed(slot);
    assert!((0..old.len()).all(stays), "a slot that must not change has changed");
    if call.max_moves == EPLB_MOVES_NONE {
        assert!(!layer.is_placed(old) || layer.moved() == 0, "nothing must change");
        let split = !layer.groups_are_whole(old);
        assert!(split || layer.moved() < 2 || layer.needs(layer.moved()), "fewer changes would do");
    }
    let all = (old.len()..EPLB_MOVES_NONE as usize).contains(&(call.max_moves as usize));
    let free = !call.has(Flags::FILL_ONLY) && !call.survives() && call.per_pair == 0;
    if all && free && call.effort == 0 {
        assert!(layer.groups_are_whole(layer.slots), "a group is on several nodes");
    }
    // what stays on a GPU stays in its slot
    let experts = -1..call.problem.num_logical_experts as i32;
    for (gpu, expert) in
        (0..call.problem.slots.len()).flat_map(|g| experts.clone().map(move |e| (g, e)))
    {
        let here = |map: &[i32], slot: usize| layer.gpu_of[slot] == gpu && map[slot] == expert;
        let slots = (0..old.len()).filter(|&slot| layer.alive(slot));
        let [before, after, both] = slots.fold([0, 0, 0], |[before, after, both], slot| {
            let [was, is] = [here(old, slot), here(layer.slots, slot)];
            [before + i32::from(was), after + i32::from(is), both + i32::from(was && is)]
        });
        assert_eq!(both, before.min(after), "what stays on a GPU stays in its slot");
    }
}

/// Where nothing forces it, a layer is not less balanced than it was.
fn check_never_worse(layer: &Layer) {
    let call = layer.call;
    let Some(old) = layer.old else { return };
    let full = (0..old.len()).all(|slot| old[slot] >= 0 || !layer.alive(slot));
    let free = full || call.has(Flags::EMPTY_SLOTS);
    if !free || !layer.is_whole(old) || !layer.is_within(old) {
        return;
    }
    let [before, after] = [old, layer.slots].map(|map| layer.mean(map, |j| j.balance));
    assert!(after >= before * (1.0 - 1e-12), "{before} becomes {after}");
}

/// Of one load, from nothing: never worse than DEEPSEEK without duplicates.
fn check_rival(call: &Call, out: &Outputs) {
    let problem = &call.problem;
    let slots = call.num_slots();
    let any = call.max_replicas == 0 || call.max_replicas > slots - problem.num_logical_experts;
    let alone = call.policy == Policy::Balanced && call.previous.is_none() && !call.survives();
    if !any || !alone || call.windows > 1 {
        return;
    }
    let rival =
        Call { policy: Policy::Deepseek, flags: Flags::NONE, wants_table: false, ..call.clone() };
    let (Ok(()), theirs) = plan(&rival, 0) else { return };
    for (index, (ours, theirs)) in out.metrics.iter().zip(&theirs.metrics).enumerate() {
        let plain = |&x: &f32| x == 0.0 || x >= 2_f32.powi(-100);
        if theirs.duplicates == 0 && call.load(index, 0).iter().all(plain) {
            let (ours, theirs) = (ours.max_gpu_load, theirs.max_gpu_load);
            assert!(ours <= theirs * (1.0 + 1e-12), "{ours}, DEEPSEEK {theirs}");
        }
    }
}
