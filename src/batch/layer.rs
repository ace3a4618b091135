//! A layer: the capacities that the tolerance allows, copies until all GPUs are within them, or the least capacities
//! for which copies are found.

use crate::base::arena::Carve;
use crate::base::cells::{at, copy, put};
use crate::batch::bound::Bound;
use crate::batch::exact::{Exact, Found};
use crate::batch::layout::{FETCHED, HELD, Layout};
use crate::batch::limits::Limits;
use crate::batch::pack::Pack;
use crate::batch::reach::Reach;
use crate::batch::request::{ReplicateLimit, Replicated};
use crate::batch::{greedy, senders};
use crate::dispatch::{Effort, Level, Local, Replicas, time};
use crate::problem::Shape;
use crate::problem::topology::Topology;

/// What works on a layer.
#[derive(Debug)]
pub struct Planner<'a> {
    pub layout: Layout<'a>,
    reach: Reach<'a>,
    level: Level<'a>,
    /// `[G]` the GPUs that the level is for; tokens of the experts at home on each.
    set: &'a mut [u32],
    homes: &'a mut [u64],
    bound: Bound<'a>,
    exact: Exact<'a>,
    pack: Pack<'a>,
    /// `[P]` expert and slot of the fetches of the best answer, as many as `num_kept`.
    kept_expert: &'a mut [u32],
    kept_slot: &'a mut [u32],
    num_kept: usize,
    /// Fetches that it takes at the level at least.
    fewest: u32,
    effort: u64,
    pack_effort: u64,
    /// A search has ended before it knew.
    is_cut: bool,
}

/// Slots looked at in a layer by default: by the exact search, by that for a better packing.
const EXACT_EFFORT: u64 = 1 << 17;
const PACK_EFFORT: u64 = 1 << 11;

impl<'a> Planner<'a> {
    /// Takes the memory: O(P + E + G), and that of [`Exact`].
    #[inline(always)] // what only counts is gone from the code
    pub fn carve(arena: &mut impl Carve<'a>, shape: &Shape) -> Self {
        let gpus = shape.topology().num_gpus();
        Planner {
            layout: Layout::carve(arena, shape),
            reach: Reach::carve(arena, shape),
            level: Level::carve(arena, shape),
            set: arena.u32s(gpus),
            homes: arena.u64s(gpus),
            bound: Bound::carve(arena, shape),
            exact: Exact::carve(arena, shape),
            pack: Pack::carve(arena, shape),
            kept_expert: arena.u32s(shape.num_physical_experts()),
            kept_slot: arena.u32s(shape.num_physical_experts()),
            num_kept: 0,
            fewest: 0,
            effort: 0,
            pack_effort: 0,
            is_cut: false,
        }
    }

    /// Plans a layer whose tokens are in `layout.total`.
    #[inline(never)]
    pub fn plan(
        &mut self,
        shape: &Shape,
        (home, held): (&[i32], &[i32]),
        (tolerance, limits, effort): (u32, Limits, u32),
    ) -> Replicated {
        let or_default = |default| if effort == 0 { default } else { u64::from(effort) };
        self.effort = or_default(EXACT_EFFORT);
        self.is_cut = false;
        self.pack_effort = or_default(PACK_EFFORT);
        let topology = shape.topology();
        self.layout.limits = limits;
        self.layout.begin(shape, home, held);
        self.reach.begin();
        self.find_bound(topology);
        let bound = self.level.time(topology);
        let target = self.level.height_with(tolerance);
        let mut limit = ReplicateLimit::None;
        if !self.reaches(topology, target) {
            limit = self.what_limits(topology, target);
            self.search_least(topology, target);
            if self.largest(topology) <= target {
                limit = ReplicateLimit::None; // found by the way
            }
        }
        senders::choose(&mut self.layout, shape);
        Replicated { bound, limit, fetches_bound: self.fewest, ..Replicated::default() }
    }

