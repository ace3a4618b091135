//! Uphill recounts, where no step helps the busiest GPU: one of its experts gets a replica on another GPU, which is too
//! busy then, and the search goes on from there without taking it back. The first that ends better is kept, and so on.

use crate::balanced::improve::neighborhood::Neighborhood;
use crate::balanced::improve::packing::{Packing, Step};
use crate::balanced::improve::pilot_method::Descent;
use crate::base::cells::{NONE, at};

/// A placement so near to even is not worth another search.
const CLOSE: f64 = 1.0 - 1.0 / 512.0;
/// Experts of the busiest GPU that are tried, each in two ways.
const TRIED: usize = 2;
/// What is better by less than this part of what is missing is no better.
const LEAST: f64 = 1.0 / 256.0;

/// Moves below which there is no use in it: the replica, and a swap.
const LEAST_MOVES: i32 = 3;

impl<const N: usize> Descent<'_, '_, '_, '_, N> {
    /// From the best placement, which it holds.
    #[inline(never)] // off the stack of the search
    pub fn climb(&mut self) {
        while self.incumbent.best < CLOSE
            && (0..2 * TRIED).any(|way| self.rises(way / 2, way % 2 > 0))
        {
            self.descend();
            self.go_back();
        }
    }

    /// Whether the search comes further with a replica more of one of the heaviest experts of the busiest GPU.
    fn rises(&mut self, rank: usize, trade: bool) -> bool {
        let best = self.incumbent.best;
        if self.marks.left == 0 || self.marks.budget < LEAST_MOVES || !self.replicate(rank, trade) {
            return false;
        }
        self.descend();
        self.packing.raised = NONE;
        self.packing.known = 0;
        self.go_back();
        self.incumbent.best > best + (1.0 - best) * LEAST
    }

    /// An expert gets a replica more where that costs least: in a slot that can be given away, or in one whose expert
    /// moves there.
    #[inline(never)] // off the stack of the search
    fn replicate(&mut self, rank: usize, trade: bool) -> bool {
        let Descent { packing, marks, .. } = self;
        let Some(expert) = heavy(packing, rank) else { return false };
        packing.know();
        let direct = || Some((Neighborhood::place(packing, marks.budget, expert)?, None));
        let found = if trade { find_trade(packing, marks.budget, expert) } else { direct() };
        let Some(((step, price), then)) = found else { return false };
        packing.raised = expert;
        packing.make(step);
        if let Some(then) = then {
            packing.make(then);
        }
        marks.budget -= price;
        marks.left = marks.left.saturating_sub(packing.expert_at.len() as u64);
        true
    }
}

/// The expert of the GPU that costs most with the `rank`-th heaviest replica there.
fn heavy<const N: usize>(p: &Packing<N>, rank: usize) -> Option<u32> {
    let mut worst = (-1.0, 0);
    for (gpu, &cost) in p.cost.iter().enumerate() {
        worst = if cost > worst.0 { (cost, gpu) } else { worst };
    }
    let lane = at(p.worst, worst.1) as usize;
    let held = p.held(worst.1);
    held.iter().copied().filter(|&expert| expert != p.empty()).find(|&expert| {
        let load = p.share_in(expert, lane);
        let before = held.iter().filter(|&&other| {
            let there = p.share_in(other, lane);
            there > load || there == load && other < expert
        });
        before.count() == rank
    })
}

type Trade = ((Step, i32), Option<Step>);

/// The slot that can best be given away takes the expert of another, which `expert` takes: the one with which the two
/// GPUs cost least.
#[inline(never)] // off the stack of the search
fn find_trade<const N: usize>(p: &Packing<N>, budget: i32, expert: u32) -> Option<Trade> {
    let mut spare = (f32::NEG_INFINITY, usize::MAX);
    for (slot, &gain) in p.drop_gain.iter().enumerate() {
        if gain > spare.0 && at(p.expert_at, slot) != expert {
            spare = (gain, slot);
        }
    }
    let spare = spare.1;
    let home = p.gpu_of.get(spare).copied()? as usize;
    let given = at(p.expert_at, spare);
    let look = Neighborhood::only(p, home, budget);
    let mut best = (f32::INFINITY, None);
    for (slot, &moving) in p.expert_at.iter().enumerate() {
        let gpu = at(p.gpu_of, slot) as usize;
        let possible = gpu != home
            && moving != p.empty()
            && moving != given
            && !p.is_primary(slot)
            && look.may_hold(spare, moving)
            && look.may_take(slot, expert)
            && p.survives(moving, slot, spare);
        let price =
            p.arrives(home, moving) + p.arrives(gpu, expert) - p.fresh_at(spare) - p.fresh_at(slot);
        if !possible || price > budget {
            continue;
        }
        let share = p.share_of(moving);
        let cost = p.cost_with(home, (moving, share), (given, -p.share_of(given)))
            + p.cost_with(gpu, (expert, p.smaller(expert)), (moving, -share));
        if cost < best.0 {
            best = (
                cost,
                Some(((Step::Recount(spare, moving), price), Some(Step::Recount(slot, expert)))),
            );
        }
    }
    best.1
}
