//! Where copies begin to pay: what a step takes, by how many tokens it has, in a window that the plans have not seen.

use eplb::{
    Batch, Cost, Operation, Options, Placement, QuotasMut, Scope, Shape, Spec, Split, Status,
};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand_distr::{Distribution, Poisson};

use super::cluster::{Cluster, slots};
use super::error::Refused;
use super::fit::{Figures, H200};
use super::plan::{Memory, place};
use super::trace::Trace;

/// Experts of a token, for models of the experts that the figures are of.
const TOP_K: usize = 8;
/// Experts of a layer of that model.
const EXPERTS: usize = 256;
/// Tokens of a GPU in a step.
const TOKENS: [usize; 7] = [1, 4, 16, 64, 256, 1024, 4096];

/// Microseconds of a layer in a step of so many tokens.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    /// Tokens of a GPU.
    pub tokens: usize,
    /// Without copies.
    pub none: f64,
    /// A plan for tokens, which are split evenly.
    pub even: f64,
    /// Planned and dispatched in seconds.
    pub planned: f64,
}

/// The points of a trace of DeepSeek-V3's shape, in global scope; none of other models, of which no figures are known, and
/// where there is no room for copies.
pub fn points(trace: &Trace, cluster: &Cluster) -> Result<Vec<Point>, Refused> {
    let experts = u32::try_from(trace.experts).unwrap_or(u32::MAX);
    let bare = slots(experts, cluster.gpus);
    if trace.experts != EXPERTS || cluster.slots <= bare {
        return Ok(Vec::new());
    }
    let judge = Judge::new(trace, cluster);
    let none = judge.plan(bare, None)?;
    let even = judge.plan(cluster.slots, None)?;
    let point = |tokens| {
        let planned = judge.plan(cluster.slots, Some(tokens))?;
        Ok(Point {
            tokens,
            none: judge.mean(&none, tokens, |held, batch| Ok(judge.even(held, batch)))?,
            even: judge.mean(&even, tokens, |held, batch| Ok(judge.even(held, batch)))?,
            planned: judge.mean(&planned, tokens, |held, batch| judge.dispatched(held, batch))?,
        })
    };
    TOKENS.into_iter().map(point).collect()
}

/// Microseconds, with which the library does as well as with seconds.
fn cost([token_seconds, expert_seconds, layer_seconds]: Figures) -> Cost {
    Cost { token_seconds, expert_seconds, layer_seconds, ..Cost::default() }
}

/// Plans on all windows but the last, and measures in that; of one window on the same.
struct Judge<'a> {
    spec: Spec<'a>,
    unseen: &'a [f32],
}

impl<'a> Judge<'a> {
    fn new(trace: &'a Trace, cluster: &Cluster) -> Self {
        let window = trace.layers.len() * trace.experts;
        let seen = trace.load.len().saturating_sub(window).max(window);
        let unseen = trace.window(trace.windows.len() - 1);
        let num_windows = u32::try_from(seen / window).unwrap_or(u32::MAX);
        let spec = cluster.spec(trace.experts, unseen);
        Judge { spec: Spec { num_windows, load: &trace.load[..seen], ..spec }, unseen }
    }

    /// A plan for so many tokens a GPU; without a number for tokens alone.
    fn plan(&self, num_physical_experts: u32, tokens: Option<usize>) -> Result<Vec<i32>, Refused> {
        let tokens = tokens.map(|tokens| vec![self.step(tokens) as f32; self.windows()]);
        let spec = Spec {
            num_physical_experts,
            cost: tokens.is_some().then(|| cost(H200)),
            step_tokens: tokens.as_deref(),
            ..self.spec
        };
        place(&spec, &Options { scope: Scope::Global, ..Options::default() })
    }

    fn windows(&self) -> usize {
        self.spec.num_windows as usize
    }

    /// Tokens of a step of a layer, each counted at each of its experts.
    fn step(&self, tokens: usize) -> f64 {
        (tokens * TOP_K * self.spec.num_gpus as usize) as f64
    }

    /// The mean over the layers of what `time` makes of a batch that is drawn by the loads of the window.
    fn mean(
        &self,
        plan: &[i32],
        tokens: usize,
        time: impl Fn(&[i32], &[u32]) -> Result<f64, Refused>,
    ) -> Result<f64, Refused> {
        let layers = self.unseen.chunks(EXPERTS);
        let (len, held) = (layers.len(), plan.len() / layers.len());
        let mut sum = 0.0;
        for (layer, (load, held)) in layers.zip(plan.chunks(held)).enumerate() {
            // the same batch for every plan
            let rng = &mut StdRng::seed_from_u64(layer as u64);
            let total: f64 = load.iter().map(|&load| f64::from(load)).sum();
            let draw = |&load: &f32| {
                let drawn = Poisson::new(f64::from(load) / total * self.step(tokens));
                drawn.map_or(0, |poisson| poisson.sample(rng) as u32) // none of what has no load
            };
            let batch: Vec<u32> = load.iter().map(draw).collect();
            sum += time(held, &batch)?;
        }
        Ok(sum / len as f64)
    }

    /// Microseconds when the tokens of an expert are dealt to its replicas in turn.
    fn even(&self, held: &[i32], batch: &[u32]) -> f64 {
        let [token, expert, layer] = H200;
        let mut replicas = vec![0_u32; batch.len()];
        let named = |&slot: &i32| usize::try_from(slot).ok(); // -1 is an empty slot
        held.iter().filter_map(named).for_each(|named| replicas[named] += 1);
        let mut turn = vec![0; batch.len()];
        let mut replica = |named: usize| {
            let (each, rest) = (batch[named] / replicas[named], batch[named] % replicas[named]);
            let tokens = each + u32::from(turn[named] < rest);
            turn[named] += 1;
            if tokens > 0 { f64::max(expert, token * f64::from(tokens)) } else { 0.0 }
        };
        let gpus = held.chunks(held.len() / self.spec.num_gpus as usize);
        let gpus = gpus.map(|held| held.iter().filter_map(named).map(&mut replica).sum());
        layer + gpus.fold(0.0, f64::max)
    }

    /// Microseconds when the library splits them.
    fn dispatched(&self, held: &[i32], tokens: &[u32]) -> Result<f64, Refused> {
        let spec = Spec {
            num_windows: 1,
            num_layers: 1,
            num_physical_experts: u32::try_from(held.len()).unwrap_or(u32::MAX),
            cost: Some(cost(H200)),
            ..self.spec
        };
        Ok(dispatched(&spec, held, tokens)?)
    }
}

fn dispatched(spec: &Spec, held: &[i32], tokens: &[u32]) -> Result<f64, Status> {
    let shape = Shape::new(spec)?;
    let mut memory =
        Memory::new(eplb::workspace(Operation::Dispatch, &shape, &Options::default())?);
    let mut quota = vec![0; held.len()];
    let out = QuotasMut { quota: &mut quota, route_end: None, route_slot: None, max_replicas: 0 };
    let batch = Batch { tokens, by_source: false, effort: 0 };
    let mut time = 0.0;
    let report = &mut |_: usize, split: &Split| time = split.largest_time;
    eplb::dispatch(&shape, memory.arena(), &Placement::of(held), &batch, out, Some(report))?;
    Ok(time)
}
