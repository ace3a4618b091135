//! The windows of a layer that count, and their loads as shares.

use crate::balanced::many_loads::{Block, WIDE, blocks, take_blocks};
use crate::base::arena::{Arena, Carve};
use crate::base::keys::widen;
use crate::problem::{Problem, Shape};

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
    pub fn note(&mut self, problem: &Problem, layer: usize, gpus: usize) {
        self.count = 0;
        let mut heaviest = 0.0;
        for window in 0..problem.shape().num_windows() {
            let weight = widen(problem.window_weight(window, layer).abs());
            let total = problem.load(window, layer).iter().fold(0.0, |sum, &x| sum + widen(x));
            if weight == 0.0 {
                continue;
            }
            if heaviest == 0.0 {
                self.first = window;
            }
            heaviest = if weight > heaviest { weight } else { heaviest };
            if total == 0.0 {
                continue;
            }
            if let (Some(number), Some(unit)) =
                (self.number.get_mut(self.count), self.unit.get_mut(self.count))
            {
                *number = window as u32;
                *unit = total / gpus as f64;
                self.count += 1;
            }
        }
        for (to, &number) in self.weight.iter_mut().zip(self.number.iter()).take(self.count) {
            let weight = widen(problem.window_weight(number as usize, layer).abs()) / heaviest;
            // not 0, and not subnormal
            *to = if weight > TINY { weight as f32 } else { TINY as f32 };
        }
    }

    /// The first window that counts; where none has load, the first with weight.
    pub fn first(&self) -> usize {
        if self.count == 0 {
            self.first
        } else {
            self.number.first().map_or(0, |&number| number as usize)
        }
    }

    fn share(problem: &Problem, layer: usize, window: u32, unit: f64, expert: usize) -> f64 {
        let load = problem.load(window as usize, layer).get(expert).copied().unwrap_or(0.0);
        let share = widen(load.abs()) / unit;
        if share > TINY { share } else { 0.0 }
    }

    /// Whether all that count are the same but for the number of tokens: then any of them is as good as all.
    pub fn alike(&self, problem: &Problem, layer: usize) -> bool {
        let (Some(&first), Some(&first_unit)) = (self.number.first(), self.unit.first()) else {
            return true;
        };
        let counting = || self.number.iter().zip(self.unit.iter()).take(self.count).skip(1);
        (0..problem.shape().num_logical_experts()).all(|expert| {
            let share = Self::share(problem, layer, first, first_unit, expert) as f32;
            counting().all(|(&number, &unit)| {
                Self::share(problem, layer, number, unit, expert) as f32 == share
            })
        })
    }

    /// Fills in the mean of every expert and gives it.
    pub fn mean(&mut self, problem: &Problem, layer: usize) -> &[f32] {
        let weights = self.weight.iter().take(self.count);
        let all = weights.fold(0.0, |sum, &weight| sum + f64::from(weight));
        for (expert, mean) in self.mean.iter_mut().enumerate() {
            let windows = self.number.iter().zip(self.unit.iter()).zip(self.weight.iter());
            let sum = windows.take(self.count).fold(0.0, |sum, ((&number, &unit), &weight)| {
                sum + f64::from(weight) * Self::share(problem, layer, number, unit, expert)
            });
            *mean = (sum / all) as f32;
        }
        self.mean
    }

    /// The shares of `experts`, each together with the `size - 1` that follow it, as many blocks to each as
    /// the windows that count need; and the weights.
    pub fn gather(
        &mut self,
        problem: &Problem,
        layer: usize,
        experts: &[u32],
        size: usize,
    ) -> (&mut [Block], &[f32]) {
        let n = blocks(self.count);
        let shares = self.shares.get_mut(..experts.len() * n).unwrap_or_default();
        shares.fill([0.0; WIDE]);
        for (shares, &expert) in shares.chunks_exact_mut(n.max(1)).zip(experts) {
            let windows = self.number.iter().zip(self.unit.iter()).take(self.count);
            for (to, (&number, &unit)) in shares.as_flattened_mut().iter_mut().zip(windows) {
                let members = expert as usize..expert as usize + size;
                let share = |expert| Self::share(problem, layer, number, unit, expert);
                *to = members.fold(0.0, |sum, expert| sum + share(expert)) as f32;
            }
        }
        (shares, self.weight.get(..self.count).unwrap_or_default())
    }
}
