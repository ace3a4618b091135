//! How many replicas each expert gets: a rule, and a fix-up that may move a replica or two.
//!
//! Both see one row - the experts of one node, or all of them - and know nothing of GPUs. A fix-up
//! decides from loads and counts alone, so that any goes with any rule.

pub mod divisor;
pub mod fix_up;
pub mod replicas;
pub mod waterfill;

use crate::base::arena::Carve;
use crate::compat::replicate::fix_up::FixUp;
use crate::compat::replicate::replicas::Replicas;

/// How the slots of a row are shared out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Each extra replica goes to the largest load / count. Minimises the largest replica. The rule of
    /// DeepSeek EPLB.
    DHondt,
    /// D'Hondt, but the last tenth of the extra replicas (at least one) by Sainte-Lague: to the largest
    /// load / (2 count - 1).
    SainteLagueTail,
    /// D'Hondt, but each of the last tenth by whichever of D'Hondt and Sainte-Lague predicts the lower
    /// peak, the smaller new replica among equals.
    PeakAwareTail,
    /// The lowest level to which no replica may rise and the slots suffice, found by bisection; what is
    /// left over goes to the largest load / count, many at once. Replicas of an expert stand together.
    Waterfill,
}

/// Scratch of the rules.
#[derive(Debug)]
pub struct Scratch<'a> {
    /// `[E']` experts by what they would gain.
    keys: &'a mut [u64],
    /// `[E']` the same by the other divisor.
    others: &'a mut [u64],
}

impl<'a> Scratch<'a> {
    /// Takes the scratch for rows of up to `experts`.
    #[inline(always)]
    pub fn carve(arena: &mut impl Carve<'a>, experts: usize) -> Self {
        Scratch { keys: arena.u64s(experts), others: arena.u64s(experts) }
    }
}

/// Shares the slots of a row (`replicas.expert.len()`) out among its experts (`load.len()`, at most
/// as many). Loads are finite and not negative. O(E + R log E) for R extra replicas.
#[inline(never)]
pub fn replicate(
    rule: Rule,
    fix_up: FixUp,
    load: &[f32],
    replicas: &mut Replicas,
    scratch: &mut Scratch,
) {
    let keys = scratch.keys.get_mut(..load.len()).unwrap_or_default();
    let others = scratch.others.get_mut(..load.len()).unwrap_or_default();
    if rule == Rule::Waterfill {
        waterfill::counts(load, replicas, keys);
        fix_up::apply(fix_up, load, replicas.count, keys, |_, _| {});
        waterfill::stand_together(replicas);
        return;
    }
    divisor::start(load, replicas);
    let extra = replicas.expert.len().saturating_sub(load.len());
    let tail = match rule {
        _ if extra == 0 => 0,
        Rule::SainteLagueTail | Rule::PeakAwareTail => extra.div_ceil(10),
        Rule::DHondt | Rule::Waterfill => 0,
    };
    let bulk = load.len()..load.len() + (extra - tail);
    let tail = bulk.end..load.len() + extra;
    divisor::extend_d_hondt(load, replicas, keys, bulk);
    match rule {
        Rule::PeakAwareTail => divisor::extend_peak_aware(load, replicas, keys, others, tail),
        _ => divisor::extend_sainte_lague(load, replicas, keys, tail),
    }
    let Replicas { expert, rank, count } = replicas;
    fix_up::apply(fix_up, load, count, keys, |donor, receiver| {
        // the donor's replica of the highest rank becomes the receiver's newest
        let mut places = expert.iter_mut().zip(rank.iter_mut());
        let last = places.find(|(expert, rank)| (**expert, **rank) == (donor.expert, donor.count));
        if let Some((expert, rank)) = last {
            *expert = receiver.expert;
            *rank = receiver.count - 1;
        }
    });
}
