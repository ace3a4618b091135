//! Loads split exactly: how balanced a placement could be.

use crate::base::arena::{Arena, Need};
use crate::base::keys::widen;
use crate::dispatch::flow::Effort;
use crate::dispatch::level::time;
use crate::dispatch::solver::Solver;
use crate::parts;
use crate::problem::Shape;

/// The largest time under the split, and the bound; in the unit of the loads.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LoadSplit {
    /// Largest load / speed of a GPU.
    pub largest: f64,
    /// No split has a smaller one.
    pub bound: f64,
}

/// What [`split_loads`] needs of an arena, for a shape that is admitted: O(P + E + G).
pub fn split_loads_need(shape: &Shape) -> Need {
    let mut need = Need::default();
    if !parts::DISPATCH {
        return need;
    }
    Solver::carve(&mut need, shape);
    need
}

/// Splits the loads `[E]` of one layer over the replicas of `slots`, which holds a serving one of each expert.
///
/// Loads become integers: times the power of two that brings their sum to 2^51 or above, rounded down. So the
/// figures are within (E + G) / 2^51 of the real optimum, relatively: 1e-9 up to two million experts.
#[inline(never)] // so that its memory is on the stack only meanwhile
pub fn split_loads(shape: &Shape, slots: &[i32], load: &[f32], mut arena: Arena) -> LoadSplit {
    if !parts::DISPATCH {
        return LoadSplit::default(); // refused by `admit`
    }
    let mut solver = Solver::carve(&mut arena, shape);
    let total = load.iter().fold(0.0, |sum, &load| sum + widen(load));
    if total <= 0.0 {
        return LoadSplit::default();
    }
    // 2^51 <= total * scale < 2^52: the exponents of f64 are biased by 1023
    let exponent = (total.to_bits() >> 52) as i64 - 1023;
    let scale = power_of_two(51 - exponent);
    for (place, &load) in solver.replicas.total.iter_mut().zip(load) {
        *place = (widen(load) * scale) as u64;
    }
    let found = solver.split(shape, slots, &mut Effort::new(0, shape));
    let topology = shape.topology();
    let unit = power_of_two(exponent - 51);
    let bound = solver.level.time(topology) * unit;
    if found {
        return LoadSplit { largest: bound, bound };
    }
    let loads = solver.replicas.load.iter().enumerate();
    let largest = loads.fold(0.0, |most, (gpu, &load)| {
        let time = time(load, topology.speed(gpu));
        if time > most { time } else { most }
    });
    LoadSplit { largest: largest * unit, bound }
}

/// 2^n, for n of a normal f64.
fn power_of_two(n: i64) -> f64 {
    f64::from_bits(((1023 + n) as u64) << 52)
}
