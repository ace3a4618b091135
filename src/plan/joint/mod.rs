//! The joint planner: counts and packing of one row decided together, near the optimum.
//!
//! A row is a set of experts and a set of GPUs of any slots and speeds. See `road` for the order of the steps
//! and docs/DESIGN.md for why each is there.

pub mod at;
mod board;
mod c1;
mod capped;
mod chains;
mod counts;
mod exact;
mod items;
mod lpt;
mod moves;
mod pairs;
mod reach;
mod refine;
mod rematch;
mod road;
mod row;
mod scale;
mod scratch;

pub use scratch::carve;

use crate::arena::Arena;
use at::{at, part_mut, put};
use board::{Board, SPLIT};
use scratch::Scratch;

/// What the joint planner plans.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// Tokens of each expert: finite, not negative, no -0.0.
    pub load: &'a [f32],
    /// Slots of each GPU, at most as many as experts; fewer than 2^16 GPUs. Their sum is at least the
    /// experts, and at most `most_replicas` times as many.
    pub slots: &'a [u32],
    /// Speed of each GPU, above 0.
    pub speed: &'a [f32],
    /// Replicas that an expert may have, at most one on each GPU.
    pub most_replicas: u32,
    /// Partners looked at, at most about this many; 0 = default.
    pub effort: u32,
}

/// Plans a row. `out`: the expert in each slot, those of the first GPU first, `u32::MAX` where a small row
/// is better off with an empty one. `arena` holds what [`carve`] takes for these sizes.
pub fn plan(p: &Row, mut arena: Arena, out: &mut [u32]) {
    let all = out.len();
    let s = carve(&mut arena, p.load.len(), all, p.slots.len());
    let mut gpus = 0;
    let mut first = 0;
    let (mut even, mut same) = (true, true);
    put(s.first, 0, 0);
    for (&n, &speed) in p.slots.iter().zip(p.speed) {
        // a GPU may have lost its slots to a limit on replicas
        if n == 0 {
            continue;
        }
        first += n;
        put(s.first, gpus + 1, first);
        put(s.speed, gpus, f64::from(speed));
        even &= n == at(s.first, 1);
        same &= f64::from(speed).to_bits() == at(s.speed, 0).to_bits();
        gpus += 1;
    }
    if same {
        run::<false>(p, s, out, gpus, all, even);
    } else {
        run::<true>(p, s, out, gpus, all, even);
    }
}

fn run<const S: bool>(p: &Row, s: Scratch, out: &mut [u32], gpus: usize, all: usize, even: bool) {
    let mut factor = scale::scale(p.load, s.scaled);
    let speed = part_mut(s.speed, 0, if S { gpus } else { 0 });
    let slowness = part_mut(s.slowness, 0, if S { gpus } else { 0 });
    if S {
        // Mean speed 1. Eight bits less for loads leave room for the times of slow GPUs.
        factor /= 256.0;
        let mut sum = 0.0;
        for &x in speed.iter() {
            sum += x;
        }
        for (x, y) in speed.iter_mut().zip(slowness.iter_mut()) {
            *x = *x * gpus as f64 / sum;
            *y = 1.0 / *x;
        }
    }
    let board = Board::<S> {
        gpus,
        w: part_mut(s.w, 0, all),
        expert: part_mut(s.expert, 0, all),
        gpu: part_mut(s.gpu, 0, all),
        on: part_mut(s.on, 0, all),
        first: part_mut(s.first, 0, gpus + 1),
        load: part_mut(s.load, 0, gpus),
        speed,
        slowness,
    };
    let mut row = row::Row {
        b: board,
        cap: p.most_replicas,
        scaled: s.scaled,
        factor,
        order: s.order,
        count: s.count,
        extra: part_mut(s.extra, 0, all),
        extras: 0,
        upto: 0,
        keys: part_mut(s.keys, 0, all),
        tmp: s.tmp,
        start: s.start,
        hold: part_mut(s.hold, 0, all),
        here: part_mut(s.here, 0, all),
        rest: part_mut(s.rest, 0, gpus),
        tree: s.tree,
        reach: s.reach,
        fill: part_mut(s.fill, 0, gpus),
    };
    if road::road(&mut row, even, p.effort) {
        for (to, &expert) in out.iter_mut().zip(row.hold.iter()) {
            *to = expert;
        }
        return;
    }
    // the board into `out`, each GPU's experts by falling load
    for g in 0..gpus {
        let first = at(row.b.first, g);
        put(row.fill, g, first);
    }
    for (&g, &e) in row.b.gpu.iter().zip(row.b.expert.iter()) {
        let to = at(row.fill, g as usize);
        put(row.fill, g as usize, to + 1);
        put(out, to as usize, e & !SPLIT);
    }
}
