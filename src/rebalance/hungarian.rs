//! The assignment problem: rows to columns at the greatest total gain, exactly.
//!
//! Shortest augmenting paths with prices (Jonker and Volgenant 1987), over the cells with a gain alone. Over any other
//! cell a column is as far as it costs, and free columns cost nothing: one length stands for all these cells, and no
//! path goes on behind one. Gains are small and few, so that many columns are equally far: sets of bits hold them.
//!
//! Among equal answers the one that textbook steps over every cell find: rows one by one, the lowest column first.

use crate::base::arena::Carve;
use crate::base::cells::{self, NONE, add, at, copy, part_mut, put};

/// Rows at most; larger problems are cut into blocks of as many.
pub const LIMIT: usize = 256;

/// Words of a set of columns.
const WORDS: usize = LIMIT / 64;

/// Length of a cell without gain.
const FAR: u64 = 1 << 32;

/// A set of columns.
#[derive(Clone, Copy, Default)]
struct Set([u64; WORDS]);

impl Set {
    fn insert(&mut self, column: usize) {
        if let Some(word) = self.0.get_mut(column / 64) {
            *word |= 1 << (column % 64);
        }
    }

    fn remove(&mut self, column: usize) {
        if let Some(word) = self.0.get_mut(column / 64) {
            *word &= !(1 << (column % 64));
        }
    }

    fn has(&self, column: usize) -> bool {
        at(&self.0, column / 64) >> (column % 64) & 1 != 0
    }

    /// In order.
    fn columns(self) -> impl Iterator<Item = usize> {
        self.0.into_iter().enumerate().flat_map(|(index, mut word)| {
            core::iter::from_fn(move || {
                let bit = word.trailing_zeros() as usize;
                word &= word.wrapping_sub(1);
                (bit < 64).then_some(index * 64 + bit)
            })
        })
    }
}

/// The search for a column for one more row.
struct Search {
    /// Columns that paths went on from; those seen besides; of these the nearest.
    settled: Set,
    seen: Set,
    now: Set,
    /// How far those are; a free column over a cell without gain, and the column whose row that cell is in.
    length: u64,
    least: u64,
    over: u32,
}

/// Scratch for problems of up to `n` rows.
#[derive(Debug)]
pub struct Scratch<'a> {
    /// `[n][n]` gain of row and column; `[n][WORDS]` the columns with any.
    gain: &'a mut [u32],
    some: &'a mut [u64],
    /// `[n]` the column of each row.
    pub column: &'a mut [u32],
    /// `[n]` price of each column, and the shortest path to it.
    price: &'a mut [u64],
    length: &'a mut [u64],
    /// `[n]` row of each column, `NONE` when free; the column before it on its path, `NONE` for the first.
    row: &'a mut [u32],
    before: &'a mut [u32],
}

impl<'a> Scratch<'a> {
    /// Takes the scratch: O(n^2).
    pub fn carve(arena: &mut impl Carve<'a>, n: usize) -> Self {
        Scratch {
            gain: arena.u32s(n.saturating_mul(n)),
            some: arena.u64s(n.saturating_mul(WORDS)),
            column: arena.u32s(n),
            price: arena.u64s(n),
            length: arena.u64s(n),
            row: arena.u32s(n),
            before: arena.u32s(n),
        }
    }

    /// Begins a problem of `n` rows and columns: no gains yet.
    pub fn begin(&mut self, n: usize) {
        part_mut(self.gain, 0, n * n).fill(0);
        part_mut(self.some, 0, n * WORDS).fill(0);
    }

    /// Adds to what a row, of `n`, gains in a column.
    pub fn add_gain(&mut self, n: usize, row: usize, column: usize, more: u32) {
        add(self.gain, row * n + column, more);
        if more > 0
            && let Some(word) = self.some.get_mut(row * WORDS + column / 64)
        {
            *word |= 1 << (column % 64);
        }
    }

