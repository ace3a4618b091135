//! Load windows in a ring, validated: whoever holds [`Windows`] need not check again.

use crate::problem::loads::{LoadShape, Loads};
use crate::status::Status;

/// Sizes of an array of windows, checked; all that the lengths of arrays depend on.
#[derive(Clone, Copy, Debug)]
pub struct WindowsShape {
    loads: LoadShape,
    oldest: usize,
}

impl WindowsShape {
    /// `sizes` are W, L and E, each 1 to 2^31 - 1. `oldest` is the place of the oldest window in the ring, and
    /// `stride` the elements from one window to the next, 0 for L * E.
    ///
    /// # Errors
    /// [`Status::ShapeZero`], [`Status::ShapeTooLarge`], [`Status::WindowStride`], [`Status::OldestWindow`].
    pub fn new(sizes: [u32; 3], oldest: u32, stride: u64) -> Result<Self, Status> {
        let loads = LoadShape::new(sizes, stride)?;
        let oldest = oldest as usize;
        if oldest < loads.windows {
            Ok(WindowsShape { loads, oldest })
        } else {
            Err(Status::OldestWindow)
        }
    }

    /// W.
    pub fn num_windows(&self) -> usize {
        self.loads.windows
    }
    /// L.
    pub fn num_layers(&self) -> usize {
        self.loads.layers
    }
    /// E.
    pub fn num_logical_experts(&self) -> usize {
        self.loads.experts
    }
    /// Elements of `load` from the first to the last.
    pub fn load_len(&self) -> usize {
        self.loads.span()
    }
    /// Where in the ring a window is, counted in order of time: 0 is the oldest.
    pub fn place(&self, time: usize) -> usize {
        let place = self.oldest + time;
        if place >= self.loads.windows { place - self.loads.windows } else { place }
    }
}

/// Load windows: `[W][L][E]` tokens, and optionally `[L][W]` what each counts.
#[derive(Clone, Copy, Debug)]
pub struct Windows<'a> {
    loads: Loads<'a>,
    oldest: usize,
}

impl<'a> Windows<'a> {
    /// Loads are finite and at least 0; weights likewise, and not all 0 in a layer. O(W L E).
    ///
    /// # Errors
    /// [`Status::ArrayLength`], [`Status::LoadNan`], [`Status::LoadInfinite`], [`Status::LoadNegative`],
    /// [`Status::WindowWeight`].
    pub fn new(
        shape: WindowsShape,
        load: &'a [f32],
        weight: Option<&'a [f32]>,
    ) -> Result<Self, Status> {
        Ok(Windows { loads: Loads::new(shape.loads, load, weight)?, oldest: shape.oldest })
    }

    /// The sizes.
    pub fn shape(&self) -> WindowsShape {
        WindowsShape { loads: self.loads.shape, oldest: self.oldest }
    }

    /// The loads as they lie: `[W][L][E]` in ring order.
    pub fn load(&self) -> &'a [f32] {
        self.loads.load
    }

    /// The loads `[E]` of one layer in one window, counted in order of time.
    #[inline]
    pub fn row(&self, time: usize, layer: usize) -> &'a [f32] {
        self.loads.layer(self.shape().place(time), layer)
    }

    /// What a window counts in a layer, counted in order of time; 1 when nothing was said.
    pub fn weight(&self, time: usize, layer: usize) -> f32 {
        self.loads.weight(self.shape().place(time), layer)
    }
}
