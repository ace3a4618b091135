//! What no packing of given items can beat, in one pass over them.
//!
//! For each k: either the k largest items sit on k GPUs of their own, then the largest load is at least
//! (their sum + the k (slots - 1) smallest items) / k; or two of them share one, then at least the two
//! smallest of the k + the slots - 2 smallest items. The smaller of the two holds for this k, the largest
//! over k holds for the items.

/// `loads` falling, gpus * slots long. The larger of the bound and `floor`; the second part for each k only falls, so
/// the pass ends where it no longer matters, mostly at once.
pub fn packing_bound(loads: &[u64], gpus: usize, slots: usize, floor: u64) -> u64 {
    let mut best = floor;
    let (mut tops, mut smalls) = (0, 0);
    let mut rising = loads.iter().rev();
    // The slots - 2 smallest items, which even the pair has beside it.
    let beside = rising.clone().take(slots.saturating_sub(2)).sum::<u64>();
    let mut above = None;
    for (k, &load) in (1..=gpus + 1).zip(loads) {
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

#[cfg(test)]
#[allow(clippy::indexing_slicing)]
mod tests {
    extern crate std;
    use super::*;
    use std::{vec, vec::Vec};

    /// The least largest load, whatever GPUs with room the items go to.
    fn optimum(items: &[u64], gpus: &mut [(u64, usize)]) -> u64 {
        let Some((&item, rest)) = items.split_first() else {
            return gpus.iter().map(|&(load, _)| load).fold(0, u64::max);
        };
        let mut best = u64::MAX;
        for gpu in 0..gpus.len() {
            let (load, room) = gpus[gpu];
            if room > 0 {
                gpus[gpu] = (load + item, room - 1);
                best = best.min(optimum(rest, gpus));
                gpus[gpu] = (load, room);
            }
        }
        best
    }

    #[test]
    fn no_packing_beats_the_bound() {
        let (mut all, mut reached) = (0, 0);
        for (gpus, slots) in [(1, 3), (2, 1), (2, 2), (2, 3), (3, 2), (2, 4), (4, 2), (3, 3)] {
            for seed in 0..30 {
                let items = gpus * slots;
                let mut loads: Vec<u64> =
                    (1..=items as u64).map(|i| 1 + (seed + i) * i * i * 7919 % 23).collect();
                loads.sort_by(|a, b| b.cmp(a));
                let best = optimum(&loads, &mut vec![(0, slots); gpus]);
                let bound = packing_bound(&loads, gpus, slots, 0);
                assert!(bound <= best, "{bound} of {loads:?} on {gpus} GPUs");
                assert_eq!(packing_bound(&loads, gpus, slots, best), best);
                all += 1;
                reached += usize::from(bound == best);
            }
        }
        assert!(2 * reached > all, "{reached} of {all}");
    }
}
