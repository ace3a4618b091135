//! Total orders on loads, and what is built on them without a panic: heap and sort.
//!
//! A load and its index travel as one u64 key, so that a single integer comparison decides by load
//! and then by lowest index. Loads are finite and not negative: their bits order as they do.

use crate::base::cells::put;

/// Key that orders by descending load, then ascending index: the smallest key is the largest load,
/// lowest index first among equals.
#[inline]
pub fn descending(load: f32, index: usize) -> u64 {
    (u64::from(!load.to_bits()) << 32) | index as u32 as u64
}

/// Key that orders by ascending load, then ascending index.
#[inline]
pub fn ascending(load: f32, index: usize) -> u64 {
    (u64::from(load.to_bits()) << 32) | index as u32 as u64
}

/// The index of a key made by [`descending`] or [`ascending`].
#[inline]
pub fn index_of(key: u64) -> usize {
    key as u32 as usize
}

/// The load of a key made by [`descending`].
#[inline]
pub fn load_of_descending(key: u64) -> f32 {
    f32::from_bits(!((key >> 32) as u32))
}

/// Spreads a word over all its bits: the finaliser of splitmix64.
#[inline]
pub fn scatter(word: u64) -> u64 {
    let mixed = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// The load as f64: exactly, even where the processor takes subnormals for zero.
#[inline]
pub fn widen(load: f32) -> f64 {
    const LEAST: f64 = f64::from_bits((1023 - 149) << 52); // the smallest subnormal
    if load.to_bits() < f32::MIN_POSITIVE.to_bits() {
        f64::from(load.to_bits()) * LEAST
    } else {
        f64::from(load)
    }
}

/// The bits of the largest load that is not above `most`, which is no NaN; `None` when all are above. Loads are in order
/// of their bits: in a search these are compared, not the loads widened.
#[inline]
pub fn bits_of_largest(most: f64) -> Option<u32> {
    const SUBNORMALS: f64 = f64::from_bits((1023 + 149) << 52);
    const REBIAS: u64 = (1023 - 127) << 23;
    if most < 0.0 {
        None
    } else if most < f64::from(f32::MIN_POSITIVE) {
        Some((most * SUBNORMALS) as u32)
    } else {
        u32::try_from((most.to_bits() >> 29) - REBIAS).ok().or(Some(u32::MAX))
    }
}

/// The first `N` items by `before`, a strict order, in that order; the earlier item first among equals.
#[inline]
pub fn first<T: Copy, const N: usize>(
    items: impl Iterator<Item = T>,
    before: impl Fn(&T, &T) -> bool,
) -> heapless::Vec<T, N> {
    let mut first: heapless::Vec<T, N> = heapless::Vec::new();
    for item in items {
        if first.is_full() {
            match first.last() {
                Some(last) if before(&item, last) => first.pop(),
                _ => continue,
            };
        }
        // there is room now; sink the newcomer to its place
        let _ = first.push(item);
        for at in (1..first.len()).rev() {
            match first.get_mut(at - 1..=at) {
                Some([a, b]) if before(b, a) => core::mem::swap(a, b),
                _ => break,
            }
        }
    }
    first
}

/// A binary min-heap over a slice.
pub mod heap {
    use crate::base::cells::{at, put};

    /// Makes a heap of `keys` in place. O(n).
    pub fn build(keys: &mut [u64]) {
        for i in (0..keys.len() / 2).rev() {
            sift_down(keys, i);
        }
    }

    /// The smallest key, `u64::MAX` when there is none.
    #[inline]
    pub fn top(keys: &[u64]) -> u64 {
        keys.first().copied().unwrap_or(u64::MAX)
    }

    /// Puts `key` where the smallest was. O(log n).
    #[inline]
    pub fn replace_top(keys: &mut [u64], key: u64) {
        put(keys, 0, key);
        sift_down(keys, 0);
    }

    /// Restores the heap after `keys` has got a last key: it rises to its place. O(log n).
    #[inline]
    pub fn sift_up(keys: &mut [u64]) {
        let Some((&mut key, _)) = keys.split_last_mut() else { return };
        let mut hole = keys.len() - 1;
        while hole > 0 {
            let parent = (hole - 1) / 2;
            let above = at(keys, parent);
            if above <= key {
                break;
            }
            put(keys, hole, above);
            hole = parent;
        }
        put(keys, hole, key);
    }

    /// Restores the heap below `start` after the key there grew.
    #[inline]
    pub fn sift_down(keys: &mut [u64], start: usize) {
        let Some(&key) = keys.get(start) else { return };
        let mut hole = start;
        loop {
            let left = hole * 2 + 1;
            let a = keys.get(left).copied().unwrap_or(u64::MAX);
            let b = keys.get(left + 1).copied().unwrap_or(u64::MAX);
            let (child, smaller) = if b < a { (left + 1, b) } else { (left, a) };
            if key <= smaller {
                break;
            }
            put(keys, hole, smaller);
            hole = child;
        }
        put(keys, hole, key);
    }
}

/// Keys up to which [`sort`] inserts: clearing its table would cost more.
const SHORT: usize = 48;
/// Words of its table.
const TABLE: usize = 256;

/// Length of the buffer that [`sort`] needs for up to `keys` keys.
pub fn sort_buffer(keys: usize) -> usize {
    if keys <= SHORT { 0 } else { keys.saturating_add(TABLE) }
}

/// Sorts `keys` ascending; `buffer` is as long as [`sort_buffer`] says, or longer. O(n), or O(n) for each 16 bits in
/// which keys differ where loads crowd together.
///
/// A radix sort, two bytes at a time: no comparison, hence no branch that the data could mislead. The 16
/// highest bits of what the keys differ in nearly sort them, and insertion does the rest; where it would
/// have too far to go, all bits are sorted by.
pub fn sort(keys: &mut [u64], buffer: &mut [u64]) {
    let len = keys.len();
    if len <= SHORT {
        insertion_sort(keys, usize::MAX);
        return;
    }
    let Some((buffer, table)) = buffer.split_last_chunk_mut::<TABLE>() else { return };
    let Some(buffer) = buffer.get_mut(..len) else { return };
    let range = |(low, high): (u64, u64), &key: &u64| (low.min(key), high.max(key));
    let (low, high) = keys.iter().fold((u64::MAX, 0), range);
    let bits = 64 - (high - low).leading_zeros();
    let shift = bits.saturating_sub(16);
    scatter_by_two_bytes(keys, buffer, table, low, shift);
    if shift > 0 && !insertion_sort(keys, len.saturating_mul(8)) {
        for shift in (0..bits).step_by(16) {
            scatter_by_two_bytes(keys, buffer, table, low, shift);
        }
    }
}

/// Sorts by the 16 bits at `shift` of what a key is above `low`, through the buffer and back; stable.
///
/// Both passes count in one table, the lower byte in the lower half of its words: fewer than 2^32 keys.
#[allow(clippy::indexing_slicing)] // a table of 256 indexed by bytes
fn scatter_by_two_bytes(
    keys: &mut [u64],
    buffer: &mut [u64],
    table: &mut [u64; TABLE],
    low: u64,
    shift: u32,
) {
    const UPPER: u64 = 1 << 32;
    let bytes = |key: u64| (key.wrapping_sub(low) >> (shift & 63)) as u16;
    let lower = |key: u64| usize::from(bytes(key) as u8);
    let upper = |key: u64| usize::from((bytes(key) >> 8) as u8);
    table.fill(0);
    for &key in keys.iter() {
        table[lower(key)] += 1;
        table[upper(key)] += UPPER;
    }
    let mut start = 0;
    for place in table.iter_mut() {
        start += core::mem::replace(place, start);
    }
    for &key in keys.iter() {
        let place = &mut table[lower(key)];
        put(buffer, *place as u32, key);
        *place += 1;
    }
    for &key in buffer.iter() {
        let place = &mut table[upper(key)];
        put(keys, (*place >> 32) as usize, key);
        *place += UPPER;
    }
}

/// For short slices, and for keys that are nearly in order: gives up after `budget` moves, with the keys
/// in some order, and answers whether it got to the end.
pub fn insertion_sort(keys: &mut [u64], budget: usize) -> bool {
    let mut moves: usize = 0;
    let mut last = 0;
    for end in 0..keys.len() {
        let Some(&key) = keys.get(end) else { return true };
        if key >= last {
            last = key;
            continue;
        }
        let mut hole = end;
        while let Some(&before) = keys.get(hole.wrapping_sub(1)).filter(|&&before| before > key) {
            put(keys, hole, before);
            hole -= 1;
        }
        put(keys, hole, key);
        moves = moves.saturating_add(end - hole);
        if moves > budget {
            return false;
        }
    }
    true
}

#[cfg(test)]
#[allow(clippy::indexing_slicing)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec;
    use std::vec::Vec;

    /// Numbers that look random.
    fn random(count: usize, mask: u64) -> Vec<u64> {
        let next = |state: &u64| Some(state.wrapping_mul(6_364_136_223_846_793_005) | 1);
        let states = core::iter::successors(Some(0x9e37_79b9_7f4a_7c15_u64), next);
        states.take(count).map(|state| state.rotate_left(29) & mask).collect()
    }

    #[test]
    fn keys_order_by_load_then_index() {
        let loads = [0.0, 1.0e-40, 0.5, 1.0, 3.0e38];
        for (lower, pair) in loads.windows(2).enumerate() {
            let (a, b) = (pair[0], pair[1]);
            assert!(descending(b, 9) < descending(a, 3) && ascending(a, 9) < ascending(b, 3));
            assert!(descending(a, 3) < descending(a, 4) && ascending(a, 3) < ascending(a, 4));
            assert_eq!(
                (index_of(descending(a, lower)), index_of(ascending(a, lower))),
                (lower, lower)
            );
            assert_eq!(load_of_descending(descending(a, 7)), a);
            assert_eq!(widen(a), f64::from(a));
        }
    }

    /// Few and many keys, spread, crowded together, alike, and falling: as the standard library has them.
    #[test]
    fn sort_sorts() {
        for len in [0, 1, 2, SHORT, SHORT + 1, 300, 3_000] {
            for mask in [u64::MAX, 0xffff, 3, 0, 0xff << 40, 0x1_0000_0001] {
                let mut keys = random(len, mask);
                let mut expected = keys.clone();
                expected.sort_unstable();
                let mut buffer = vec![9; sort_buffer(len)];
                sort(&mut keys, &mut buffer);
                assert_eq!(keys, expected, "{len} {mask:x}");
                keys.reverse();
                sort(&mut keys, &mut buffer);
                assert_eq!(keys, expected, "{len} {mask:x} falling");
            }
        }
    }

    #[test]
    fn insertion_gives_up() {
        assert!(!insertion_sort(&mut [5, 4, 3, 2, 1], 3));
        assert!(insertion_sort(&mut [5, 4, 3, 2, 1], 10));
    }

    #[test]
    fn the_first_of_equals_stays_first() {
        let items = [(3, 'a'), (1, 'b'), (3, 'c'), (2, 'd'), (1, 'e')];
        let found: heapless::Vec<_, 3> = first(items.into_iter(), |a, b| a.0 < b.0);
        assert_eq!(found[..], [(1, 'b'), (1, 'e'), (2, 'd')]);
        assert!(first::<(u8, char), 2>(core::iter::empty(), |a, b| a.0 < b.0).is_empty());
    }

    /// Taken out one by one keys come in order, whether built at once or one by one.
    #[test]
    fn heaps_give_the_smallest() {
        for len in [0, 1, 2, 3, 40, 65] {
            let keys = random(len, 63);
            let mut expected = keys.clone();
            expected.sort_unstable();
            let mut built = keys.clone();
            heap::build(&mut built);
            let mut grown = Vec::new();
            for &key in &keys {
                grown.push(key);
                heap::sift_up(&mut grown);
            }
            for mut heap in [built, grown] {
                let mut taken = Vec::new();
                for _ in 0..len {
                    taken.push(heap::top(&heap));
                    heap::replace_top(&mut heap, u64::MAX);
                }
                assert_eq!(taken, expected);
                assert_eq!(heap::top(&heap), u64::MAX);
            }
        }
    }

    #[test]
    fn the_largest_load_that_is_not_above() {
        let least = f64::from_bits((1023 - 149) << 52);
        let bits = [0, 1, 2, 77, 0x7f_ffff, 0x80_0000, 0x80_0001, 0x3f80_0000, 0x7f7f_ffff];
        for bits in bits {
            let load = widen(f32::from_bits(bits));
            assert_eq!(bits_of_largest(load), Some(bits));
            assert_eq!(bits_of_largest(load * (1.0 + 1e-15) + least / 4.0), Some(bits));
            assert_eq!(bits_of_largest(load * (1.0 - 1e-15) - least / 4.0), bits.checked_sub(1));
        }
        assert!(bits_of_largest(1e300) >= Some(f32::MAX.to_bits()));
        assert!(bits_of_largest(f64::INFINITY) >= Some(f32::MAX.to_bits()));
    }
}
