//! One swap between the heaviest pack and one of the two lightest, if it lowers the peak.
//!
//! Seed document 001. In f64, on the loads as the packer added them up.

use crate::base::keys::first;
use crate::compat::pack::items::{Packed, members};
use crate::compat::pack::scratch::Scratch;

/// By how much the peak must fall.
const STEP: f64 = 1e-9;

#[derive(Clone, Copy)]
struct Item {
    item: usize,
    load: f64,
}

/// Makes the best of the two heaviest items of the heaviest pack by the two lightest of each partner.
pub fn micro_swap(load: &[f32], packs: usize, packed: &mut Packed, scratch: &mut Scratch) {
    let running = scratch.running.get(..packs).unwrap_or_default();
    let all = || running.iter().copied().enumerate();
    let by_load = |a: &(usize, f64), b: &(usize, f64)| a.1 > b.1;
    // leaving out heaviest and partner, one of the three largest is the peak of the others
    let top: heapless::Vec<(usize, f64), 3> = first(all(), by_load);
    let Some(&(heavy, peak)) = top.first() else { return };
    let partners: heapless::Vec<(usize, f64), 2> =
        first(all().filter(|&(pack, _)| pack != heavy), |a, b| a.1 < b.1);
    let items = |of: usize| {
        members(packed.pack, of)
            .map(|item| Item { item, load: load.get(item).copied().map_or(0.0, f64::from) })
    };
    let heaviest: heapless::Vec<Item, 2> = first(items(heavy), |a, b| a.load > b.load);

    let larger = |a: f64, b: f64| if a > b { a } else { b };
    let mut best: Option<(Item, Item, usize, f64)> = None;
    for &(light, sum) in partners.iter().filter(|(_, sum)| *sum < peak) {
        let lightest: heapless::Vec<Item, 2> = first(items(light), |a, b| a.load < b.load);
        let others = top.iter().find(|(pack, _)| *pack != heavy && *pack != light);
        let others = others.map_or(0.0, |other| other.1);
        for a in &heaviest {
            for b in &lightest {
                let new_heavy = peak - a.load + b.load;
                let new_light = sum - b.load + a.load;
                let new_peak = larger(larger(new_heavy, new_light), others);
                if new_peak + STEP < peak && best.is_none_or(|(_, _, _, least)| new_peak < least) {
                    best = Some((*a, *b, light, new_peak));
                }
            }
        }
    }
    let Some((a, b, light, _)) = best else { return };

    // an item is ranked by its place among the items of its pack, a newcomer by that of whom it replaces
    for (pack, leaves, comes) in [(heavy, a.item, b.item), (light, b.item, a.item)] {
        let Packed { pack: places, rank: ranks } = &mut *packed;
        for (rank, item) in members(places, pack).enumerate() {
            let item = if item == leaves { comes } else { item };
            if let Some(place) = ranks.get_mut(item) {
                *place = rank as u32;
            }
        }
    }
    for (item, to) in [(a.item, light), (b.item, heavy)] {
        if let Some(pack) = packed.pack.get_mut(item) {
            *pack = to as u32;
        }
    }
}
