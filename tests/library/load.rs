//! The load tracker, change detection and forecasts against a slow reference, and at their limits.

use crate::reference::load as reference;
use crate::reference::load::Loads;
use eplb::{
    Change, Forecast, ForecastMethod, Status, Tracker, TrackerConfig, Windows, WindowsShape,
    forecast, window_weights,
};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Memory of a tracker.
struct Memory {
    words: Vec<u32>,
    ring: Vec<f32>,
}

impl Memory {
    fn new(config: &TrackerConfig) -> Self {
        let need = config.need().unwrap();
        let mut memory =
            Memory { words: vec![0x5a5a_5a5a; need.words], ring: vec![f32::NAN; need.floats] };
        Tracker::init(*config, &mut memory.words, &mut memory.ring).unwrap();
        memory
    }

    fn open(&mut self) -> Tracker<'_> {
        Tracker::open(&mut self.words, &mut self.ring).unwrap()
    }
}

fn config(windows: u32, layers: u32, experts: u32, steps_per_window: u32) -> TrackerConfig {
    TrackerConfig {
        num_windows: windows,
        num_layers: layers,
        num_logical_experts: experts,
        steps_per_window,
    }
}

/// Random observations, logical and physical, windows closed by steps and on demand: the ring holds what lists
/// that grow hold.
#[test]
fn tracker_against_lists() {
    for seed in 0..300 {
        let mut rng = StdRng::seed_from_u64(seed);
        let (windows, layers, experts) =
            (rng.random_range(1..5), rng.random_range(1..4), rng.random_range(1..9));
        let steps = rng.random_range(0..4);
        let mut memory = Memory::new(&config(windows, layers, experts, steps));
        let mut lists = reference::Tracker::new(
            windows as usize,
            layers as usize,
            experts as usize,
            steps.into(),
        );
        for call in 0..rng.random_range(1..60) {
            if rng.random_ratio(1, 8) {
                let closed = memory.open().close();
                assert_eq!(closed.is_ok(), lists.close(), "seed {seed} call {call}");
                assert!(closed.is_ok() || closed == Err(Status::TrackerEmpty));
                continue;
            }
            if rng.random_ratio(1, 16) {
                memory.open().discard();
                lists.discard();
                continue;
            }
            // in order of the layers, mostly
            let layer =
                if rng.random_ratio(1, 10) { rng.random_range(0..layers) } else { call % layers };
            let top = if rng.random_ratio(1, 5) { u32::MAX } else { 1 << rng.random_range(1..26) };
            if rng.random() {
                let counts: Vec<u32> = (0..experts).map(|_| rng.random_range(0..top)).collect();
                memory.open().observe(layer, &counts, None).unwrap();
                lists.observe(layer as usize, &counts);
            } else {
                let slots = rng.random_range(1..20);
                let row: Vec<i32> =
                    (0..slots).map(|_| rng.random_range(-1..experts as i32)).collect();
                let counts: Vec<u32> = row
                    .iter()
                    .map(|&expert| if expert < 0 { 0 } else { rng.random_range(0..top) })
                    .collect();
                memory.open().observe(layer, &counts, Some(&row)).unwrap();
                let mut tokens = vec![0_u32; experts as usize];
                for (&count, &expert) in counts.iter().zip(&row).filter(|(_, expert)| **expert >= 0)
                {
                    let tokens = &mut tokens[expert as usize];
                    *tokens = tokens.saturating_add(count);
                }
                lists.observe(layer as usize, &tokens);
            }
        }
        let tracker = memory.open();
        let kept = lists.kept();
        assert_eq!(tracker.closed(), lists.closed.len() as u64);
        match tracker.windows() {
            Err(status) => assert!(status == Status::TrackerEmpty && kept.is_empty()),
            Ok(found) => {
                assert_eq!(found.shape().num_windows(), kept.len());
                assert_eq!(found.load().len(), kept.len() * (layers * experts) as usize);
                for (time, window) in kept.iter().enumerate() {
                    for (layer, row) in window.iter().enumerate() {
                        assert_eq!(found.row(time, layer), row, "seed {seed}");
                    }
                }
            }
        }
    }
}

