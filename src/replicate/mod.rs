//! How many replicas each expert gets.
//!
//! A rule sees one row - the experts of one node, or all of them - and shares its slots out. It knows
//! nothing of GPUs.

mod divisor;

use crate::arena::Arena;

/// How the extra replicas are shared out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// D'Hondt: each extra replica goes to the largest load / count, lowest index first. Minimises
    /// the largest replica. The rule of DeepSeek EPLB.
    DHondt,
}

/// The replicas of one row: which expert each physical expert is, and the how manieth.
#[derive(Debug)]
pub struct Replicas<'a> {
    /// `[P']` expert of each physical expert.
    pub expert: &'a mut [u32],
    /// `[P']` its rank among the replicas of the expert.
    pub rank: &'a mut [u32],
    /// `[E']` replicas of each expert.
    pub count: &'a mut [u32],
}

/// Scratch of the rules.
#[derive(Debug)]
pub struct Scratch<'a> {
    /// `[E']` experts by what they would gain.
    heap: &'a mut [u64],
}

impl<'a> Scratch<'a> {
    /// Takes the scratch for rows of up to `experts`.
    pub fn carve(arena: &mut Arena<'a>, experts: usize) -> Self {
        Scratch { heap: arena.u64s.take(experts) }
    }
}

/// Shares the slots of a row (`replicas.expert.len()`) out among its experts (`load.len()`, at most
/// as many). Loads are finite and not negative. O(E + R log E) for R extra replicas.
pub fn replicate(rule: Rule, load: &[f32], replicas: &mut Replicas, scratch: &mut Scratch) {
    let heap = scratch.heap.get_mut(..load.len()).unwrap_or_default();
    match rule {
        Rule::DHondt => divisor::d_hondt(load, replicas, heap),
    }
}
