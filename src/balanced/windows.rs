//! The windows of a layer that count, and their loads as shares.

use crate::balanced::improve::lanes::{Lanes, blocks, take_lanes};
use crate::balanced::layer::Layer;
use crate::base::arena::{Arena, Carve};
use crate::base::cells::{at, part, part_mut, put, row};
use crate::base::keys::widen;
use crate::groups::Assignment;
use crate::problem::Shape;

/// A share below this is none: nothing may be subnormal.
const TINY: f64 = f64::from_bits((1023 - 80) << 52);

/// The loads of experts in all windows.
#[derive(Clone, Copy, Debug)]
pub struct Shares<'a> {
    pub experts: usize,
    /// Share of each expert in each window, `experts` times the blocks of windows: 1 is what a GPU of mean speed would
    /// have if all were even. Neither negative nor subnormal.
    pub share: &'a [Lanes<8>],
    /// By window: weight, above 0, the largest being 1.
    pub weight: &'a [f32],
}

impl Shares<'_> {
    /// By expert: what it has in each window.
    fn experts(&self) -> impl Iterator<Item = &[f32]> {
        let stride = blocks::<8>(self.weight.len()) * 8;
        self.share.as_flattened().chunks(stride.max(1))
    }

    /// Fills in the mean over the windows of every expert.
    pub fn mean(&self, mean: &mut [f32]) {
        let all = self.weight.iter().fold(0.0, |sum, &w| sum + f64::from(w));
        for (mean, share) in mean.iter_mut().zip(self.experts()) {
            let pairs = self.weight.iter().zip(share);
            let sum = pairs.fold(0.0, |sum, (&w, &x)| sum + f64::from(w) * f64::from(x));
            *mean = (sum / all) as f32;
        }
    }

    /// How much of the load is elsewhere in a window than on average.
    pub fn apart(&self, mean: &[f32]) -> f64 {
        let (mut apart, mut all) = (0.0, 0.0);
        for (&mean, share) in mean.iter().zip(self.experts()) {
            for (&w, &x) in self.weight.iter().zip(share) {
                let off = f64::from(x) - f64::from(mean);
                apart += f64::from(w) * if off > 0.0 { off } else { -off };
                all += f64::from(w) * f64::from(x);
            }
        }
        0.5 * apart / all
    }
}

/// A weight that is not 0, and not subnormal.
fn not_tiny(weight: f64) -> f32 {
    if weight > TINY { weight as f32 } else { TINY as f32 }
}

/// The part of the seconds of a window that its tokens take beyond reading weights, experts in one piece; 1 without a
/// cost.
fn tokens_part(layer: &Layer, window: usize) -> f64 {
    let Some(seconds) = layer.shape().seconds() else { return 1.0 };
    let load = layer.load(window);
    let total = load.iter().fold(0.0, |sum, &load| sum + widen(load.abs()));
    let per_load = seconds.per_load(window, total);
    let (mut beyond, mut all) = (0.0, 0.0);
    for tokens in load.iter().map(|&load| widen(load.abs()) * per_load) {
        beyond += seconds.beyond_reading(tokens);
        all += seconds.replica(tokens);
    }
    if all > 0.0 { beyond / all } else { 1.0 }
}

/// What counts in the layer at hand.
#[derive(Debug)]
pub struct Windows<'a> {
    /// `[W]` of the windows that count, which are `count`: number, the load that a GPU would have on average,
    /// and weight, the largest being 1.
    number: &'a mut [u32],
    unit: &'a mut [f64],
    weight: &'a mut [f32],
    count: usize,
    /// The first that has weight.
    first: usize,
    /// `[E]` weighted mean of the shares.
    mean: &'a mut [f32],
    /// `[E]` times blocks of windows: shares of the experts of a row.
    shares: &'a mut [Lanes<8>],
}

