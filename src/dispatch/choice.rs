//! Which replicas are used: as many of each expert as its tokens are worth, where GPUs have least to do.
//!
//! Each expert that has tokens uses `count` of its replicas, and each of these weighs as much. They go to the GPUs that
//! are done soonest, heaviest expert first. Then, while the GPU that is done last has a replica that another of the same
//! expert may stand in for, the ways from there are searched, breadth first, to a GPU that is done before it with what
//! it gets; every GPU on the way must be, too. Where all weigh the same that is a flow of unit jobs, and the result the
//! optimum: when there is no way, the GPUs reached hold jobs that have nowhere else to go, and each would be done as
//! late with one more.

use crate::base::arena::Carve;
use crate::base::cells::{add, at, put, subtract};
use crate::base::keys::{descending, index_of, sort, sort_buffer};
use crate::dispatch::flow::Effort;
use crate::dispatch::level::time;
use crate::dispatch::replicas::Replicas;
use crate::dispatch::ways::Ways;
use crate::problem::Shape;
use crate::problem::topology::Topology;

/// Memory of the choice; none without a cost.
#[derive(Debug)]
pub struct Choice<'a> {
    /// `[E]` replicas to use of each expert, and what each of these weighs.
    count: &'a mut [u32],
    weight: &'a mut [u64],
    /// `[P]` by replica: 1 where it is used.
    used: &'a mut [u32],
    /// `[G]` weight of each GPU, and what comes to it on the way that a search has found.
    load: &'a mut [u64],
    coming: &'a mut [u64],
    /// `[G]` the GPUs reached, in order; the search that last reached each.
    queue: &'a mut [u32],
    seen: &'a mut [u32],
    ways: Ways<'a>,
    /// `[E]` the experts that have a choice, by falling weight.
    keys: &'a mut [u64],
    buffer: &'a mut [u64],
    search: u32,
    /// The most tokens of a replica whose expert does not use all that it has.
    pub share: u64,
}

impl<'a> Choice<'a> {
    /// Takes the memory: O(P + E + G).
    pub fn carve(arena: &mut impl Carve<'a>, shape: &Shape) -> Self {
        let given = |len: usize| if shape.seconds().is_some() { len } else { 0 };
        let experts = given(shape.num_logical_experts());
        let gpus = given(shape.topology().num_gpus());
        Choice {
            count: arena.u32s(experts),
            weight: arena.u64s(experts),
            used: arena.u32s(given(shape.num_physical_experts())),
            load: arena.u64s(gpus),
            coming: arena.u64s(gpus),
            queue: arena.u32s(gpus),
            seen: arena.u32s(gpus),
            ways: Ways::carve(arena, gpus),
            keys: arena.u64s(experts),
            buffer: arena.u64s(given(sort_buffer(experts))),
            search: 0,
            share: 0,
        }
    }

    /// Chooses, of all replicas, for so many tokens a replica at most; leaves the others out of `replicas`. False when
    /// the effort ran out.
    pub fn choose(
        &mut self,
        topology: &Topology,
        replicas: &mut Replicas,
        most: u64,
        effort: &mut Effort,
    ) -> bool {
        let choosing = self.weigh(replicas, most);
        self.deal(topology, replicas, choosing);
        let done = self.improve(topology, replicas, effort);
        for (replica, &used) in self.used.iter().enumerate() {
            // beyond the last replica there are slots without one, which stay as they are
            if replica < replicas.numbered() {
                let slot = at(replicas.slot, replica);
                put(replicas.left_out, slot, 1 - used);
            }
        }
        done
    }

    /// How many slots hold each expert: in memory that the next choice writes anew.
    pub fn copies(&mut self, slots: &[i32]) -> &[u32] {
        self.count.fill(0);
        slots.iter().for_each(|&expert| add(self.count, expert, 1));
        self.count
    }

    /// How many replicas each expert uses, and what they weigh. Answers how many experts have a choice: their keys.
    fn weigh(&mut self, replicas: &Replicas, most: u64) -> usize {
        self.share = 0;
        let mut choosing = 0;
        for (expert, &tokens) in replicas.total.iter().enumerate() {
            let there = replicas.of_expert(expert).len() as u64;
            // of an expert without tokens all are as good as none
            let count =
                if tokens == 0 { there } else { tokens.div_ceil(most.max(1)).min(there).max(1) };
            let each = tokens.div_ceil(count.max(1));
            put(self.count, expert, count as u32);
            put(self.weight, expert, replicas.weight(each));
            if count < there {
                self.share = self.share.max(each);
                put(self.keys, choosing, descending(each as f32, expert));
                choosing += 1;
            }
        }
        choosing
    }

