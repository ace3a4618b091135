//! Forecasts: one load matrix of several windows, for who plans on a single one.
//!
//! With x the windows of an expert's load, the newest last, v their weights (what the change detection says, or
//! 1) and sums over the windows:
//!
//! - last: x of the newest window, as it is;
//! - mean: m = sum v x / sum v;
//! - half-life h: the mean with weights v 2^(-age / h), age 0 for the newest window;
//! - mean + z sigma: m + z sqrt(sum v (x - m)^2 / sum v).
//!
//! Sums are f64 in order of time, the oldest first; the result is rounded to f32, to nearest, and is at most the
//! largest f32. exp2 and sqrt are libm's, the same bits everywhere.

use crate::base::keys::widen;
use crate::load::windows::Windows;
use crate::problem::loads::is_zero;
use crate::status::Status;

/// How eplb_forecast makes one load of the windows.
#[allow(non_camel_case_types)] // the C name; Rust code sees it as `eplb::ForecastMethod`
#[repr(u32)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum eplb_forecast_method {
    /// The newest window, whatever its weight.
    #[default]
    Last = 0,
    /// The weighted mean.
    Mean = 1,
    /// The mean in which a window counts half as much as one that is half_life windows younger.
    HalfLife = 2,
    /// The mean and so many standard deviations over the windows: more replicas for what varies.
    MeanPlusSigma = 3,
}

pub use eplb_forecast_method as ForecastMethod;

impl TryFrom<u32> for ForecastMethod {
    type Error = Status;
    fn try_from(number: u32) -> Result<Self, Status> {
        use ForecastMethod::{HalfLife, Last, Mean, MeanPlusSigma};
        [Last, Mean, HalfLife, MeanPlusSigma]
            .into_iter()
            .find(|&method| method as u32 == number)
            .ok_or(Status::UnknownForecast)
    }
}

/// A method with its number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Forecast {
    /// Which.
    pub method: ForecastMethod,
    /// h, in windows, at least 2^-10: for [`ForecastMethod::HalfLife`].
    pub half_life: f32,
    /// z, 0 or at least 2^-126: for [`ForecastMethod::MeanPlusSigma`].
    pub sigmas: f32,
}

impl Default for Forecast {
    fn default() -> Self {
        Forecast { method: ForecastMethod::Last, half_life: 1.0, sigmas: 1.0 }
    }
}

impl Forecast {
    /// # Errors
    /// [`Status::ForecastOption`].
    pub(crate) fn check(&self) -> Result<(), Status> {
        let finite = self.sigmas >= f32::MIN_POSITIVE && self.sigmas <= f32::MAX;
        let sigmas = is_zero(self.sigmas) || finite;
        if sigmas && !self.half_life_is_bad() { Ok(()) } else { Err(Status::ForecastOption) }
    }

    /// Whether it is `half_life` that is out of its range.
    pub(crate) fn half_life_is_bad(&self) -> bool {
        !(self.half_life >= 1.0 / 1024.0 && self.half_life <= f32::MAX)
    }
}

/// Makes `[L][E]` loads of the windows. O(W L E).
///
/// # Errors
/// [`Status::ForecastOption`], [`Status::ArrayLength`].
pub fn forecast(windows: &Windows, how: &Forecast, load: &mut [f32]) -> Result<(), Status> {
    let shape = windows.shape();
    how.check()?;
    if load.len() != shape.num_layers() * shape.num_logical_experts() {
        return Err(Status::ArrayLength);
    }
    let experts = shape.num_logical_experts().max(1);
    for (layer, out) in load.chunks_exact_mut(experts).enumerate() {
        for (block, out) in out.chunks_mut(BLOCK).enumerate() {
            Block { windows, how, layer, start: block * BLOCK }.forecast(out);
        }
    }
    Ok(())
}

/// Experts that are forecast side by side: a weight is worked out once for all of them.
const BLOCK: usize = 16;

/// Some experts of a layer.
struct Block<'a> {
    windows: &'a Windows<'a>,
    how: &'a Forecast,
    layer: usize,
    start: usize,
}

impl Block<'_> {
    fn forecast(&self, out: &mut [f32]) {
        if self.how.method == ForecastMethod::Last {
            for (out, &load) in out.iter_mut().zip(self.row(self.newest())) {
                *out = if is_zero(load) { 0.0 } else { load };
            }
            return;
        }
        let (mut mean, mut total) = ([0.0_f64; BLOCK], 0.0);
        for time in 0..=self.newest() {
            let weight = self.weight(time);
            total += weight;
            for (sum, &load) in mean.iter_mut().zip(self.row(time)) {
                *sum += weight * widen(load);
            }
        }
        if total <= 0.0 {
            // all that counts is too long ago
            mean = [0.0; BLOCK];
            mean.iter_mut().zip(self.row(self.newest())).for_each(|(x, &load)| *x = widen(load));
        } else {
            mean.iter_mut().for_each(|sum| *sum /= total);
        }
        if self.how.method == ForecastMethod::MeanPlusSigma && self.how.sigmas > 0.0 {
            let mut variance = [0.0_f64; BLOCK];
            for time in 0..=self.newest() {
                let weight = self.weight(time);
                let loads = self.row(time).iter().zip(&mean);
                for (sum, (&load, mean)) in variance.iter_mut().zip(loads) {
                    let apart = widen(load) - mean;
                    *sum += weight * (apart * apart);
                }
            }
            for (mean, sum) in mean.iter_mut().zip(variance) {
                *mean += f64::from(self.how.sigmas) * libm::sqrt(sum / total);
            }
        }
        out.iter_mut().zip(mean).for_each(|(out, value)| *out = narrow(value));
    }

    fn newest(&self) -> usize {
        self.windows.shape().num_windows() - 1
    }

    fn row(&self, time: usize) -> &[f32] {
        self.windows.row(time, self.layer).get(self.start..).unwrap_or_default()
    }

    fn weight(&self, time: usize) -> f64 {
        let weight = widen(self.windows.weight(time, self.layer));
        match self.how.method {
            ForecastMethod::HalfLife => {
                weight * fade((self.newest() - time) as f64 / f64::from(self.how.half_life))
            }
            _ => weight,
        }
    }
}

/// 2^-halvings, and 0 where products with it could become subnormal.
fn fade(halvings: f64) -> f64 {
    if halvings > 256.0 { 0.0 } else { libm::exp2(-halvings) }
}

/// Rounds to f32, to nearest: also where the processor would make 0 of a subnormal.
fn narrow(value: f64) -> f32 {
    const TWO52: f64 = 4_503_599_627_370_496.0;
    const LEAST: f64 = f64::from_bits((1023 + 149) << 52); // 1 / the smallest subnormal
    if value >= f64::from(f32::MAX) {
        f32::MAX
    } else if value >= f64::from(f32::MIN_POSITIVE) {
        value as f32
    } else {
        f32::from_bits((value * LEAST + TWO52).to_bits() as u32 & 0x00ff_ffff)
    }
}
