//! From the tokens of each replica to the quotas of each source.

use super::at::{at, put, row_mut, take};
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

/// Writes the quotas of each source: `tokens` is `[G][E]`, `quota` `[G][P]`. Of an expert with several replicas
/// own tokens first; then those of the node; then the rest: sources in order, each fills the replicas with room
/// in order. O(G P).
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
    for expert in 0..experts {
        if replicas.is_shared(expert) {
            spread(replicas, node, expert, tokens, slots, quota, &mut traffic);
        } else if let Some(replica) = replicas.only(expert) {
            let slot = at(replicas.slot, replica) as usize;
            let gpu = at(replicas.gpu, replica) as usize;
            let home = at(node, gpu);
            let mut near = 0;
            let sent = tokens.iter().skip(expert).step_by(experts.max(1));
            let got = quota.iter_mut().skip(slot).step_by(slots.max(1));
            for ((&tokens, quota), &node) in sent.zip(got).zip(node) {
                *quota = tokens;
                near += if node == home { u64::from(tokens) } else { 0 };
            }
            let total = at(replicas.total, expert);
            let own = u64::from(at(tokens, gpu * experts + expert));
            traffic.leaving_gpu += total - own;
            traffic.leaving_node += total - near;
        }
    }
    traffic
}

/// Spreads the tokens of one expert.
fn spread(
    replicas: &mut Replicas,
    node: &[u32],
    expert: usize,
    tokens: &[u32],
    slots: usize,
    quota: &mut [u32],
    traffic: &mut Traffic,
) {
    let experts = replicas.total.len();
    let range = replicas.of_expert(expert);
    for replica in range.clone() {
        let gpu = at(replicas.gpu, replica) as usize;
        let own = u64::from(at(tokens, gpu * experts + expert)).min(at(replicas.tokens, replica));
        take(replicas.tokens, replica, own);
        put(quota, gpu * slots + at(replicas.slot, replica) as usize, own as u32);
    }
    for within_node in [true, false] {
        let room = |replica| at(replicas.tokens, replica);
        if range.clone().map(room).sum::<u64>() == 0 {
            return;
        }
        let column = tokens.iter().skip(expert).step_by(experts.max(1));
        for (source, (&tokens, &home)) in column.zip(node).enumerate() {
            if tokens == 0 {
                continue;
            }
            let quota = row_mut(quota, source, slots);
            let given = |replica| u64::from(at(quota, at(replicas.slot, replica) as usize));
            let mut left = u64::from(tokens) - range.clone().map(given).sum::<u64>();
            for replica in range.clone() {
                if left == 0 {
                    break;
                }
                let near = at(node, at(replicas.gpu, replica) as usize) == home;
                let amount = left.min(at(replicas.tokens, replica));
                if amount == 0 || within_node && !near {
                    continue;
                }
                take(replicas.tokens, replica, amount);
                left -= amount;
                traffic.leaving_gpu += amount;
                traffic.leaving_node += if within_node { 0 } else { amount };
                if let Some(place) = quota.get_mut(at(replicas.slot, replica) as usize) {
                    *place += amount as u32;
                }
            }
        }
    }
}