/// Counters stop at 2^32 - 1; windows are exact up to 2^24 and rounded to nearest above.
#[test]
fn tracker_at_its_limits() {
    let mut memory = Memory::new(&config(1, 1, 6, 0));
    let mut tracker = memory.open();
    let exact = 1 << 24;
    tracker.observe(0, &[u32::MAX, u32::MAX - 1, exact, exact + 1, exact + 3, 0], None).unwrap();
    tracker.observe(0, &[1, 1, 0, 0, 0, 0], None).unwrap();
    tracker.observe(0, &[7, 1], Some(&[0, 1])).unwrap();
    tracker.close().unwrap();
    let row = tracker.windows().unwrap().row(0, 0).to_vec();
    let top = 4_294_967_296.0;
    assert_eq!(row, [top, top, 16_777_216.0, 16_777_216.0, 16_777_220.0, 0.0]);
}

/// A step that is refused leaves every word as it was.
#[test]
fn tracker_refuses() {
    let mut memory = Memory::new(&config(2, 2, 3, 1));
    memory.open().observe(0, &[1, 2, 3], None).unwrap();
    let before = (memory.words.clone(), memory.ring.clone());
    type Refusal<'a> = (u32, &'a [u32], Option<&'a [i32]>, Status);
    let refusals: [Refusal; 8] = [
        (2, &[1, 2, 3], None, Status::TrackerLayer),
        (0, &[1, 2], None, Status::TrackerCounts),
        (0, &[1, 2, 3, 4], None, Status::TrackerCounts),
        (0, &[1, 2], Some(&[0]), Status::TrackerCounts),
        (0, &[], Some(&[]), Status::TrackerCounts),
        (0, &[1, 2], Some(&[0, 3]), Status::PlacementExpert),
        (0, &[1, 2], Some(&[0, -2]), Status::PlacementExpert),
        (0, &[1, 2], Some(&[0, -1]), Status::TrackerSlot),
    ];
    for (layer, counts, row, status) in refusals {
        assert_eq!(memory.open().observe(layer, counts, row), Err(status));
        assert_eq!((&memory.words, &memory.ring), (&before.0, &before.1));
    }
    assert_eq!(memory.open().windows().unwrap_err(), Status::TrackerEmpty);

    let tiny = config(2, 2, 3, 1).need().unwrap();
    let mut words = vec![0; tiny.words];
    let mut ring = vec![0.0; tiny.floats];
    let short = Tracker::init(config(2, 2, 3, 1), &mut words[1..], &mut ring);
    assert_eq!(short.unwrap_err(), Status::TrackerTooSmall);
    assert_eq!(config(0, 1, 1, 1).need(), Err(Status::ShapeZero));
    assert_eq!(config(1, 1 << 31, 1, 1).need(), Err(Status::ShapeTooLarge));
    let most = i32::MAX as u32;
    assert_eq!(config(most, most, most, 1).need(), Err(Status::ShapeTooLarge));
}

