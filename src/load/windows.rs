//! Load windows in a ring, validated: whoever holds [`Windows`] need not check again.

use crate::base::arena::addressable;
use crate::problem::{check_loads, is_zero};
use crate::status::Status;

/// Sizes of an array of windows, checked; all that the lengths of arrays depend on.
#[derive(Clone, Copy, Debug)]
pub struct WindowsShape {
    windows: usize,
    layers: usize,
    experts: usize,
    oldest: usize,
    stride: usize,
}

impl WindowsShape {
    /// `sizes` are W, L and E, each 1 to 2^31 - 1. `oldest` is the place of the oldest window in the ring, and
    /// `stride` the elements from one window to the next, 0 for L * E.
    ///
    /// # Errors
    /// [`Status::ShapeZero`], [`Status::ShapeTooLarge`], [`Status::WindowStride`], [`Status::OldestWindow`].
    pub fn new(sizes: [u32; 3], oldest: u32, stride: u64) -> Result<Self, Status> {
        if sizes.contains(&0) {
            return Err(Status::ShapeZero);
        }
        if sizes.iter().any(|&size| size > i32::MAX as u32) {
            return Err(Status::ShapeTooLarge);
        }
        let [windows, layers, experts] = sizes.map(|size| size as usize);
        let matrix = addressable(layers.checked_mul(experts))?;
        addressable(layers.checked_mul(windows))?;
        let stride = match stride {
            0 => matrix,
            given => usize::try_from(given).map_err(|_| Status::ShapeTooLarge)?,
        };
        if stride < matrix {
            return Err(Status::WindowStride);
        }
        let last = stride.checked_mul(windows - 1);
        addressable(last.and_then(|n| n.checked_add(matrix)))?;
        let oldest = oldest as usize;
        if oldest >= windows {
            return Err(Status::OldestWindow);
        }
        Ok(WindowsShape { windows, layers, experts, oldest, stride })
    }

    /// W.
    pub fn num_windows(&self) -> usize {
        self.windows
    }
    /// L.
    pub fn num_layers(&self) -> usize {
        self.layers
    }
    /// E.
    pub fn num_logical_experts(&self) -> usize {
        self.experts
    }
    /// Elements of `load` from the first to the last.
    pub fn load_len(&self) -> usize {
        self.stride * (self.windows - 1) + self.layers * self.experts
    }
    /// Where in the ring a window is, counted in order of time: 0 is the oldest.
    pub fn place(&self, time: usize) -> usize {
        let place = self.oldest + time;
        if place >= self.windows { place - self.windows } else { place }
    }
}

/// Load windows: `[W][L][E]` tokens, and optionally `[L][W]` what each counts.
#[derive(Clone, Copy, Debug)]
pub struct Windows<'a> {
    shape: WindowsShape,
    load: &'a [f32],
    weight: Option<&'a [f32]>,
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
        let load = load.get(..shape.load_len()).ok_or(Status::ArrayLength)?;
        let matrix = shape.layers * shape.experts;
        for window in load.chunks(shape.stride.max(1)) {
            check_loads(window.get(..matrix).ok_or(Status::ArrayLength)?)?;
        }
        if let Some(weight) = weight {
            if weight.len() != shape.layers * shape.windows {
                return Err(Status::ArrayLength);
            }
            for layer in weight.chunks_exact(shape.windows.max(1)) {
                check_loads(layer).map_err(|_| Status::WindowWeight)?;
                if layer.iter().all(|&weight| is_zero(weight)) {
                    return Err(Status::WindowWeight);
                }
            }
        }
        Ok(Windows { shape, load, weight })
    }

    /// The sizes.
    pub fn shape(&self) -> &WindowsShape {
        &self.shape
    }

    /// The loads as they lie: `[W][L][E]` in ring order.
    pub fn load(&self) -> &'a [f32] {
        self.load
    }

    /// The loads `[E]` of one layer in one window, counted in order of time.
    #[inline]
    pub fn row(&self, time: usize, layer: usize) -> &'a [f32] {
        let start = self.shape.stride * self.shape.place(time) + self.shape.experts * layer;
        self.load.get(start..).and_then(|tail| tail.get(..self.shape.experts)).unwrap_or_default()
    }

    /// What a window counts in a layer, counted in order of time; 1 when nothing was said.
    pub fn weight(&self, time: usize, layer: usize) -> f32 {
        let at = layer * self.shape.windows + self.shape.place(time);
        self.weight.and_then(|weight| weight.get(at).copied()).unwrap_or(1.0)
    }
}
