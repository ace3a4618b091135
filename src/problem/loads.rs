//! Loads by window, layer and expert, and what each window counts: of a problem, or of a ring of windows.

use crate::base::arena::addressable;
use crate::base::cells::part;
use crate::status::Status;

/// Sizes of loads `[W][L][E]`, checked: where each of them is.
#[derive(Clone, Copy, Debug)]
pub struct LoadShape {
    /// W.
    pub windows: usize,
    /// L.
    pub layers: usize,
    /// E.
    pub experts: usize,
    /// Elements from one window to the next.
    pub stride: usize,
}

impl LoadShape {
    /// `sizes` are W, L and E, each 1 to 2^31 - 1; `stride` 0 is L * E.
    ///
    /// # Errors
    /// [`Status::ShapeZero`], [`Status::ShapeTooLarge`], [`Status::WindowStride`].
    pub fn new(sizes: [u32; 3], stride: u64) -> Result<Self, Status> {
        check_sizes(&sizes)?;
        let [windows, layers, experts] = sizes.map(|size| size as usize);
        let of_window = addressable(layers.checked_mul(experts))?;
        addressable(layers.checked_mul(windows))?;
        let stride = match stride {
            0 => of_window,
            given => usize::try_from(given).map_err(|_| Status::ShapeTooLarge)?,
        };
        if stride < of_window {
            return Err(Status::WindowStride);
        }
        let last = stride.checked_mul(windows - 1);
        addressable(last.and_then(|n| n.checked_add(of_window)))?;
        Ok(LoadShape { windows, layers, experts, stride })
    }

    /// One layer in one window.
    pub fn one_layer(experts: usize) -> Self {
        LoadShape { windows: 1, layers: 1, experts, stride: experts }
    }

    /// Elements from the first to the last.
    pub fn span(&self) -> usize {
        self.stride * (self.windows - 1) + self.layers * self.experts
    }
}

/// Loads `[W][L][E]`, and optionally `[L][W]` what each window counts.
#[derive(Clone, Copy, Debug)]
pub struct Loads<'a> {
    /// Where each is.
    pub shape: LoadShape,
    /// As they lie.
    pub load: &'a [f32],
    /// The weights as they lie.
    pub weight: Option<&'a [f32]>,
}

impl<'a> Loads<'a> {
    /// Loads are finite and at least 0; weights likewise, and not all 0 in a layer. O(W L E).
    ///
    /// # Errors
    /// [`Status::ArrayLength`], [`Status::LoadNan`], [`Status::LoadInfinite`], [`Status::LoadNegative`],
    /// [`Status::WindowWeight`].
    pub fn new(
        shape: LoadShape,
        load: &'a [f32],
        weight: Option<&'a [f32]>,
    ) -> Result<Self, Status> {
        let load = load.get(..shape.span()).ok_or(Status::ArrayLength)?;
        let loads = Loads { shape, load, weight };
        (0..shape.windows).try_for_each(|window| check_loads(loads.window(window)))?;
        let Some(weight) = weight else { return Ok(loads) };
        if weight.len() != shape.layers * shape.windows {
            return Err(Status::ArrayLength);
        }
        for layer in weight.chunks_exact(shape.windows.max(1)) {
            if check_loads(layer).is_err() || layer.iter().all(|&weight| is_zero(weight)) {
                return Err(Status::WindowWeight);
            }
        }
        Ok(loads)
    }

    /// `[L][E]` of one window.
    pub fn window(&self, window: usize) -> &'a [f32] {
        let start = self.shape.stride * window;
        part(self.load, start, start + self.shape.layers * self.shape.experts)
    }

    /// `[E]` of one layer in one window.
    #[inline]
    pub fn layer(&self, window: usize, layer: usize) -> &'a [f32] {
        let start = self.shape.stride * window + self.shape.experts * layer;
        part(self.load, start, start + self.shape.experts)
    }

    /// What a window counts in a layer; 1 when nothing was said.
    pub fn weight(&self, window: usize, layer: usize) -> f32 {
        let at = layer * self.shape.windows + window;
        self.weight.and_then(|weight| weight.get(at).copied()).unwrap_or(1.0)
    }

    /// The largest of all.
    pub fn largest(&self) -> f32 {
        let all = (0..self.shape.windows).flat_map(|window| self.window(window));
        all.fold(0.0, |most, &load| if load > most { load } else { most })
    }
}

/// Sizes are 1 to 2^31 - 1.
///
/// # Errors
/// [`Status::ShapeZero`], [`Status::ShapeTooLarge`].
pub fn check_sizes(sizes: &[u32]) -> Result<(), Status> {
    if sizes.contains(&0) {
        Err(Status::ShapeZero)
    } else if sizes.iter().any(|&size| size > i32::MAX as u32) {
        Err(Status::ShapeTooLarge)
    } else {
        Ok(())
    }
}

/// Finite and not negative, decided by bits: flush-to-zero cannot change the answer, and one
/// integer maximum over the array is all that a good array costs.
pub fn check_loads(loads: &[f32]) -> Result<(), Status> {
    let largest = loads.iter().fold(0, |most, load| most.max(load.to_bits()));
    if largest <= f32::MAX.to_bits() {
        return Ok(());
    }
    loads.iter().try_for_each(|&load| load_fault(load).map_or(Ok(()), Err))
}

/// What is wrong with a load.
pub fn load_fault(load: f32) -> Option<Status> {
    if load.is_nan() {
        Some(Status::LoadNan)
    } else if load == f32::INFINITY {
        Some(Status::LoadInfinite)
    } else if load.is_sign_negative() && !is_zero(load) {
        Some(Status::LoadNegative)
    } else {
        None
    }
}

/// +0.0 or -0.0, and nothing that flush-to-zero would take for it.
pub fn is_zero(value: f32) -> bool {
    // a compiler that sees that the bits are those of a float compares floats
    core::hint::black_box(value.to_bits()) << 1 == 0
}
