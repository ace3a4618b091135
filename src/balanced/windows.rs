//! The windows of a layer that count, and their loads as shares.

use crate::balanced::layer::Layer;
use crate::balanced::many_loads::{Block, Shares, WIDE, blocks, take_blocks};
use crate::base::arena::{Arena, Carve};
use crate::base::cells::{at, part, part_mut, put};
use crate::base::keys::widen;
use crate::problem::Shape;

/// A share below this is none: nothing may be subnormal.
const TINY: f64 = f64::from_bits((1023 - 80) << 52);

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
    shares: &'a mut [Block],
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
        Windows {
            number: arena.u32s(windows),
            unit: arena.f64s(windows),
            weight: arena.f32s(windows),
            count: 0,
            first: 0,
            mean: arena.f32s(experts),
            shares: take_blocks(arena, experts.saturating_mul(blocks(windows))),
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
            let weight = weight_of(number as usize) / heaviest;
            // not 0, and not subnormal
            *to = if weight > TINY { weight as f32 } else { TINY as f32 };
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

    /// Whether all that count are the same but for the number of tokens: then any of them is as good as all.
    pub fn alike(&self, layer: &Layer) -> bool {
        let mut others = self.counting();
        let Some(first) = others.next() else { return true };
        (0..layer.shape().num_logical_experts()).all(|expert| {
            let share = Self::share(layer, first, expert) as f32;
            others.clone().all(|window| Self::share(layer, window, expert) as f32 == share)
        })
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
        let n = blocks(self.count);
        let windows = self.number.iter().copied().zip(self.unit.iter().copied()).take(self.count);
        let share = part_mut(self.shares, 0, experts.len() * n);
        share.fill([0.0; WIDE]);
        for (shares, &expert) in share.chunks_exact_mut(n.max(1)).zip(experts) {
            for (to, window) in shares.as_flattened_mut().iter_mut().zip(windows.clone()) {
                let members = expert as usize..expert as usize + size;
                *to = members.fold(0.0, |sum, expert| sum + Self::share(layer, window, expert))
                    as f32;
            }
        }
        Shares { share, weight: part(self.weight, 0, self.count) }
    }
}
