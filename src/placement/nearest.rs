//! Which part of the tokens of its expert each replica gets when a GPU sends to the nearest replicas.
//!
//! Of S GPUs that are alive each sends 1 / S of an expert's tokens: to the replicas on itself if there are any, else to
//! those on its node, else to all, evenly. So a replica gets what its GPU sends, over the replicas there; what the GPUs
//! of its node send that hold none, over the replicas on the node; what nodes without one send, over all.

use crate::base::arena::Carve;
use crate::base::cells::{NONE, add, at, put};
use crate::placement::walk::by_gpu;
use crate::problem::Shape;

/// The parts of a layer's replicas.
#[derive(Debug)]
pub struct Parts<'a> {
    /// `[P]` of the slots that hold an expert: the part of its tokens.
    pub part: &'a mut [f64],
    /// `[P]` the GPU of a slot, and the next slot with the same expert; `[E]` the first.
    gpu: &'a mut [u32],
    next: &'a mut [u32],
    head: &'a mut [u32],
    /// `[N]` GPUs that send; of the expert at hand replicas, and GPUs that send to themselves.
    senders: &'a mut [u32],
    replicas: &'a mut [u32],
    own: &'a mut [u32],
}

impl<'a> Parts<'a> {
    /// Takes the memory: O(P + E + N).
    #[inline(always)]
    pub fn list(arena: &mut impl Carve<'a>, shape: &Shape) -> Self {
        let (slots, nodes) = (shape.num_physical_experts(), shape.topology().num_nodes());
        Parts {
            part: arena.f64s(slots),
            gpu: arena.u32s(slots),
            next: arena.u32s(slots),
            head: arena.u32s(shape.num_logical_experts()),
            senders: arena.u32s(nodes),
            replicas: arena.u32s(nodes),
            own: arena.u32s(nodes),
        }
    }

    /// Works out the parts of what a layer's slots hold, on the GPUs that `counts` names. O(P + E + G + N).
    #[inline(never)]
    pub fn note(&mut self, shape: &Shape, slots: &[i32], counts: impl Fn(usize) -> bool) {
        self.senders.fill(0);
        self.replicas.fill(0);
        self.own.fill(0);
        self.head.fill(NONE);
        let topology = shape.topology();
        let mut senders = 0;
        for gpu in (0..topology.num_gpus()).filter(|&gpu| topology.receives(gpu)) {
            add(self.senders, topology.node(gpu), 1);
            senders += 1;
        }
        for (gpu, first, held) in by_gpu(topology, slots).filter(|&(gpu, ..)| counts(gpu)) {
            for (slot, &expert) in (first..).zip(held) {
                if let Some(head) = self.head.get_mut(expert as usize) {
                    put(self.next, slot, *head);
                    put(self.gpu, slot, gpu as u32);
                    *head = slot as u32;
                }
            }
        }
        for expert in 0..self.head.len() {
            self.note_expert(shape, at(self.head, expert), f64::from(senders));
        }
    }

    /// The replicas that begin a run on one GPU: slot, GPU, and how many are there.
    fn run(&self, first: u32) -> Option<(u32, usize, u32)> {
        let &gpu = self.gpu.get(first as usize)?;
        let (mut slot, mut times) = (first, 0);
        while self.gpu.get(slot as usize) == Some(&gpu) {
            slot = at(self.next, slot);
            times += 1;
        }
        Some((slot, gpu as usize, times))
    }

    fn note_expert(&mut self, shape: &Shape, head: u32, senders: f64) {
        let topology = shape.topology();
        let (mut count, mut near) = (0, 0);
        let mut first = head;
        while let Some((next, gpu, times)) = self.run(first) {
            let node = topology.node(gpu);
            near += if at(self.replicas, node) == 0 { at(self.senders, node) } else { 0 };
            add(self.replicas, node, times);
            add(self.own, node, u32::from(topology.receives(gpu)));
            count += times;
            first = next;
        }
        let elsewhere = (senders - f64::from(near)) / f64::from(count);
        first = head;
        while let Some((next, gpu, times)) = self.run(first) {
            let node = topology.node(gpu);
            let own = f64::from(u32::from(topology.receives(gpu))) / f64::from(times);
            let others = at(self.senders, node) - at(self.own, node);
            let beside = f64::from(others) / f64::from(at(self.replicas, node));
            let mut slot = first;
            while slot != next {
                put(self.part, slot, (own + beside + elsewhere) / senders);
                slot = at(self.next, slot);
            }
            first = next;
        }
        first = head;
        while let Some((next, gpu, _)) = self.run(first) {
            put(self.replicas, topology.node(gpu), 0);
            put(self.own, topology.node(gpu), 0);
            first = next;
        }
    }
}
