//! Two slots a GPU: for given counts, pairing the items in opposite order is optimal, and LPT does just that;
//! what is left is to find the counts. Hill climbing: one replica from a donor to an expert of the worst
//! pair.

use crate::balanced::construct::counts::Counts;
use crate::balanced::construct::loads::Loads;
use crate::balanced::construct::packing::{Packing, SPLIT};
use crate::base::cells::{NONE, at, part};
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

/// The best donor and receiver, or none. `buffer`: a word an item.
pub fn climb<const SPEEDS: bool>(
    packing: &Packing<SPEEDS>,
    counts: &Counts,
    loads: &Loads,
    buffer: &mut [u64],
    effort: &mut u64,
) -> Option<(u32, u32)> {
    let items = packing.item_load.len();
    let (mut most, first) = worst_pair(packing.item_load);
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
            if less.load < most && *effort > 0 {
                *effort = effort.saturating_sub(items as u64);
                recounted(packing, &more, &less, buffer);
                let (now, _) = worst_pair(part(buffer, 0, items));
                if now < most {
                    most = now;
                    found = Some((from, to));
                }
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

/// Loads of the items, falling, when two experts have other counts.
fn recounted<const SPEEDS: bool>(
    packing: &Packing<SPEEDS>,
    a: &Replicas,
    b: &Replicas,
    out: &mut [u64],
) {
    let (larger, smaller) = if a.load < b.load { (b, a) } else { (a, b) };
    let all = |of: &Replicas| repeat_n(of.load, of.count as usize);
    let mut new = all(larger).chain(all(smaller)).peekable();
    let mut out = out.iter_mut();
    let mut push = |load| out.next().into_iter().for_each(|to| *to = load);
    for (&load, &expert) in packing.item_load.iter().zip(packing.expert_of.iter()) {
        if expert & !SPLIT == a.expert || expert & !SPLIT == b.expert {
            continue;
        }
        while let Some(larger) = new.next_if(|&new| new >= load) {
            push(larger);
        }
        push(load);
    }
    new.for_each(push);
}
