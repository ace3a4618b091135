//! What no packing of given items can beat, in one pass over them.
//!
//! For each k: either the k largest items sit on k GPUs of their own, then the largest load is at least
//! (their sum + the k (slots - 1) smallest items) / k; or two of them share one, then at least the two
//! smallest of the k + the slots - 2 smallest items. The smaller of the two holds for this k, the largest
//! over k holds for the items.

use crate::base::cells::at;

/// `loads` falling, gpus * slots long. The larger of the bound and `floor`; the second part for each k only falls, so
/// the pass ends where it no longer matters, mostly at once.
pub fn packing_bound(loads: &[u64], gpus: usize, slots: usize, floor: u64) -> u64 {
    let mut best = floor;
    let (mut tops, mut smalls) = (0, 0);
    let mut rising = loads.iter().rev();
    // The slots - 2 smallest items, which even the pair has beside it.
    let beside = rising.clone().take(slots.saturating_sub(2)).sum::<u64>();
    let mut above = None;
    for k in 1..=gpus + 1 {
        let load = at(loads, k - 1);
        tops += load;
        smalls += rising.by_ref().take(slots.saturating_sub(1)).sum::<u64>();
        let pair = match above {
            Some(above) if slots > 1 => above + load + beside,
            _ => u64::MAX,
        };
        if pair <= best {
            break;
        }
        let apart = if k > gpus { u64::MAX } else { (tops + smalls) / k as u64 };
        best = best.max(apart.min(pair));
        above = Some(load);
    }
    best
}
