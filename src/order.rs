//! Total orders on loads, and what is built on them without a panic: heap, sort, tournament.
//!
//! A load and its index travel as one u64 key, so that a single integer comparison decides by load
//! and then by lowest index. Loads are finite and not negative: their bits order as they do.

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

/// A tournament over packs: a complete binary tree whose root is the smallest key. Changing one
/// leaf replays log2(n) matches, which beats a heap when the changed leaf is always the winner.
#[derive(Debug)]
pub struct Tournament<'a> {
    /// Root at 1, the children of `i` at `2i` and `2i + 1`, leaves from `leaves` on.
    tree: &'a mut [u64],
    leaves: usize,
}

impl<'a> Tournament<'a> {
    /// Nodes that a tournament of `players` needs.
    pub fn nodes(players: usize) -> usize {
        players.checked_next_power_of_two().unwrap_or(usize::MAX / 2).saturating_mul(2)
    }

    /// Plays the first round of `players` in `tree`, which holds at least [`Tournament::nodes`].
    /// Player `i` starts with `key(i)`.
    pub fn new(tree: &'a mut [u64], players: usize, mut key: impl FnMut(usize) -> u64) -> Self {
        let leaves = Self::nodes(players) / 2;
        let tree = tree.get_mut(..leaves.saturating_mul(2)).unwrap_or_default();
        for (player, leaf) in tree.iter_mut().skip(leaves).enumerate() {
            *leaf = if player < players { key(player) } else { u64::MAX };
        }
        for node in (1..leaves).rev() {
            let left = tree.get(node * 2).copied().unwrap_or(u64::MAX);
            let right = tree.get(node * 2 + 1).copied().unwrap_or(u64::MAX);
            if let Some(parent) = tree.get_mut(node) {
                *parent = left.min(right);
            }
        }
        Tournament { tree, leaves }
    }

    /// The smallest key; `u64::MAX` when every player has left.
    #[inline]
    pub fn best(&self) -> u64 {
        // with a single player the root is the leaf itself, also at 1
        self.tree.get(1).copied().unwrap_or(u64::MAX)
    }

    /// Gives `player` a new key; `u64::MAX` takes it out.
    #[inline]
    pub fn set(&mut self, player: usize, key: u64) {
        let mut node = self.leaves + player;
        let mut winner = key;
        while let Some(place) = self.tree.get_mut(node) {
            *place = winner;
            if node <= 1 {
                break;
            }
            let rival = self.tree.get(node ^ 1).copied().unwrap_or(u64::MAX);
            winner = winner.min(rival);
            node /= 2;
        }
    }
}

/// Sorts `keys` ascending; `buffer` is as long. O(n log n), stable by nature: keys are distinct.
///
/// Blocks of eight by a sorting network, then merges from both ends of two runs at once: no branch
/// depends on the data, and no index can leave its slice.
pub fn sort(keys: &mut [u64], buffer: &mut [u64]) {
    let (blocks, rest) = keys.as_chunks_mut::<8>();
    for block in blocks {
        sort_block(block);
    }
    insertion_sort(rest);

    let n = keys.len();
    let mut width = 8;
    let mut in_keys = true;
    while width < n {
        if in_keys {
            merge_runs(keys, buffer, width);
        } else {
            merge_runs(buffer, keys, width);
        }
        in_keys = !in_keys;
        width = width.saturating_mul(2);
    }
    if !in_keys {
        for (key, sorted) in keys.iter_mut().zip(buffer.iter()) {
            *key = *sorted;
        }
    }
}

/// Merges neighbouring runs of `width` from `from` into `to`.
fn merge_runs(from: &[u64], to: &mut [u64], width: usize) {
    let pair = width.saturating_mul(2).max(1);
    for (run, out) in from.chunks(pair).zip(to.chunks_mut(pair)) {
        let (left, right) = run.split_at_checked(width).unwrap_or((run, &[]));
        merge(left, right, out);
    }
}

/// Merges two sorted runs into `out`, as long as both together.
#[inline]
fn merge(left: &[u64], right: &[u64], out: &mut [u64]) {
    let (mut i, mut j) = (0, 0);
    for slot in out.iter_mut() {
        let a = left.get(i).copied().unwrap_or(u64::MAX);
        let b = right.get(j).copied().unwrap_or(u64::MAX);
        let take_left = a <= b;
        *slot = if take_left { a } else { b };
        i += usize::from(take_left);
        j += usize::from(!take_left);
    }
}

/// Batcher's odd-even merge sort of eight: 19 comparisons, all indices constant.
#[inline]
#[allow(clippy::indexing_slicing)] // constants below 8
fn sort_block(block: &mut [u64; 8]) {
    const NETWORK: [(usize, usize); 19] = [
        (0, 1),
        (2, 3),
        (4, 5),
        (6, 7),
        (0, 2),
        (1, 3),
        (4, 6),
        (5, 7),
        (1, 2),
        (5, 6),
        (0, 4),
        (1, 5),
        (2, 6),
        (3, 7),
        (2, 4),
        (3, 5),
        (1, 2),
        (3, 4),
        (5, 6),
    ];
    for (i, j) in NETWORK {
        let (a, b) = (block[i], block[j]);
        block[i] = a.min(b);
        block[j] = a.max(b);
    }
}

/// For short slices.
fn insertion_sort(keys: &mut [u64]) {
    for end in 1..keys.len() {
        let Some(&key) = keys.get(end) else { return };
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
    }
}
