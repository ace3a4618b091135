//! How many replicas: D'Hondt on the peaks, each spare slot to the largest peak / count, lowest index first;
//! an expert that could not be placed once more without meeting itself is passed over.

use crate::balanced::one_load::reach;
use crate::base::cells::{add, at, part_mut, put};
use crate::base::keys::{descending, heap, index_of};

/// Deals the slots. `keys`: `[E]`; `reach`: as long as [`reach::memory`] says. `slots`: of each GPU.
pub fn deal(
    peak: &[f32],
    slots: &[u32],
    most: u32,
    keys: &mut [u64],
    reach: &mut [u32],
    count: &mut [u32],
) {
    let experts = peak.len();
    let all = slots.iter().fold(0, |sum, &slots| sum + slots as usize);
    let (table, hist) = reach.split_at_mut_checked(experts + 1).unwrap_or((&mut [], &mut []));
    reach::fill(table, slots.iter().map(|&slots| slots as usize));
    hist.fill(0);
    put(hist, 1, experts as u32);
    let even = slots.iter().all(|here| Some(here) == slots.first());
    count.fill(1);
    for (expert, (key, &peak)) in keys.iter_mut().zip(peak).enumerate() {
        *key = descending(peak, expert);
    }
    heap::build(keys);
    let mut open = keys.len();
    for _ in experts..all {
        while open > 0 {
            let expert = index_of(heap::top(part_mut(keys, 0, open)));
            let now = at(count, expert);
            add(hist, now as usize, u32::MAX);
            add(hist, now as usize + 1, 1);
            if now < most && (even || reach::fits(table, hist)) {
                put(count, expert, now + 1);
                let key = descending(at(peak, expert) / (now + 1) as f32, expert);
                heap::replace_top(part_mut(keys, 0, open), key);
                break;
            }
            add(hist, now as usize, 1);
            add(hist, now as usize + 1, u32::MAX);
            // What does not fit now never will: the sets that are full stay full.
            open -= 1;
            let last = at(keys, open);
            heap::replace_top(part_mut(keys, 0, open), last);
        }
    }
}