    /// Solves a problem of `n` rows and columns; answers the greatest total gain.
    pub fn solve(&mut self, n: usize) -> u64 {
        part_mut(self.price, 0, n).fill(0);
        part_mut(self.row, 0, n).fill(NONE);
        let mut free = Set::default();
        (0..n).for_each(|column| free.insert(column));
        for row in 0..n {
            let column = self.find_column(n, row, &free);
            free.remove(column);
            self.shift(row, column);
        }
        let mut total = 0;
        for column in 0..n {
            put(self.column, at(self.row, column), column as u32);
            total += self.gain_of_own(n, column);
        }
        total
    }

    /// What the row of a column gains there.
    fn gain_of_own(&self, n: usize, column: usize) -> u64 {
        at(self.gain, (at(self.row, column) as usize).wrapping_mul(n).wrapping_add(column)).into()
    }

    /// The nearest free column, by paths over the columns of other rows; prices follow.
    fn find_column(&mut self, n: usize, row: usize, free: &Set) -> usize {
        part_mut(self.length, 0, n).fill(u64::MAX);
        let (settled, seen, now) = Default::default();
        let mut search = Search { settled, seen, now, length: 0, least: FAR, over: NONE };
        self.leave(n, row, FAR, NONE, &mut search);
        let found = loop {
            let Some(column) = self.nearest(&mut search) else { break None };
            if free.has(column) {
                break Some(column);
            }
            search.settle(column);
            let back = search.length + self.gain_of_own(n, column);
            let from = back.wrapping_sub(at(self.price, column));
            if from < search.least {
                (search.least, search.over) = (from, column as u32);
            }
            self.leave(n, at(self.row, column) as usize, from, column as u32, &mut search);
        };
        let column = found.unwrap_or_else(|| {
            search.length = search.least;
            let column = free.columns().next().unwrap_or_default();
            if at(self.length, column) > search.least {
                put(self.before, column, search.over);
            }
            column
        });
        for column in search.settled.columns() {
            add(self.price, column, search.length.wrapping_sub(at(self.length, column)));
        }
        column
    }

    /// Goes on along a row: `from` is the length over its cells without gain to what costs nothing.
    fn leave(&mut self, n: usize, row: usize, from: u64, before: u32, search: &mut Search) {
        let mut columns = Set::default();
        copy(&mut columns.0, cells::row(self.some, row, WORDS));
        for (word, settled) in columns.0.iter_mut().zip(search.settled.0) {
            *word &= !settled;
        }
        let gains = cells::row(self.gain, row, n);
        for column in columns.columns() {
            let reach = from.wrapping_add(at(self.price, column));
            let length = reach.wrapping_sub(at(gains, column).into());
            if length < search.least && length < at(self.length, column) {
                put(self.length, column, length);
                put(self.before, column, before);
                search.see(column, length);
            }
        }
    }

    /// The lowest of the nearest columns; none when a free one is no further over a cell without gain.
    fn nearest(&self, search: &mut Search) -> Option<usize> {
        if let Some(column) = search.now.columns().next() {
            return (search.length < search.least).then_some(column);
        }
        let lengths = search.seen.columns().map(|column| at(self.length, column));
        search.length = lengths.min().filter(|&length| length < search.least)?;
        for column in search.seen.columns() {
            if at(self.length, column) == search.length {
                search.now.insert(column);
            }
        }
        search.now.columns().next()
    }

    /// Gives each row on the path the next column, and the first to the new row.
    fn shift(&mut self, row: usize, mut column: usize) {
        loop {
            let before = at(self.before, column);
            if before == NONE {
                put(self.row, column, row as u32);
                return;
            }
            let row = at(self.row, before);
            put(self.row, column, row);
            column = before as usize;
        }
    }
}

impl Search {
    fn see(&mut self, column: usize, length: u64) {
        self.seen.insert(column);
        if length == self.length {
            self.now.insert(column);
        }
    }

