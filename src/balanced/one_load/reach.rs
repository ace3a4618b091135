//! Which counts fit uneven slots at all. Counts can be placed without two replicas of an expert on a GPU
//! exactly when, for every k, the k largest counts together are at most the sum over GPUs of min(slots, k)
//! (Gale and Ryser); with equal slots that is only count <= GPUs. Placing the largest counts first, each on
//! the GPUs with most room, always succeeds then.

use crate::balanced::one_load::row::Row;
use crate::base::cells::{add, at, part, part_mut, put};
use crate::base::keys::descending;

/// Words of the table and of the histogram behind it.
pub fn memory(experts: usize, gpus: usize) -> usize {
    experts.saturating_add(gpus).saturating_add(3)
}

/// table[k] = sum over GPUs of min(slots, k), k = 0 ..= experts, from the slots of each GPU.
pub fn fill(table: &mut [u32], slots: impl Iterator<Item = usize>) {
    table.fill(0);
    let mut with = 0u32;
    for slots in slots {
        add(table, slots, 1);
        with = with.wrapping_add(1);
    }
    let mut sum = 0u32;
    for x in table.iter_mut() {
        // Here `with` is the number of GPUs with at least k slots, all of them for k = 0, whose sum is 0.
        let exactly = *x;
        *x = sum;
        with = with.wrapping_sub(exactly);
        sum = sum.wrapping_add(with);
    }
}

/// The table of a row.
fn table<const S: bool>(row: &mut Row<S>) {
    let b = &row.b;
    let slots = (0..b.gpus).map(|g| b.start(g + 1) - b.start(g));
    let experts = row.count.len();
    fill(part_mut(row.reach, 0, experts + 1), slots);
}

/// Do the counts fit? `hist` is a histogram of them.
pub fn fits(table: &[u32], hist: &[u32]) -> bool {
    let (mut k, mut sum) = (0usize, 0u32);
    for (c, &n) in hist.iter().enumerate().rev() {
        k += n as usize;
        sum = sum.wrapping_add(n.wrapping_mul(c as u32));
        if sum > at(table, k) {
            return false;
        }
    }
    true
}

/// Do the counts of the row fit its slots?
pub fn feasible<const S: bool>(row: &mut Row<S>) -> bool {
    table(row);
    let experts = row.experts();
    let (table, hist) = row.reach.split_at_mut_checked(experts + 1).unwrap_or((&mut [], &mut []));
    hist.fill(0);
    for &c in row.count.iter() {
        add(hist, c as usize, 1);
    }
    fits(table, hist)
}

/// D'Hondt that passes over an expert as soon as one more replica of it could not be placed.
#[inline(never)]
pub fn dhondt<const S: bool>(row: &mut Row<S>) {
    row.dhondt();
    if feasible(row) {
        return;
    }
    let experts = row.experts();
    let spare = row.b.w.len() - experts;
    row.count.fill(1);
    let (table, hist) = row.reach.split_at_mut_checked(experts + 1).unwrap_or((&mut [], &mut []));
    hist.fill(0);
    put(hist, 1, experts as u32);
    row.start.fill(0);
    for _ in 0..spare {
        loop {
            let (mut best, mut e) = (u64::MAX, usize::MAX);
            for (i, ((&x, &c), &closed)) in
                row.scaled.iter().zip(row.count.iter()).zip(row.start.iter()).enumerate()
            {
                let k = descending(x / c as f32, i);
                if closed == 0 && k < best {
                    best = k;
                    e = i;
                }
            }
            if e == usize::MAX {
                break;
            }
            let c = at(row.count, e) as usize;
            add(hist, c, u32::MAX);
            add(hist, c + 1, 1);
            if (c as u32) < row.cap && fits(table, hist) {
                put(row.count, e, c as u32 + 1);
                break;
            }
            add(hist, c, 1);
            add(hist, c + 1, u32::MAX);
            // What does not fit now never will: the sets that are full stay full.
            put(row.start, e, 1);
        }
    }
    row.extras_of_counts();
}

/// A valid placement for counts that fit, whatever its balance, on the board; `hold` stays.
#[inline(never)]
pub fn construct<const S: bool>(row: &mut Row<S>) {
    let gpus = row.b.gpus;
    core::mem::swap(&mut row.hold, &mut row.here);
    row.fill.fill(0);
    row.start.fill(0);
    for _ in 0..row.experts() {
        let (mut e, mut most) = (0usize, 0u32);
        for (i, (&c, &done)) in row.count.iter().zip(row.start.iter()).enumerate() {
            if done == 0 && c > most {
                most = c;
                e = i;
            }
        }
        put(row.start, e, 1);
        for _ in 0..most {
            let (mut best, mut to) = (0usize, usize::MAX);
            for g in 0..gpus {
                let from = row.b.start(g);
                let n = at(row.fill, g) as usize;
                let room = row.b.start(g + 1) - from - n;
                if room > best && !part(row.hold, from, from + n).contains(&(e as u32)) {
                    best = room;
                    to = g;
                }
            }
            if to < gpus {
                put(row.hold, row.b.start(to) + at(row.fill, to) as usize, e as u32);
                add(row.fill, to, 1);
            }
        }
    }
    row.adopt();
    core::mem::swap(&mut row.hold, &mut row.here);
}
