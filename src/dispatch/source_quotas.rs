//! From the tokens of each replica to the quotas of each source.

use crate::base::arena::Carve;
use crate::base::cells::{add, at, put, row, row_mut, subtract};
use crate::dispatch::replicas::Replicas;
use crate::dispatch::sources::Sources;
use crate::problem::Shape;

/// Tokens that leave where they come from.
#[derive(Clone, Copy, Debug, Default)]
pub struct Traffic {
    /// Tokens that leave the node of their source.
    pub leaving_node: u64,
    /// Tokens that leave the GPU of their source.
    pub leaving_gpu: u64,
}

/// Scratch: how far the tokens of each replica are handed out.
#[derive(Debug)]
pub struct Hand<'a> {
    /// `[E]` the experts that are on one GPU, as many as `num_lone`, and their slots.
    lone: &'a mut [u32],
    lone_slot: &'a mut [u32],
    num_lone: usize,
    /// `[P]` tokens that a replica gets from its node and has not got.
    near: &'a mut [u64],
    /// `[E]` the replica of each expert that tokens from afar go to next.
    next: &'a mut [u32],
    /// `[E]` how many of a source's tokens stay on its node.
    stay: &'a mut [u32],
}

impl<'a> Hand<'a> {
    /// Takes the scratch: O(E + P).
    pub fn carve(arena: &mut impl Carve<'a>, shape: &Shape) -> Self {
        let (experts, slots) = (shape.num_logical_experts(), shape.num_physical_experts());
        Hand {
            lone: arena.u32s(experts),
            lone_slot: arena.u32s(experts),
            num_lone: 0,
            near: arena.u64s(slots),
            next: arena.u32s(experts),
            stay: arena.u32s(experts),
        }
    }

    /// Writes the quotas of each source: `tokens` is `[G][E]`, `quota` `[G][P]`. Of an expert with several replicas
    /// own tokens first; then those of the node; then the rest: sources in order, each fills the replicas with room
    /// in order. Every row is written once: what stays is known before the first. O(G P).
    ///
    /// The tokens of the replicas and what is known of the sources are used up.
    pub fn write(
        &mut self,
        replicas: &mut Replicas,
        sources: &mut Sources,
        tokens: &[u32],
        quota: &mut [u32],
    ) -> Traffic {
        let (experts, slots) = (replicas.total.len(), self.near.len());
        self.sort_out(replicas);
        let (mut own, mut near) = self.keep(replicas, sources);
        for source in 0..sources.len() {
            let (tokens, quota) = (row(tokens, source, experts), row_mut(quota, source, slots));
            self.write_lone(tokens, quota);
            let lone = |gpu| sources.of_gpu(gpu, quota).iter().map(|&tokens| u64::from(tokens));
            own += lone(source).sum::<u64>();
            near += sources.on_node(source).flat_map(lone).sum::<u64>();
            for replica in replicas.of_gpu(source).map(|place| replicas.at_place(place)) {
                put(quota, at(replicas.slot, replica), at(sources.own, replica) as u32);
            }
            for first in sources.near(replicas, source) {
                self.fill_near(replicas, sources, (source, first), tokens, quota);
            }
            self.fill_rest(replicas, sources.shared(), tokens, quota);
        }
        let all: u64 = replicas.total.iter().sum();
        Traffic { leaving_node: all - near, leaving_gpu: all - own }
    }

    /// Tells experts with a choice from those without.
    fn sort_out(&mut self, replicas: &Replicas) {
        self.num_lone = 0;
        self.stay.fill(0);
        for expert in 0..replicas.total.len() {
            if let Some(replica) = replicas.only(expert) {
                put(self.lone, self.num_lone, expert as u32);
                put(self.lone_slot, self.num_lone, at(replicas.slot, replica));
                self.num_lone += 1;
            }
            put(self.next, expert, replicas.of_expert(expert).start as u32);
        }
    }

    /// Sets aside what each replica gets from its own GPU, then from its node: the replicas of a node are filled in order.
    /// How many tokens stay on their GPU, and on their node.
    fn keep(&mut self, replicas: &mut Replicas, sources: &mut Sources) -> (u64, u64) {
        let (mut all_own, mut all_near) = (0, 0);
        for place in 0..sources.shared().len() {
            let range = replicas.of_expert(at(sources.shared(), place) as usize);
            for replica in range.clone() {
                let own = at(sources.own, replica).min(at(replicas.tokens, replica));
                put(sources.own, replica, own);
                subtract(sources.sent, at(sources.home, replica), own);
                subtract(replicas.tokens, replica, own);
                all_own += own;
            }
            for replica in range {
                let home = at(sources.home, replica);
                let near = at(sources.sent, home).min(at(replicas.tokens, replica));
                put(self.near, replica, near);
                subtract(sources.sent, home, near);
                subtract(replicas.tokens, replica, near);
                all_near += near;
            }
        }
        (all_own, all_own + all_near)
    }

    /// Hands a source's tokens of an expert to the replicas on its node, of which `first` is the first.
    fn fill_near(
        &mut self,
        replicas: &Replicas,
        sources: &Sources,
        (source, first): (usize, usize),
        tokens: &[u32],
        quota: &mut [u32],
    ) {
        let expert = at(replicas.expert, first);
        let range = first..replicas.of_expert(expert as usize).end;
        let here = range.filter(|&replica| at(sources.home, replica) as usize == first);
        let mut left = u64::from(at(tokens, expert));
        for replica in here.clone() {
            if at(replicas.gpu, replica) as usize == source {
                left -= at(sources.own, replica);
            }
        }
        for replica in here {
            let amount = left.min(at(self.near, replica));
            subtract(self.near, replica, amount);
            add(quota, at(replicas.slot, replica), amount as u32);
            left -= amount;
        }
        put(self.stay, expert, at(tokens, expert) - left as u32);
    }

    /// Writes a source's tokens of experts without a choice, and no others.
    #[inline(never)] // its loop is the hottest: it has the registers for itself
    fn write_lone(&self, tokens: &[u32], quota: &mut [u32]) {
        quota.fill(0);
        let lone = self.lone.get(..self.num_lone).unwrap_or_default();
        for (&expert, &slot) in lone.iter().zip(&*self.lone_slot) {
            put(quota, slot, at(tokens, expert));
        }
    }

    /// Hands what a source has left of the shared experts to the next of their replicas that have room.
    #[inline(never)] // likewise
    fn fill_rest(
        &mut self,
        replicas: &mut Replicas,
        shared: &[u32],
        tokens: &[u32],
        quota: &mut [u32],
    ) {
        let Hand { next, stay, .. } = self;
        let (slot, room) = (&*replicas.slot, &mut *replicas.tokens);
        for &expert in shared {
            let mut left = at(tokens, expert);
            if left == 0 {
                continue;
            }
            let stays = at(stay, expert);
            if stays > 0 {
                left -= stays;
                put(stay, expert, 0);
            }
            while left > 0 {
                let replica = at(next, expert);
                let amount = u64::from(left).min(at(room, replica)) as u32;
                subtract(room, replica, u64::from(amount));
                add(quota, at(slot, replica), amount);
                left -= amount;
                if left > 0 {
                    if replica as usize >= room.len() {
                        return; // never: there is room for all
                    }
                    put(next, expert, replica + 1);
                }
            }
        }
    }
}
