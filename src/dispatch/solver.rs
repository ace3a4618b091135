//! The least largest time of one layer, whatever the sources.

use crate::base::arena::Carve;
use crate::dispatch::flow::{Effort, Flow};
use crate::dispatch::level::Level;
use crate::dispatch::replicas::Replicas;
use crate::problem::Shape;

/// The replicas of a layer, and what spreads its tokens over them.
#[derive(Debug)]
pub struct Solver<'a> {
    pub replicas: Replicas<'a>,
    pub level: Level<'a>,
    pub flow: Flow<'a>,
}

impl<'a> Solver<'a> {
    #[inline(always)] // what only counts is gone from the code
    pub fn carve(arena: &mut impl Carve<'a>, shape: &Shape) -> Self {
        Solver {
            replicas: Replicas::carve(arena, shape),
            level: Level::carve(arena, shape),
            flow: Flow::carve(arena, shape),
        }
    }

    /// Counts and numbers the replicas, then splits: false when the effort ran out, and the split is even.
    pub fn split(&mut self, shape: &Shape, slots: &[i32], effort: &mut Effort) -> bool {
        self.replicas.take_all();
        if self.replicas.count(shape, slots).is_err() {
            return true; // has been checked: never
        }
        self.replicas.number(shape, slots);
        let (replicas, level) = (&mut self.replicas, &mut self.level);
        let done = self.flow.split(shape.topology(), replicas, level, effort);
        if !done {
            replicas.clear();
            replicas.split_evenly();
        }
        done
    }
}
