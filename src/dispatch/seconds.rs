//! The split in seconds: which replicas are used, and how many tokens each gets.
//!
//! A replica that has tokens takes as long as if it had `free` at least, where free tokens take as long as reading the
//! weights. So what is split is worth max(tokens, free) of each replica that is used, and once it is known which are,
//! `flow` splits exactly: of a replica only what it has beyond `free` can be passed on.
//!
//! Which are used: as many of each expert as its tokens hold of a threshold (`choice`), for thresholds from one replica
//! each to all of them; the one that is done soonest stays, the one with fewer replicas among equals. From there one
//! replica more or less, of the experts on the GPUs that are done last at first, as long as that is better; where few
//! have a choice, every set of them.
//!
//! Where no expert has more than `free` tokens, one replica each is the optimum, for every replica takes the same.
//! Otherwise no split is done before all experts in one piece are, if pieces could be cut at will: in any split the
//! pieces of an expert take no less than the whole (`problem::seconds`), and scaled down to the whole they are such a
//! cut. `flow` finds that bound.

use crate::base::arena::Carve;
use crate::base::cells::{at, change, copy, put};
use crate::dispatch::choice::Choice;
use crate::dispatch::flow::{Effort, Flow};
use crate::dispatch::level::{Level, time};
use crate::dispatch::replicas::{MOST_TOKENS, Replicas};
use crate::dispatch::solver::Solver;
use crate::placement::by_gpu;
use crate::problem::Shape;
use crate::problem::seconds::Seconds;

/// Slots of which a replica more or less is looked at; slots looked at in all of these tries.
const CHANGES: usize = 32;
const WORK: usize = 2_048;
/// Slots with a choice that are few.
const FEW: usize = 12;
/// Thresholds tried at most; slots of a layer that takes them one replica apart.
const THRESHOLDS: u32 = 16;
const SMALL: usize = 64;
/// So near the bound is near enough.
const CLOSE: f64 = 1.0 + 1.0 / 512.0;

/// Memory of the choice of replicas; none without a cost.
#[derive(Debug)]
pub struct Chooser<'a> {
    choice: Choice<'a>,
    /// `[P]` what the best choice so far leaves out.
    best: &'a mut [u32],
    /// `[E]` tokens, while the bound has weights in their place.
    tokens: &'a mut [u64],
    /// `[G]` seconds of each GPU at speed 1.
    seconds: &'a mut [f64],
}

/// What the split of a layer takes.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    /// No split takes less, in seconds.
    pub bound: f64,
    /// Effort ran out before any split was found.
    pub even: bool,
}

/// A layer to be split.
pub struct Layer<'c> {
    pub shape: &'c Shape<'c>,
    pub slots: &'c [i32],
}

impl<'a> Chooser<'a> {
    #[inline(never)]
    pub fn carve(arena: &mut impl Carve<'a>, shape: &Shape) -> Self {
        let given = |len: usize| if shape.seconds().is_some() { len } else { 0 };
        Chooser {
            choice: Choice::carve(arena, shape),
            best: arena.u32s(given(shape.num_physical_experts())),
            tokens: arena.u64s(given(shape.num_logical_experts())),
            seconds: arena.f64s(given(shape.topology().num_gpus())),
        }
    }

    /// Sums the seconds of each GPU.
    pub fn sum(&mut self, seconds: &Seconds, replicas: &Replicas) {
        self.seconds.fill(0.0);
        for replica in 0..replicas.numbered() {
            let here = seconds.counted(at(replicas.tokens, replica) as f64);
            change(self.seconds, at(replicas.gpu, replica), |sum| sum + here);
        }
    }

    /// What a GPU has to do at speed 1: the seconds that have been summed, tokens without a cost.
    pub fn work(&self, replicas: &Replicas, gpu: usize) -> f64 {
        self.seconds.get(gpu).copied().unwrap_or(at(replicas.load, gpu) as f64)
    }

