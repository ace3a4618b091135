//! The validated problem: whoever holds a [`Problem`] need not check again.

pub mod cost;
pub mod loads;
pub mod seconds;
pub mod shape;
pub mod spec;
pub mod split;
pub mod topology;

pub use crate::problem::cost::Cost;
pub use crate::problem::shape::Shape;
pub use crate::problem::spec::{Scope, Spec};
pub use crate::problem::split::StaticSplit;

use crate::problem::loads::Loads;
use crate::status::Status;

/// A problem that has been checked as a whole.
#[derive(Clone, Copy, Debug)]
pub struct Problem<'a> {
    shape: Shape<'a>,
    load: &'a [f32],
    window_weight: Option<&'a [f32]>,
}

impl<'a> Problem<'a> {
    /// Checks everything a problem can say. O(W L E + G).
    ///
    /// # Errors
    /// Those of [`Shape::new`], [`Status::ArrayLength`], [`Status::LoadNan`],
    /// [`Status::LoadInfinite`], [`Status::LoadNegative`], [`Status::WindowWeight`].
    pub fn new(spec: &Spec<'a>) -> Result<Self, Status> {
        Problem::with_shape(Shape::new(spec)?, spec.load, spec.window_weight)
    }

    /// The same for a shape that has been checked.
    ///
    /// # Errors
    /// Those of [`Problem::new`] but for the shape's.
    pub fn with_shape(
        shape: Shape<'a>,
        load: &'a [f32],
        window_weight: Option<&'a [f32]>,
    ) -> Result<Self, Status> {
        Ok(Problem::of(&shape, &Loads::new(shape.loads(), load, window_weight)?))
    }

    /// One of a shape and loads that have been checked.
    pub(crate) fn of(shape: &Shape<'a>, loads: &Loads<'a>) -> Self {
        Problem { shape: *shape, load: loads.load, window_weight: loads.weight }
    }

    /// Sizes and topology.
    pub fn shape(&self) -> &Shape<'a> {
        &self.shape
    }

    /// The loads of all windows.
    #[inline]
    pub(crate) fn loads(&self) -> Loads<'a> {
        Loads { shape: self.shape.loads(), load: self.load, weight: self.window_weight }
    }

    /// The loads `[E]` of one layer in one window.
    pub fn load(&self, window: usize, layer: usize) -> &'a [f32] {
        self.loads().layer(window, layer)
    }

    /// The weight of a window for a layer; 1 when none was given.
    pub fn window_weight(&self, window: usize, layer: usize) -> f32 {
        self.loads().weight(window, layer)
    }
}
