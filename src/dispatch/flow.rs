//! The least largest time: tokens flow from GPUs above the level to GPUs below it, and where they cannot the
//! level rises.
//!
//! From a GPU above the level, the GPUs that its tokens can get to are searched, breadth first: a GPU passes
//! tokens of an expert on to any other replica of it. When none of them is below the level, the GPUs reached
//! are a closed set: all that they hold belongs to experts without a replica outside. No split is done sooner
//! than these GPUs with that load, so the level rises to exactly that (the step of a discrete Newton method,
//! or of Dinkelbach's), and the search goes on. The last such set proves the result optimal.

use crate::base::arena::Carve;
use crate::base::cells::{at, put};
use crate::dispatch::level::Level;
use crate::dispatch::replicas::Replicas;
use crate::dispatch::ways::Ways;
use crate::problem::Shape;
use crate::problem::topology::Topology;

/// Scratch of the search.
#[derive(Debug)]
pub struct Flow<'a> {
    /// `[G]` the GPUs reached, in order.
    queue: &'a mut [u32],
    /// `[G]` the search that last reached a GPU, `[E]` an expert.
    gpu_seen: &'a mut [u32],
    expert_seen: &'a mut [u32],
    ways: Ways<'a>,
    search: u32,
}

/// Work that may still be done, in replicas looked at.
#[derive(Debug)]
pub struct Effort(u64);

impl Effort {
    /// What the caller allows; 0 is the default, which a search does not get to: so much a replica.
    pub fn new(given: u32, shape: &Shape) -> Self {
        const A_REPLICA: u64 = 1 << 14;
        let default = (shape.num_physical_experts() as u64).saturating_mul(A_REPLICA);
        // a search costs at least one, so that their number fits 32 bits
        Effort(if given == 0 { default.min(u64::from(u32::MAX)) } else { u64::from(given) })
    }

    /// For what has been done within the effort before.
    pub fn unlimited() -> Self {
        Effort(u64::MAX)
    }

    /// Spends; false when it is all gone.
    #[inline]
    pub fn spend(&mut self, work: u64) -> bool {
        self.0 = self.0.saturating_sub(work);
        self.0 > 0
    }
}

impl<'a> Flow<'a> {
    /// Takes the scratch: O(G + E).
    pub fn carve(arena: &mut impl Carve<'a>, shape: &Shape) -> Self {
        let (gpus, experts) = (shape.topology().num_gpus(), shape.num_logical_experts());
        Flow {
            queue: arena.u32s(gpus),
            gpu_seen: arena.u32s(gpus),
            expert_seen: arena.u32s(experts),
            ways: Ways::carve(arena, gpus),
            search: 0,
        }
    }

    /// Splits the tokens so that the largest time is the least: in `replicas`, and in `level`. False when the
    /// effort ran out: the split is then any, and the level what is proven so far.
    pub fn split(
        &mut self,
        topology: &Topology,
        replicas: &mut Replicas,
        level: &mut Level,
        effort: &mut Effort,
    ) -> bool {
        self.gpu_seen.fill(0);
        self.expert_seen.fill(0);
        self.search = 0;
        let gpus = topology.num_gpus();
        // all GPUs are a closed set, and so is one with what it holds alone
        let mut serving = 0;
        for gpu in (0..gpus).filter(|&gpu| topology.serves(gpu)) {
            put(self.queue, serving, gpu as u32);
            serving += 1;
        }
        level.drain();
        let all = self.queue.get(..serving).unwrap_or_default();
        level.raise(topology, all, replicas.least());
        level.raise_to_loads(topology, replicas.load);
        replicas.split_evenly();
        for gpu in 0..gpus {
            while at(replicas.load, gpu) > at(level.capacity, gpu) {
                match self.reach(gpu, replicas, level, effort) {
                    Ok(below) => self.push(gpu, below, replicas, level),
                    Err(reached) => {
                        let closed = self.queue.get(..reached).unwrap_or_default();
                        let load = |&gpu: &u32| at(replicas.load, gpu);
                        level.raise(topology, closed, closed.iter().map(load).sum());
                    }
                }
                if !effort.spend(1) {
                    return false;
                }
            }
        }
        true
    }

    /// The first GPU below the level that tokens of `from` can get to, or the number of GPUs they can get to.
    fn reach(
        &mut self,
        from: usize,
        replicas: &Replicas,
        level: &Level,
        effort: &mut Effort,
    ) -> Result<usize, usize> {
        self.search += 1;
        put(self.gpu_seen, from, self.search);
        self.ways.start(from);
        put(self.queue, 0, from as u32);
        let (mut next, mut reached) = (0, 1);
        while next < reached {
            let gpu = at(self.queue, next) as usize;
            next += 1;
            for place in replicas.of_gpu(gpu) {
                let giver = replicas.at_place(place);
                let expert = at(replicas.expert, giver) as usize;
                if at(replicas.tokens, giver) <= replicas.free
                    || at(self.expert_seen, expert) == self.search
                {
                    continue;
                }
                put(self.expert_seen, expert, self.search);
                let others = replicas.of_expert(expert);
                effort.spend(others.len() as u64);
                for getter in others {
                    let to = at(replicas.gpu, getter) as usize;
                    if at(self.gpu_seen, to) == self.search {
                        continue;
                    }
                    put(self.gpu_seen, to, self.search);
                    self.ways.reach(to, giver, getter);
                    if at(replicas.load, to) < at(level.capacity, to) {
                        return Ok(to);
                    }
                    put(self.queue, reached, to as u32);
                    reached += 1;
                }
            }
        }
        Err(reached)
    }

    /// Sends as much as it takes, fits and can pass, from one end of the way found to the other.
    fn push(&self, from: usize, to: usize, replicas: &mut Replicas, level: &Level) {
        let above = at(replicas.load, from) - at(level.capacity, from);
        let room = at(level.capacity, to) - at(replicas.load, to);
        let steps = self.ways.steps(replicas.gpu, to);
        // no replica has less than what is free and another of its expert more: equal parts are so at the start
        let least = |least: u64, (giver, _)| least.min(at(replicas.tokens, giver) - replicas.free);
        let amount = steps.fold(above.min(room), least);
        self.ways.send(replicas, from, to, amount);
    }
}