    /// Splits the tokens that are in `replicas`.
    pub fn split(
        &mut self,
        layer: &Layer,
        seconds: &Seconds,
        Solver { replicas, level, flow }: &mut Solver<'a>,
        effort: &mut Effort,
    ) -> Found {
        let free = free_tokens(seconds, replicas, layer.slots.len());
        replicas.free = free;
        let largest = replicas.total.iter().copied().max().unwrap_or(0);
        let alike = largest <= free;
        let (soonest, least) = (f64::INFINITY, 0.0);
        let mut split = Splitting { layer, replicas, level, flow, soonest, least };
        if !alike {
            copy(self.tokens, split.replicas.total);
            split.least = split.bound();
            copy(split.replicas.total, self.tokens);
            split.replicas.free = free;
        }
        self.try_thresholds(&mut split, alike, effort);
        let even = split.soonest == f64::INFINITY;
        if !alike && !even {
            self.try_others(&mut split, effort);
        }
        if even {
            split.replicas.left_out.fill(0);
            split.number();
            split.replicas.split_evenly();
        } else {
            split.again(self.best, &mut Effort::unlimited());
        }
        let bound =
            if alike && !even || split.least > split.soonest { split.soonest } else { split.least };
        Found { bound: seconds.of_worth(bound, free, alike), even }
    }

    /// As many replicas of each expert as its tokens hold of a threshold: from one each, to as many as pay by far.
    fn try_thresholds(&mut self, split: &mut Splitting, alike: bool, effort: &mut Effort) {
        let free = split.replicas.free;
        // a small layer takes a replica more at a time, a large one halves what replicas have
        let part = if split.layer.slots.len() <= SMALL { u64::MAX } else { 2 };
        let mut threshold = u64::MAX;
        for _ in 0..THRESHOLDS {
            split.replicas.left_out.fill(0);
            split.number();
            let topology = split.layer.shape.topology();
            self.choice.choose(topology, split.replicas, threshold, effort);
            self.keep_better(split, effort);
            let share = self.choice.share;
            if alike || split.is_close() || share <= free / 2 || share < 2 {
                return;
            }
            threshold = share - 1 - (share - 1).checked_div(part).unwrap_or(0);
        }
    }

    /// One replica more or less; where few have a choice, every set of them.
    fn try_others(&mut self, split: &mut Splitting, effort: &mut Effort) {
        let mut tries = WORK.checked_div(split.layer.slots.len()).unwrap_or(0);
        while !split.is_close() {
            split.again(self.best, effort);
            let changes = split.changes(self.choice.copies(split.layer.slots));
            if changes.len() <= FEW {
                return self.try_all(split, &changes, effort);
            }
            let better = changes.iter().take(tries).any(|&slot| {
                tries -= 1;
                copy(split.replicas.left_out, self.best);
                put(split.replicas.left_out, slot, 1 - at(self.best, slot));
                self.keep_better(split, effort)
            });
            if better {
                continue;
            }
            if split.layer.slots.len() <= 2 * FEW {
                let (first, _) = changes.split_at_checked(FEW).unwrap_or_default();
                let soonest = split.soonest;
                self.try_all(split, first, effort);
                if split.soonest < soonest {
                    continue;
                }
            }
            return;
        }
    }

    /// Every set of the slots that have a choice.
    fn try_all(&mut self, split: &mut Splitting, slots: &[u32], effort: &mut Effort) {
        for set in 0..1_u32 << slots.len() {
            copy(split.replicas.left_out, self.best);
            for (place, &slot) in slots.iter().enumerate() {
                put(split.replicas.left_out, slot, set >> place & 1);
            }
            self.keep_better(split, effort);
        }
    }

    /// Splits over the replicas that are not left out; whether that is better than what was.
    fn keep_better(&mut self, split: &mut Splitting, effort: &mut Effort) -> bool {
        let better = split.number() && split.may_be_sooner() && split.is_sooner(effort);
        if better {
            copy(self.best, split.replicas.left_out);
        }
        better
    }
}

/// A layer while it is split.
struct Splitting<'c, 'a> {
    layer: &'c Layer<'c>,
    replicas: &'c mut Replicas<'a>,
    level: &'c mut Level<'a>,
    flow: &'c mut Flow<'a>,
    /// The least time of all splits so far, in tokens, and what none is below.
    soonest: f64,
    least: f64,
}