    /// Gives each expert the replicas on the GPUs that are done soonest with them; those without a choice all.
    fn deal(&mut self, topology: &Topology, replicas: &Replicas, choosing: usize) {
        self.used.fill(0);
        self.load.fill(0);
        for expert in 0..self.count.len() {
            let (range, weight) = (replicas.of_expert(expert), at(self.weight, expert));
            if at(self.count, expert) as usize == range.len() {
                for replica in range {
                    put(self.used, replica, 1);
                    add(self.load, at(replicas.gpu, replica), weight);
                }
            }
        }
        let keys = self.keys.get_mut(..choosing).unwrap_or_default();
        sort(keys, self.buffer);
        for place in 0..choosing {
            let expert = index_of(at(self.keys, place));
            let weight = at(self.weight, expert);
            for _ in 0..at(self.count, expert) {
                let unused =
                    replicas.of_expert(expert).filter(|&replica| at(self.used, replica) == 0);
                let mut soonest = (f64::INFINITY, usize::MAX);
                for replica in unused {
                    let gpu = at(replicas.gpu, replica) as usize;
                    let done = time(at(self.load, gpu) + weight, topology.speed(gpu));
                    if done < soonest.0 {
                        soonest = (done, replica);
                    }
                }
                put(self.used, soonest.1, 1);
                add(self.load, at(replicas.gpu, soonest.1), weight);
            }
        }
    }

    /// Relieves the GPU that is done last until it cannot be.
    fn improve(&mut self, topology: &Topology, replicas: &Replicas, effort: &mut Effort) -> bool {
        self.seen.fill(0);
        self.search = 0;
        loop {
            let (mut from, mut last) = (0, 0.0);
            for (gpu, &load) in self.load.iter().enumerate() {
                let done = time(load, topology.speed(gpu));
                if done > last {
                    (from, last) = (gpu, done);
                }
            }
            let Some(to) = self.reach(topology, replicas, (from, last), effort) else {
                return effort.spend(1);
            };
            self.pass(replicas, to);
            if !effort.spend(1) {
                return false;
            }
        }
    }

    /// The first GPU that can take what another passes on, and is done before the last of all.
    fn reach(
        &mut self,
        topology: &Topology,
        replicas: &Replicas,
        (from, last): (usize, f64),
        effort: &mut Effort,
    ) -> Option<usize> {
        self.search += 1;
        put(self.seen, from, self.search);
        put(self.queue, 0, from as u32);
        put(self.coming, from, 0);
        self.ways.start(from);
        let (mut next, mut reached) = (0, 1);
        while next < reached {
            let gpu = at(self.queue, next) as usize;
            let with = at(self.load, gpu) + at(self.coming, gpu);
            next += 1;
            for place in replicas.of_gpu(gpu) {
                let giver = replicas.at_place(place);
                let expert = at(replicas.expert, giver) as usize;
                let weight = at(self.weight, expert);
                let left = with.saturating_sub(weight);
                let relieves = gpu == from || time(left, topology.speed(gpu)) < last;
                if at(self.used, giver) == 0 || !relieves {
                    continue;
                }
                let others = replicas.of_expert(expert);
                effort.spend(others.len() as u64);
                for getter in others.filter(|&other| at(self.used, other) == 0) {
                    let to = at(replicas.gpu, getter) as usize;
                    if at(self.seen, to) == self.search {
                        continue;
                    }
                    put(self.seen, to, self.search);
                    self.ways.reach(to, giver, getter);
                    if time(at(self.load, to) + weight, topology.speed(to)) < last {
                        return Some(to);
                    }
                    put(self.coming, to, weight);
                    put(self.queue, reached, to as u32);
                    reached += 1;
                }
            }
        }
        None
    }

    /// Each on the way passes one on.
    fn pass(&mut self, replicas: &Replicas, to: usize) {
        for (giver, getter) in self.ways.steps(replicas.gpu, to) {
            put(self.used, giver, 0);
            put(self.used, getter, 1);
            let weight = at(self.weight, at(replicas.expert, giver));
            subtract(self.load, at(replicas.gpu, giver), weight);
            add(self.load, at(replicas.gpu, getter), weight);
        }
    }
}