/// Memory of another kind, byte order, version, and every single word that is wrong.
#[test]
fn tracker_knows_its_memory() {
    let mut memory = Memory::new(&config(2, 2, 3, 2));
    for step in 0..7 {
        memory.open().observe(step % 2, &[step, 2, 3], None).unwrap();
    }
    memory.open().windows().unwrap();
    let open = |words: &[u32], ring: &[f32]| {
        let (mut words, mut ring) = (words.to_vec(), ring.to_vec());
        let tracker = Tracker::open(&mut words, &mut ring)?;
        tracker.windows().map(|_| ())
    };
    assert_eq!(open(&memory.words, &memory.ring), Ok(()));

    let foreign: Vec<u32> = memory.words.iter().map(|word| word.swap_bytes()).collect();
    assert_eq!(open(&foreign, &memory.ring), Err(Status::TrackerForeign));
    assert_eq!(open(&[0; 40], &memory.ring), Err(Status::TrackerForeign));
    assert_eq!(open(&memory.words[..19], &memory.ring), Err(Status::TrackerForeign));
    assert_eq!(open(&memory.words[..21], &memory.ring), Err(Status::TrackerTooSmall));
    for at in 0..memory.words.len() {
        for bit in 0..32 {
            let mut words = memory.words.clone();
            words[at] ^= 1 << bit;
            let expected = if at < 2 { Status::TrackerForeign } else { Status::TrackerTorn };
            assert_eq!(open(&words, &memory.ring), Err(expected), "word {at} bit {bit}");
        }
    }
    for at in 0..memory.ring.len() {
        let mut ring = memory.ring.clone();
        ring[at] = f32::from_bits(ring[at].to_bits() ^ 1);
        assert_eq!(open(&memory.words, &ring), Err(Status::TrackerTorn));
    }

    // saved in the middle: the first part from after an observation, the rest from before
    let (old_words, old_ring) = (memory.words.clone(), memory.ring.clone());
    memory.open().observe(1, &[9, 9, 9], None).unwrap();
    memory.open().observe(0, &[9, 9, 9], None).unwrap();
    for cut in 1..memory.words.len() {
        let words = [&memory.words[..cut], &old_words[cut..]].concat();
        let same = words == old_words || (words == memory.words && old_ring == memory.ring);
        assert!(same || open(&words, &old_ring).is_err(), "cut {cut}");
    }
}

/// Windows over a ring that has been turned, as slices.
struct Ring {
    load: Vec<f32>,
    shape: WindowsShape,
}

impl Ring {
    fn new(loads: &Loads, oldest: usize) -> Self {
        let (windows, layers, experts) = (loads.len(), loads[0].len(), loads[0][0].len());
        let mut load = vec![0.0; windows * layers * experts];
        for (time, window) in loads.iter().enumerate() {
            let place = (oldest + time) % windows;
            let flat = window.iter().flatten().map(|&load| load as f32);
            let row = &mut load[place * layers * experts..][..layers * experts];
            row.iter_mut().zip(flat).for_each(|(to, from)| *to = from);
        }
        let sizes = [windows as u32, layers as u32, experts as u32];
        Ring { load, shape: WindowsShape::new(sizes, oldest as u32, 0).unwrap() }
    }

    fn windows<'a>(&'a self, weight: Option<&'a [f32]>) -> Windows<'a> {
        Windows::new(self.shape, &self.load, weight).unwrap()
    }

    /// Weights in order of time, and how many windows count.
    fn judge(&self, change: &Change) -> (Vec<Vec<f32>>, Vec<u32>) {
        let (windows, layers) = (self.shape.num_windows(), self.shape.num_layers());
        let mut weight = vec![f32::NAN; windows * layers];
        let mut counted = vec![u32::MAX; layers];
        window_weights(&self.windows(None), change, &mut weight, Some(&mut counted)).unwrap();
        let in_time = |row: &[f32]| (0..windows).map(|time| row[self.shape.place(time)]).collect();
        (weight.chunks(windows).map(in_time).collect(), counted)
    }
}

/// Windows of a domain: loads of some skew, each window scattered about them.
fn domain(rng: &mut StdRng, windows: usize, layers: usize, experts: usize, scatter: f64) -> Loads {
    let skewed: Vec<Vec<f64>> = (0..layers)
        .map(|_| (0..experts).map(|_| 1e4 * rng.random_range(-1.5..1.5_f64).exp()).collect())
        .collect();
    let window = |rng: &mut StdRng| {
        let scattered = |load: f64, rng: &mut StdRng| {
            (load * (1.0 + rng.random_range(-scatter..scatter))).round()
        };
        skewed.iter().map(|row| row.iter().map(|&load| scattered(load, rng)).collect()).collect()
    };
    (0..windows).map(|_| window(rng)).collect()
}

