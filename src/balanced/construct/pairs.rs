//! Two slots a GPU: for given counts, pairing the items in opposite order is optimal, and LPT does just that;
//! what is left is to find the counts. Hill climbing: one replica from a donor to an expert of the worst
//! pair.

use crate::balanced::construct::counts::Counts;
use crate::balanced::construct::loads::Loads;
use crate::balanced::construct::packing::{Packing, SPLIT};
use crate::base::cells::{NONE, at};
use core::iter::repeat_n;

/// The largest sum of the items paired in opposite order, and the first item of the pair that has it.
pub fn worst_pair(loads: &[u64]) -> (u64, usize) {
    let (mut most, mut first) = (0, 0);
    let pairs = loads.iter().zip(loads.iter().rev()).take(loads.len() / 2);
    for (item, (&a, &b)) in pairs.enumerate() {
        if a + b > most {
            (most, first) = (a + b, item);
        }
    }
    (most, first)
}

/// The best donor and receiver, or none.
pub fn climb<const SPEEDS: bool>(
    packing: &Packing<SPEEDS>,
    counts: &Counts,
    loads: &Loads,
    effort: &mut u64,
) -> Option<(u32, u32)> {
    let items = packing.item_load.len();
    let (mut most, first) = worst_pair(packing.item_load);
    let least = at(packing.item_load, items - 1);
    let mut found = None;
    for item in [first, items - 1 - first] {
        let to = at(packing.expert_of, item) & !SPLIT;
        let count = at(counts.of, to);
        if count == 0 || count >= counts.most {
            continue;
        }
        let more = Replicas { expert: to, count: count + 1, load: loads.of_replica(to, count + 1) };
        let mut last = NONE;
        for &donor in packing.expert_of.iter() {
            let from = donor & !SPLIT;
            let again = core::mem::replace(&mut last, donor) == donor;
            if again || donor & SPLIT == 0 || from == to {
                continue;
            }
            let count = at(counts.of, from) - 1;
            let less = Replicas { expert: from, count, load: loads.of_replica(from, count) };
            if less.load + least < most
                && *effort > 0
                && let Some(now) = worst_below(packing, [&more, &less], most, effort)
            {
                most = now;
                found = Some((from, to));
            }
        }
    }
    found
}

/// All replicas of an expert.
struct Replicas {
    expert: u32,
    count: u32,
    load: u64,
}

/// The worst pair when two experts have other counts, if it is below `most`.
fn worst_below<const SPEEDS: bool>(
    packing: &Packing<SPEEDS>,
    [a, b]: [&Replicas; 2],
    most: u64,
    effort: &mut u64,
) -> Option<u64> {
    let (larger, smaller) = if a.load < b.load { (b, a) } else { (a, b) };
    let new = |of: &Replicas| repeat_n(of.load, of.count as usize);
    let stays = |(_, expert): &(&u64, &u32)| {
        let expert = **expert & !SPLIT;
        expert != a.expert && expert != b.expert
    };
    let items = || packing.item_load.iter().zip(packing.expert_of.iter());
    let mut falling = items().filter(stays).map(|(load, _)| *load).peekable();
    let mut rising = items().rev().filter(stays).map(|(load, _)| *load).peekable();
    let mut falling_new = new(larger).chain(new(smaller)).peekable();
    let mut rising_new = new(smaller).chain(new(larger)).peekable();
    let mut worst = 0;
    for _ in 0..packing.item_load.len() / 2 {
        let stay = falling.peek().copied().unwrap_or(0);
        let top = match falling_new.next_if(|&new| new >= stay) {
            Some(new) => new,
            None => falling.next().unwrap_or(0),
        };
        let stay = rising.peek().copied().unwrap_or(u64::MAX);
        let bottom = match rising_new.next_if(|&new| new <= stay) {
            Some(new) => new,
            None => rising.next().unwrap_or(0),
        };
        *effort = effort.saturating_sub(1);
        worst = worst.max(top + bottom);
        if worst >= most {
            return None;
        }
    }
    Some(worst)
}
