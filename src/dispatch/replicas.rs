//! The replicas of a layer by expert and by GPU: the edges of the graph in which tokens flow.

use crate::base::arena::Carve;
use crate::base::cells::{add, at, put, subtract};
use crate::placement::{by_gpu, is_entry};
use crate::problem::Shape;
use crate::status::Status;
use core::ops::Range;

/// Tokens that a layer has at most: exact as f64, with room for sums.
pub const MOST_TOKENS: u64 = 1 << 52;

/// The replicas that serve, numbered by expert and in an expert by slot. Of several slots of an expert on one
/// GPU only the first counts: the GPU has the weights once it has them, and one of its slots can take all
/// that the GPU gets.
#[derive(Debug)]
pub struct Replicas<'a> {
    /// `[E]` the number after the last replica of each expert.
    end: &'a mut [u32],
    /// `[E]` replicas of each expert.
    count: &'a mut [u32],
    /// `[E]` one more than the last GPU on which the expert was seen.
    mark: &'a mut [u32],
    /// `[P]` slot, GPU and expert of each replica.
    pub slot: &'a mut [u32],
    pub gpu: &'a mut [u32],
    pub expert: &'a mut [u32],
    /// `[G]` the place after the last of each GPU in `by_gpu`.
    gpu_end: &'a mut [u32],
    /// `[P]` the replicas whose expert has tokens and several of them, GPU by GPU.
    by_gpu: &'a mut [u32],
    /// `[E]` tokens of each expert.
    pub total: &'a mut [u64],
    /// `[P]` tokens of each replica.
    pub tokens: &'a mut [u64],
    /// `[G]` what each GPU has to do, in tokens.
    pub load: &'a mut [u64],
    /// `[P]` by slot: 1 where its replica is left out. Empty without a cost: none is.
    pub left_out: &'a mut [u32],
    /// A replica with any token takes as long as with so many.
    pub free: u64,
}

impl<'a> Replicas<'a> {
    /// Takes the arrays: O(P + E + G).
    #[inline(always)]
    pub fn carve(arena: &mut impl Carve<'a>, shape: &Shape) -> Self {
        let (experts, slots) = (shape.num_logical_experts(), shape.num_physical_experts());
        let gpus = shape.topology().num_gpus();
        Replicas {
            end: arena.u32s(experts),
            count: arena.u32s(experts),
            mark: arena.u32s(experts),
            slot: arena.u32s(slots),
            gpu: arena.u32s(slots),
            expert: arena.u32s(slots),
            gpu_end: arena.u32s(gpus),
            by_gpu: arena.u32s(slots),
            total: arena.u64s(experts),
            tokens: arena.u64s(slots),
            load: arena.u64s(gpus),
            left_out: arena.u32s(if shape.seconds().is_some() { slots } else { 0 }),
            free: 0,
        }
    }

    /// Leaves none out, and takes tokens for what they are.
    pub fn take_all(&mut self) {
        self.left_out.fill(0);
        self.free = 0;
    }

    /// What a replica with so many tokens is worth.
    #[inline]
    pub fn weight(&self, tokens: u64) -> u64 {
        weight(tokens, self.free)
    }

    /// What all replicas are worth together at least.
    pub fn least(&self) -> u64 {
        if self.free == 0 {
            return self.total.iter().sum();
        }
        let experts = self.total.iter().zip(self.count.iter());
        experts.fold(0, |sum, (&total, &count)| {
            sum + if total == 0 { 0 } else { total.max(self.free * u64::from(count)) }
        })
    }

    /// How many replicas are numbered.
    pub fn numbered(&self) -> usize {
        self.end.last().copied().unwrap_or(0) as usize
    }

    /// The replicas of an expert.
    #[inline]
    pub fn of_expert(&self, expert: usize) -> Range<usize> {
        let end = at(self.end, expert) as usize;
        end.saturating_sub(at(self.count, expert) as usize)..end
    }

    /// The replica of an expert that has no other.
    #[inline]
    pub fn only(&self, expert: usize) -> Option<usize> {
        (at(self.count, expert) == 1).then(|| (at(self.end, expert) as usize).wrapping_sub(1))
    }

    /// Whether an expert has tokens and several replicas.
    #[inline]
    pub fn is_shared(&self, expert: usize) -> bool {
        at(self.count, expert) > 1 && at(self.total, expert) > 0
    }

    /// The replicas on a GPU that share their tokens with others.
    #[inline]
    pub fn of_gpu(&self, gpu: usize) -> Range<usize> {
        let start = if gpu == 0 { 0 } else { at(self.gpu_end, gpu - 1) };
        start as usize..at(self.gpu_end, gpu) as usize
    }

    /// The replica at a place of [`Replicas::of_gpu`].
    #[inline]
    pub fn at_place(&self, place: usize) -> usize {
        at(self.by_gpu, place) as usize
    }

    /// Calls `visit` with every replica that serves and is not left out: GPU, slot, expert. In order of the slots.
    #[inline(always)]
    fn for_each(
        (mark, left_out): (&mut [u32], &[u32]),
        shape: &Shape,
        slots: &[i32],
        mut visit: impl FnMut(usize, usize, usize),
    ) {
        if left_out.is_empty() {
            return Self::for_all(mark, shape, slots, visit); // without a look at each slot
        }
        Self::for_all(mark, shape, slots, |gpu, slot, expert| {
            if at(left_out, slot) == 0 {
                visit(gpu, slot, expert);
            }
        });
    }

