//! A tournament: the smallest of many keys, of which one changes at a time.

use core::hint::select_unpredictable;

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
