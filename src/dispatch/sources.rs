//! Who sends what: the tokens of a batch by GPU, as far as experts with several replicas are concerned.

use crate::base::arena::Carve;
use crate::base::cells::{NONE, add, at, put, row};
use crate::dispatch::replicas::Replicas;
use crate::problem::Shape;
use crate::problem::topology::Topology;

/// What is known of the sources of a layer.
#[derive(Debug)]
pub struct Sources<'a> {
    /// `[G]` node of each GPU, and the next GPU of that node, around.
    node: &'a mut [u32],
    next: &'a mut [u32],
    /// `[G]` the slot after the last of each GPU.
    slots_end: &'a mut [u32],
    /// `[E]` the experts that are shared, as many as `num_shared`.
    shared: &'a mut [u32],
    num_shared: usize,
    /// `[P]` the first replica of the same expert on the same node, of each replica.
    pub home: &'a mut [u32],
    /// `[P]` tokens of the expert that the GPU of a replica sends.
    pub own: &'a mut [u64],
    /// `[P]` at the first replica on a node: tokens of the expert that the node sends.
    pub sent: &'a mut [u64],
}

impl<'a> Sources<'a> {
    /// Takes the memory: O(E + P + G).
    pub fn carve(arena: &mut impl Carve<'a>, shape: &Shape) -> Self {
        let (gpus, slots) = (shape.topology().num_gpus(), shape.num_physical_experts());
        Sources {
            node: arena.u32s(gpus),
            next: arena.u32s(gpus),
            slots_end: arena.u32s(gpus),
            shared: arena.u32s(shape.num_logical_experts()),
            num_shared: 0,
            home: arena.u32s(slots),
            own: arena.u64s(slots),
            sent: arena.u64s(slots),
        }
    }

    /// Notes nodes and slots.
    pub fn place(&mut self, topology: &Topology) {
        let last = &mut *self.slots_end; // by node, of which there are not more than GPUs
        last.fill(NONE);
        for gpu in 0..self.node.len() {
            let node = topology.node(gpu);
            let before = at(last, node);
            put(self.node, gpu, node as u32);
            put(self.next, gpu, if before == NONE { gpu as u32 } else { at(self.next, before) });
            put(self.next, before, gpu as u32); // NONE is no GPU
            put(last, node, gpu as u32);
        }
        let mut slots = 0;
        for (gpu, end) in self.slots_end.iter_mut().enumerate() {
            slots += topology.slots(gpu);
            *end = slots as u32;
        }
    }

    /// How many GPUs there are.
    pub fn len(&self) -> usize {
        self.node.len()
    }

    /// The GPUs of a GPU's node.
    pub fn on_node(&self, gpu: usize) -> impl Iterator<Item = usize> {
        around(self.next, gpu)
    }

    /// What a GPU has in an array `[P]` by slot.
    pub fn of_gpu<'r, T>(&self, gpu: usize, by_slot: &'r [T]) -> &'r [T] {
        let start = if gpu == 0 { 0 } else { at(self.slots_end, gpu - 1) };
        by_slot.get(start as usize..at(self.slots_end, gpu) as usize).unwrap_or_default()
    }

    /// The experts that are shared.
    pub fn shared(&self) -> &[u32] {
        self.shared.get(..self.num_shared).unwrap_or_default()
    }

    /// Reads who sends what: `tokens` is `[G][E]`. Rows of which nothing is on their node are not looked at: O(P x GPUs
    /// of a node). What follows goes through sources row by row, too: a column of a large batch has a cache line a row.
    pub fn read(&mut self, replicas: &Replicas, tokens: &[u32]) {
        let experts = replicas.total.len();
        self.num_shared = 0;
        for expert in (0..experts).filter(|&expert| replicas.is_shared(expert)) {
            put(self.shared, self.num_shared, expert as u32);
            self.num_shared += 1;
            let range = replicas.of_expert(expert);
            for replica in range.clone() {
                let gpu = at(replicas.gpu, replica) as usize;
                let node = at(self.node, gpu);
                let first = range.clone().find(|&other| self.node_of(replicas, other) == node);
                put(self.home, replica, first.unwrap_or(replica) as u32);
                put(self.own, replica, u64::from(at(tokens, gpu * experts + expert)));
                put(self.sent, replica, 0);
            }
        }
        let (next, home, sent) = (&*self.next, &*self.home, &mut *self.sent);
        for source in 0..next.len() {
            let tokens = row(tokens, source, experts);
            for first in around(next, source).flat_map(|gpu| homes(home, replicas, gpu)) {
                add(sent, first, u64::from(at(tokens, at(replicas.expert, first))));
            }
        }
    }

    /// The first replicas on a GPU's node, of the experts that are shared.
    pub fn near(&self, replicas: &Replicas, gpu: usize) -> impl Iterator<Item = usize> {
        around(self.next, gpu).flat_map(move |gpu| homes(self.home, replicas, gpu))
    }

    fn node_of(&self, replicas: &Replicas, replica: usize) -> u32 {
        at(self.node, at(replicas.gpu, replica))
    }
}

/// The GPUs of a GPU's node, itself the last.
fn around(next: &[u32], gpu: usize) -> impl Iterator<Item = usize> {
    let mut here = Some(gpu);
    core::iter::from_fn(move || {
        let found = at(next, here?) as usize;
        here = (found != gpu).then_some(found);
        Some(found)
    })
}

/// The replicas on a GPU that are the first on their node.
fn homes(home: &[u32], replicas: &Replicas, gpu: usize) -> impl Iterator<Item = usize> {
    let here = replicas.of_gpu(gpu).map(|place| replicas.at_place(place));
    here.filter(|&replica| at(home, replica) as usize == replica)
}
