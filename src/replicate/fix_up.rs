//! Fix-ups: move a replica from an expert whose replicas are large to one whose replicas are small, when
//! that lowers the predicted peak.
//!
//! Seed documents 000 (before and after), 001 and 003 (before and after). D'Hondt already minimises the
//! peak, so after it they can hardly ever win; docs/POLICIES.md has the figures.

use super::FixUp;
use crate::order::first;

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
type Candidates = heapless::Vec<Candidate, 2>;

/// A move and the peak that it predicts.
type Move = (Candidate, Candidate, f64);

/// Makes the moves of a fix-up in `count`, and calls `moved` with donor and receiver for each.
pub fn apply(fix_up: FixUp, load: &[f32], count: &mut [u32], mut moved: impl FnMut(Moved, Moved)) {
    // a lone expert has nobody to give to
    if load.len() < 2 {
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
    let found = match fix_up {
        FixUp::None => None,
        FixUp::OneMove => one_move(load, count),
        FixUp::TopTwo | FixUp::GuardedSecond => top_two(load, count, false),
        FixUp::TrueSecond => top_two(load, count, true),
        FixUp::Recompute => recompute(load, count),
    };
    let Some(found) = found else { return };
    let old_peak = top(load, count).first().map_or(0.0, |top| f64::from(top.average));
    make(count, found);
    let shallow = old_peak - found.2 <= 0.10 * larger(old_peak, 1e-12);
    if fix_up == FixUp::GuardedSecond
        && shallow
        && let Some(second) = top_two(load, count, false)
    {
        make(count, second);
    }
}

fn candidates<'a>(load: &'a [f32], count: &'a [u32]) -> impl Iterator<Item = Candidate> + 'a {
    load.iter().zip(count).enumerate().map(|(expert, (&load, &count))| Candidate {
        expert,
        load,
        count,
        average: load / count as f32,
    })
}

fn top(load: &[f32], count: &[u32]) -> Candidates {
    first(candidates(load, count), |a, b| a.average > b.average)
}

fn bottom(load: &[f32], count: &[u32]) -> Candidates {
    first(candidates(load, count), |a, b| a.average < b.average)
}

fn larger(a: f64, b: f64) -> f64 {
    if a > b { a } else { b }
}

/// Largest to smallest, all in f32 (before document 000).
fn one_move(load: &[f32], count: &[u32]) -> Option<Move> {
    let top = top(load, count);
    let (donor, second) = (top.first()?, top.get(1)?);
    let bottom = bottom(load, count);
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
fn top_two(load: &[f32], count: &[u32], true_second: bool) -> Option<Move> {
    let top = top(load, count);
    let largest = f64::from(top.first()?.average);
    let second = f64::from(top.get(1)?.average);
    let bottom = bottom(load, count);
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
fn recompute(load: &[f32], count: &[u32]) -> Option<Move> {
    // whoever gives and takes, one of the three largest is left as it was, or there are no others
    let top: heapless::Vec<Candidate, 3> =
        first(candidates(load, count), |a, b| a.average > b.average);
    let able = candidates(load, count).filter(|donor| donor.count > 1);
    let donors: Candidates = first(able, |a, b| a.average > b.average);
    let bottom = bottom(load, count);
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