    fn for_all(
        mark: &mut [u32],
        shape: &Shape,
        slots: &[i32],
        mut visit: impl FnMut(usize, usize, usize),
    ) {
        mark.fill(0);
        let topology = shape.topology();
        let serving = by_gpu(topology, slots).filter(|&(gpu, ..)| topology.serves(gpu));
        for (gpu, first, held) in serving {
            for (slot, &expert) in (first..).zip(held) {
                // an empty slot, -1, has no mark
                if let Some(mark) = mark.get_mut(expert as usize)
                    && *mark != gpu as u32 + 1
                {
                    *mark = gpu as u32 + 1;
                    visit(gpu, slot, expert as usize);
                }
            }
        }
    }

    /// Counts the replicas of the experts whose tokens are in `total`: how many the expert has that has most.
    ///
    /// # Errors
    /// [`Status::PlacementExpert`], [`Status::DispatchNoReplica`], [`Status::DispatchTokens`].
    pub fn count(&mut self, shape: &Shape, slots: &[i32]) -> Result<u32, Status> {
        let experts = shape.num_logical_experts();
        if !slots.iter().all(|&entry| is_entry(entry, experts)) {
            return Err(Status::PlacementExpert);
        }
        let count = &mut *self.count;
        count.fill(0);
        Self::for_each((self.mark, self.left_out), shape, slots, |_, _, expert| {
            if let Some(count) = count.get_mut(expert) {
                *count += 1;
            }
        });
        let (mut tokens, mut most_replicas) = (0_u64, 0);
        for (&total, &count) in self.total.iter().zip(count.iter()) {
            if total > 0 && count == 0 {
                return Err(Status::DispatchNoReplica);
            }
            tokens = tokens.saturating_add(total);
            most_replicas = count.max(most_replicas);
        }
        if tokens > MOST_TOKENS { Err(Status::DispatchTokens) } else { Ok(most_replicas) }
    }

    /// Numbers the replicas that [`Replicas::count`] has counted, and gives those that have no choice their
    /// tokens: `load` is then what no split can move.
    pub fn number(&mut self, shape: &Shape, slots: &[i32]) {
        let mut start = 0;
        for (end, &count) in self.end.iter_mut().zip(self.count.iter()) {
            *end = start; // grows to the end as replicas come
            start += count;
        }
        self.load.fill(0);
        self.gpu_end.fill(0);
        let (end, count, total) = (&mut *self.end, &*self.count, &*self.total);
        let (of_slot, of_gpu, of_expert) = (&mut *self.slot, &mut *self.gpu, &mut *self.expert);
        let (by_gpu, gpu_end, load) = (&mut *self.by_gpu, &mut *self.gpu_end, &mut *self.load);
        let (tokens, free) = (&mut *self.tokens, self.free);
        let mut shared = 0;
        Self::for_each((self.mark, self.left_out), shape, slots, |gpu, slot, expert| {
            let Some(end) = end.get_mut(expert) else { return };
            let replica = *end as usize;
            *end += 1;
            put(of_slot, replica, slot as u32);
            put(of_gpu, replica, gpu as u32);
            put(of_expert, replica, expert as u32);
            let total = at(total, expert);
            if at(count, expert) < 2 {
                put(tokens, replica, total);
                add(load, gpu, weight(total, free));
            } else if total > 0 {
                put(by_gpu, shared, replica as u32);
                shared += 1;
                put(gpu_end, gpu, shared as u32);
            }
        });
        // a GPU without shared replicas ends where the one before it does
        let mut last = 0;
        for end in gpu_end.iter_mut() {
            last = last.max(*end);
            *end = last;
        }
    }

    /// Gives each replica the tokens that `by_slot` has for its slot; `load` is then that of each GPU.
    pub fn give(&mut self, by_slot: &[u64]) {
        self.load.fill(0);
        for replica in 0..self.numbered() {
            let tokens = at(by_slot, at(self.slot, replica));
            put(self.tokens, replica, tokens);
            add(self.load, at(self.gpu, replica), tokens);
        }
    }

    /// Splits the tokens of every expert with several replicas evenly: the first replicas get one more.
    /// `load` holds what no split can move.
    pub fn split_evenly(&mut self) {
        let mut first = 0;
        for (&total, &count) in self.total.iter().zip(self.count.iter()) {
            let range = first..first + count as usize;
            first = range.end;
            if count < 2 {
                continue;
            }
            let replicas = self.tokens.get_mut(range.clone()).unwrap_or_default();
            deal(total, replicas.iter_mut(), |tokens, share| *tokens = share);
            let gpus = self.gpu.get(range).unwrap_or_default();
            for (&tokens, &gpu) in replicas.iter().zip(gpus) {
                add(self.load, gpu, weight(tokens, self.free));
            }
        }
    }

    /// Takes the tokens of every expert with several replicas back from the GPUs.
    pub fn clear(&mut self) {
        let mut first = 0;
        for &count in self.count.iter() {
            let range = first..first + count as usize;
            first = range.end;
            if count < 2 {
                continue;
            }
            let gpus = self.gpu.get(range.clone()).unwrap_or_default();
            let replicas = self.tokens.get_mut(range).unwrap_or_default();
            for (tokens, &gpu) in replicas.iter_mut().zip(gpus) {
                subtract(self.load, gpu, weight(core::mem::take(tokens), self.free));
            }
        }
    }
}

/// What a replica with so many tokens is worth, when it takes as long as with `free` at least.
#[inline]
fn weight(tokens: u64, free: u64) -> u64 {
    if tokens == 0 { 0 } else { tokens.max(free) }
}

/// Deals `total` in equal parts, the first ones one more.
pub fn deal<T>(total: u64, to: impl ExactSizeIterator<Item = T>, mut give: impl FnMut(T, u64)) {
    let parts = to.len() as u64;
    let share = total.checked_div(parts).unwrap_or(0);
    let more = total - share * parts;
    for (i, item) in to.enumerate() {
        give(item, share + u64::from((i as u64) < more));
    }
}
