//! A tournament: the smallest of many keys, of which one changes at a time.

use crate::base::cells::put;
use core::hint::select_unpredictable;

/// What a tournament compares: the smallest wins.
pub trait Key: Copy + 'static {
    /// Larger than any key: a player who has left.
    const OUT: Self;
    /// The smaller of two.
    fn smaller(self, other: Self) -> Self;
    /// Memory as keys: as many whole ones as there are.
    fn nodes(memory: &mut [u64]) -> &mut [Self];
}

impl Key for u64 {
    const OUT: u64 = u64::MAX;
    #[inline]
    fn smaller(self, other: u64) -> u64 {
        self.min(other)
    }
    fn nodes(memory: &mut [u64]) -> &mut [u64] {
        memory
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
    fn nodes(memory: &mut [u64]) -> &mut [[u64; 2]] {
        memory.as_chunks_mut().0
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

impl<'a, K: Key> Tournament<'a, K> {
    /// Keys that a tournament of `players` needs.
    pub fn nodes(players: usize) -> usize {
        players.checked_next_power_of_two().unwrap_or(usize::MAX / 2).saturating_mul(2)
    }

    /// Starts with `key(i)` for player `i`, in `memory` for at least [`Tournament::nodes`] keys.
    pub fn new(memory: &'a mut [u64], players: usize, mut key: impl FnMut(usize) -> K) -> Self {
        let leaves = Self::nodes(players) / 2;
        let tree = K::nodes(memory).get_mut(..leaves.saturating_mul(2)).unwrap_or_default();
        for (player, leaf) in tree.iter_mut().skip(leaves).enumerate() {
            *leaf = if player < players { key(player) } else { K::OUT };
        }
        for node in (1..leaves).rev() {
            let winner = node_at(tree, node * 2).smaller(node_at(tree, node * 2 + 1));
            put(tree, node, winner);
        }
        Tournament { tree, leaves }
    }

    /// The smallest key; [`Key::OUT`] when every player has left.
    #[inline]
    pub fn best(&self) -> K {
        node_at(self.tree, 1) // a single player is both leaf and root
    }

    /// The key of a player.
    #[inline]
    pub fn key(&self, player: usize) -> K {
        node_at(self.tree, self.leaves + player)
    }

    /// Gives `player` a new key, [`Key::OUT`] to take it out; answers the smallest key then.
    #[inline]
    pub fn set(&mut self, player: usize, key: K) -> K {
        let (mut node, mut winner) = (self.leaves + player, key);
        // the usual sizes without a bound to check, and all levels unrolled
        if let Ok(tree) = self.tree.try_into() {
            return replay::<K, 64>(tree, node, key);
        }
        if let Ok(tree) = self.tree.try_into() {
            return replay::<K, 256>(tree, node, key);
        }
        while node > 1
            && let Some(&rival) = self.tree.get(node ^ 1)
        {
            put(self.tree, node, winner);
            winner = winner.smaller(rival);
            node /= 2;
        }
        put(self.tree, 1, winner);
        winner
    }
}

/// Plays the matches of a leaf again. `N`: a power of two.
#[inline(always)]
fn replay<K: Key, const N: usize>(tree: &mut [K; N], mut node: usize, key: K) -> K {
    let mut winner = key;
    for _ in 1..N.ilog2() {
        let rival = node_at(tree, (node ^ 1) % N);
        put(tree, node % N, winner);
        winner = winner.smaller(rival);
        node /= 2;
    }
    put(tree, 1, winner);
    winner
}

#[inline(always)]
fn node_at<K: Key>(tree: &[K], node: usize) -> K {
    tree.get(node).copied().unwrap_or(K::OUT)
}

#[cfg(test)]
#[allow(clippy::indexing_slicing)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec;

    /// Against a linear scan: any number of players, one of whom gets another key, or leaves, at a time.
    fn the_best_is_the_smallest<K: Key + Ord + core::fmt::Debug>(key: impl Fn(u64) -> K) {
        for players in 1..20 {
            let mut memory = vec![7; 2 * Tournament::<K>::nodes(players)];
            let mut keys: vec::Vec<K> = (0..players as u64).map(|i| key(i * 37 % 11)).collect();
            let mut tournament = Tournament::new(&mut memory, players, |player| keys[player]);
            for round in 0..100 {
                assert_eq!(Some(tournament.best()), keys.iter().copied().min());
                let player = round * 5 % players;
                keys[player] = if round % 3 == 0 { K::OUT } else { key(round as u64 * 53 % 29) };
                tournament.set(player, keys[player]);
            }
        }
    }

    #[test]
    fn narrow_keys() {
        the_best_is_the_smallest(|n| n);
    }

    #[test]
    fn wide_keys_compare_the_first_word_first() {
        the_best_is_the_smallest(|n| [n / 5, n % 5]);
    }
}
