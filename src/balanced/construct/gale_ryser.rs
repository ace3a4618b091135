//! Which counts fit uneven slots at all. Counts can be placed without two replicas of an expert on a GPU
//! exactly when, for every k, the k largest counts together are at most the sum over GPUs of min(slots, k)
//! (Gale and Ryser); with equal slots that is only count <= GPUs. Placing the largest counts first, each on
//! the GPUs with most room, always succeeds then.

use crate::base::arena::Carve;
use crate::base::cells::{add, at, part, put, subtract};
use crate::base::keys::{descending, index_of, sort};

/// The places that GPUs have, and counts that may fit them.
pub struct GaleRyser<'a> {
    /// By k: the sum over GPUs of min(slots, k).
    places: &'a mut [u32],
    /// By count: experts that have it.
    experts: &'a mut [u32],
    /// Equal slots: any counts fit that are not above the number of GPUs.
    even: bool,
}

impl<'a> GaleRyser<'a> {
    pub fn list(arena: &mut impl Carve<'a>, experts: usize, gpus: usize) -> Self {
        GaleRyser {
            places: arena.u32s(experts.saturating_add(1)),
            experts: arena.u32s(gpus.saturating_add(2)),
            even: true,
        }
    }
}

impl GaleRyser<'_> {
    /// Notes the GPUs: GPU g has the slots first[g]..first[g + 1].
    pub fn set_gpus(&mut self, first: &[u32]) {
        self.places.fill(0);
        let slots = || first.windows(2).map(|pair| at(pair, 1) - at(pair, 0));
        self.even = slots().all(|here| Some(here) == slots().next());
        slots().for_each(|slots| add(self.places, slots, 1));
        // Here `with` is the number of GPUs with at least k slots, all of them for k = 0, whose sum is 0.
        let (mut with, mut sum) = (slots().count() as u32, 0);
        for place in self.places.iter_mut() {
            let exactly = core::mem::replace(place, sum);
            with = with.wrapping_sub(exactly);
            sum = sum.wrapping_add(with);
        }
    }

    /// Notes counts.
    pub fn count(&mut self, counts: &[u32]) {
        self.experts.fill(0);
        counts.iter().for_each(|&count| add(self.experts, count, 1));
    }

    /// Do these counts, none above the number of GPUs, fit?
    pub fn fit(&mut self, counts: &[u32]) -> bool {
        self.even || {
            self.count(counts);
            self.noted_fit()
        }
    }

    fn noted_fit(&self) -> bool {
        let (mut k, mut sum) = (0, 0_u32);
        self.experts.iter().enumerate().rev().all(|(count, &experts)| {
            k += experts as usize;
            sum = sum.wrapping_add(experts.wrapping_mul(count as u32));
            sum <= at(self.places, k)
        })
    }

    /// Raises one of the counts noted, if they fit then.
    pub fn grow(&mut self, count: u32) -> bool {
        self.replace(count, count + 1);
        let fits = self.noted_fit();
        if !fits {
            self.replace(count + 1, count);
        }
        fits
    }

    fn replace(&mut self, old: u32, new: u32) {
        subtract(self.experts, old, 1);
        add(self.experts, new, 1);
    }
}

/// A placement of counts that fit, whatever its balance: the expert of each slot. GPU g has the slots first[g]..first[g
/// + 1]. `keys`: one an expert, `buffer` for [`sort`], `filled`: one a GPU.
#[inline(never)]
pub fn construct(
    counts: &[u32],
    first: &[u32],
    keys: &mut [u64],
    buffer: &mut [u64],
    filled: &mut [u32],
    expert_at: &mut [u32],
) {
    let keys = keys.get_mut(..counts.len()).unwrap_or_default();
    for (expert, (key, &count)) in keys.iter_mut().zip(counts).enumerate() {
        *key = descending(count as f32, expert);
    }
    sort(keys, buffer);
    filled.fill(0);
    for &key in keys.iter() {
        let expert = index_of(key) as u32;
        for _ in 0..at(counts, expert) {
            let (mut most, mut to) = (0, None);
            for (gpu, &filled) in filled.iter().enumerate() {
                let free = at(first, gpu) + filled;
                let room = at(first, gpu + 1) - free;
                let here = part(expert_at, at(first, gpu) as usize, free as usize);
                if room > most && !here.contains(&expert) {
                    (most, to) = (room, Some((gpu, free)));
                }
            }
            if let Some((gpu, free)) = to {
                put(expert_at, free, expert);
                add(filled, gpu, 1);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec;

    /// Whether counts fit these slots, by trying every set of GPUs for every expert.
    fn fits(counts: &[u32], slots: &[u32]) -> bool {
        let Some((&count, rest)) = counts.split_first() else { return true };
        (0..1_u32 << slots.len()).filter(|gpus| gpus.count_ones() == count).any(|gpus| {
            let left =
                slots.iter().enumerate().map(|(gpu, &here)| here.checked_sub(gpus >> gpu & 1));
            left.collect::<Option<vec::Vec<u32>>>().is_some_and(|left| fits(rest, &left))
        })
    }

    /// Every vector of counts of four experts on GPUs with these slots, that fill them.
    fn compare(slots: &[u32]) {
        let (gpus, all) = (slots.len(), slots.iter().sum::<u32>());
        let first: vec::Vec<u32> = (0..=gpus).map(|gpu| slots[..gpu].iter().sum()).collect();
        let (places, experts) = (&mut [0; 5][..], &mut vec![0; gpus + 2][..]);
        let mut gale_ryser = GaleRyser { places, experts, even: true };
        gale_ryser.set_gpus(&first);
        for number in 0..gpus.pow(4) {
            let counts = [0, 1, 2, 3].map(|i| (number / gpus.pow(i) % gpus) as u32 + 1);
            if counts.iter().sum::<u32>() != all {
                continue;
            }
            assert_eq!(gale_ryser.fit(&counts), fits(&counts, slots), "{counts:?} on {slots:?}");
            if gale_ryser.fit(&counts) {
                check_construction(&counts, &first);
            }
        }
    }

    fn check_construction(counts: &[u32], first: &[u32]) {
        let mut expert_at = vec![u32::MAX; first[first.len() - 1] as usize];
        let filled = &mut vec![0; first.len() - 1];
        construct(counts, first, &mut [0; 4], &mut [0; 64], filled, &mut expert_at);
        for (expert, &count) in (0..).zip(counts) {
            let gpus = first.windows(2).map(|w| &expert_at[w[0] as usize..w[1] as usize]);
            let held = gpus.map(|held| held.iter().filter(|&&at| at == expert).count());
            assert!(held.clone().all(|replicas| replicas <= 1), "{counts:?} at {expert_at:?}");
            assert_eq!(held.sum::<usize>(), count as usize);
        }
    }

    #[test]
    fn counts_fit_as_often_as_by_trying() {
        for slots in [
            &[2, 3][..],
            &[2, 2, 2],
            &[4, 1, 1],
            &[3, 2, 1],
            &[3, 1, 3],
            &[4, 1, 2, 1],
            &[2, 2, 2, 2],
        ] {
            compare(slots);
        }
    }
}
