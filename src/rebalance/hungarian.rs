//! The assignment problem: rows to columns at the least total cost, exactly.
//!
//! Shortest augmenting paths with potentials, O(n^3) (Jonker and Volgenant 1987, in the form of e-maxx). Among
//! equal answers the one that this order of steps finds: rows one by one, the lowest column first.

use crate::base::arena::Carve;
use crate::base::cells::{at, put};

/// Rows at most; larger problems are cut into blocks of as many.
pub const LIMIT: usize = 256;

const FAR: i64 = i64::MAX / 4;

/// Scratch for problems of up to `n` rows.
#[derive(Debug)]
pub struct Scratch<'a> {
    /// `[n][n]` cost of row and column, to be filled in by the caller.
    pub cost: &'a mut [u32],
    /// `[n]` the column of each row.
    pub column: &'a mut [u32],
    /// `[n + 1]` potentials of rows and columns, and the shortest path to each column: i64 in u64.
    rows: &'a mut [u64],
    columns: &'a mut [u64],
    least: &'a mut [u64],
    /// `[n + 1]` row of each column; the column before it on its path; whether it is settled.
    row: &'a mut [u32],
    before: &'a mut [u32],
    settled: &'a mut [u32],
}

impl<'a> Scratch<'a> {
    /// Takes the scratch: O(n^2).
    pub fn carve(arena: &mut impl Carve<'a>, n: usize) -> Self {
        let more = n.saturating_add(1);
        Scratch {
            cost: arena.u32s(n.saturating_mul(n)),
            column: arena.u32s(n),
            rows: arena.u64s(more),
            columns: arena.u64s(more),
            least: arena.u64s(more),
            row: arena.u32s(more),
            before: arena.u32s(more),
            settled: arena.u32s(more),
        }
    }

    /// Solves the first `n` rows of `n` columns each; answers the least total cost.
    pub fn solve(&mut self, n: usize) -> u64 {
        self.rows.fill(0);
        self.columns.fill(0);
        self.row.fill(0);
        for row in 1..=n {
            self.augment(row, n);
        }
        let mut total = 0;
        for column in 1..=n {
            let row = at(self.row, column) as usize;
            let (row, column) = (row.wrapping_sub(1), column - 1);
            put(self.column, row, column as u32);
            total += u64::from(at(self.cost, row.wrapping_mul(n).wrapping_add(column)));
        }
        total
    }

    /// Finds a column for one more row. Rows and columns count from 1, 0 is none.
    fn augment(&mut self, row: usize, n: usize) {
        put(self.row, 0, row as u32);
        self.least.fill(FAR as u64);
        self.settled.fill(0);
        let mut here = 0;
        loop {
            put(self.settled, here, 1);
            let row = at(self.row, here) as usize;
            let base = at(self.rows, row) as i64;
            let first = row.wrapping_sub(1).wrapping_mul(n);
            let costs = self.cost.get(first..).unwrap_or_default();
            let (mut shortest, mut next) = (FAR, 0);
            for (column, &cost) in (1..=n).zip(costs) {
                if at(self.settled, column) != 0 {
                    continue;
                }
                let potential = at(self.columns, column) as i64;
                let length = i64::from(cost).wrapping_sub(base).wrapping_sub(potential);
                let mut least = at(self.least, column) as i64;
                if length < least {
                    least = length;
                    put(self.least, column, length as u64);
                    put(self.before, column, here as u32);
                }
                if least < shortest {
                    (shortest, next) = (least, column);
                }
            }
            for column in 0..=n {
                if at(self.settled, column) != 0 {
                    let row = at(self.row, column) as usize;
                    let raised = (at(self.rows, row) as i64).wrapping_add(shortest);
                    put(self.rows, row, raised as u64);
                    let lowered = (at(self.columns, column) as i64).wrapping_sub(shortest);
                    put(self.columns, column, lowered as u64);
                } else {
                    let shorter = (at(self.least, column) as i64).wrapping_sub(shortest);
                    put(self.least, column, shorter as u64);
                }
            }
            here = next;
            if here == 0 || at(self.row, here) == 0 {
                break;
            }
        }
        while here != 0 {
            let before = at(self.before, here) as usize;
            let row = at(self.row, before);
            put(self.row, here, row);
            here = before;
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use crate::base::arena::{Arena, Need};
    use std::vec;
    use std::vec::Vec;

    /// The least cost by trying every permutation.
    fn brute(cost: &[u32], n: usize, row: usize, free: &mut Vec<usize>) -> u32 {
        if row == n {
            return 0;
        }
        let mut least = u32::MAX;
        for i in 0..free.len() {
            let column = free.remove(i);
            least = least.min(at(cost, row * n + column) + brute(cost, n, row + 1, free));
            free.insert(i, column);
        }
        least
    }

    #[test]
    fn equals_brute_force() {
        let mut seed = 7_u64;
        for round in 0..400 {
            let n = 1 + round % 6;
            let mut need = Need::default();
            Scratch::carve(&mut need, 6);
            let (mut u64s, mut u32s) = (vec![9; need.u64s], vec![9; need.u32s]);
            let mut arena = Arena::new(&mut u64s, &mut [], &mut u32s, &mut []);
            let mut scratch = Scratch::carve(&mut arena, 6);
            for cost in scratch.cost.iter_mut() {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                *cost = (seed >> 33) as u32 % 10;
            }
            let best = brute(scratch.cost, n, 0, &mut (0..n).collect());
            assert_eq!(scratch.solve(n), u64::from(best));
            let column = |row| at(scratch.column, row) as usize;
            let sum: u32 = (0..n).map(|row| at(scratch.cost, row * n + column(row))).sum();
            assert_eq!(sum, best);
        }
    }
}
