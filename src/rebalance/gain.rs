//! What it gains to give a spare slot to an expert.

use crate::base::cells::at;
use crate::rebalance::packing::Packing;

/// Gain when `slot` gives up its expert for a copy of `expert`: how much all excesses sink together. Not
/// exact, but an answer of at most `enough`, once it is certain that it is no more.
pub fn gain_of_put(packing: &Packing, slot: usize, expert: usize, enough: f64) -> f64 {
    let gpu = at(packing.gpu, slot);
    let before = at(packing.on, slot) as usize;
    let windows = packing.windows;
    let others = u64::from(at(packing.count, before)).wrapping_sub(1);
    let old = |window: usize| before.wrapping_mul(windows).wrapping_add(window);
    let new = |window: usize| expert * windows + window;
    // how much a copy of each changes
    let more = |window| at(packing.more, new(window));
    let sink = |window| more(window).wrapping_sub(at(packing.share, new(window)));
    let rise = |window| {
        let share = at(packing.whole, old(window)).checked_div(others).unwrap_or(0);
        share.wrapping_sub(at(packing.share, old(window)))
    };
    let copies = |expert: usize, holder: u32| {
        let here = |&s: &usize| s != slot && at(packing.gpu, s) == holder;
        packing.holders(expert).filter(here).count() as u64
    };
    let excess = |gpu: u32| at(packing.excess, gpu as usize);
    let first = |expert: usize, index: usize, holder: u32| {
        !packing.holders(expert).take(index).any(|s| at(packing.gpu, s) == holder)
    };

    // what can still be gained: no GPU with a copy of the new expert gets worse for it
    let hope: f64 = packing.holders(expert).map(|s| excess(at(packing.gpu, s))).sum();
    let twice = copies(before, gpu);
    let mut gain = excess(gpu)
        - packing.excess_with(gpu as usize, |window| {
            let left = more(window).wrapping_sub(at(packing.share, old(window)));
            if twice > 0 { left.wrapping_add(twice.wrapping_mul(rise(window))) } else { left }
        });
    for (index, holder) in packing.holders(before).enumerate() {
        if gain + hope <= enough {
            return gain + hope;
        }
        let here = at(packing.gpu, holder);
        if here != gpu && first(before, index, here) {
            let (lost, shared) = (copies(before, here), copies(expert, here));
            gain += excess(here)
                - packing.excess_with(here as usize, |window| {
                    let up = lost.wrapping_mul(rise(window));
                    up.wrapping_add(shared.wrapping_mul(sink(window)))
                });
        }
    }
    for (index, holder) in packing.holders(expert).enumerate() {
        let here = at(packing.gpu, holder);
        if here != gpu
            && excess(here) > 0.0
            && first(expert, index, here)
            && !packing.holders(before).any(|s| s != slot && at(packing.gpu, s) == here)
        {
            let shared = copies(expert, here);
            let after = |window| shared.wrapping_mul(sink(window));
            gain += excess(here) - packing.excess_with(here as usize, after);
        }
    }
    gain
}
