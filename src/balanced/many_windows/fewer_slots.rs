//! Fewer slots than there are: a slow GPU with as many as the others, or a GPU with more than most, would have to take
//! something that is too much for it. The others are planned first, and these filled afterwards.

use crate::base::cells::put;

/// What a slow GPU gets: this many times its share of the slots by speed; more when too few would be left over.
const FACTOR: f64 = 1.15;
const MORE: f64 = 1.1;
/// Of the spare slots one in so many is planned first at least.
const SPARE: usize = 4;

pub fn sum(slots: &[u32]) -> usize {
    slots.iter().fold(0, |sum, &slots| sum + slots as usize)
}

/// Slots to plan first, into `fewer`; false when that is all.
pub fn choose(experts: usize, slots: &[u32], speed: &[f32], fewer: &mut [u32]) -> bool {
    if speed.iter().any(|own| Some(own) != speed.first()) {
        fewer_of_slow(experts, slots, speed, fewer)
    } else {
        as_most(slots, fewer) && sum(fewer) >= experts
    }
}

fn fewer_of_slow(experts: usize, slots: &[u32], speed: &[f32], fewer: &mut [u32]) -> bool {
    let all = sum(slots);
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
            return planned < all;
        }
        factor *= MORE;
    }
}

/// No GPU more than most have; false when that is nothing new, or no number is that of most.
fn as_most(slots: &[u32], fewer: &mut [u32]) -> bool {
    let (mut most, mut lead) = (0, 0_usize);
    for &here in slots {
        match lead {
            0 => (most, lead) = (here, 1),
            _ if here == most => lead += 1,
            _ => lead -= 1,
        }
    }
    let having = slots.iter().filter(|&&here| here == most).count();
    for (gpu, &here) in slots.iter().enumerate() {
        put(fewer, gpu, here.min(most));
    }
    2 * having > slots.len() && slots.iter().any(|&here| here > most)
}

/// What was planned for fewer slots, into all; the others are empty.
pub fn expand(planned: &[u32], fewer: &[u32], slots: &[u32], expert_at: &mut [u32], none: u32) {
    let (mut from, mut to) = (planned.iter(), expert_at.iter_mut());
    for (&fewer, &slots) in fewer.iter().zip(slots) {
        let full = from.by_ref().take(fewer as usize).copied();
        let here = full.chain(core::iter::repeat(none)).take(slots as usize);
        here.zip(to.by_ref()).for_each(|(expert, to)| *to = expert);
    }
}
