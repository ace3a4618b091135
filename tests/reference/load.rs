//! The load tracker, change detection and forecasts, written the slow way: nothing is shared with the library.

/// Windows in order of time, `[w][l][e]`.
pub type Loads = Vec<Vec<Vec<f64>>>;

/// The tracker as lists that grow.
pub struct Tracker {
    pub windows: usize,
    pub steps_per_window: u64,
    pub counters: Vec<Vec<u128>>,
    pub steps: Vec<u64>,
    /// Every window ever closed.
    pub closed: Vec<Vec<Vec<f32>>>,
}

impl Tracker {
    pub fn new(windows: usize, layers: usize, experts: usize, steps_per_window: u64) -> Self {
        Tracker {
            windows,
            steps_per_window,
            counters: vec![vec![0; experts]; layers],
            steps: vec![0; layers],
            closed: Vec::new(),
        }
    }

    /// Tokens per expert of one step.
    pub fn observe(&mut self, layer: usize, tokens: &[u32]) {
        let full = |steps: u64, per: u64| per > 0 && steps >= per;
        if full(self.steps[layer], self.steps_per_window) {
            self.close();
        }
        for (counter, &tokens) in self.counters[layer].iter_mut().zip(tokens) {
            *counter += u128::from(tokens);
        }
        self.steps[layer] += 1;
        if self.steps.iter().all(|&steps| full(steps, self.steps_per_window)) {
            self.close();
        }
    }

    pub fn close(&mut self) -> bool {
        if self.steps.iter().all(|&steps| steps == 0) {
            return false;
        }
        let stopped = |&count: &u128| count.min(u128::from(u32::MAX)) as f32;
        let window = self.counters.iter().map(|row| row.iter().map(stopped).collect()).collect();
        self.closed.push(window);
        self.discard();
        true
    }

    pub fn discard(&mut self) {
        self.counters.iter_mut().for_each(|row| row.fill(0));
        self.steps.fill(0);
    }

    /// The last windows, the oldest first.
    pub fn kept(&self) -> &[Vec<Vec<f32>>] {
        &self.closed[self.closed.len().saturating_sub(self.windows)..]
    }
}

/// Figures of a cut after `k` windows, by the definitions: B, D (times n - 2), N and the squared distance, each
/// summed or averaged over the layers.
pub fn cut(loads: &Loads, k: usize, layers: &[usize], tokens_per_load: f64) -> [f64; 4] {
    let n = loads.len();
    let (nf, before, after) = (n as f64, k as f64, (n - k) as f64);
    let mut sums = [0.0; 4];
    for &layer in layers {
        let totals: Vec<f64> = loads.iter().map(|w| w[layer].iter().sum()).collect();
        let experts = loads[0][layer].len();
        let share = |w: usize, e: usize| loads[w][layer][e] / totals[w];
        let mean_of = |from: usize, to: usize, e: usize| {
            (from..to).map(|w| share(w, e)).sum::<f64>() / (to - from) as f64
        };
        let (mut b, mut d, mut used) = (0.0, 0.0, 0.0);
        for e in 0..experts {
            let m = mean_of(0, n, e);
            if m == 0.0 {
                continue;
            }
            used += 1.0;
            let (m1, m2) = (mean_of(0, k, e), mean_of(k, n, e));
            b += before * after / nf * (m1 - m2).powi(2) / m;
            let follows = (1..n).filter(|&w| w != k);
            d += follows.map(|w| (share(w, e) - share(w - 1, e)).powi(2) / m / 2.0).sum::<f64>();
        }
        let scatter = |w: usize| used / (totals[w] * tokens_per_load);
        let noise = before * after / nf
            * ((0..k).map(scatter).sum::<f64>() / (before * before)
                + (k..n).map(scatter).sum::<f64>() / (after * after));
        sums[0] += b;
        sums[1] += d;
        sums[2] += noise;
        sums[3] += (b - noise) * nf / (before * after) / layers.len() as f64;
    }
    sums
}

/// How many of the windows are from before the last change.
pub fn before_change(loads: &Loads, layers: &[usize], ratio: f64, distance: f64) -> usize {
    let n = loads.len();
    if n < 3 {
        return 0;
    }
    let judged = (1..n).map(|k| {
        let [b, d, noise, apart] = cut(loads, k, layers, 1.0);
        (k, b / (d / (n as f64 - 2.0)).max(noise), apart)
    });
    let best = judged.fold((0, 0.0, 0.0), |best, cut| if cut.1 > best.1 { cut } else { best });
    if best.0 > 0 && best.1 >= ratio && best.2 >= distance {
        best.0 + before_change(&loads[best.0..].to_vec(), layers, ratio, distance)
    } else {
        0
    }
}

/// Weighted mean and standard deviation, of values with weights.
pub fn mean_and_deviation(values: &[(f64, f64)]) -> (f64, f64) {
    let total: f64 = values.iter().map(|v| v.1).sum();
    let mean = values.iter().map(|v| v.0 * v.1).sum::<f64>() / total;
    let variance = values.iter().map(|v| v.1 * (v.0 - mean).powi(2)).sum::<f64>() / total;
    (mean, variance.sqrt())
}
