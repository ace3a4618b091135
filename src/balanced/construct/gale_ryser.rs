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

/// A placement of counts that fit, whatever its balance: the expert of each slot. GPU g has the slots first[g]..first[g + 1].
/// `keys`: one an expert, `buffer` for [`sort`], `filled`: one a GPU.
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