impl<'a> Windows<'a> {
    /// Takes the memory: O(W E).
    #[inline(never)] // what building takes is off the stack while planning
    pub fn carve(arena: &mut Arena<'a>, shape: &Shape) -> Self {
        Windows::list(arena, shape)
    }

    /// The same from memory or from a count.
    #[inline(always)]
    pub fn list(arena: &mut impl Carve<'a>, shape: &Shape) -> Self {
        let (windows, experts) = (shape.num_windows(), shape.num_logical_experts());
        let blocks = if windows > 1 { blocks::<8>(windows) } else { 0 };
        Windows {
            number: arena.u32s(windows),
            unit: arena.f64s(windows),
            weight: arena.f32s(windows),
            count: 0,
            first: 0,
            mean: arena.f32s(experts),
            shares: take_lanes(arena, experts.saturating_mul(blocks)),
        }
    }

    /// Notes the windows of a layer that have weight and load. `gpus`: how many take part.
    pub fn note(&mut self, layer: &Layer, gpus: usize) {
        let weight_of = |window| widen(layer.problem.window_weight(window, layer.index).abs());
        self.count = 0;
        let mut heaviest = 0.0;
        for window in 0..layer.shape().num_windows() {
            let weight = weight_of(window);
            if weight == 0.0 {
                continue;
            }
            if heaviest == 0.0 {
                self.first = window;
            }
            heaviest = if weight > heaviest { weight } else { heaviest };
            let total = layer.load(window).iter().fold(0.0, |sum, &x| sum + widen(x));
            if total > 0.0 {
                put(self.number, self.count, window as u32);
                put(self.unit, self.count, total / gpus as f64);
                self.count += 1;
            }
        }
        for (to, &number) in self.weight.iter_mut().zip(self.number.iter()).take(self.count) {
            *to = not_tiny(weight_of(number as usize) / heaviest);
        }
    }

    /// Notes by expert, as 1, which have any load: the others are never read.
    pub fn note_read(&self, layer: &Layer, read: &mut [u32]) {
        for (expert, read) in read.iter_mut().enumerate() {
            let mut loads =
                self.counting().map(|(window, _)| at(layer.load(window as usize), expert));
            *read = u32::from(loads.any(|load| widen(load.abs()) > 0.0));
        }
    }

    /// A window counts for no more than the part of its time that tokens take beyond reading weights: a balance of
    /// tokens is worth nothing where they are few. As given where they are few in all.
    #[inline(never)] // off the stack of the search
    pub fn weigh_by_time(&mut self, layer: &Layer) {
        let parts = |number: u32| tokens_part(layer, number as usize);
        let pairs = self.number.iter().zip(self.weight.iter()).take(self.count);
        let heaviest = pairs.fold(0.0, |most, (&number, &weight)| {
            let weight = f64::from(weight) * parts(number);
            if weight > most { weight } else { most }
        });
        if heaviest > 0.0 {
            let pairs = self.number.iter().zip(self.weight.iter_mut()).take(self.count);
            for (&number, weight) in pairs {
                *weight = not_tiny(f64::from(*weight) * parts(number) / heaviest);
            }
        }
    }

    /// The first window that counts; where none has load, the first with weight.
    pub fn first(&self) -> usize {
        if self.count == 0 { self.first } else { at(self.number, 0) as usize }
    }

    /// The windows that count, and the units of their loads.
    fn counting(&self) -> impl Iterator<Item = (u32, f64)> + Clone {
        let numbers = self.number.iter().copied();
        numbers.zip(self.unit.iter().copied()).take(self.count)
    }

    fn share(layer: &Layer, (window, unit): (u32, f64), expert: usize) -> f64 {
        let share = widen(at(layer.load(window as usize), expert).abs()) / unit;
        if share > TINY { share } else { 0.0 }
    }

