//! Change detection: which windows are from before an abrupt change of the load.
//!
//! A window is the distribution of its tokens over the experts, x[e] = load / total. Windows are compared as
//! Pearson's test of homogeneity compares them: the squared distance of two is the sum over experts of (x - y)^2 / m,
//! m the mean of all windows, which is the mean square of the relative change of an expert's load, weighted by
//! load. For a cut after k of n windows,
//!
//! - B = k (n - k) / n times the squared distance of the means of both sides: the spread between them, which
//!   without a change is about that of a single window;
//! - D = half the mean squared distance of windows that follow each other, but for the two at the cut: the spread
//!   of a single window (von Neumann's, from successive differences), which other changes hardly raise;
//! - N = what B would be by chance alone, the tokens being a sample: the variance of a window is experts / tokens.
//!
//! The best cut, the one of the largest B / max(D, N), is a change when
//!
//! - that ratio is at least `ratio`. A mixture of workloads that come and go has its spread in D as well, counts
//!   that scatter have theirs in N;
//! - (B - N) n / (k (n - k)), the squared distance of the means less what chance adds, is at least `distance`:
//!   what changes less is served by one plan for both sides, and may come back.
//!
//! What is older than the cut no longer counts, and the rest is judged again in the same way. A change of domain
//! shows in every layer, so B, D and N are summed over all layers of the call, which makes them as good as
//! the layers are many; or each layer is judged alone. docs/DESIGN.md has the figures behind the two numbers.

use crate::base::keys::widen;
use crate::load::windows::Windows;
use crate::problem::loads::is_zero;
use crate::status::Status;

/// Most windows that [`window_weights`] judges: what its sums take of the stack is bounded by it.
pub const MAX_JUDGED_WINDOWS: usize = 32;

/// Fewest windows that tell a change: with two there is nothing to tell it from.
const FEWEST: usize = 3;

/// How changes are told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// Judge every layer by itself instead of all of the call together.
    pub each_layer: bool,
    /// B / max(D, N), at least.
    pub ratio: f32,
    /// Squared distance of the means of both sides, at least.
    pub distance: f32,
    /// Weight of a window from before the change, 0 to 1.
    pub before: f32,
    /// Tokens that a load of 1 stands for, to judge the scatter of counts.
    pub tokens_per_load: f32,
}

impl Default for Change {
    fn default() -> Self {
        Change { each_layer: false, ratio: 6.0, distance: 0.3, before: 0.0, tokens_per_load: 1.0 }
    }
}

impl Change {
    /// All that can be wrong but for lengths.
    pub(crate) fn check(&self, windows: &Windows) -> Result<(), Status> {
        if self.first_bad().is_some() {
            Err(Status::ChangeOption)
        } else if windows.shape().num_windows() > MAX_JUDGED_WINDOWS {
            Err(Status::TooManyWindows)
        } else {
            Ok(())
        }
    }

    /// The first number that is out of its range, by name.
    pub(crate) fn first_bad(&self) -> Option<(&'static str, f32)> {
        let positive = |x: f32| (f32::MIN_POSITIVE..=f32::MAX).contains(&x);
        // by bits: a subnormal is not taken for 0
        let share = self.before.to_bits() <= 1.0_f32.to_bits() || is_zero(self.before);
        let numbers = [
            ("ratio", self.ratio, positive(self.ratio)),
            ("distance", self.distance, positive(self.distance)),
            ("before", self.before, share),
            ("tokens_per_load", self.tokens_per_load, positive(self.tokens_per_load)),
        ];
        numbers.into_iter().find(|&(_, _, good)| !good).map(|(name, value, _)| (name, value))
    }
}

/// Says how much each window should count in each layer: `[L][W]` as the windows lie in the ring, what a
/// problem takes as window_weight. 1 since the last change, `before` before it; `counted` `[L]`, when
/// wanted, is how many of the newest windows are from after it. O(L W E) for each change found, and once more.
///
/// # Errors
/// [`Status::TooManyWindows`], [`Status::ChangeOption`], [`Status::ArrayLength`].
pub fn window_weights(
    windows: &Windows,
    change: &Change,
    weight: &mut [f32],
    counted: Option<&mut [u32]>,
) -> Result<(), Status> {
    let shape = windows.shape();
    let (num_windows, num_layers) = (shape.num_windows(), shape.num_layers());
    change.check(windows)?;
    let fits = counted.as_ref().is_none_or(|counted| counted.len() == num_layers);
    if weight.len() != num_windows * num_layers || !fits {
        return Err(Status::ArrayLength);
    }

    let all = if change.each_layer { 0 } else { cut(windows, 0, num_layers, change) };
    let mut counted = counted.map(|counted| counted.iter_mut());
    for (layer, row) in weight.chunks_exact_mut(num_windows.max(1)).enumerate() {
        let first = if change.each_layer { cut(windows, layer, layer + 1, change) } else { all };
        row.fill(1.0);
        for time in 0..first {
            if let Some(weight) = row.get_mut(shape.place(time)) {
                *weight = change.before;
            }
        }
        if let Some(counted) = counted.as_mut().and_then(Iterator::next) {
            *counted = (num_windows - first) as u32;
        }
    }
    Ok(())
}

