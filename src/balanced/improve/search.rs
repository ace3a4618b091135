//! The search: the GPU that costs most and is not marked gets the step that lowers the potential most for its
//! price; when there is none, it is marked until another GPU changes, and the next one looks.

use crate::balanced::improve::marks::Marks;
use crate::balanced::improve::neighborhood;
use crate::balanced::improve::packing::Packing;
use crate::base::cells::put;

/// A GPU that costs less than this part of the one that costs most is not worth a look.
const FLOOR: f32 = 1.0 / 8.0;
/// It is time to scale anew when the largest cost is this many times lower.
const LOWER: f32 = 8.0;
/// Under a budget the search ends after so many GPUs in a row without a step.
const PATIENCE: u32 = 8;
/// What a step itself takes of the effort.
const STEP: u64 = 64;

/// Why the search ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The largest cost has fallen so far that it is time to scale anew.
    Lower,
    /// No step is left, or none worth looking for.
    Rest,
    /// The effort is spent.
    Spent,
}

/// Steps until one of these; `note` sees the placement after each.
pub fn search<const N: usize>(
    p: &mut Packing<N>,
    marks: &mut Marks,
    mut note: impl FnMut(&Packing<N>),
) -> End {
    let (mut idle, mut steps) = (0, 0);
    let mut first = -1.0;
    while marks.left > 0 {
        let (mut most, mut worst, mut top) = (-1.0, usize::MAX, 0.0);
        for (gpu, (&cost, &seen)) in p.cost.iter().zip(marks.seen.iter()).enumerate() {
            top = if cost > top { cost } else { top };
            if cost > most && seen < p.now {
                most = cost;
                worst = gpu;
            }
        }
        first = if first < 0.0 { top } else { first };
        if worst == usize::MAX || most < top * FLOOR {
            return End::Rest;
        }
        if top * LOWER <= first {
            return End::Lower;
        }
        let Some((step, price)) = neighborhood::look(p, marks, worst) else {
            put(marks.seen, worst, p.now);
            idle += 1;
            if p.priced && idle > PATIENCE {
                return End::Rest;
            }
            continue;
        };
        marks.budget -= price;
        marks.left = marks.left.saturating_sub(STEP * p.blocks as u64);
        steps += 1;
        if steps > 4 * p.expert_at.len() + 64 {
            return End::Spent;
        }
        idle = 0;
        p.make(step);
        note(p);
    }
    End::Spent
}
