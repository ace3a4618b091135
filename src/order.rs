//! Total orders on loads, and what is built on them without a panic: heap, sort, tournament.
//!
//! A load and its index travel as one u64 key, so that a single integer comparison decides by load
//! and then by lowest index. Loads are finite and not negative: their bits order as they do.

use core::hint::select_unpredictable;

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
        if let Some(first) = keys.first_mut() {
            *first = key;
        }
        sift_down(keys, 0);
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
            if let Some(slot) = keys.get_mut(hole) {
                *slot = smaller;
            }
            hole = child;
        }
        if let Some(slot) = keys.get_mut(hole) {
            *slot = key;
        }
    }
}

/// What a tournament compares: the smallest wins.
pub trait Key: Copy {
    /// Larger than any key: a player who has left.
    const OUT: Self;
    /// The smaller of two.
    fn smaller(self, other: Self) -> Self;
}

impl Key for u64 {
    const OUT: u64 = u64::MAX;
    #[inline]
    fn smaller(self, other: u64) -> u64 {
        self.min(other)
    }
}

impl Key for [u64; 2] {
    const OUT: [u64; 2] = [u64::MAX; 2];
    #[inline]
    fn smaller(self, other: [u64; 2]) -> [u64; 2] {
        // not a branch: which of two packs is lighter cannot be predicted
        let other_wins = (other[0] < self[0]) | ((other[0] == self[0]) & (other[1] < self[1]));
        [
            select_unpredictable(other_wins, other[0], self[0]),
            select_unpredictable(other_wins, other[1], self[1]),
        ]
    }
}

/// A tournament over packs: a complete binary tree whose root is the smallest key. Changing one player
/// replays log2(n) matches, which beats a heap when it is always the winner who changes: the rivals are
/// known beforehand, so that nothing waits but the comparisons themselves.
#[derive(Debug)]
pub struct Tournament<'a, K> {
    /// Root at 1, the children of `i` at `2i` and `2i + 1`, players from `leaves` on.
    tree: &'a mut [K],
    leaves: usize,
}

/// Memory of u64 as keys.
pub trait Nodes<'a>: Key + Sized {
    /// As many whole keys as there are.
    fn nodes(memory: &'a mut [u64]) -> &'a mut [Self];
}

impl<'a> Nodes<'a> for u64 {
    fn nodes(memory: &'a mut [u64]) -> &'a mut [u64] {
        memory
    }
}

impl<'a> Nodes<'a> for [u64; 2] {
    fn nodes(memory: &'a mut [u64]) -> &'a mut [[u64; 2]] {
        memory.as_chunks_mut().0
    }
}

impl<'a, K: Key> Tournament<'a, K> {
    /// Keys that a tournament of `players` needs.
    pub fn nodes(players: usize) -> usize {
        players.checked_next_power_of_two().unwrap_or(usize::MAX / 2).saturating_mul(2)
    }

