//! At most two swaps between the heaviest and the lightest pack, to bring their loads together.
//!
//! Seed document 000, before (all pairs) and after (two by two candidates).

use crate::base::keys::{ascending, first, index_of, sort};
use crate::compat::pack::items::{Packed, members};
use crate::compat::pack::scratch::Scratch;

/// Swaps that a row may make.
const ROUNDS: u32 = 2;
/// By how much a swap must improve, and below what difference none is tried.
const STEP: f64 = 1e-9;

/// An item of either pack.
#[derive(Clone, Copy)]
struct Item {
    item: usize,
    load: f32,
}

/// The items of the heaviest and the lightest pack, and by how much the loads differ.
pub struct Pair<'a> {
    load: &'a [f32],
    pack: &'a [u32],
    heavy: usize,
    light: usize,
    delta: f32,
}

/// The item of the heavy pack and of the light pack to swap, and the difference that is left then.
pub type Swap = (usize, usize, f64);

/// What two items of the pair would leave, in f32.
fn residual(delta: f32, heavy: f32, light: f32) -> f32 {
    let left = delta - 2.0 * (heavy - light);
    if left < 0.0 { -left } else { left }
}

impl<'a> Pair<'a> {
    fn items(&self, pack: usize) -> impl Iterator<Item = Item> + 'a {
        let load = self.load;
        members(self.pack, pack)
            .map(move |item| Item { item, load: load.get(item).copied().unwrap_or(0.0) })
    }
}

/// Swaps as `choose` says while it helps.
pub fn two_swaps(
    choose: fn(&Pair, &mut [u64], &mut [u64]) -> Option<Swap>,
    load: &[f32],
    packs: usize,
    packed: &mut Packed,
    scratch: &mut Scratch,
) {
    let keys = &mut *scratch.keys;
    let buffer = &mut *scratch.buffer;
    for _ in 0..ROUNDS {
        // summed anew in f32, in order of the items, whatever the packer's running loads were
        let sums = scratch.running.get_mut(..packs).unwrap_or_default();
        sums.fill(0.0);
        for (&pack, &load) in packed.pack.iter().zip(load) {
            if let Some(sum) = sums.get_mut(pack as usize) {
                *sum = f64::from(*sum as f32 + load);
            }
        }
        let packs = || sums.iter().copied().enumerate();
        let heavy = first::<_, 1>(packs(), |a, b| a.1 > b.1);
        let light = first::<_, 1>(packs(), |a, b| a.1 < b.1);
        let (Some(&(heavy, most)), Some(&(light, least))) = (heavy.first(), light.first()) else {
            return;
        };
        let delta = most as f32 - least as f32;
        if f64::from(delta) <= STEP {
            return;
        }
        let pair = Pair { load, pack: packed.pack, heavy, light, delta };
        let Some((from_heavy, from_light, left)) = choose(&pair, keys, buffer) else { return };
        if left >= f64::from(delta) - STEP {
            return;
        }
        for (item, to) in [(from_heavy, light), (from_light, heavy)] {
            if let Some(pack) = packed.pack.get_mut(item) {
                *pack = to as u32;
            }
        }
        rerank(packed, heavy, keys, buffer);
        rerank(packed, light, keys, buffer);
    }
}

/// For each heavy item the light item next to its ideal partner and the one before, by a left binary
/// search among the light items sorted by load; the first least residual. Chosen in f32, judged in f64.
pub fn all_pairs(pair: &Pair, keys: &mut [u64], buffer: &mut [u64]) -> Option<Swap> {
    let mut count = 0;
    for (key, item) in keys.iter_mut().zip(pair.items(pair.light)) {
        *key = ascending(item.load, item.item);
        count += 1;
    }
    let light = keys.get_mut(..count)?;
    sort(light, buffer);
    let load_of = |key: u64| f32::from_bits((key >> 32) as u32);

    let mut best: Option<(Item, u64, f32)> = None;
    for item in pair.items(pair.heavy) {
        let target = item.load - pair.delta / 2.0;
        let place = light.partition_point(|&key| load_of(key) < target).min(count - 1);
        for place in [place, place.saturating_sub(1)] {
            let &key = light.get(place)?;
            let residual = residual(pair.delta, item.load, load_of(key));
            if best.is_none_or(|(_, _, least)| residual < least) {
                best = Some((item, key, residual));
            }
        }
    }
    let (heavy, light, _) = best?;
    let gain = 2.0 * (f64::from(heavy.load) - f64::from(load_of(light)));
    let left = f64::from(pair.delta) - gain;
    Some((heavy.item, index_of(light), if left < 0.0 { -left } else { left }))
}

/// The two heaviest of the heavy pack by the two lightest of the light one; the first least residual.
pub fn k_two(pair: &Pair, _: &mut [u64], _: &mut [u64]) -> Option<Swap> {
    let heaviest = first::<Item, 2>(pair.items(pair.heavy), |a, b| a.load > b.load);
    let lightest = first::<Item, 2>(pair.items(pair.light), |a, b| a.load < b.load);
    let pairs = heaviest.iter().flat_map(|heavy| lightest.iter().map(move |light| (heavy, light)));
    let swaps = pairs.map(|(heavy, light)| {
        (heavy.item, light.item, f64::from(residual(pair.delta, heavy.load, light.load)))
    });
    first::<Swap, 1>(swaps, |a, b| a.2 < b.2).pop()
}

/// Numbers the items of a pack anew by their rank so far; by item where two collide.
fn rerank(packed: &mut Packed, pack: usize, keys: &mut [u64], buffer: &mut [u64]) {
    let mut count = 0;
    for (key, item) in keys.iter_mut().zip(members(packed.pack, pack)) {
        *key = u64::from(packed.rank.get(item).copied().unwrap_or(0)) << 32 | item as u64;
        count += 1;
    }
    let Some(keys) = keys.get_mut(..count) else { return };
    sort(keys, buffer);
    for (rank, &key) in keys.iter().enumerate() {
        if let Some(place) = packed.rank.get_mut(index_of(key)) {
            *place = rank as u32;
        }
    }
}