    /// The least level at which all tokens have room, if GPUs with a spare slot may take any, and the others those of
    /// their homes.
    fn find_bound(&mut self, topology: &Topology) {
        let layout = &self.layout;
        let (mut members, mut tokens) = (0, layout.total.iter().sum::<u64>());
        self.homes.fill(0);
        for gpu in (0..topology.num_gpus()).filter(|&gpu| topology.serves(gpu)) {
            let held = |slot| at(layout.total, at(layout.expert, slot)); // NONE is no expert
            let homes =
                if layout.has_spare(gpu) { u64::MAX } else { layout.of_gpu(gpu).map(held).sum() };
            put(self.homes, gpu, homes);
            put(self.set, members, gpu as u32);
            members += 1;
        }
        self.level.drain();
        loop {
            let set = self.set.get(..members).unwrap_or_default();
            self.level.raise(topology, set, tokens);
            // those that cannot fill their part leave more to the others
            let before = members;
            members = 0;
            for place in 0..before {
                let gpu = at(self.set, place);
                let homes = at(self.homes, gpu);
                if homes < at(self.level.capacity, gpu) {
                    tokens = tokens.saturating_sub(homes);
                } else {
                    put(self.set, members, gpu);
                    members += 1;
                }
            }
            if members == before || members == 0 {
                return;
            }
        }
    }

    /// Looks for the fewest copies that bring all GPUs within a level: whether there are any.
    fn reaches(&mut self, topology: &Topology, height: u64) -> bool {
        self.layout.undo_all();
        self.allow(topology, height);
        self.fewest = 0;
        let (layout, reach) = (&mut self.layout, &mut self.reach);
        if reach.relieve_all(layout) {
            return true;
        }
        let shared = layout.is_shared();
        self.fewest = self.bound.fewest(layout, reach);
        let most = layout.num_spare();
        if self.fewest > most {
            return false;
        }
        let found = self.pack.pack(layout, self.fewest, &mut self.pack_effort)
            && self.pack.fetch(layout)
            && reach.relieve_all(layout);
        // with one home each, what is not packed a step at a time would not be found either
        let found = found
            || shared && {
                layout.undo_all();
                greedy::fetch_all(layout, reach)
            };
        let fetches = layout.made().len() as u32;
        if found && fetches <= self.fewest || !self.exact.is_open() {
            return found;
        }
        if found {
            self.keep();
        }
        self.layout.undo_all();
        let most = if found { fetches - 1 } else { most };
        // copies that are sent on to spare a home are not looked for: without them, nothing is no proof
        let proves = self.layout.limits.fetches_out == u32::MAX;
        let mut number = self.fewest;
        while number <= most {
            let (layout, tools) = (&mut self.layout, (&mut self.reach, &mut self.bound));
            match self.exact.search(layout, tools, number, &mut self.effort) {
                Found::Answer => return true,
                Found::Nothing => {
                    number += 1;
                    self.fewest += u32::from(proves);
                }
                Found::Unknown => {
                    self.is_cut = true;
                    break;
                }
            }
        }
        if found {
            self.restore();
        }
        found
    }

    /// Keeps the fetches that are made.
    fn keep(&mut self) {
        self.num_kept = self.layout.made().len();
        for (place, &slot) in self.layout.made().iter().enumerate() {
            put(self.kept_slot, place, slot);
            put(self.kept_expert, place, at(self.layout.expert, slot));
        }
    }

    /// Makes the fetches that were kept; none is made yet.
    fn restore(&mut self) {
        for place in 0..self.num_kept {
            self.layout.fetch(at(self.kept_expert, place), at(self.kept_slot, place) as usize);
        }
        self.reach.relieve_all(&mut self.layout);
    }

    /// The least level above one that is too low at which copies are found, and these.
    fn search_least(&mut self, topology: &Topology, mut low: u64) {
        self.layout.undo_all();
        let mut high = self.largest(topology);
        (self.num_kept, self.fewest) = (0, 0);
        let mut fewest = 0;
        // of large layers nearly the least will do: the copies that are then found are what the rest depends on
        let grain = self.level.grain(self.exact.is_open());
        while low.saturating_add(grain) < high {
            let middle = low + (high - low) / 2;
            if self.reaches(topology, middle) {
                self.keep();
                fewest = self.fewest;
                high = self.largest(topology);
            } else {
                low = middle;
            }
        }
        self.layout.undo_all();
        self.allow(topology, high);
        self.restore();
        self.fewest = fewest;
        if !self.exact.is_open() {
            self.settle(topology, low, high);
        }
    }

