//! Loads by seed: of every kind for the tests of what must always hold, and of the two kinds that the floors
//! of quality are promised for. The same seed gives the same loads.
#![allow(dead_code)] // each test crate uses its part

/// SplitMix64.
pub struct Rng(pub u64);

impl Rng {
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// In [0, 1).
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub fn normal(&mut self) -> f64 {
        (-2.0 * (1.0 - self.unit()).ln()).sqrt() * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// In 0..n.
    pub fn below(&mut self, n: usize) -> usize {
        (self.bits() % n.max(1) as u64) as usize
    }

    /// In least..=most.
    pub fn range(&mut self, least: usize, most: usize) -> usize {
        least + self.below(most - least + 1)
    }

    /// True once in n times.
    pub fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    pub fn shuffle<T>(&mut self, values: &mut [T]) {
        for last in (1..values.len()).rev() {
            values.swap(last, self.below(last + 1));
        }
    }
}

/// One layer of a kind drawn at random: even, skewed, tied, tiny, huge, mostly zero.
pub fn any(rng: &mut Rng, experts: usize) -> Vec<f32> {
    let hot = rng.below(experts);
    let scale = rng.unit() * 3.0;
    let most = rng.range(1, 8);
    let tokens = rng.range(1, 3000);
    let kind = rng.below(14);
    let constant = rng.pick(&[0.0, 1.0, 1e-42, 1e30, f32::MAX]);
    (0..experts)
        .map(|expert| match kind {
            0 => rng.unit() as f32 * 100.0,
            1 => (scale * rng.normal()).exp() as f32,
            2 => {
                let rank = 1.0 + ((expert * 7919) % experts) as f64;
                (rank.powf(-scale) * 1e6) as f32
            }
            3 => rng.range(0, most) as f32,
            4 => rng.range(0, tokens) as f32,
            5 => constant,
            6 => f32::from(u8::from(expert == hot)) * 1000.0,
            7 if expert == hot => 1e30,
            7 => 1.0,
            8 => f32::from_bits(rng.below(1 << 23) as u32), // subnormal
            9 => f32::from_bits(rng.below(0x7f80_0000) as u32), // anything finite
            10 => ((scale * rng.normal()).exp() * 1000.0).floor() as f32,
            11 | 12 => (((1.5 + scale / 2.0) * rng.normal()).exp() * 1000.0).floor() as f32,
            _ if rng.once_in(3) => (rng.unit() * 50.0).floor() as f32,
            _ => rng.pick(&[0.0, -0.0]),
        })
        .collect()
}

/// How often each expert is drawn in `tokens` draws by weight.
fn multinomial(rng: &mut Rng, weights: &[f64], tokens: usize) -> Vec<f32> {
    let total: f64 = weights.iter().sum();
    let mut sum = 0.0;
    let upto: Vec<f64> = weights
        .iter()
        .map(|weight| {
            sum += weight / total;
            sum
        })
        .collect();
    let mut count = vec![0_u32; weights.len()];
    for _ in 0..tokens {
        let at = rng.unit();
        count[upto.partition_point(|&upto| upto <= at).min(weights.len() - 1)] += 1;
    }
    count.iter().map(|&count| count as f32).collect()
}

const TOKENS: usize = 1 << 20;

/// 2^20 tokens over experts whose weights are rank ^ -`exponent`, ranks in random order.
pub fn zipf(experts: usize, exponent: f64, seed: u64) -> Vec<f32> {
    let mut rng = Rng(seed.wrapping_mul(0x0123_4567));
    let mut weights: Vec<f64> = (1..=experts).map(|rank| (rank as f64).powf(-exponent)).collect();
    rng.shuffle(&mut weights);
    multinomial(&mut rng, &weights, TOKENS)
}

/// 2^20 tokens over experts whose weights are lognormal.
pub fn lognormal(experts: usize, sigma: f64, seed: u64) -> Vec<f32> {
    let mut rng = Rng(seed.wrapping_mul(0x0765_4321));
    let weights: Vec<f64> = (0..experts).map(|_| (sigma * rng.normal()).exp()).collect();
    multinomial(&mut rng, &weights, TOKENS)
}

/// Whether EPLB_LONG asks for the long runs.
pub fn long() -> bool {
    std::env::var_os("EPLB_LONG").is_some_and(|value| value != "0")
}

/// How often to repeat: a little for every `cargo test`, much under EPLB_LONG. EPLB_SEED moves the seeds.
pub fn times(few: usize, many: usize) -> usize {
    if long() { many } else { few }
}

/// The seed of case `case`; another one for every value of EPLB_SEED.
pub fn seed(case: usize) -> u64 {
    let moved = std::env::var("EPLB_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0_u64);
    Rng(moved.wrapping_mul(0x1000_0001).wrapping_add(case as u64)).bits()
}