/// A change of domain is found at its place as soon as one window shows it, however the ring is turned; and
/// the verdict is that of the definitions.
#[test]
fn changes_against_the_definitions() {
    for seed in 0..200 {
        let mut rng = StdRng::seed_from_u64(seed);
        let (layers, experts) = (rng.random_range(1..4), rng.random_range(16..40));
        let (before, after) = (rng.random_range(2..7), rng.random_range(0..7));
        let scatter = rng.random_range(0.01..0.3);
        let mut loads = domain(&mut rng, before, layers, experts, scatter);
        loads.extend(domain(&mut rng, after, layers, experts, scatter));
        let n = loads.len();
        let ring = Ring::new(&loads, rng.random_range(0..n));
        let every: Vec<usize> = (0..layers).collect();

        let (weights, counted) = ring.judge(&Change::default());
        let cut = reference::before_change(&loads, &every, 6.0, 0.3);
        for (row, &counted) in weights.iter().zip(&counted) {
            assert_eq!(counted as usize, n - cut, "seed {seed}");
            for (time, &weight) in row.iter().enumerate() {
                assert_eq!(weight, if time < cut { 0.0 } else { 1.0 });
            }
        }
        if n >= 3 {
            assert_eq!(cut, if after > 0 { before } else { 0 }, "seed {seed}");
        }

        let each = Change { each_layer: true, before: 0.25, ..Change::default() };
        let (weights, counted) = ring.judge(&each);
        for (layer, (row, &counted)) in weights.iter().zip(&counted).enumerate() {
            let cut = reference::before_change(&loads, &[layer], 6.0, 0.3);
            assert_eq!(counted as usize, n - cut, "seed {seed}");
            let small = row.iter().filter(|&&weight| weight == 0.25).count();
            assert_eq!(small, cut);
        }
    }
}

/// What is no change: scatter of small counts, a window of few tokens or none, workloads that alternate, the same
/// load at another scale.
#[test]
fn no_false_alarm() {
    for seed in 0..300 {
        let mut rng = StdRng::seed_from_u64(1000 + seed);
        let experts = 32;
        let mut loads = domain(&mut rng, 8, 2, experts, 0.05);
        match seed % 4 {
            0 => {
                // every token drawn alone; a hundredth of the tokens in one window
                let few = rng.random_range(0..8);
                for (time, window) in loads.iter_mut().enumerate() {
                    for row in window.iter_mut() {
                        let sum: f64 = row.iter().sum();
                        let tokens = if time == few { 300 } else { 30_000 };
                        let mut drawn = vec![0.0; experts];
                        for _ in 0..tokens {
                            let mut at = rng.random_range(0.0..sum);
                            let mut expert = 0;
                            while expert + 1 < experts && at >= row[expert] {
                                at -= row[expert];
                                expert += 1;
                            }
                            drawn[expert] += 1.0;
                        }
                        *row = drawn;
                    }
                }
            }
            1 => loads[rng.random_range(0..8)][0].fill(0.0),
            2 => {
                let other = domain(&mut rng, 8, 2, experts, 0.05);
                (0..8).filter(|time| time % 2 == 1).for_each(|t| loads[t] = other[t].clone());
            }
            _ => {
                for window in loads.iter_mut().skip(5) {
                    window.iter_mut().flatten().for_each(|load| *load *= 1000.0);
                }
            }
        }
        let (_, counted) = Ring::new(&loads, 3).judge(&Change::default());
        assert_eq!(counted, [8, 8], "seed {seed}");
    }
}

/// Two changes in one ring: only what is since the second counts.
#[test]
fn the_last_of_two_changes() {
    for seed in 0..50 {
        let mut rng = StdRng::seed_from_u64(2000 + seed);
        let mut loads = domain(&mut rng, 3, 2, 32, 0.1);
        loads.extend(domain(&mut rng, 3, 2, 32, 0.1));
        loads.extend(domain(&mut rng, 2, 2, 32, 0.1));
        let (_, counted) = Ring::new(&loads, 0).judge(&Change::default());
        assert_eq!(counted, [2, 2], "seed {seed}");
    }
}

