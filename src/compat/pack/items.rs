//! What is packed, and where it goes.

use crate::base::keys::{descending, sort};

/// Where the items of a row go.
#[derive(Debug)]
pub struct Packed<'a> {
    /// Pack of each item.
    pub pack: &'a mut [u32],
    /// Its position in the pack.
    pub rank: &'a mut [u32],
}

/// The items of a row.
#[derive(Clone, Copy, Debug)]
pub struct Items<'a> {
    /// Load of each, finite and not negative.
    pub load: &'a [f32],
    /// Expert of which each is a replica, below the number of items. Not looked at by LPT.
    pub expert: &'a [u32],
}

/// The items of a pack, in ascending order.
pub fn members<'p>(pack: &'p [u32], of: usize) -> impl Iterator<Item = usize> + Clone + 'p {
    pack.iter().enumerate().filter(move |&(_, &pack)| pack as usize == of).map(|(item, _)| item)
}

/// Keys of items, the largest load first, the lowest index first among equals.
pub fn heaviest_first(load: &[f32], keys: &mut [u64], buffer: &mut [u64]) {
    for (item, (key, &load)) in keys.iter_mut().zip(load).enumerate() {
        *key = descending(load, item);
    }
    sort(keys, buffer);
}