    fn settle(&mut self, column: usize) {
        self.settled.insert(column);
        self.seen.remove(column);
        self.now.remove(column);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    extern crate std;
    use super::*;
    use crate::base::arena::{Arena, Need};
    use std::vec;
    use std::vec::Vec;

    /// The greatest gain by trying every permutation.
    fn brute(gain: &[u32], n: usize, row: usize, free: &mut Vec<usize>) -> u32 {
        let mut most = 0;
        for i in 0..free.len() {
            let column = free.remove(i);
            most = most.max(at(gain, row * n + column) + brute(gain, n, row + 1, free));
            free.insert(i, column);
        }
        most
    }

    /// Textbook steps over every cell, with potentials of rows and columns: the column of each row.
    fn textbook(gain: &[u32], n: usize) -> Vec<u32> {
        let (mut of_row, mut of_column) = (vec![0_i64; n], vec![0_i64; n + 1]);
        let mut row_of = vec![usize::MAX; n + 1];
        for row in 0..n {
            let (mut least, mut before) = (vec![i64::MAX; n], vec![n; n]);
            let mut settled = vec![false; n + 1];
            let mut here = n;
            row_of[n] = row;
            while row_of[here] != usize::MAX {
                settled[here] = true;
                let row = row_of[here];
                for column in (0..n).filter(|&column| !settled[column]) {
                    let cost = (1 << 40) - i64::from(gain[row * n + column]);
                    let length = cost - of_row[row] - of_column[column];
                    if length < least[column] {
                        (least[column], before[column]) = (length, here);
                    }
                }
                let open = (0..n).filter(|&column| !settled[column]);
                let next = open.min_by_key(|&column| least[column]).unwrap();
                let shortest = least[next];
                for column in 0..=n {
                    if settled[column] {
                        of_row[row_of[column]] += shortest;
                        of_column[column] -= shortest;
                    } else if column < n {
                        least[column] -= shortest;
                    }
                }
                here = next;
            }
            while here != n {
                row_of[here] = row_of[before[here]];
                here = before[here];
            }
        }
        let mut column_of = vec![0; n];
        (0..n).for_each(|column| column_of[row_of[column]] = column as u32);
        column_of
    }

    /// Solves `gain`, and asks whether the answer is that of the textbook; the gain.
    fn solve(gain: &[u32], n: usize) -> u64 {
        let mut need = Need::default();
        Scratch::carve(&mut need, n + 1);
        let (mut u64s, mut u32s) = (vec![9; need.u64s], vec![9; need.u32s]);
        let mut arena = Arena::new(&mut u64s, &mut [], &mut u32s, &mut []);
        let mut scratch = Scratch::carve(&mut arena, n + 1);
        scratch.begin(n);
        for (cell, &gain) in gain.iter().enumerate() {
            scratch.add_gain(n, cell / n, cell % n, gain);
        }
        let total = scratch.solve(n);
        assert_eq!(&scratch.column[..n], textbook(gain, n));
        let own = (0..n).map(|row| gain[row * n + scratch.column[row] as usize]);
        assert_eq!(own.map(u64::from).sum::<u64>(), total);
        total
    }

    /// Gains of 1 to `most` in one of `every` cells.
    fn gains(seed: &mut u64, n: usize, most: u32, every: u32) -> Vec<u32> {
        let mut random = |below: u32| {
            *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (*seed >> 33) as u32 % below
        };
        let mut one = || if random(every) == 0 { 1 + random(most) } else { 0 };
        (0..n * n).map(|_| one()).collect()
    }

    #[test]
    fn equals_brute_force() {
        let mut seed = 7;
        for round in 0..600 {
            let n = 1 + round % 6;
            let gain = gains(&mut seed, n, 1 + round as u32 % 11, 1 + round as u32 % 4);
            assert_eq!(solve(&gain, n), brute(&gain, n, 0, &mut (0..n).collect()).into());
        }
    }

    #[test]
    fn equals_the_textbook_where_sets_have_several_words() {
        let mut seed = 11;
        for n in [63, 64, 65, 130, LIMIT - 1] {
            for (most, every) in [(1, 50), (2, 30), (4, 12), (9, 3), (1000, 2), (u32::MAX, 1)] {
                solve(&gains(&mut seed, n, most, every), n);
            }
        }
    }
}
