//! How a search has reached each GPU: which replica gives, which replica of the same expert gets.

use crate::base::arena::Carve;
use crate::base::cells::{NONE, add, at, put, subtract};
use crate::dispatch::replicas::Replicas;

/// The ways back from the GPUs that were reached.
#[derive(Debug)]
pub struct Ways<'a> {
    /// `[G]` the replica that gives on the way to a GPU, `NONE` where the way starts, and the one that gets.
    giver: &'a mut [u32],
    getter: &'a mut [u32],
}

impl<'a> Ways<'a> {
    /// Takes the memory: O(G).
    pub fn carve(arena: &mut impl Carve<'a>, gpus: usize) -> Self {
        Ways { giver: arena.u32s(gpus), getter: arena.u32s(gpus) }
    }

    /// Ways start at a GPU.
    pub fn start(&mut self, gpu: usize) {
        put(self.giver, gpu, NONE);
    }

    /// A GPU is reached: by a token of `giver` that goes to `getter`.
    #[inline]
    pub fn reach(&mut self, gpu: usize, giver: usize, getter: usize) {
        put(self.giver, gpu, giver as u32);
        put(self.getter, gpu, getter as u32);
    }

    /// Giver and getter of each step, from the end of a way to its start; `gpu` is that of each replica.
    #[inline]
    pub fn steps(&self, gpu: &[u32], to: usize) -> impl Iterator<Item = (usize, usize)> {
        let mut here = to;
        core::iter::from_fn(move || {
            let (giver, getter) = (at(self.giver, here), at(self.getter, here));
            here = at(gpu, giver) as usize;
            (giver != NONE).then_some((giver as usize, getter as usize))
        })
    }

    /// Sends tokens along the way from one GPU to another.
    pub fn send(&self, replicas: &mut Replicas, from: usize, to: usize, amount: u64) {
        for (giver, getter) in self.steps(replicas.gpu, to) {
            subtract(replicas.tokens, giver, amount);
            add(replicas.tokens, getter, amount);
        }
        subtract(replicas.load, from, amount);
        add(replicas.load, to, amount);
    }
}
