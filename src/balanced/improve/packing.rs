//! The state of the search: which expert sits in which slot, what each GPU has to do in each window, and what a
//! change of each slot would do.
//!
//! `empty()` is an expert without load whose number is one above the last: a slot that is filled or emptied changes
//! its expert like any other.

use crate::balanced::improve::lanes::{self, Gpu, Item, Lanes};
use crate::balanced::improve::limits::Limits;
use crate::balanced::improve::split::Parts;
use crate::base::cells::{NONE, at, part, put};

/// A step of the search.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// Two slots swap their experts.
    Swap(usize, usize),
    /// A slot changes its expert.
    Recount(usize, u32),
}

pub struct Packing<'a, const N: usize> {
    pub limits: &'a Limits<'a>,
    /// Whether moves have a price.
    pub priced: bool,
    /// Blocks to an expert or a GPU.
    pub blocks: usize,
    /// By expert, and one of zeros for `empty()`: its load in each window, drawn out.
    pub load: &'a mut [Lanes<N>],
    /// By expert: its load as it is, and by GPU the sums of those; empty where nothing is drawn out.
    pub as_is: &'a [Lanes<N>],
    pub seen: &'a mut [Lanes<N>],
    /// By expert: replicas, and 1 / replicas.
    pub count: &'a mut [u32],
    pub share: &'a mut [f32],
    /// Weight of each window.
    pub weight: &'a mut [Lanes<N>],
    /// By slot: expert, GPU, the next slot with the same expert. GPU g has the slots first[g]..first[g + 1].
    pub expert_at: &'a mut [u32],
    pub gpu_of: &'a mut [u32],
    pub first: &'a mut [u32],
    pub next: &'a mut [u32],
    /// By expert: the first slot of its chain.
    pub head: &'a mut [u32],
    /// Times are in `unit`s above `shift`; what is below counts for little.
    pub shift: f32,
    pub unit: f32,
    /// By GPU: what a unit of load takes; load in each window, less what `shift` takes; cost; the window in which it
    /// costs most.
    pub slowness: &'a mut [f32],
    pub sum: &'a mut [Lanes<N>],
    pub cost: &'a mut [f32],
    pub worst: &'a mut [u32],
    /// By slot, what its GPU would cost less if the expert got one replica more elsewhere; more, if it lost one
    /// elsewhere; less, if the slot were emptied. The last two only where there are several replicas.
    pub relief_at: &'a mut [f32],
    pub rise_at: &'a mut [f32],
    pub drop_relief_at: &'a mut [f32],
    /// By slot: gain of emptying it; minus infinity where that may not be.
    pub drop_gain: &'a mut [f32],
    /// By expert: the sum of `relief_at` and of `rise_at` over its slots.
    pub relief: &'a mut [f32],
    pub rise: &'a mut [f32],
    /// How often it was worked out what changes would do, and by expert when last.
    pub times_known: u32,
    pub noted: &'a mut [u32],
    /// By GPU: a bit for each expert that it holds, and that was in force there; several share a bit.
    pub has: &'a mut [u64],
    /// By GPU: 1 when it holds an expert twice.
    pub twins: &'a mut [u32],
    pub had: &'a mut [u64],
    /// By slot: the placement in force; 1 when its expert is new to the GPU. By GPU: experts in force that it no
    /// longer has. Only where moves have a price.
    pub in_force: &'a [u32],
    pub fresh: &'a mut [u32],
    pub gone: &'a mut [u32],
    /// By slot: 1 where the replica serves alone when tokens are few; empty where that is not asked for.
    pub primary: &'a mut [u32],
    /// An expert whose replicas do not become fewer; [`NONE`]: there is none.
    pub raised: u32,
    /// The time, which goes on with each step; by GPU when it changed last; up to when it is known what changes would
    /// do.
    pub now: u32,
    pub changed: &'a mut [u32],
    pub known: u32,
    /// GPUs touched by the step at hand.
    pub touched: &'a mut [u32],
    pub touches: u32,
    /// Where GPUs send to the nearest.
    pub parts: Parts<'a>,
}

/// One of 64.
#[inline(always)]
pub fn bit(expert: u32) -> u64 {
    1 << (expert.wrapping_mul(0x9e37_79b1) >> 26)
}