/// The first window after the last change, in order of time.
fn cut(windows: &Windows, from_layer: usize, to_layer: usize, change: &Change) -> usize {
    let mut first = 0;
    loop {
        match last_change(windows, first, from_layer, to_layer, change) {
            0 => return first,
            further => first += further,
        }
    }
}

/// Sums of one candidate cut, over the layers.
#[derive(Clone, Copy, Default)]
struct Cut {
    /// Sum over experts of (sum over the windows before the cut of x - m)^2 / m, which is B k (n - k) / n.
    off: f64,
    /// Half the squared distance of the windows on both sides of the cut.
    step: f64,
    /// N.
    noise: f64,
}

/// Where the windows from `first` on are best cut, when that is a change; 0 when it is none.
fn last_change(
    windows: &Windows,
    first: usize,
    from_layer: usize,
    to_layer: usize,
    change: &Change,
) -> usize {
    let n = windows.shape().num_windows() - first;
    if n < FEWEST {
        return 0;
    }
    let mut cuts = [Cut::default(); MAX_JUDGED_WINDOWS];
    for layer in from_layer..to_layer {
        add_layer(windows, first, layer, change.tokens_per_load, &mut cuts);
    }
    let steps: f64 = cuts.iter().map(|cut| cut.step).sum();
    let all = n as f64;
    let (mut best, mut best_ratio, mut best_distance) = (0, 0.0, 0.0);
    for (k, cut) in cuts.iter().enumerate().take(n).skip(1) {
        let (before, after) = (k as f64, (n - k) as f64);
        let factor = all / (before * after);
        let between = cut.off * factor;
        let spread = (steps - cut.step) / (all - 2.0);
        let expected = if spread > cut.noise { spread } else { cut.noise };
        if expected > 0.0 && between / expected > best_ratio {
            best = k;
            best_ratio = between / expected;
            best_distance = (between - cut.noise) * factor;
        }
    }
    let layers = (to_layer - from_layer) as f64;
    let told = best_ratio >= f64::from(change.ratio)
        && best_distance >= f64::from(change.distance) * layers;
    if told { best } else { 0 }
}

/// Adds one layer to the sums of all cuts.
fn add_layer(
    windows: &Windows,
    first: usize,
    layer: usize,
    tokens_per_load: f32,
    cuts: &mut [Cut; MAX_JUDGED_WINDOWS],
) {
    let n = windows.shape().num_windows() - first;
    // loads, and 1 / total; a window without tokens has no row and takes no side
    let mut rows: [(&[f32], f64); MAX_JUDGED_WINDOWS] = [(&[], 0.0); MAX_JUDGED_WINDOWS];
    let mut seen = 0.0;
    for (time, row) in rows.iter_mut().enumerate().take(n) {
        let loads = windows.row(first + time, layer);
        let total: f64 = loads.iter().map(|&load| widen(load)).sum();
        if total > 0.0 {
            *row = (loads, 1.0 / total);
            seen += 1.0;
        }
    }
    let Some(rows) = rows.get(..n).filter(|_| seen > 0.0) else { return };

    let mut used = 0.0;
    let mut shares = [0.0_f64; MAX_JUDGED_WINDOWS];
    for expert in 0..windows.shape().num_logical_experts() {
        let mut sum = 0.0;
        for (share, (loads, per_total)) in shares.iter_mut().zip(rows) {
            *share = loads.get(expert).map_or(0.0, |&load| widen(load) * per_total);
            sum += *share;
        }
        if sum <= 0.0 {
            continue;
        }
        used += 1.0;
        let mean = sum / seen;
        let per_mean = 1.0 / mean;
        let (mut off, mut before) = (0.0, None);
        for ((&share, (_, per_total)), cut) in shares.iter().zip(rows).zip(cuts.iter_mut()) {
            cut.off += off * off * per_mean;
            if *per_total > 0.0 {
                let step = share - before.unwrap_or(share);
                cut.step += 0.5 * step * step * per_mean;
                off += share - mean;
                before = Some(share);
            }
        }
    }

    // the variance of a window's shares by chance alone is experts / tokens
    let scatter = |&(_, per_total): &(&[f32], f64)| used * per_total / f64::from(tokens_per_load);
    let total: f64 = rows.iter().map(scatter).sum();
    let mut passed = 0.0;
    for (k, (row, cut)) in rows.iter().zip(cuts.iter_mut()).enumerate() {
        if k > 0 {
            let (before, after) = (k as f64, (n - k) as f64);
            cut.noise += (passed * after / before + (total - passed) * before / after) / n as f64;
        }
        passed += scatter(row);
    }
}
