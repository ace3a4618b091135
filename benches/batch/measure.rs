//! A row of the table of the loop.

use std::hint::black_box;
use std::time::Instant;

use crate::batches::{Loads, Means, with_spare};
use crate::replicate::{Replicas, Replicator};
use crate::rivals::{Layer, Move, moonep, ultraep};
use eplb::{Request, Spec};

const REPETITIONS: usize = 5;
/// An expert of DeepSeek-V3, in fp8.
const MEGABYTES: f64 = 44.0;
/// What moving it takes, in microseconds: over NVLink, over RDMA.
const NVLINK: f64 = 92.0;
const RDMA: f64 = 1000.0;

/// Figures of a layer. The links are those of the GPU that sends or receives most.
pub const HEADER: &str = "loop,homes,gpus,tokens,spare,tolerance,who,balance,worst_balance,fetches,\
    bound,moved_percent,above,us,x,x_largest,megabytes,nvlink_us,rdma_us";

/// What a row is about.
#[derive(Clone, Copy)]
pub struct Case<'a> {
    pub name: &'a str,
    pub gpus: usize,
    pub tokens: usize,
    /// `[L][E]`
    pub home: &'a [i32],
    pub batch: &'a [u32],
    pub loads: &'a Loads,
}

/// What an answer costs.
#[derive(Default)]
struct Cost {
    /// Microseconds, and those of the sort.
    times: Vec<f64>,
    sorts: Vec<f64>,
    /// Most fetches that a GPU sends or receives.
    links: Vec<f64>,
}

impl Cost {
    fn end(mut self, fetches: f64) -> String {
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let links = mean(&self.links);
        let largest = self.times.iter().copied().fold(0.0, f64::max);
        let (time, sort) = (median(&mut self.times), median(&mut self.sorts));
        format!(
            "{time:.2},{:.2},{:.2},{:.0},{:.0},{:.0}",
            time / sort,
            largest / sort,
            fetches * MEGABYTES,
            links * NVLINK,
            links * RDMA
        )
    }
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn timed(mut run: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..REPETITIONS)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    median(&mut times)
}

/// `sort_unstable` of a key a slot: the unit of docs/BENCHMARKS.md.
fn sort(tokens: &[u32], slots: usize) -> f64 {
    let key = |slot: usize| u64::from(tokens[slot * 7919 % tokens.len()]) << 32 | slot as u64;
    let keys: Vec<u64> = (0..slots).map(key).collect();
    let mut times: Vec<f64> = (0..REPETITIONS)
        .map(|_| {
            let mut keys = keys.clone();
            let start = Instant::now();
            black_box(&mut keys).sort_unstable();
            start.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    median(&mut times)
}

fn most_at_a_gpu(gpus: usize, fetches: impl Iterator<Item = (usize, usize)>) -> f64 {
    let (mut sent, mut received) = (vec![0_u32; gpus], vec![0_u32; gpus]);
    for (from, to) in fetches {
        sent[from] += 1;
        received[to] += 1;
    }
    f64::from(sent.into_iter().chain(received).max().unwrap_or(0))
}

/// Ours.
pub fn eplb_row(case: &Case, spare: usize, tolerance: u32) {
    let Case { gpus, loads, .. } = *case;
    let slots = loads.experts + spare * gpus;
    let spec = Spec {
        num_layers: 1,
        num_logical_experts: loads.experts as u32,
        num_physical_experts: slots as u32,
        num_gpus: gpus as u32,
        ..Spec::default()
    };
    let mut replicator = Replicator::new(&spec, 0).expect("a shape");
    let mut out: Replicas = replicator.room(false, 0).expect("lengths");
    let (mut cost, mut reports) = (Cost::default(), Vec::new());
    let layers = case.home.chunks(loads.experts).zip(case.batch.chunks(loads.experts));
    for (home, tokens) in layers {
        let home = with_spare(home, loads.experts / gpus, spare);
        let request = Request { tokens, tolerance, ..Request::default() };
        let mut fetches = 0;
        cost.times.push(timed(|| {
            fetches = replicator.fill(&home, &request, &mut out).expect("an answer");
            black_box(&out);
        }));
        cost.sorts.push(sort(tokens, slots));
        let list = out.fetches[..fetches].iter();
        let ways = list.map(|fetch| (fetch.source_gpu as usize, fetch.destination_gpu as usize));
        cost.links.push(most_at_a_gpu(gpus, ways));
        reports.push(out.reports[0]);
    }
    let means = Means::of(&reports, tolerance);
    println!(
        "loop,{},{gpus},{},{spare},{tolerance},eplb,{:.4},{:.4},{:.2},{:.2},{:.2},{},{}",
        case.name,
        case.tokens,
        means.balance,
        means.worst_balance,
        means.fetches,
        means.fetches_bound,
        means.moved * 100.0,
        means.above,
        cost.end(means.fetches)
    );
}

/// Theirs: MoonEP with as many slots as it takes, UltraEP with one and two.
pub fn rival_rows(case: &Case) {
    rival_row(case, "moonep", None, &|layer| moonep(layer));
    for spare in [1, 2] {
        rival_row(case, "ultraep", Some(spare), &|layer| ultraep(layer, spare));
    }
}

fn rival_row(case: &Case, who: &str, spare: Option<usize>, rule: &dyn Fn(&Layer) -> Vec<Move>) {
    let Case { gpus, loads, .. } = *case;
    let each = loads.experts / gpus;
    let (mut cost, mut most_slots) = (Cost::default(), 0);
    let (mut balance, mut worst, mut fetches, mut moved) = (0.0, 1.0_f64, 0.0, 0.0);
    let layers = case.home.chunks(loads.experts).zip(case.batch.chunks(loads.experts));
    let count = loads.layers as f64;
    for (slots, tokens) in layers {
        let mut home = vec![0; loads.experts];
        slots.iter().enumerate().for_each(|(slot, &e)| home[e as usize] = slot / each);
        let layer = Layer { gpus, home: &home, tokens };
        let mut moves = Vec::new();
        cost.times.push(timed(|| moves = black_box(rule(&layer))));
        cost.sorts.push(sort(tokens, loads.experts + spare.unwrap_or(1) * gpus));
        cost.links.push(most_at_a_gpu(gpus, moves.iter().map(|m| (home[m.expert], m.to))));
        let into = |gpu: usize| moves.iter().filter(|moved| moved.to == gpu).count();
        most_slots = (0..gpus).map(into).max().unwrap_or(0).max(most_slots);
        let total = layer.total() as f64;
        let here = total / gpus as f64 / layer.largest(&moves) as f64;
        balance += here / count;
        worst = worst.min(here);
        fetches += moves.len() as f64 / count;
        moved += moves.iter().map(|moved| moved.tokens).sum::<u64>() as f64 / total / count;
    }
    println!(
        "loop,{},{gpus},{},{},,{who},{balance:.4},{worst:.4},{fetches:.2},,{:.2},,{}",
        case.name,
        case.tokens,
        spare.unwrap_or(most_slots),
        moved * 100.0,
        cost.end(fetches)
    );
}