    /// The shares in the first that counts; none where none does.
    pub fn note_first(&self, layer: &Layer, shares: &mut [Lanes<1>]) {
        let first = self.counting().next();
        for (expert, share) in shares.iter_mut().enumerate() {
            *share = [first.map_or(0.0, |first| Self::share(layer, first, expert) as f32)];
        }
    }

    /// Whether all that count are the same but for the number of tokens: then any of them is as good as all.
    pub fn alike(&self, layer: &Layer) -> bool {
        let mut others = self.counting();
        let Some(first) = others.next() else { return true };
        (0..layer.shape().num_logical_experts()).all(|expert| {
            let share = Self::share(layer, first, expert) as f32;
            others.clone().all(|window| Self::share(layer, window, expert) as f32 == share)
        })
    }

    /// Takes for the unit of each window what a GPU of mean speed would have if all were even, or, with groups on
    /// nodes, if those of the busiest node were.
    #[inline(never)]
    pub fn measure(
        &mut self,
        layer: &Layer,
        (gpus, mean_speed): (usize, f64),
        groups: Option<&Assignment>,
    ) {
        for (&number, unit) in self.number.iter().zip(self.unit.iter_mut()).take(self.count) {
            let load = layer.load(number as usize);
            *unit = load.iter().fold(0.0, |sum, &x| sum + widen(x.abs())) / gpus as f64;
            let Some(groups) = groups else { continue };
            for node in 0..layer.shape().topology().num_nodes() {
                let here =
                    groups.node_of().iter().enumerate().filter(|(_, of)| **of == node as u32);
                let sum = here.fold(0.0, |sum, (group, _)| {
                    let load = row(load, group, groups.size());
                    load.iter().fold(sum, |sum, &x| sum + widen(x.abs()))
                });
                let even = sum * mean_speed / groups.node_speed(node);
                *unit = if sum > 0.0 && even > *unit { even } else { *unit };
            }
        }
    }

    /// Fills in the largest share of every expert and gives it.
    pub fn peak(&mut self, layer: &Layer) -> &[f32] {
        let windows = self.number.iter().copied().zip(self.unit.iter().copied()).take(self.count);
        for (expert, peak) in self.mean.iter_mut().enumerate() {
            *peak = windows.clone().fold(0.0, |most, window| {
                let share = Self::share(layer, window, expert);
                if share > most { share } else { most }
            }) as f32;
        }
        self.mean
    }

    /// Fills in the mean of every expert and gives it.
    pub fn mean(&mut self, layer: &Layer) -> &[f32] {
        let weights = part(self.weight, 0, self.count);
        let all = weights.iter().fold(0.0, |sum, &weight| sum + f64::from(weight));
        let windows = self.number.iter().copied().zip(self.unit.iter().copied());
        let windows = windows.zip(weights);
        for (expert, mean) in self.mean.iter_mut().enumerate() {
            let sum = windows.clone().fold(0.0, |sum, (window, &weight)| {
                sum + f64::from(weight) * Self::share(layer, window, expert)
            });
            *mean = (sum / all) as f32;
        }
        self.mean
    }

    /// The shares of `experts`, each together with the `size - 1` that follow it, as many blocks to each as
    /// the windows that count need; and the weights.
    pub fn gather(&mut self, layer: &Layer, experts: &[u32], size: usize) -> Shares<'_> {
        let n = blocks::<8>(self.count);
        let windows = self.number.iter().copied().zip(self.unit.iter().copied()).take(self.count);
        let share = part_mut(self.shares, 0, experts.len() * n);
        share.fill([0.0; 8]);
        for (shares, &expert) in share.chunks_exact_mut(n.max(1)).zip(experts) {
            for (to, window) in shares.as_flattened_mut().iter_mut().zip(windows.clone()) {
                let members = expert as usize..expert as usize + size;
                *to = members.fold(0.0, |sum, expert| sum + Self::share(layer, window, expert))
                    as f32;
            }
        }
        Shares { share, weight: part(self.weight, 0, self.count), experts: experts.len() }
    }
}
