//! A judge of step times that knows nothing of the library's model: batches are drawn token by token, and a GPU takes
//! what the published tables say. In microseconds, of DeepSeek's shape on an H200 in fp8: 18 a layer, and for each
//! replica that has tokens 0.0945 a token, at least the 11.5 that reading its weights takes.
//!
//! A batch: every token draws 8 different experts, each with the probability of its load among those not drawn yet.
//! Drawn with repeats the hottest experts would get more than there are tokens, and figures some 1 % larger.

use super::loads::Rng;

const LAYER: f64 = 18.0;
const EXPERT: f64 = 11.5;
const TOKEN: f64 = 0.0945;
const TOP_K: usize = 8;

/// Tokens of each expert in a batch of `tokens`, drawn by `load`, of which at least 8 are not 0.
pub fn batch(rng: &mut Rng, load: &[f32], tokens: usize) -> Vec<u32> {
    let mut total = 0.0;
    let upto: Vec<f64> = load
        .iter()
        .map(|&load| {
            total += f64::from(load);
            total
        })
        .collect();
    let mut count = vec![0; load.len()];
    for _ in 0..tokens {
        let mut drawn = Vec::with_capacity(TOP_K);
        while drawn.len() < TOP_K {
            let at = rng.unit() * total;
            let expert = upto.partition_point(|&upto| upto <= at);
            if !drawn.contains(&expert) {
                drawn.push(expert);
                count[expert] += 1;
            }
        }
    }
    count
}

/// Tokens of each slot where an engine deals those of an expert to its replicas in turn, from one drawn.
pub fn even(rng: &mut Rng, slots: &[i32], batch: &[u32]) -> Vec<u32> {
    let mut tokens = vec![0; slots.len()];
    for (expert, &count) in batch.iter().enumerate() {
        let held = |&slot: &usize| slots[slot] == expert as i32;
        let replicas: Vec<usize> = (0..slots.len()).filter(held).collect();
        let first = rng.below(replicas.len());
        let (each, rest) = (count as usize / replicas.len(), count as usize % replicas.len());
        for turn in 0..replicas.len() {
            let slot = replicas[(first + turn) % replicas.len()];
            tokens[slot] = (each + usize::from(turn < rest)) as u32;
        }
    }
    tokens
}

/// Microseconds of a layer whose slots have these tokens, on GPUs of equally many.
pub fn time(tokens: &[u32], gpus: usize) -> f64 {
    let replica = |&tokens: &u32| match tokens {
        0 => 0.0,
        tokens => EXPERT.max(TOKEN * f64::from(tokens)),
    };
    let gpu = |tokens: &[u32]| tokens.iter().map(replica).sum::<f64>();
    LAYER + tokens.chunks(tokens.len() / gpus).map(gpu).fold(0.0, f64::max)
}
