//! C1, what no packing of given items can beat, in one pass over the ranks.
//!
//! For each k: either the k largest items sit on k GPUs of their own, then the largest load is at least
//! (their sum + the k (slots - 1) smallest items) / k; or two of them share one, then at least the two
//! smallest of the k + the slots - 2 smallest items. The smaller of the two holds for this k, the largest
//! over k holds for the items.

use crate::base::cells::at;

/// `w` falling, gpus * slots long. The larger of C1 and `floor`; the second bound of each k only falls, so
/// the pass ends where it no longer matters, for most rows at once.
pub fn c1(w: &[u64], gpus: usize, slots: usize, floor: u64) -> u64 {
    let n = w.len();
    let mut best = floor;
    let (mut tops, mut smalls) = (0u64, 0u64);
    let mut low = n;
    // The slots - 2 smallest items, which even the pair has beside it.
    let mut beside = 0u64;
    for i in 0..slots.saturating_sub(2) {
        beside += at(w, n.wrapping_sub(1 + i));
    }
    let mut above = u64::MAX;
    for k in 1..=gpus + 1 {
        let x = at(w, k - 1);
        tops += x;
        for _ in 1..slots {
            low = low.wrapping_sub(1);
            smalls += at(w, low);
        }
        let pair = if k < 2 || slots < 2 { u64::MAX } else { above + x + beside };
        if pair <= best {
            break;
        }
        let apart = if k > gpus { u64::MAX } else { (tops + smalls) / k as u64 };
        let here = if apart < pair { apart } else { pair };
        best = if here > best { here } else { best };
        above = x;
    }
    best
}
