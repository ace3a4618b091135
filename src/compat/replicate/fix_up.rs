//! Fix-ups: move a replica from an expert whose replicas are large to one whose replicas are small, when
//! that lowers the predicted peak.
//!
//! Seed documents 000 (before and after), 001 and 003 (before and after). D'Hondt already minimises the
//! peak, so after it they can hardly ever win; docs/POLICIES.md has the figures.

use crate::base::keys::{descending, first, index_of, load_of_descending};

/// What is mended after the rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FixUp {
    /// Nothing.
    None,
    /// One replica from the expert with the largest load / count to the one with the smallest, if that
    /// lowers the peak. After D'Hondt it never does.
    OneMove,
    /// The best such move of the two largest to the two smallest, judged against the second largest.
    TopTwo,
    /// As `TopTwo`, judged against the largest unless it is the donor's own.
    TrueSecond,
    /// As `TopTwo`, and once more when the first move lowered the peak by a tenth or less.
    GuardedSecond,
    /// As `TopTwo` among experts that have a replica to give, judged by the new peak of the whole row.
    Recompute,
}

/// An expert, and its replicas after the move.
#[derive(Clone, Copy, Debug)]
pub struct Moved {
    pub expert: u32,
    pub count: u32,
}

/// An expert as the candidate lists hold it.
#[derive(Clone, Copy)]
struct Candidate {
    expert: usize,
    load: f32,
    count: u32,
    /// load / count, in f32.
    average: f32,
}

impl Candidate {
    /// load / count with one replica less, in f64.
    fn less(&self) -> f64 {
        f64::from(self.load) / f64::from(self.count - 1)
    }

    /// load / count with one replica more, in f64.
    fn more(&self) -> f64 {
        f64::from(self.load) / f64::from(self.count + 1)
    }
}

/// The experts with the largest or smallest average: the bound is the algorithm.
type Candidates<const N: usize = 2> = heapless::Vec<Candidate, N>;

/// A move and the peak that it predicts.
type Move = (Candidate, Candidate, f64);

/// Makes the moves of a fix-up in `count`, and calls `moved` with donor and receiver for each.
pub fn apply(
    fix_up: FixUp,
    load: &[f32],
    count: &mut [u32],
    keys: &mut [u64],
    mut moved: impl FnMut(Moved, Moved),
) {
    // a lone expert has nobody to give to
    if fix_up == FixUp::None || load.len() < 2 {
        return;
    }
    if fix_up == FixUp::Recompute && largest_stays(load, count) {
        return;
    }
    let mut make = |count: &mut [u32], (donor, receiver, _): Move| {
        if let Some(count) = count.get_mut(donor.expert) {
            *count -= 1;
        }
        if let Some(count) = count.get_mut(receiver.expert) {
            *count += 1;
        }
        moved(
            Moved { expert: donor.expert as u32, count: donor.count - 1 },
            Moved { expert: receiver.expert as u32, count: receiver.count + 1 },
        );
    };
    let row = Row::new(load, count, keys);
    let found = match fix_up {
        FixUp::None => None,
        FixUp::OneMove => one_move(&row),
        FixUp::TopTwo | FixUp::GuardedSecond => top_two(&row, false),
        FixUp::TrueSecond => top_two(&row, true),
        FixUp::Recompute => recompute(&row),
    };
    let Some(found) = found else { return };
    let old_peak = row.top::<1>().first().map_or(0.0, |top| f64::from(top.average));
    make(count, found);
    let shallow = old_peak - found.2 <= 0.10 * larger(old_peak, 1e-12);
    if fix_up == FixUp::GuardedSecond
        && shallow
        && let Some(second) = top_two(&Row::new(load, count, keys), false)
    {
        make(count, second);
    }
}

/// The experts of a row by load / count.
struct Row<'a> {
    load: &'a [f32],
    count: &'a [u32],
    /// `[E']` keys by descending average.
    keys: &'a [u64],
}

impl<'a> Row<'a> {
    fn new(load: &'a [f32], count: &'a [u32], keys: &'a mut [u64]) -> Self {
        for (expert, (key, (load, &count))) in
            keys.iter_mut().zip(load.iter().zip(count)).enumerate()
        {
            *key = descending(load / count as f32, expert);
        }
        Row { load, count, keys }
    }

    /// Those with the largest average, lowest index first among equals.
    fn top<const N: usize>(&self) -> Candidates<N> {
        self.candidates(first::<u64, N>(self.keys.iter().copied(), |a, b| a < b))
    }

