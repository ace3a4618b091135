//! The lower bound on the time of the slowest GPU in seconds, tokens split evenly.
//!
//! What a replica takes is subadditive (`problem::seconds`), so all replicas take at least what the experts would take in
//! one piece, and the slowest GPU at least that over the speed of all. And within a time T on the fastest GPU a replica
//! has room for y tokens, so an expert of n needs k = ceil(n / y) replicas. When these are more than the slots, or those
//! of one expert more than the GPUs, T is impossible; and so it is when they take more than T on all GPUs together, for
//! k replicas of n / k tokens take no less the more they are. Both sides rise as T falls: halving finds the level, from
//! below.

use crate::base::keys::widen;
use crate::problem::Shape;
use crate::problem::seconds::Seconds;

/// Halvings: the bound is then within a millionth of the level.
const HALVINGS: u32 = 20;
/// A time that only rounding puts below what a count asks for is possible.
const ROUNDING: f64 = 1.0 + 1e-12;

/// The GPUs that a plan may use.
#[derive(Default)]
struct Fleet {
    speed: f64,
    fastest: f64,
    gpus: f64,
    slots: f64,
}

impl Fleet {
    fn of(shape: &Shape) -> Self {
        let mut fleet = Fleet::default();
        for gpu in 0..shape.topology().num_gpus() {
            let slots = shape.usable_slots(gpu);
            if slots > 0 {
                let speed = widen(shape.topology().speed(gpu));
                fleet.speed += speed;
                fleet.gpus += 1.0;
                fleet.slots += slots as f64;
                if speed > fleet.fastest {
                    fleet.fastest = speed;
                }
            }
        }
        fleet
    }
}

/// The experts of a layer in one window.
#[derive(Clone, Copy)]
pub struct Experts<'a> {
    /// What they have, and how many tokens of a step each of it is.
    pub load: &'a [f32],
    pub per_load: f64,
    /// What replicas take.
    pub cost: &'a Seconds<'a>,
}

impl Experts<'_> {
    fn tokens(&self) -> impl Iterator<Item = f64> + '_ {
        self.load.iter().map(|&load| widen(load) * self.per_load)
    }

    /// No placement is faster, layer_seconds left out; at most `reached`, which one is. `uneven`: replicas of an expert
    /// do not all get as much.
    #[inline(never)]
    pub fn least(&self, shape: &Shape, uneven: bool, reached: f64) -> f64 {
        let fleet = &Fleet::of(shape);
        let all = self.tokens().fold(0.0, |sum, tokens| sum + self.cost.replica(tokens));
        let mut low = all / fleet.speed;
        if low >= reached {
            return reached; // but for rounding it is no larger
        }
        if uneven || self.is_possible(low, fleet) {
            return low;
        }
        let mut high = reached;
        for _ in 0..HALVINGS {
            let middle = low + (high - low) / 2.0;
            if self.is_possible(middle, fleet) {
                high = middle;
            } else {
                low = middle;
            }
        }
        low
    }

    /// Whether the counts that a time asks for have slots, and time.
    fn is_possible(&self, time: f64, fleet: &Fleet) -> bool {
        let room = self.cost.tokens_within(time * fleet.fastest * ROUNDING);
        let (mut replicas, mut seconds) = (0.0, 0.0);
        for tokens in self.tokens() {
            let count = if tokens > room { libm::ceil(tokens / room) } else { 1.0 };
            if count > fleet.gpus {
                return false;
            }
            replicas += count;
            seconds += count * self.cost.replica(tokens / count);
        }
        replicas <= fleet.slots && seconds <= time * fleet.speed * ROUNDING
    }
}