#[test]
fn change_options() {
    let loads = domain(&mut StdRng::seed_from_u64(1), 4, 1, 4, 0.1);
    let ring = Ring::new(&loads, 0);
    let mut weight = vec![7.0; 4];
    let fine = Change::default();
    for bad in [f32::NAN, f32::INFINITY, -1.0, 0.0, 1e-40] {
        for change in [
            Change { ratio: bad, ..fine },
            Change { distance: bad, ..fine },
            Change { tokens_per_load: bad, ..fine },
        ] {
            let refused = window_weights(&ring.windows(None), &change, &mut weight, None);
            assert_eq!(refused, Err(Status::ChangeOption));
        }
    }
    for before in [f32::NAN, 1.0001, -0.1, f32::INFINITY] {
        let change = Change { before, ..fine };
        let refused = window_weights(&ring.windows(None), &change, &mut weight, None);
        assert_eq!(refused, Err(Status::ChangeOption));
    }
    let refused = window_weights(&ring.windows(None), &fine, &mut weight[1..], None);
    assert_eq!(refused, Err(Status::ArrayLength));
    let refused = window_weights(&ring.windows(None), &fine, &mut weight, Some(&mut []));
    assert_eq!(refused, Err(Status::ArrayLength));
    assert_eq!(weight, [7.0; 4]);

    let many = Ring::new(&domain(&mut StdRng::seed_from_u64(1), 33, 1, 1, 0.1), 0);
    let refused = window_weights(&many.windows(None), &fine, &mut [0.0; 33], None);
    assert_eq!(refused, Err(Status::TooManyWindows));
}

/// Forecasts against sums written out, over turned rings and weights with zeros.
#[test]
fn forecasts_against_sums() {
    for seed in 0..200 {
        let mut rng = StdRng::seed_from_u64(3000 + seed);
        let (n, layers, experts) =
            (rng.random_range(1..9), rng.random_range(1..4), rng.random_range(1..40));
        let loads = domain(&mut rng, n, layers, experts, 0.9);
        let ring = Ring::new(&loads, rng.random_range(0..n));
        let mut weight: Vec<f32> =
            (0..layers * n).map(|_| rng.random_range(0_u8..4).into()).collect();
        weight.chunks_mut(n).for_each(|row| row[ring.shape.place(0)] += 1.0);
        let weighted = rng.random::<bool>();
        let windows = ring.windows(weighted.then_some(&weight));
        let how = |method| Forecast { method, half_life: 1.5, sigmas: 2.0 };
        let made = |method| {
            let mut load = vec![f32::NAN; layers * experts];
            forecast(&windows, &how(method), &mut load).unwrap();
            load
        };
        let (last, mean) = (made(ForecastMethod::Last), made(ForecastMethod::Mean));
        let (half, high) = (made(ForecastMethod::HalfLife), made(ForecastMethod::MeanPlusSigma));
        for at in 0..layers * experts {
            let (layer, expert) = (at / experts, at % experts);
            let values: Vec<(f64, f64)> = (0..n)
                .map(|time| {
                    let place = ring.shape.place(time);
                    let weight = if weighted { weight[layer * n + place] } else { 1.0 };
                    (loads[time][layer][expert], weight.into())
                })
                .collect();
            let faded: Vec<(f64, f64)> = values
                .iter()
                .enumerate()
                .map(|(time, &(x, v))| (x, v * 0.5_f64.powf((n - 1 - time) as f64 / 1.5)))
                .collect();
            let (m, deviation) = reference::mean_and_deviation(&values);
            let close =
                |found: f32, expected: f64| (f64::from(found) - expected).abs() <= 1e-6 * expected;
            assert_eq!(f64::from(last[at]), values[n - 1].0);
            assert!(close(mean[at], m) && close(high[at], m + 2.0 * deviation));
            assert!(close(half[at], reference::mean_and_deviation(&faded).0));
        }
    }
}