    /// Those with the smallest average, lowest index first among equals.
    fn bottom(&self) -> Candidates {
        self.candidates(first::<u64, 2>(self.keys.iter().copied(), |a, b| a >> 32 > b >> 32))
    }

    /// Those with the largest average among experts with a replica to give.
    fn donors(&self) -> Candidates {
        let able = self.keys.iter().zip(self.count).filter(|(_, count)| **count > 1);
        self.candidates(first::<u64, 2>(able.map(|(key, _)| *key), |a, b| a < b))
    }

    fn candidates<const N: usize>(&self, keys: heapless::Vec<u64, N>) -> Candidates<N> {
        // as many as keys: pushed one by one, since `collect` could panic
        let mut candidates = Candidates::new();
        for &key in &keys {
            let expert = index_of(key);
            let _ = candidates.push(Candidate {
                expert,
                load: self.load.get(expert).copied().unwrap_or(0.0),
                count: self.count.get(expert).copied().unwrap_or(1),
                average: load_of_descending(key),
            });
        }
        candidates
    }
}

/// Whether no move can lower the peak of the row: giving makes a donor's replicas larger, so the largest would
/// have to receive, which it cannot when two experts have a smaller average. By bits, which order as the
/// averages do, many at a time.
fn largest_stays(load: &[f32], count: &[u32]) -> bool {
    let average = |(load, &count): (&f32, &u32)| (load / count as i32 as f32).to_bits() as i32;
    let averages = || load.iter().zip(count).map(average);
    let largest = averages().fold(0, i32::max);
    averages().filter(|&average| average < largest).nth(1).is_some()
}

fn larger(a: f64, b: f64) -> f64 {
    if a > b { a } else { b }
}

/// Largest to smallest, all in f32 (before document 000).
fn one_move(row: &Row) -> Option<Move> {
    let top = row.top::<2>();
    let (donor, second) = (top.first()?, top.get(1)?);
    let bottom = row.bottom();
    let receiver = bottom.first()?;
    if donor.expert == receiver.expert || donor.count < 2 {
        return None;
    }
    let new_donor = donor.load / (donor.count as f32 - 1.0);
    let new_receiver = receiver.load / (receiver.count as f32 + 1.0);
    let larger = |a: f32, b: f32| if a > b { a } else { b };
    let peak = larger(second.average, larger(new_donor, new_receiver));
    (peak + 1e-12 < donor.average).then_some((*donor, *receiver, f64::from(peak)))
}

/// The best of two donors and two receivers (document 000; `true_second`: before 003).
fn top_two(row: &Row, true_second: bool) -> Option<Move> {
    let top = row.top::<2>();
    let largest = f64::from(top.first()?.average);
    let second = f64::from(top.get(1)?.average);
    let bottom = row.bottom();
    let mut best: Option<Move> = None;
    for (place, donor) in top.iter().enumerate().filter(|(_, donor)| donor.count > 1) {
        let others = if true_second && place > 0 { largest } else { second };
        for receiver in bottom.iter().filter(|receiver| receiver.expert != donor.expert) {
            let peak = larger(others, larger(donor.less(), receiver.more()));
            if peak + 1e-12 < largest && best.is_none_or(|(_, _, lowest)| peak < lowest) {
                best = Some((*donor, *receiver, peak));
            }
        }
    }
    best
}

/// The best of two donors and two receivers by the peak of the whole row, in f32 (document 001). Every
/// acceptance lowers the bar, and the next must beat it by 1e-9 again.
fn recompute(row: &Row) -> Option<Move> {
    let bottom = row.bottom();
    // whoever gives and takes, one of the three largest is left as it was, or there are no others
    let top = row.top::<3>();
    let donors = row.donors();
    let mut best = None;
    let mut best_peak = f64::from(top.first()?.average);
    for donor in &donors {
        for receiver in bottom.iter().filter(|receiver| receiver.expert != donor.expert) {
            let others = top
                .iter()
                .find(|other| other.expert != donor.expert && other.expert != receiver.expert)
                .map_or(0.0, |other| f64::from(other.average));
            let new_donor = donor.load / (donor.count - 1) as f32;
            let new_receiver = receiver.load / (receiver.count + 1) as f32;
            let peak = larger(others, larger(f64::from(new_donor), f64::from(new_receiver)));
            if peak + 1e-9 < best_peak {
                best_peak = peak;
                best = Some((*donor, *receiver, peak));
            }
        }
    }
    best
}
