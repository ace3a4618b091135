//! What a step takes in seconds: tokens are not time.
//!
//! A GPU reads the weights of every expert that it has any token for, and works through the tokens; the longer of the
//! two is the time of a replica. One that gets n tokens in a mean step, by chance none in exp(-n) of the steps, takes
//!
//! f(n) = max(token n, expert (1 - exp(-n)))
//!
//! f rises, and is subadditive: f(x + y) <= f(x) + f(y). For token n it is an equation; expert (1 - exp(-n)) is concave
//! and 0 at 0; and where a and b are subadditive, max(a, b)(x + y) <= max(a(x) + a(y), b(x) + b(y)), which is at most
//! max(a, b)(x) + max(a, b)(y). So an expert takes least in one piece, and c replicas of equal parts take c f(n / c),
//! which rises with c: c (1 - exp(-n / c)) does, as 1 - exp(-x) is concave.
//!
//! [`Seconds::replica`] is the one place that knows f. A speed divides what both cost.

use crate::parts;
use crate::problem::cost::is_step;
use crate::problem::spec::Spec;
use crate::status::Status;

/// The cost of a problem, checked: figures, and how many tokens a layer has in a step. No more than it takes, since it
/// is copied with every shape.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seconds<'a> {
    token: f64,
    expert: f64,
    /// What a layer takes anyway.
    pub layer: f64,
    step_tokens: Option<&'a [f32]>,
}

impl<'a> Seconds<'a> {
    /// Checks the cost of a problem; without one the tokens of its steps, too.
    ///
    /// # Errors
    /// [`Status::ArrayLength`], [`Status::StepTokens`], [`Status::Cost`], [`Status::UnsupportedCost`] where dispatch is
    /// left out.
    #[inline(never)] // off the stack of the topology
    pub fn check(spec: &Spec, windows: usize) -> Result<(), Status> {
        if let Some(tokens) = spec.step_tokens {
            if tokens.len() != windows {
                return Err(Status::ArrayLength);
            }
            if !tokens.iter().all(|&tokens| is_step(tokens)) {
                return Err(Status::StepTokens);
            }
        }
        match &spec.cost {
            Some(_) if !parts::DISPATCH => Err(Status::UnsupportedCost),
            Some(cost) => cost.check(),
            None => Ok(()),
        }
    }

    /// That of a problem, which has been checked.
    pub fn of(spec: &Spec<'a>) -> Self {
        let Some(cost) = &spec.cost else { return Seconds::default() };
        Seconds {
            token: cost.token_seconds,
            expert: cost.expert_seconds,
            layer: cost.layer_seconds,
            step_tokens: spec.step_tokens,
        }
    }

    /// Whether there is a cost: a token or an expert costs something.
    pub fn are_given(&self) -> bool {
        parts::DISPATCH && (self.token > 0.0 || self.expert > 0.0)
    }

    /// Whether an active expert costs time, whatever its tokens.
    pub fn reads(&self) -> bool {
        parts::DISPATCH && self.expert > 0.0
    }

    /// What the tokens of a replica take beyond reading, of the seconds that it takes.
    pub fn beyond_reading(&self, tokens: f64) -> f64 {
        let beyond = self.token * tokens - self.expert * active(tokens);
        if beyond > 0.0 { beyond } else { 0.0 }
    }

    /// Seconds of a replica that gets so many tokens in a mean step.
    pub fn replica(&self, tokens: f64) -> f64 {
        let (working, most) = (self.token * tokens, self.expert);
        if working >= most {
            return working; // reading costs no more than what it costs when it is always active
        }
        let reading = most * active(tokens);
        if reading > working { reading } else { working }
    }

    /// The most tokens that a replica can get in a mean step without taking more than this; infinite where it takes no
    /// more, whatever it gets.
    pub fn tokens_within(&self, seconds: f64) -> f64 {
        let working = if self.token > 0.0 { seconds / self.token } else { f64::INFINITY };
        if seconds >= self.expert {
            return working;
        }
        let reading = -libm::log1p(-seconds / self.expert);
        if reading < working { reading } else { working }
    }

    /// Seconds of a replica that has so many tokens in a batch.
    pub fn counted(&self, tokens: f64) -> f64 {
        let working = self.token * tokens;
        if tokens > 0.0 && working < self.expert { self.expert } else { working }
    }

    /// The tokens that take no longer than reading weights does, whole, at most `most`.
    pub fn free_tokens(&self, most: u64) -> u64 {
        let free = self.expert / self.token;
        // infinite where a token costs nothing, and then no fewer than there are
        if free < most as f64 { free as u64 } else { most }
    }

    /// The least seconds of a GPU that has so many tokens' worth, where a replica is worth `free` tokens at least.
    /// `alike`: each is worth just that.
    pub fn of_worth(&self, tokens: f64, free: u64, alike: bool) -> f64 {
        if alike && free > 0 { self.expert * (tokens / free as f64) } else { self.token * tokens }
    }

    /// Tokens in a step for each in the loads of a layer, which sum to `total`, in a window.
    pub fn per_load(&self, window: usize, total: f64) -> f64 {
        match self.step_tokens.and_then(|tokens| tokens.get(window)) {
            Some(&tokens) if total > 0.0 => f64::from(tokens) / total,
            _ => 1.0,
        }
    }
}

/// How often a replica has any token that gets so many in a mean step.
pub fn active(tokens: f64) -> f64 {
    -libm::expm1(-tokens)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::cost::Cost;
    use crate::problem::cost::tests::H200;

    fn seconds(cost: Cost) -> Seconds<'static> {
        Seconds::of(&Spec { cost: Some(cost), ..Spec::default() })
    }

    /// Over all that matters: 1e-9 to 1e9 tokens.
    fn tokens() -> impl Iterator<Item = f64> + Clone {
        (0..=180).map(|step| 1e-9 * libm::pow(10.0, f64::from(step) / 10.0))
    }

    #[test]
    fn rises_and_is_subadditive() {
        let costs =
            [H200, Cost { token_seconds: 0.0, ..H200 }, Cost { expert_seconds: 0.0, ..H200 }];
        for cost in costs.map(seconds) {
            assert_eq!(cost.replica(0.0), 0.0);
            for (x, next) in tokens().zip(tokens().skip(1)) {
                assert!(cost.replica(x) <= cost.replica(next));
                for y in tokens() {
                    let apart = cost.replica(x) + cost.replica(y);
                    assert!(cost.replica(x + y) <= apart * (1.0 + 1e-14));
                }
                for c in 1..20 {
                    let copies = |c: u32| f64::from(c) * cost.replica(x / f64::from(c));
                    assert!(copies(c) <= copies(c + 1) * (1.0 + 1e-14));
                }
            }
        }
    }

    #[test]
    fn tokens_within_a_time_take_that_time() {
        for tokens in tokens().filter(|tokens| !(30.0..=130.0).contains(tokens)) {
            let back = seconds(H200).tokens_within(seconds(H200).replica(tokens));
            assert!(libm::fabs(back - tokens) <= 1e-3 * tokens, "{tokens} {back}");
        }
        let free = seconds(Cost { token_seconds: 0.0, ..H200 });
        assert!(free.tokens_within(12e-6).is_infinite());
    }
}
