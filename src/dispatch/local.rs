//! Fewest tokens that leave their node, then their GPU, at the level that the flow has found.
//!
//! For an expert the traffic depends on how many tokens each replica gets, not on whose: tokens of a GPU go to
//! its own replica as far as that takes them, then to those of its node. So a replica beyond what its own GPU
//! sends costs a token that leaves its GPU, and a node beyond what its GPUs send one that leaves its node:
//! convex costs in a network of experts, their nodes, and GPUs. Everything starts where it is cheapest,
//! whatever the level; then what is above the level goes, by the cheapest way each time, to GPUs below it
//! (successive shortest paths), which ends in the least cost.

use crate::base::arena::Carve;
use crate::base::cells::{add, at, put, subtract};
use crate::dispatch::flow::Effort;
use crate::dispatch::level::Level;
use crate::dispatch::replicas::{Replicas, deal};
use crate::dispatch::source_quotas::Hand;
use crate::dispatch::sources::Sources;
use crate::dispatch::ways::Ways;
use crate::problem::Shape;

/// A way costs so much for a token that leaves its node, for one that leaves its GPU, and for each GPU it passes:
/// the shortest of the cheapest, which also never passes an expert twice. 65,535 GPUs at most.
const LEAVES_NODE: i64 = 1 << 40;
const LEAVES_GPU: i64 = 1 << 20;
const PASSES: i64 = 1;

/// What is known of sources, and scratch of the search.
#[derive(Debug)]
pub struct Local<'a> {
    pub sources: Sources<'a>,
    pub hand: Hand<'a>,
    /// `[P]` at the first replica on a node: tokens of the expert that the node gets.
    got: &'a mut [u64],
    /// `[G]` cost of the cheapest way to a GPU.
    cost: &'a mut [u64],
    queue: &'a mut [u32],
    queued: &'a mut [u32],
    ways: Ways<'a>,
}

/// No way yet.
const FAR: i64 = i64::MAX;

impl<'a> Local<'a> {
    /// Takes the scratch: O(E + P + G).
    pub fn carve(arena: &mut impl Carve<'a>, shape: &Shape) -> Self {
        let (gpus, slots) = (shape.topology().num_gpus(), shape.num_physical_experts());
        Local {
            sources: Sources::carve(arena, shape),
            hand: Hand::carve(arena, shape),
            got: arena.u64s(slots),
            cost: arena.u64s(gpus),
            queue: arena.u32s(gpus),
            queued: arena.u32s(gpus),
            ways: Ways::carve(arena, gpus),
        }
    }

    /// The least traffic with no level at all: own tokens stay, those of the node are dealt among its replicas,
    /// the others among all.
    fn start(&mut self, replicas: &mut Replicas) {
        for expert in 0..replicas.total.len() {
            if !replicas.is_shared(expert) {
                continue;
            }
            let range = replicas.of_expert(expert);
            let mut rest = at(replicas.total, expert);
            for replica in range.clone() {
                put(replicas.tokens, replica, at(self.sources.own, replica));
            }
            for first in
                range.clone().filter(|&replica| at(self.sources.home, replica) as usize == replica)
            {
                let own = self.of_home(first, &range).map(|replica| at(self.sources.own, replica));
                let own: u64 = own.sum();
                let mates = self.of_home(first, &range).count();
                let left = at(self.sources.sent, first).saturating_sub(own);
                let share = left.checked_div(mates as u64).unwrap_or(0);
                let more = left - share * mates as u64;
                for (place, replica) in self.of_home(first, &range).enumerate() {
                    add(replicas.tokens, replica, share + u64::from((place as u64) < more));
                }
                rest = rest.saturating_sub(at(self.sources.sent, first));
            }
            let tokens = &mut *replicas.tokens;
            deal(rest, range.clone(), |replica, share| add(tokens, replica, share));
            for replica in range {
                let tokens = at(replicas.tokens, replica);
                add(self.got, at(self.sources.home, replica), tokens);
                add(replicas.load, at(replicas.gpu, replica), tokens);
            }
        }
    }

    fn of_home(
        &self,
        first: usize,
        range: &core::ops::Range<usize>,
    ) -> impl Iterator<Item = usize> {
        let home = &*self.sources.home;
        range.clone().filter(move |&replica| at(home, replica) as usize == first)
    }

    /// Splits the tokens anew, at a level that admits a split; who sends them has been read. False when the effort ran out.
    pub fn split(&mut self, replicas: &mut Replicas, level: &Level, effort: &mut Effort) -> bool {
        replicas.clear();
        self.got.fill(0);
        self.start(replicas);
        while self.search(replicas, level, effort) {
            // One search serves as many GPUs as it can: moving tokens along cheapest ways makes no other way
            // cheaper, so the next GPU's may be taken when all before it are full and its cost still stands.
            let mut moved = false;
            while let Some(to) = self.cheapest(replicas, level)
                && (!moved || self.stands(to, replicas, level))
            {
                self.push(to, replicas, level);
                moved = true;
                if at(replicas.load, to) < at(level.capacity, to) {
                    break;
                }
            }
            if !moved {
                return false; // never: there is a split at this level
            }
        }
        let mut loads = replicas.load.iter().zip(level.capacity.iter());
        loads.all(|(load, capacity)| load <= capacity)
    }