    /// Starts with `key(i)` for player `i`, in `memory` for at least [`Tournament::nodes`] keys.
    pub fn new(memory: &'a mut [u64], players: usize, mut key: impl FnMut(usize) -> K) -> Self
    where
        K: Nodes<'a>,
    {
        let leaves = Self::nodes(players) / 2;
        let tree = K::nodes(memory).get_mut(..leaves.saturating_mul(2)).unwrap_or_default();
        for (player, leaf) in tree.iter_mut().skip(leaves).enumerate() {
            *leaf = if player < players { key(player) } else { K::OUT };
        }
        for node in (1..leaves).rev() {
            let left = tree.get(node * 2).copied().unwrap_or(K::OUT);
            let right = tree.get(node * 2 + 1).copied().unwrap_or(K::OUT);
            if let Some(parent) = tree.get_mut(node) {
                *parent = left.smaller(right);
            }
        }
        Tournament { tree, leaves }
    }

    /// The smallest key; [`Key::OUT`] when every player has left.
    #[inline]
    pub fn best(&self) -> K {
        // a single player is both leaf and root
        self.tree.get(1).copied().unwrap_or(K::OUT)
    }

    /// Gives `player` a new key; [`Key::OUT`] takes it out.
    #[inline]
    pub fn set(&mut self, player: usize, key: K) {
        let mut node = self.leaves + player;
        let mut winner = key;
        while node > 1 {
            let rival = self.tree.get(node ^ 1).copied().unwrap_or(K::OUT);
            let Some(place) = self.tree.get_mut(node) else { return };
            *place = winner;
            winner = winner.smaller(rival);
            node >>= 1;
        }
        if let Some(root) = self.tree.get_mut(1) {
            *root = winner;
        }
    }
}

/// Sorts `keys` by their upper half, which holds the load; equal loads keep their order, so that keys
/// given in order of index come out in the order of whole keys. `buffer` is as long. O(n).
///
/// A radix sort from the lowest digit: no comparison, hence no branch that the data could mislead. Bits
/// that all keys share - the loads of a layer are of a size, and counts end in zeros - are left out. The 16
/// highest of the others nearly sort the keys, in two passes, and insertion does the rest; where it would
/// have too far to go, because loads crowd together, all bits are sorted by. 1 KiB of stack.
pub fn sort(keys: &mut [u64], buffer: &mut [u64]) {
    const SHORT: usize = 24; // below which clearing the table costs more than the sort
    if keys.len() <= SHORT {
        insertion_sort(keys, usize::MAX);
        return;
    }
    let first = heap::top(keys);
    let differing = keys.iter().fold(0, |bits, key| bits | (key ^ first)) >> 32;
    if differing == 0 {
        return;
    }
    let lowest = 32 + differing.trailing_zeros();
    let end = 96 - differing.leading_zeros();
    let high = lowest.max(end.saturating_sub(16));
    sort_by_bits(keys, buffer, high, end);
    if high > lowest && !insertion_sort(keys, keys.len().saturating_mul(8)) {
        sort_by_bits(keys, buffer, lowest, end);
    }
}

/// Sorts by the bits from `lowest` to before `end`, shared out evenly over as few passes as do; stable.
fn sort_by_bits(keys: &mut [u64], buffer: &mut [u64], lowest: u32, end: u32) {
    let passes = (end - lowest).div_ceil(8);
    let width = (end - lowest).div_ceil(passes.max(1));
    let mut in_keys = true;
    for pass in 0..passes {
        let shift = lowest + pass * width;
        if in_keys {
            scatter_by_digit(keys, buffer, shift, width);
        } else {
            scatter_by_digit(buffer, keys, shift, width);
        }
        in_keys = !in_keys;
    }
    if !in_keys {
        for (key, sorted) in keys.iter_mut().zip(buffer.iter()) {
            *key = *sorted;
        }
    }
}

/// One pass: `to` becomes `from` in order of the `width` bits at `shift`, at most 8, stable.
#[allow(clippy::indexing_slicing)] // a table of 256 indexed by a byte
fn scatter_by_digit(from: &[u64], to: &mut [u64], shift: u32, width: u32) {
    let mask = (1_u64 << width) - 1;
    let digit = |key: u64| usize::from(((key >> shift) & mask) as u8);
    let mut place = [0_u32; 256];
    for &key in from {
        place[digit(key)] += 1;
    }
    let mut start = 0;
    for place in place.iter_mut().take(mask as usize + 1) {
        start += core::mem::replace(place, start);
    }
    for &key in from {
        let place = &mut place[digit(key)];
        if let Some(to) = to.get_mut(*place as usize) {
            *to = key;
        }
        *place += 1;
    }
}

/// For short slices, and for keys that are nearly in order: gives up after `budget` moves, with the keys
/// in some order but equal upper halves in theirs, and answers whether it got to the end.
fn insertion_sort(keys: &mut [u64], budget: usize) -> bool {
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
            if let Some(place) = keys.get_mut(hole) {
                *place = before;
            }
            hole -= 1;
        }
        if let Some(place) = keys.get_mut(hole) {
            *place = key;
        }
        moves = moves.saturating_add(end - hole);
        if moves > budget {
            return false;
        }
    }
    true
}
