//! A layer: the capacities that the tolerance allows, copies until all GPUs are within them, or the least capacities
//! for which copies are found.

use crate::base::arena::Carve;
use crate::base::cells::{NONE, at, copy, put};
use crate::batch::greedy;
use crate::batch::layout::{FETCHED, HELD, Layout, Limits};
use crate::batch::reach::Reach;
use crate::batch::request::{ReplicateLimit, Replicated};
use crate::dispatch::{Level, time};
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
}

impl<'a> Planner<'a> {
    /// Takes the memory: O(P + E + G).
    #[inline(always)] // what only counts is gone from the code
    pub fn carve(arena: &mut impl Carve<'a>, shape: &Shape) -> Self {
        let gpus = shape.topology().num_gpus();
        Planner {
            layout: Layout::carve(arena, shape),
            reach: Reach::carve(arena, shape),
            level: Level::carve(arena, shape),
            set: arena.u32s(gpus),
            homes: arena.u64s(gpus),
        }
    }

    /// Plans a layer whose tokens are in `layout.total`.
    #[inline(never)]
    pub fn plan(
        &mut self,
        shape: &Shape,
        (home, held): (&[i32], &[i32]),
        (tolerance, limits): (u32, Limits),
    ) -> Replicated {
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
        }
        let mut report = self.measure(topology);
        report.bound = bound;
        report.limit = limit;
        report
    }

    /// The least level at which all tokens have room, if GPUs with a spare slot may take any, and the others those of
    /// their homes.
    fn find_bound(&mut self, topology: &Topology) {
        let layout = &self.layout;
        let (mut members, mut tokens) = (0, layout.total.iter().sum::<u64>());
        self.homes.fill(0);
        for gpu in (0..topology.num_gpus()).filter(|&gpu| topology.serves(gpu)) {
            let mut homes = 0;
            for slot in layout.of_gpu(gpu).filter(|&slot| at(layout.expert, slot) != NONE) {
                homes += at(layout.total, at(layout.expert, slot));
            }
            put(self.homes, gpu, if layout.has_spare(gpu) { u64::MAX } else { homes });
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

    /// Looks for copies that bring all GPUs within a level: whether there are.
    fn reaches(&mut self, topology: &Topology, height: u64) -> bool {
        while !self.layout.made().is_empty() {
            self.layout.undo();
        }
        self.level.set_height(topology, height);
        copy(self.layout.capacity, self.level.capacity);
        greedy::fetch_all(&mut self.layout, &mut self.reach)
    }

    /// The least level above one that is too low at which copies are found, and these.
    fn search_least(&mut self, topology: &Topology, mut low: u64) {
        while !self.layout.made().is_empty() {
            self.layout.undo();
        }
        let height = |gpu| self.level.height_of(topology, gpu, at(self.layout.load, gpu));
        let mut high = (0..topology.num_gpus()).map(height).max().unwrap_or(low);
        while low.saturating_add(1) < high {
            let middle = low + (high - low) / 2;
            if self.reaches(topology, middle) {
                high = middle;
            } else {
                low = middle;
            }
        }
        self.reaches(topology, high);
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
        let mut found = ReplicateLimit::Slots;
        for (without, limit) in tries {
            if without == limits || found != ReplicateLimit::Slots {
                continue;
            }
            while !self.layout.made().is_empty() {
                self.layout.undo();
            }
            self.layout.limits = without;
            if self.reaches(topology, height) {
                found = limit;
            }
            while !self.layout.made().is_empty() {
                self.layout.undo();
            }
        }
        self.layout.limits = limits;
        found
    }

    /// What is known of the answer but its bounds.
    fn measure(&self, topology: &Topology) -> Replicated {
        let layout = &self.layout;
        let mut report = Replicated { balance: 1.0, ..Replicated::default() };
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
        report
    }
}