impl<const N: usize> Packing<'_, N> {
    pub fn gpus(&self) -> usize {
        self.cost.len()
    }

    /// From the lane of a window to the same lane of the next expert or GPU.
    #[inline(always)]
    pub fn stride(&self) -> usize {
        (N * self.blocks).max(1)
    }

    /// Whether there is one window alone: then a block is one lane.
    #[inline(always)]
    pub fn one_load(&self) -> bool {
        N == 1
    }

    /// The expert that empty slots hold.
    #[inline(always)]
    pub fn empty(&self) -> u32 {
        self.count.len() as u32 - 1
    }

    #[inline(always)]
    pub fn start(&self, gpu: usize) -> usize {
        at(self.first, gpu) as usize
    }

    #[inline(always)]
    pub fn held(&self, gpu: usize) -> &[u32] {
        part(self.expert_at, self.start(gpu), self.start(gpu + 1))
    }

    #[inline(always)]
    pub fn load_of(&self, expert: u32) -> &[Lanes<N>] {
        let from = expert as usize * self.blocks;
        part(self.load, from, from + self.blocks)
    }

    /// The load of an expert, over all windows.
    pub fn mean_load(&self, expert: u32) -> f32 {
        let load = self.load_of(expert).as_flattened().iter();
        let weighted = load.zip(self.weight.as_flattened());
        weighted.fold(0.0, |sum, (&load, &weight)| sum + load * weight)
    }

    /// The load of one replica in a window.
    #[inline(always)]
    pub fn share_in(&self, expert: u32, lane: usize) -> f32 {
        let load = at(self.load.as_flattened(), expert as usize * N * self.blocks + lane);
        load * at(self.share, expert as usize)
    }

    #[inline(always)]
    pub fn sum_in(&self, gpu: usize, lane: usize) -> f32 {
        at(self.sum.as_flattened(), gpu * N * self.blocks + lane)
    }

    #[inline(always)]
    pub fn gpu(&self, gpu: usize) -> Gpu<'_, N> {
        let load = part(self.sum, gpu * self.blocks, (gpu + 1) * self.blocks);
        Gpu { load, slowness: at(self.slowness, gpu), weight: self.weight }
    }

    #[inline(always)]
    pub fn item(&self, expert: u32, part: f32) -> Item<'_, N> {
        Item { load: self.load_of(expert), part }
    }

    #[inline(always)]
    pub fn share_of(&self, expert: u32) -> f32 {
        at(self.share, expert as usize)
    }

    /// 1 / replicas after one more.
    #[inline(always)]
    pub fn smaller(&self, expert: u32) -> f32 {
        1.0 / (at(self.count, expert as usize) + 1) as f32
    }

    /// 1 / replicas after one less.
    #[inline(always)]
    pub fn larger(&self, expert: u32) -> f32 {
        1.0 / (at(self.count, expert as usize).wrapping_sub(1)) as f32
    }

    /// Does `gpu` hold a replica of `expert`?
    #[inline(always)]
    pub fn holds(&self, gpu: usize, expert: u32) -> bool {
        at(self.has, gpu) & bit(expert) != 0
            && expert != self.empty()
            && self.has_really(gpu, expert)
    }

    #[inline(never)] // seldom asked
    fn has_really(&self, gpu: usize, expert: u32) -> bool {
        self.held(gpu).contains(&expert)
    }

    /// How often `gpu` holds `expert`, which it does: more than once only where it was so from the start.
    #[inline(always)]
    pub fn times(&self, gpu: usize, expert: u32) -> f32 {
        if at(self.twins, gpu) == 0 {
            return 1.0;
        }
        self.count_really(gpu, expert)
    }

    #[inline(never)] // seldom asked
    fn count_really(&self, gpu: usize, expert: u32) -> f32 {
        self.held(gpu).iter().filter(|&&e| e == expert).count() as f32
    }

    /// Only an expert with several can meet itself when it is already somewhere.
    #[inline(always)]
    pub fn meets(&self, gpu: usize, expert: u32) -> bool {
        at(self.count, expert as usize) > 1 && self.holds(gpu, expert)
    }

    pub fn holders(&self, expert: u32) -> Holders<'_> {
        Holders { next: self.next, slot: self.head.get(expert as usize).copied().unwrap_or(NONE) }
    }

    /// Time of a GPU in the only window there is when `more` is added, as a cost.
    #[inline(always)]
    pub fn cost_of_one(&self, gpu: usize, more: f32) -> f32 {
        let sum = at(self.sum.as_flattened(), gpu) + more;
        lanes::power(sum * at(self.slowness, gpu), at(self.weight.as_flattened(), 0))
    }

    #[inline(always)]
    fn load_of_one(&self, expert: u32) -> f32 {
        at(self.load.as_flattened(), expert as usize)
    }

    /// Cost of a GPU when `by` of the load of `x` is added.
    #[inline(always)]
    pub fn cost_plus(&self, gpu: usize, x: u32, by: f32) -> f32 {
        if N == 1 {
            return self.cost_of_one(gpu, self.load_of_one(x) * by);
        }
        lanes::cost_with(&self.gpu(gpu), self.item(x, by), self.item(x, 0.0))
    }

    /// Cost of a GPU when parts of two are added.
    #[inline(always)]
    pub fn cost_with(&self, gpu: usize, x: (u32, f32), y: (u32, f32)) -> f32 {
        if N == 1 {
            let more = self.load_of_one(x.0) * x.1 + self.load_of_one(y.0) * y.1;
            return self.cost_of_one(gpu, more);
        }
        lanes::cost_with(&self.gpu(gpu), self.item(x.0, x.1), self.item(y.0, y.1))
    }

    /// What two GPUs cost together when they swap a replica of `x` for one of `y`.
    #[inline(always)]
    pub fn cost_of_swap(&self, (here, x): (usize, u32), (there, y): (usize, u32)) -> f32 {
        let (share, share_there) = (self.share_of(x), self.share_of(y));
        if N == 1 {
            let crossing = self.load_of_one(x) * share - self.load_of_one(y) * share_there;
            return self.cost_of_one(here, -crossing) + self.cost_of_one(there, crossing);
        }
        let (x, y) = (self.item(x, share), self.item(y, share_there));
        lanes::cost_of_swap(&self.gpu(here), &self.gpu(there), x, y)
    }

    /// What an expert that comes to `gpu` costs: 0 when it comes back.
    #[inline(always)]
    pub fn arrives(&self, gpu: usize, expert: u32) -> i32 {
        if !self.priced {
            return 0;
        }
        if at(self.gone, gpu) == 0 || at(self.had, gpu) & bit(expert) == 0 {
            return 1;
        }
        self.returns(gpu, expert)
    }

    #[inline(never)] // seldom asked
    fn returns(&self, gpu: usize, expert: u32) -> i32 {
        let (from, to) = (self.start(gpu), self.start(gpu + 1));
        let count = |slots: &[u32]| part(slots, from, to).iter().filter(|&&e| e == expert).count();
        let before = count(self.in_force);
        i32::from(before == 0 || before <= count(self.expert_at))
    }

    /// The least that an expert that comes to `gpu` may cost.
    #[inline(always)]
    pub fn least_price(&self, gpu: usize) -> i32 {
        i32::from(self.priced && at(self.gone, gpu) == 0)
    }

    /// Whether groups allow a GPU to hold an expert.
    #[inline(always)]
    pub fn allowed(&self, gpu: usize, expert: u32) -> bool {
        let limits = &self.limits;
        if limits.home.is_empty() || expert == self.empty() {
            return true;
        }
        let home = at(limits.home, expert as usize);
        home == NONE || home == at(limits.node, gpu)
    }

    /// What is got back when the expert of a slot leaves it.
    #[inline(always)]
    pub fn fresh_at(&self, slot: usize) -> i32 {
        at(self.fresh, slot) as i32
    }

    #[inline(always)]
    pub fn is_pinned(&self, slot: usize) -> bool {
        self.limits.pinned && at(self.in_force, slot) != self.empty()
    }

    /// Whether the replica of a slot serves alone when tokens are few.
    #[inline(always)]
    pub fn is_primary(&self, slot: usize) -> bool {
        at(self.primary, slot) != 0
    }

    /// Takes an empty slot out of those to be filled, until its GPU changes.
    pub fn close(&mut self, slot: usize) {
        put(self.drop_gain, slot, f32::NEG_INFINITY);
    }

    /// Slots that newly differ from the placement in force.
    pub fn moved(&self) -> u32 {
        self.fresh.iter().sum()
    }

    /// Slots that may still newly differ; without a limit so many that neither what is spent nor what is got back
    /// counts.
    pub fn budget_left(&self) -> i32 {
        self.limits.moves.saturating_sub(self.moved()).min(1 << 30) as i32
    }

    /// Largest time in each window, the mean being 1; of loads as they are.
    pub fn peaks_seen(&self, peaks: &mut [Lanes<N>]) {
        if self.as_is.is_empty() {
            self.peaks(peaks);
        } else {
            self.peaks_of(self.seen, 0.0, peaks);
        }
    }

    /// The same of loads as they are searched with.
    pub fn peaks(&self, peaks: &mut [Lanes<N>]) {
        self.peaks_of(self.sum, self.shift, peaks);
    }

    fn peaks_of(&self, sums: &[Lanes<N>], shift: f32, peaks: &mut [Lanes<N>]) {
        peaks.fill([0.0; N]);
        let gpus = sums.chunks_exact(self.blocks.max(1)).zip(self.slowness.iter());
        for (sum, &slowness) in gpus {
            let slowness = slowness * self.unit;
            for (peaks, sum) in peaks.iter_mut().zip(sum) {
                lanes::largest_times(peaks, sum, slowness);
            }
        }
        for peak in peaks.as_flattened_mut() {
            *peak += shift;
        }
    }

    /// Notes a count and what depends on it.
    #[inline(always)]
    pub fn set_count(&mut self, expert: u32, count: u32) {
        put(self.count, expert as usize, count);
        put(self.share, expert as usize, if count > 0 { 1.0 / count as f32 } else { 0.0 });
    }
}

/// Slots that hold an expert.
pub struct Holders<'a> {
    next: &'a [u32],
    slot: u32,
}

impl Iterator for Holders<'_> {
    type Item = usize;
    #[inline(always)]
    fn next(&mut self) -> Option<usize> {
        let slot = self.slot;
        if slot == NONE {
            return None;
        }
        self.slot = self.next.get(slot as usize).copied().unwrap_or(NONE);
        Some(slot as usize)
    }
}