    /// The level that the tokens are at.
    fn largest(&self, topology: &Topology) -> u64 {
        let height = |gpu| self.level.height_of(topology, gpu, at(self.layout.load, gpu));
        (0..topology.num_gpus()).map(height).max().unwrap_or(0)
    }

    /// Allows the GPUs as much as they can do by a level.
    fn allow(&mut self, topology: &Topology, height: u64) {
        self.level.set_height(topology, height);
        copy(self.layout.capacity, self.level.capacity);
    }

    /// The least level for the copies at hand, between one that is too low and one that does.
    fn settle(&mut self, topology: &Topology, mut low: u64, mut high: u64) {
        let grain = self.level.grain(true);
        while low.saturating_add(grain) < high {
            let middle = low + (high - low) / 2;
            self.allow(topology, middle);
            if self.reach.relieve_all(&mut self.layout) {
                high = self.largest(topology);
            } else {
                low = middle;
            }
        }
        self.allow(topology, high);
        self.reach.relieve_all(&mut self.layout);
    }

    /// Which limit it is: the first without which the level is reached.
    fn what_limits(&mut self, topology: &Topology, height: u64) -> ReplicateLimit {
        let limits = self.layout.limits;
        let in_free = Limits { fetches_in: u32::MAX, ..limits };
        let out_free = Limits { fetches_out: u32::MAX, ..limits };
        let any = Limits { least_tokens: 1, fetch_tokens: 0, ..limits };
        let tries = [
            (in_free, ReplicateLimit::FetchesIn),
            (out_free, ReplicateLimit::FetchesOut),
            (any, ReplicateLimit::LeastTokens),
        ];
        let slots = if self.is_cut { ReplicateLimit::Effort } else { ReplicateLimit::Slots };
        let mut found = slots;
        for (without, limit) in tries {
            if without == limits || found != slots {
                continue;
            }
            self.layout.undo_all();
            self.layout.limits = without;
            if self.reaches(topology, height) {
                found = limit;
            }
            self.layout.undo_all();
        }
        self.layout.limits = limits;
        found
    }

    /// Splits the tokens anew, for the same copies and within the same capacities, so that the fewest leave their node,
    /// then their GPU. `tokens` is `[G][E]`; `replicas` are those of the layout.
    #[inline(never)]
    pub fn localize(
        &mut self,
        shape: &Shape,
        tokens: &[u32],
        replicas: &mut Replicas,
        local: &mut Local,
    ) {
        let layout = &mut self.layout;
        for (gpu, capacity) in self.level.capacity.iter_mut().enumerate() {
            *capacity = layout.token_capacity(gpu);
        }
        let mut effort = Effort::new(0, shape);
        local.sources.read(replicas, tokens);
        let done = local.split(replicas, &self.level, &mut effort)
            && (0..replicas.numbered()).all(|replica| {
                !layout.is_short(at(replicas.slot, replica) as usize, at(replicas.tokens, replica))
            });
        if !done {
            replicas.give(layout.tokens);
            return;
        }
        for replica in 0..replicas.numbered() {
            put(layout.tokens, at(replicas.slot, replica), at(replicas.tokens, replica));
        }
        layout.reload();
    }

    /// What is known of the answer but its bounds.
    pub fn measure(&self, topology: &Topology, report: &mut Replicated) {
        let layout = &self.layout;
        report.balance = 1.0;
        let (mut speeds, mut tokens) = (0.0, 0);
        for gpu in (0..topology.num_gpus()).filter(|&gpu| topology.serves(gpu)) {
            let time = time(at(layout.load, gpu), topology.speed(gpu));
            if time > report.largest_time {
                report.largest_time = time;
                report.busiest_gpu = gpu as u32;
            }
            if topology.receives(gpu) {
                speeds += f64::from(topology.speed(gpu));
            }
            for slot in layout.of_gpu(gpu) {
                let here = at(layout.tokens, slot);
                tokens += here;
                if [HELD, FETCHED].contains(&at(layout.kind, slot)) {
                    report.leaving_home += here;
                }
            }
        }
        if report.largest_time > 0.0 {
            report.balance = tokens as f64 / speeds / report.largest_time;
        }
        report.tokens = tokens;
        report.fetches = layout.made().len() as u32;
    }
}
