//! Fewer slots than there are: a slow GPU with as many as the others, or a GPU with more than most, would have to take
//! something that is too much for it. The others are planned first, and these filled afterwards.

use crate::balanced::instance::Instance;
use crate::base::arena::{Arena, Carve};
use crate::base::cells::{NONE, add, at, put};
use crate::base::keys::widen;

/// What a slow GPU gets: this many times its share of the slots by speed; more when too few would be left over.
const FACTOR: f64 = 1.15;
const MORE: f64 = 1.1;
/// Of the spare slots one in so many is planned first at least.
const SPARE: usize = 4;

/// Which slots are planned first.
#[derive(Clone, Copy)]
pub enum Fewer {
    /// As many as a GPU's share by speed.
    BySpeed,
    /// The same of so many quarters of a slot an expert.
    Share(usize),
    /// No GPU more than most have.
    AsMost,
}

pub fn sum(slots: &[u32]) -> usize {
    slots.iter().fold(0, |sum, &slots| sum + slots as usize)
}

/// Slots to plan first, into `fewer`; false when that is all, or too few.
pub fn choose(
    kind: Fewer,
    experts: usize,
    (slots, speed): (&[u32], &[f32]),
    fewer: &mut [u32],
) -> bool {
    let all = sum(slots);
    match kind {
        Fewer::BySpeed => by_speed(experts, all, (slots, speed), fewer),
        Fewer::Share(quarters) => {
            by_speed(experts, all.min(experts * quarters / 4), (slots, speed), fewer);
        }
        Fewer::AsMost => as_most(slots, fewer),
    }
    (experts..all).contains(&sum(fewer))
}

/// Shares of `all` of the slots.
fn by_speed(experts: usize, all: usize, (slots, speed): (&[u32], &[f32]), fewer: &mut [u32]) {
    let enough = experts + all.saturating_sub(experts) / SPARE;
    let speeds = speed.iter().fold(0.0, |sum, &x| sum + f64::from(x));
    let mut factor = FACTOR;
    loop {
        let mut planned = 0;
        for ((fewer, &slots), &speed) in fewer.iter_mut().zip(slots).zip(speed) {
            let share = factor * all as f64 * f64::from(speed) / speeds + 0.5;
            *fewer = slots.min((share as u32).max(1));
            planned += *fewer as usize;
        }
        if planned >= enough {
            return;
        }
        factor *= MORE;
    }
}

/// No GPU more than most have, if there is a number that most have.
fn as_most(slots: &[u32], fewer: &mut [u32]) {
    let (mut most, mut lead) = (0, 0_usize);
    for &here in slots {
        match lead {
            0 => (most, lead) = (here, 1),
            _ if here == most => lead += 1,
            _ => lead -= 1,
        }
    }
    let having = slots.iter().filter(|&&here| here == most).count();
    let most = if 2 * having > slots.len() { most } else { u32::MAX };
    for (gpu, &here) in slots.iter().enumerate() {
        put(fewer, gpu, here.min(most));
    }
}

/// What was planned for fewer slots, and is at the front, into all; the others are empty.
pub fn expand(fewer: &[u32], slots: &[u32], expert_at: &mut [u32]) {
    let (mut from, mut to) = (sum(fewer), expert_at.len());
    // from the last GPU on: nothing is written over before it is read
    for (&fewer, &slots) in fewer.iter().zip(slots).rev() {
        for place in (0..slots).rev() {
            to -= 1;
            from -= usize::from(place < fewer);
            let expert = if place < fewer { at(expert_at, from) } else { NONE };
            put(expert_at, to, expert);
        }
    }
}

/// GPUs that have slots yet to be filled trade places with others that are alike and have less to do. `few`: what was
/// planned; `slots`: of each GPU, all of them.
#[inline(never)]
pub fn lightest_grow(
    few: &Instance<&[f32]>,
    slots: &[u32],
    arena: &mut Arena,
    planned: &mut [u32],
) {
    let mut rest = arena.rest();
    let (count, sum) = (rest.u32s(few.loads.len()), rest.f64s(slots.len()));
    count.fill(0);
    planned.iter().for_each(|&expert| add(count, expert, 1));
    let mut held = planned.iter();
    for (sum, &here) in sum.iter_mut().zip(few.slots) {
        let held = held.by_ref().take(here as usize);
        *sum = held.fold(0.0, |sum, &e| sum + widen(at(few.loads, e)) / f64::from(at(count, e)));
    }
    let mut start = 0;
    for (gpu, (&here, &all)) in few.slots.iter().zip(slots).enumerate() {
        if here < all
            && let Some((other, from)) = lightest_like(few, slots, sum, gpu)
        {
            for i in 0..here as usize {
                swap(planned, start + i, from + i);
            }
            swap(sum, gpu, other);
        }
        start += here as usize;
    }
}

/// The GPU with the least sum of those that are full and like `gpu`, if it has less, and its first slot.
fn lightest_like(
    few: &Instance<&[f32]>,
    slots: &[u32],
    sum: &[f64],
    gpu: usize,
) -> Option<(usize, usize)> {
    let (mut least, mut found, mut first) = (at(sum, gpu), None, 0);
    for (other, (&here, &all)) in few.slots.iter().zip(slots).enumerate() {
        let alike = here == at(few.slots, gpu) && at(few.speed, other) == at(few.speed, gpu);
        if here == all && alike && at(sum, other) < least {
            (least, found) = (at(sum, other), Some((other, first)));
        }
        first += here as usize;
    }
    found
}

fn swap<T: Copy + Default>(xs: &mut [T], a: usize, b: usize) {
    let (x, y) = (at(xs, a), at(xs, b));
    put(xs, a, y);
    put(xs, b, x);
}