    /// Finds the cheapest ways from the GPUs above the level to all others. False when none is above it, or the
    /// effort has run out. First in, first out: each GPU is looked at again when a cheaper way to it is found.
    fn search(&mut self, replicas: &Replicas, level: &Level, effort: &mut Effort) -> bool {
        let gpus = self.cost.len();
        self.cost.fill(FAR as u64);
        self.queued.fill(0);
        let (mut next, mut waiting) = (0, 0);
        for gpu in 0..gpus {
            if at(replicas.load, gpu) > at(level.capacity, gpu) {
                put(self.cost, gpu, 0);
                self.ways.start(gpu);
                put(self.queue, waiting, gpu as u32);
                put(self.queued, gpu, 1);
                waiting += 1;
            }
        }
        if waiting == 0 {
            return false;
        }
        while waiting > 0 {
            let gpu = at(self.queue, next) as usize;
            next = if next + 1 == gpus { 0 } else { next + 1 };
            waiting -= 1;
            put(self.queued, gpu, 0);
            for place in replicas.of_gpu(gpu) {
                let giver = replicas.at_place(place);
                let tokens = at(replicas.tokens, giver);
                if tokens == 0 {
                    continue;
                }
                let leave = self.leave(replicas, giver);
                let here = at(self.cost, gpu) as i64;
                let others = replicas.of_expert(at(replicas.expert, giver) as usize);
                if !effort.spend(others.len() as u64) {
                    return false;
                }
                for getter in others {
                    let to = at(replicas.gpu, getter) as usize;
                    let cost = here + self.pass(replicas, giver, getter, leave);
                    if cost >= at(self.cost, to) as i64 {
                        continue;
                    }
                    put(self.cost, to, cost as u64);
                    self.ways.reach(to, giver, getter);
                    if at(self.queued, to) == 0 {
                        put(self.queued, to, 1);
                        let end = next + waiting;
                        put(self.queue, if end >= gpus { end - gpus } else { end }, to as u32);
                        waiting += 1;
                    }
                }
            }
        }
        true
    }

    /// What it costs that a replica gives a token: to one on its node, to one elsewhere.
    #[inline]
    fn leave(&self, replicas: &Replicas, giver: usize) -> (i64, i64) {
        let comes_home = at(replicas.tokens, giver) > at(self.sources.own, giver);
        let near = PASSES - if comes_home { LEAVES_GPU } else { 0 };
        let home = at(self.sources.home, giver) as usize;
        let comes_to_node = at(self.got, home) > at(self.sources.sent, home);
        (near, near - if comes_to_node { LEAVES_NODE } else { 0 })
    }

    /// What it costs to pass a token from one replica of an expert to another.
    #[inline]
    fn pass(
        &self,
        replicas: &Replicas,
        giver: usize,
        getter: usize,
        (near, far): (i64, i64),
    ) -> i64 {
        let there = at(self.sources.home, getter) as usize;
        let mut cost = far;
        if there == at(self.sources.home, giver) as usize {
            cost = near;
        } else if at(self.got, there) >= at(self.sources.sent, there) {
            cost += LEAVES_NODE;
        }
        if at(replicas.tokens, getter) >= at(self.sources.own, getter) {
            cost += LEAVES_GPU;
        }
        cost
    }

    /// Whether the way to a GPU that the last search found can still be gone at its cost.
    fn stands(&self, to: usize, replicas: &Replicas, level: &Level) -> bool {
        let mut gpu = to;
        for (giver, getter) in self.ways.steps(replicas.gpu, to) {
            let before = at(replicas.gpu, giver) as usize;
            let pass = self.pass(replicas, giver, getter, self.leave(replicas, giver));
            let cost = at(self.cost, before) as i64 + pass;
            if at(replicas.tokens, giver) == 0 || cost != at(self.cost, gpu) as i64 {
                return false;
            }
            gpu = before;
        }
        at(replicas.load, gpu) > at(level.capacity, gpu)
    }

    /// The GPU below the level that is cheapest to get to, lowest first among equals.
    fn cheapest(&self, replicas: &Replicas, level: &Level) -> Option<usize> {
        let mut best = None;
        let mut least = FAR;
        for (gpu, &cost) in self.cost.iter().enumerate() {
            let cost = cost as i64;
            if cost < least && at(replicas.load, gpu) < at(level.capacity, gpu) {
                least = cost;
                best = Some(gpu);
            }
        }
        best
    }

    /// Sends along the way to `to` as much as goes at its cost.
    fn push(&mut self, to: usize, replicas: &mut Replicas, level: &Level) {
        let mut amount = at(level.capacity, to).saturating_sub(at(replicas.load, to));
        let mut from = to;
        for (giver, getter) in self.ways.steps(replicas.gpu, to) {
            from = at(replicas.gpu, giver) as usize;
            let (held, own) = (at(replicas.tokens, giver), at(self.sources.own, giver));
            amount = amount.min(if held > own { held - own } else { held });
            let (held, own) = (at(replicas.tokens, getter), at(self.sources.own, getter));
            if held < own {
                amount = amount.min(own - held);
            }
            let (home, there) = (at(self.sources.home, giver), at(self.sources.home, getter));
            if home != there {
                let (got, sent) = (at(self.got, home), at(self.sources.sent, home));
                if got > sent {
                    amount = amount.min(got - sent);
                }
                let (got, sent) = (at(self.got, there), at(self.sources.sent, there));
                if got < sent {
                    amount = amount.min(sent - got);
                }
            }
        }
        amount = amount.min(at(replicas.load, from).saturating_sub(at(level.capacity, from)));
        self.ways.send(replicas, from, to, amount);
        for (giver, getter) in self.ways.steps(replicas.gpu, to) {
            subtract(self.got, at(self.sources.home, giver), amount);
            add(self.got, at(self.sources.home, getter), amount);
        }
    }
}
