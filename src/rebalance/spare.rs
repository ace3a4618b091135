//! Replicas that do not pay where slots may stay empty: those that dispatch does without in every window.
//!
//! As dispatch chooses which replicas it uses: of each expert as many as the most tokens that it has in a window hold of
//! a threshold, for thresholds from one replica each upward; what has the best balance in seconds stays, of equals what
//! has fewest. The first to stay is the one that serves alone when tokens are few.

use crate::balanced::layer::{keep, restore};
use crate::base::arena::{Arena, Carve, Need};
use crate::base::cells::{add, at, change};
use crate::base::keys::widen;
use crate::dispatch::note_tokens;
use crate::problem::{Problem, Shape};
use crate::rebalance::seconds::{self, dispatched};

/// Thresholds at most: each is half of the one before at least.
const THRESHOLDS: usize = 32;

struct Scratch<'a> {
    /// By expert: the most tokens in a window, those of a window, replicas, and those that stay.
    most: &'a mut [u32],
    tokens: &'a mut [u32],
    count: &'a mut [u32],
    left: &'a mut [u32],
    /// By slot: what it holds in all, in the best so far; 1 for what serves alone.
    all: &'a mut [u32],
    best: &'a mut [u32],
    primary: &'a mut [u32],
}

#[inline(always)]
fn list<'a>(arena: &mut impl Carve<'a>, shape: &Shape) -> Scratch<'a> {
    let (experts, slots) = (shape.num_logical_experts(), shape.num_physical_experts());
    Scratch {
        most: arena.u32s(experts),
        tokens: arena.u32s(experts),
        count: arena.u32s(experts),
        left: arena.u32s(experts),
        all: arena.u32s(slots),
        best: arena.u32s(slots),
        primary: arena.u32s(slots),
    }
}

/// What [`empty_spare`] needs: O(E + P + G); nothing where active experts cost no time.
#[inline(never)] // sizing is over before planning takes the stack
pub fn need(shape: &Shape) -> Need {
    let mut need = Need::default();
    if shape.reads() {
        list(&mut need, shape);
    }
    need.plus(seconds::need(shape))
}

/// Empties the slots whose replicas do not pay. `slots` hold every expert.
#[inline(never)] // off the stack of the search
pub fn empty_spare(problem: &Problem, layer: usize, slots: &mut [i32], arena: &mut Arena) {
    let mut rest = arena.rest();
    let s = &mut list(&mut rest, problem.shape());
    s.note(problem, layer, slots, &mut rest);
    let mut good = -1.0;
    let mut threshold = f64::INFINITY;
    for _ in 0..THRESHOLDS {
        let next = s.thin(threshold, slots);
        let balance = seconds::balance(problem, layer, slots, &mut rest).unwrap_or(-1.0);
        if balance > good {
            good = balance;
            keep(slots, s.best);
        }
        if next <= 0.0 {
            break;
        }
        let half = threshold / 2.0;
        threshold = if next < half { next } else { half };
    }
    restore(s.best, slots);
}

impl Scratch<'_> {
    /// Notes what slots hold, the most tokens of each expert, and which replicas serve alone.
    fn note(&mut self, problem: &Problem, layer: usize, slots: &[i32], arena: &mut Arena) {
        keep(slots, self.all);
        self.most.fill(0);
        self.count.fill(0);
        slots.iter().for_each(|&expert| add(self.count, expert, 1));
        for window in 0..problem.shape().num_windows() {
            if widen(problem.window_weight(window, layer).abs()) > 0.0 {
                note_tokens(problem, (window, layer), self.tokens);
                let pairs = self.most.iter_mut().zip(self.tokens.iter());
                pairs.for_each(|(most, &tokens)| *most = tokens.max(*most));
            }
        }
        // one token each uses one replica each, as evenly as can be
        self.tokens.fill(1);
        dispatched(problem.shape(), slots, self.tokens, self.primary, arena.rest());
    }

    /// Leaves as many replicas of each expert as its tokens hold of a threshold; answers the largest that leaves more,
    /// or 0.
    fn thin(&mut self, threshold: f64, slots: &mut [i32]) -> f64 {
        let mut next = 0.0;
        for (expert, left) in self.left.iter_mut().enumerate() {
            let (tokens, count) = (f64::from(at(self.most, expert)), at(self.count, expert));
            let worth = libm::ceil(tokens / threshold);
            *left = if worth < f64::from(count) { (worth as u32).max(1) } else { count };
            let more = tokens / f64::from(*left);
            // one more from just below on
            let more = more * (1.0 - 1.0 / 4096.0);
            next = if *left < count && more > next { more } else { next };
        }
        slots.fill(-1);
        for primary in [true, false] {
            for (slot, to) in slots.iter_mut().enumerate() {
                let expert = at(self.all, slot) as i32;
                let stays = at(self.left, expert) > 0 && (at(self.primary, slot) > 0) == primary;
                if stays {
                    *to = expert;
                    change(self.left, expert, |left| left - 1);
                }
            }
        }
        next
    }
}
