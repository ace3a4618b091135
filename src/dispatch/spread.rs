//! From the tokens of each replica to the quotas of each source.

use super::at::{at, put};
use super::replicas::Replicas;

/// Tokens that leave where they come from.
#[derive(Clone, Copy, Debug, Default)]
pub struct Traffic {
    /// Tokens that leave the node of their source.
    pub leaving_node: u64,
    /// Tokens that leave the GPU of their source.
    pub leaving_gpu: u64,
}

/// Writes the quotas of a layer without sources: `quota` is `[P]`.
pub fn write(replicas: &Replicas, quota: &mut [u32]) {
    quota.fill(0);
    for expert in 0..replicas.total.len() {
        for replica in replicas.of_expert(expert) {
            // at most the tokens of the expert, which are a u32
            put(quota, at(replicas.slot, replica) as usize, at(replicas.tokens, replica) as u32);
        }
    }
}

/// Which GPUs a round of [`by_source`] is about.
#[derive(Clone, Copy, PartialEq)]
enum Round {
    /// The source itself.
    Gpu,
    /// Those of its node.
    Node,
    /// All.
    Any,
}

/// Writes the quotas of each source: `tokens` is `[G][E]`, `quota` `[G][P]`. Own tokens first; then those of
/// the node; then the rest. Sources in order, each fills the replicas with room in order. O(G P).
///
/// The tokens of the replicas are used up.
pub fn by_source(
    replicas: &mut Replicas,
    node: &[u32],
    tokens: &[u32],
    quota: &mut [u32],
) -> Traffic {
    let experts = replicas.total.len();
    let slots = quota.len().checked_div(node.len()).unwrap_or(0);
    quota.fill(0);
    let mut traffic = Traffic::default();
    for round in [Round::Gpu, Round::Node, Round::Any] {
        let rows = tokens.chunks_exact(experts.max(1)).zip(quota.chunks_exact_mut(slots.max(1)));
        for (source, (tokens, quota)) in rows.enumerate() {
            for (expert, &tokens) in tokens.iter().enumerate() {
                if tokens > 0 {
                    let sent = send(replicas, node, (source, expert), tokens, quota, round);
                    match round {
                        Round::Gpu => {}
                        Round::Node => traffic.leaving_gpu += sent,
                        Round::Any => {
                            traffic.leaving_gpu += sent;
                            traffic.leaving_node += sent;
                        }
                    }
                }
            }
        }
    }
    traffic
}

/// One source, one expert, one round: how many tokens have been given away in it.
fn send(
    replicas: &mut Replicas,
    node: &[u32],
    (source, expert): (usize, usize),
    tokens: u32,
    quota: &mut [u32],
    round: Round,
) -> u64 {
    let range = replicas.of_expert(expert);
    let mut left = u64::from(tokens);
    if round != Round::Gpu {
        for replica in range.clone() {
            left -= u64::from(at(quota, at(replicas.slot, replica) as usize));
        }
    }
    let mut sent = 0;
    for replica in range {
        if left == 0 {
            break;
        }
        let gpu = at(replicas.gpu, replica) as usize;
        let concerns = match round {
            Round::Gpu => gpu == source,
            Round::Node => at(node, gpu) == at(node, source),
            Round::Any => true,
        };
        let amount = left.min(at(replicas.tokens, replica));
        if !concerns || amount == 0 {
            continue;
        }
        super::at::take(replicas.tokens, replica, amount);
        left -= amount;
        sent += amount;
        if let Some(place) = quota.get_mut(at(replicas.slot, replica) as usize) {
            *place += amount as u32;
        }
    }
    sent
}
