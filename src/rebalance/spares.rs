//! Slots that can be given away, and what that does to others.

use crate::base::cells::{at, put};
use crate::rebalance::limits::{Limits, Survive};
use crate::rebalance::packing::Packing;

/// How much the excesses of other GPUs rise together when a slot gives up its expert.
fn harm_of_loss(packing: &Packing, slot: usize) -> f64 {
    let before = at(packing.on, slot) as usize;
    let others = u64::from(at(packing.count, before)).wrapping_sub(1);
    let windows = packing.windows;
    let mut harm = 0.0;
    for holder in packing.holders(before).filter(|&holder| holder != slot) {
        let gpu = at(packing.gpu, holder);
        if gpu == at(packing.gpu, slot) {
            continue;
        }
        let after = packing.excess_with(gpu as usize, |window| {
            let old = before.wrapping_mul(windows).wrapping_add(window);
            let share = at(packing.whole, old).checked_div(others).unwrap_or(0);
            share.wrapping_sub(at(packing.share, old))
        });
        let more = after - at(packing.excess, gpu as usize);
        harm += if more > 0.0 { more } else { 0.0 };
    }
    harm
}

/// Lists the slots that can be given away; answers how many.
pub fn list_spares(packing: &mut Packing, limits: &Limits) -> usize {
    let mut found = 0;
    for (slot, &expert) in packing.on.iter().enumerate() {
        let spare = match packing.count.get(expert as usize) {
            Some(1) => false, // so are most
            Some(_) if limits.survive == Survive::Nothing => !limits.pinned(packing, slot),
            _ => limits.spare(packing, slot),
        };
        if spare {
            put(packing.spares, found, slot as u32);
            found += 1;
        }
    }
    found
}

/// Finds out what the loss of each spare slot does to others, where that is not known.
pub fn find_harm(packing: &mut Packing, spares: usize) {
    for index in 0..spares {
        let slot = at(packing.spares, index) as usize;
        if at(packing.harm, slot) < 0.0 {
            let harm = harm_of_loss(packing, slot);
            put(packing.harm, slot, harm);
        }
    }
}
