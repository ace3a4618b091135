//! Small layers in seconds: every change of a slot and every swap of two, each as dispatch sees it.
//!
//! The search takes replicas to have equal parts. Where a GPU holds a few experts, what dispatch makes of them decides,
//! and there are few enough changes to look at all: as many rounds of them as the effort is good for.

use crate::base::arena::Arena;
use crate::base::cells::{at, put};
use crate::problem::Problem;
use crate::problem::topology::Topology;
use crate::rebalance::seconds;

/// Changes measured in one window, each by dispatch anew, when the caller does not say.
const LOOKS: usize = 1_000;

/// A plan that is at least so much better, relatively, is better, and not rounded otherwise.
const BETTER: f64 = 1.0 + 1e-9;

/// A layer, and what may be looked at.
pub struct EveryChange<'p> {
    problem: &'p Problem<'p>,
    layer: usize,
    /// Changes that may still be measured.
    left: usize,
}

impl<'p> EveryChange<'p> {
    /// `None` where the effort (slots looked at; 0: the default) is not good for one round of all changes.
    pub fn new(problem: &'p Problem, layer: usize, effort: u32) -> Option<Self> {
        let shape = problem.shape();
        let (experts, slots) = (shape.num_logical_experts(), shape.num_physical_experts());
        let looks = if effort == 0 { LOOKS } else { (effort as usize).checked_div(slots)? };
        let round = slots.checked_mul(experts.checked_add(slots)?)?;
        let left = looks.checked_div(shape.num_windows())?;
        (round <= left).then_some(EveryChange { problem, layer, left })
    }

    /// Takes every change that makes the balance in seconds better and that `allowed` lets pass, until none does.
    pub fn climb(
        &mut self,
        slots: &mut [i32],
        arena: &mut Arena,
        mut allowed: impl FnMut(&[i32], &mut Arena) -> bool,
    ) {
        let Some(mut best) = seconds::balance(self.problem, self.layer, slots, arena) else {
            return;
        };
        let experts = self.problem.shape().num_logical_experts();
        loop {
            let before = best;
            for slot in 0..slots.len() {
                for other in 0..experts + slots.len() {
                    let Some(undo) = self.change(slots, slot, other) else { continue };
                    let balance = seconds::balance(self.problem, self.layer, slots, arena);
                    match balance {
                        Some(now) if now > best * BETTER && allowed(slots, arena) => best = now,
                        _ => undo.put_back(slots),
                    }
                    self.left = self.left.saturating_sub(1);
                    if self.left == 0 {
                        return;
                    }
                }
            }
            if best <= before {
                return;
            }
        }
    }

    /// Gives a slot to an expert, or has it trade with a slot behind it, where no expert is then twice on a GPU.
    fn change(&self, slots: &mut [i32], slot: usize, other: usize) -> Option<Undo> {
        let topology = self.problem.shape().topology();
        let experts = self.problem.shape().num_logical_experts();
        let undo = Undo { slot, partner: other.checked_sub(experts), held: at(slots, slot) };
        match undo.partner {
            None => {
                if is_barred(topology, slots, slot, other as i32) || undo.held < 0 {
                    return None;
                }
                put(slots, slot, other as i32);
            }
            Some(partner) => {
                let (here, there) = (undo.held, at(slots, partner));
                let is_pair = partner > slot && here != there && here >= 0 && there >= 0;
                if !is_pair
                    || is_barred(topology, slots, slot, there)
                    || is_barred(topology, slots, partner, here)
                {
                    return None;
                }
                put(slots, slot, there);
                put(slots, partner, here);
            }
        }
        Some(undo)
    }
}

/// Whether a slot can not hold an expert: its GPU has another copy, or receives none.
fn is_barred(topology: &Topology, slots: &[i32], slot: usize, expert: i32) -> bool {
    let mut end = 0;
    for gpu in 0..topology.num_gpus() {
        let first = end;
        end += topology.slots(gpu);
        if slot < end {
            let held = slots.get(first..end).unwrap_or_default();
            return held.contains(&expert) || !topology.receives(gpu);
        }
    }
    true
}

/// How a change is taken back.
struct Undo {
    slot: usize,
    partner: Option<usize>,
    held: i32,
}

impl Undo {
    fn put_back(self, slots: &mut [i32]) {
        if let Some(partner) = self.partner {
            let here = at(slots, self.slot);
            put(slots, partner, here);
        }
        put(slots, self.slot, self.held);
    }
}