impl Splitting<'_, '_> {
    /// Numbers the replicas that are not left out; false when an expert has none.
    fn number(&mut self) -> bool {
        let Layer { shape, slots } = *self.layer;
        let counted = self.replicas.count(shape, slots).is_ok();
        if counted {
            self.replicas.number(shape, slots);
        }
        counted
    }

    /// Whether no split is much better than the best so far.
    fn is_close(&self) -> bool {
        self.soonest <= self.least * CLOSE
    }

    /// Whether what each GPU cannot do without, its replicas' weights at least, is done sooner than the best so far.
    fn may_be_sooner(&self) -> bool {
        let (topology, replicas) = (self.layer.shape.topology(), &*self.replicas);
        (0..topology.num_gpus()).all(|gpu| {
            let reading = replicas.free * replicas.of_gpu(gpu).len() as u64;
            time(at(replicas.load, gpu) + reading, topology.speed(gpu)) < self.soonest
        })
    }

    /// Splits, and notes the time where it is less.
    fn is_sooner(&mut self, effort: &mut Effort) -> bool {
        let topology = self.layer.shape.topology();
        let done = self.flow.split(topology, self.replicas, self.level, effort);
        let time = self.level.time(topology);
        let sooner = done && time < self.soonest;
        if sooner {
            self.soonest = time;
        }
        sooner
    }

    /// The split over the replicas that are not left out by this.
    fn again(&mut self, left_out: &[u32], effort: &mut Effort) {
        copy(self.replicas.left_out, left_out);
        self.number();
        self.flow.split(self.layer.shape.topology(), self.replicas, self.level, effort);
    }

    /// Slots of experts that have a choice, `copies` by expert: first of those on GPUs that are done as late as the last.
    fn changes(&self, copies: &[u32]) -> heapless::Vec<u32, CHANGES> {
        let Layer { shape, slots } = *self.layer;
        let topology = shape.topology();
        let done = |gpu| time(at(self.replicas.load, gpu), topology.speed(gpu));
        let later = |latest, gpu| if done(gpu) > latest { done(gpu) } else { latest };
        let latest = (0..topology.num_gpus()).fold(0.0, later);
        let total = |expert: i32| self.replicas.total.get(expert as usize).copied().unwrap_or(0);
        let mut found = heapless::Vec::new();
        for late in [true, false] {
            let gpus = by_gpu(topology, slots).filter(|&(gpu, ..)| (done(gpu) >= latest) == late);
            for (_, first, held) in gpus {
                for (slot, &expert) in (first as u32..).zip(held) {
                    let has_choice = total(expert) > 0 && at(copies, expert) > 1;
                    if !has_choice || at(self.replicas.left_out, slot) != 0 {
                        continue;
                    }
                    for (slot, _) in (0..).zip(slots).filter(|&(_, &other)| other == expert) {
                        if !found.contains(&slot) && found.push(slot).is_err() {
                            return found;
                        }
                    }
                }
            }
        }
        found
    }

    /// Experts in one piece each, cut at will.
    fn bound(&mut self) -> f64 {
        let free = self.replicas.free;
        for tokens in self.replicas.total.iter_mut().filter(|tokens| **tokens > 0) {
            *tokens = free.max(*tokens);
        }
        self.replicas.take_all();
        self.number();
        let effort = &mut Effort::new(0, self.layer.shape);
        let topology = self.layer.shape.topology();
        self.flow.split(topology, self.replicas, self.level, effort);
        self.level.time(topology)
    }
}

/// Tokens of a replica that take no longer than reading its weights: no more than there are, and so many that sums over
/// all slots fit 63 bits.
pub fn free_tokens(seconds: &Seconds, replicas: &Replicas, slots: usize) -> u64 {
    let all: u64 = replicas.total.iter().sum();
    let most = (MOST_TOKENS << 10).checked_div(slots as u64).unwrap_or(0);
    seconds.free_tokens(most.min(all))
}