/// The smallest and the largest loads, nothing but old windows, bad numbers.
#[test]
fn forecasts_at_their_limits() {
    let shape = WindowsShape::new([2, 1, 2], 1, 0).unwrap();
    let tiny = f32::from_bits(1);
    let load = [f32::from_bits(3), f32::MAX, tiny, 0.0]; // the newest window first
    let windows = Windows::new(shape, &load, None).unwrap();
    let made = |windows: &Windows, method, half_life| {
        let mut load = [0.0; 2];
        let how = Forecast { method, half_life, sigmas: 3.0 };
        forecast(windows, &how, &mut load).map(|()| load)
    };
    assert_eq!(made(&windows, ForecastMethod::Last, 1.0), Ok([f32::from_bits(3), f32::MAX]));
    let halves = made(&windows, ForecastMethod::Mean, 1.0).unwrap();
    assert_eq!(halves, [f32::from_bits(2), f32::MAX / 2.0]);
    assert_eq!(made(&windows, ForecastMethod::MeanPlusSigma, 1.0).unwrap()[1], f32::MAX);
    // a half-life of a 1024th of a window: the older one has faded out
    let newest = made(&windows, ForecastMethod::HalfLife, 1.0 / 1024.0);
    assert_eq!(newest, made(&windows, ForecastMethod::Last, 1.0));
    // only the older one counts, but it has faded out
    let weighted = Windows::new(shape, &load, Some(&[0.0, 1.0])).unwrap();
    assert_eq!(made(&weighted, ForecastMethod::HalfLife, 1.0 / 1024.0), newest);
    assert_eq!(made(&weighted, ForecastMethod::Mean, 1.0), Ok([tiny, 0.0]));

    for bad in [f32::NAN, f32::INFINITY, -1.0, 0.0, 1e-40] {
        let refused = made(&windows, ForecastMethod::HalfLife, bad);
        assert_eq!(refused, Err(Status::ForecastOption));
    }
    for sigmas in [f32::NAN, f32::INFINITY, -1.0, 1e-40] {
        let how = Forecast { sigmas, ..Forecast::default() };
        let refused = forecast(&windows, &how, &mut [0.0; 2]);
        assert_eq!(refused, Err(Status::ForecastOption));
    }
    let refused = forecast(&windows, &Forecast::default(), &mut [0.0; 3]);
    assert_eq!(refused, Err(Status::ArrayLength));
    assert_eq!(ForecastMethod::try_from(4), Err(Status::UnknownForecast));
}

#[test]
fn windows_are_checked() {
    let shape = |sizes, oldest, stride| WindowsShape::new(sizes, oldest, stride).unwrap_err();
    assert_eq!(shape([0, 1, 1], 0, 0), Status::ShapeZero);
    assert_eq!(shape([1, 1, 1 << 31], 0, 0), Status::ShapeTooLarge);
    assert_eq!(shape([i32::MAX as u32; 3], 0, 0), Status::ShapeTooLarge);
    assert_eq!(shape([2, 2, 2], 2, 0), Status::OldestWindow);
    assert_eq!(shape([2, 2, 2], 0, 3), Status::WindowStride);
    let shape = WindowsShape::new([2, 1, 2], 0, 3).unwrap();
    let windows = |load: &[f32], weight| Windows::new(shape, load, weight).map(|_| ());
    // what lies between two windows does not matter
    assert_eq!(windows(&[1.0, 2.0, f32::NAN, 3.0, -0.0], None), Ok(()));
    assert_eq!(windows(&[1.0, 2.0, 0.0, 3.0, f32::NAN], None), Err(Status::LoadNan));
    assert_eq!(windows(&[1.0, f32::INFINITY, 0.0, 3.0, 0.0], None), Err(Status::LoadInfinite));
    assert_eq!(windows(&[1.0, 2.0, 0.0, -3.0, 0.0], None), Err(Status::LoadNegative));
    assert_eq!(windows(&[1.0; 4], None), Err(Status::ArrayLength));
    assert_eq!(windows(&[1.0; 5], Some(&[0.0, -0.0])), Err(Status::WindowWeight));
    assert_eq!(windows(&[1.0; 5], Some(&[1.0])), Err(Status::ArrayLength));
    assert_eq!(windows(&[1.0; 5], Some(&[1.0, f32::NAN])), Err(Status::WindowWeight));
}
