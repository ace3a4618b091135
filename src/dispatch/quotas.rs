//! From the tokens of each replica to the quotas of each source.

use crate::base::cells::{at, put, row, row_mut, subtract};
use crate::dispatch::batch::QuotasMut;
use crate::dispatch::local::Local;
use crate::dispatch::replicas::Replicas;
use crate::dispatch::route;

/// Tokens that leave where they come from.
#[derive(Clone, Copy, Debug, Default)]
pub struct Traffic {
    /// Tokens that leave the node of their source.
    pub leaving_node: u64,
    /// Tokens that leave the GPU of their source.
    pub leaving_gpu: u64,
}

/// Writes the quotas and the table of a layer whose tokens are with the replicas; `sources` is `[G][E]`, who sends them,
/// where that is known. How many leave where they come from. The tokens of the replicas are used up with sources.
pub fn write_layer(
    replicas: &mut Replicas,
    local: &mut Local,
    sources: Option<&[u32]>,
    out: QuotasMut,
) -> Traffic {
    let QuotasMut { quota, route_end, route_slot, max_replicas } = out;
    if let Some(slots) = route_slot {
        route::write_slots(replicas, max_replicas, slots);
    }
    let mut traffic = Traffic::default();
    let mut rows = 1;
    match sources {
        Some(tokens) => {
            traffic = write_by_source(replicas, local, tokens, quota);
            rows = local.node.len();
        }
        None => write(replicas, quota),
    }
    if let Some(ends) = route_end {
        let width = replicas.total.len().saturating_mul(max_replicas);
        let slots = quota.len().checked_div(rows).unwrap_or(0);
        for source in 0..rows {
            let quota = row(quota, source, slots);
            route::write_ends(replicas, max_replicas, quota, row_mut(ends, source, width));
        }
    }
    traffic
}

/// Writes the quotas of a layer without sources: `quota` is `[P]`.
fn write(replicas: &Replicas, quota: &mut [u32]) {
    quota.fill(0);
    for expert in 0..replicas.total.len() {
        for replica in replicas.of_expert(expert) {
            // at most the tokens of the expert, which are a u32
            put(quota, at(replicas.slot, replica), at(replicas.tokens, replica) as u32);
        }
    }
}

/// Writes the quotas of each source: `tokens` is `[G][E]`, `quota` `[G][P]`. Of an expert with several replicas
/// own tokens first; then those of the node; then the rest: sources in order, each fills the replicas with room
/// in order. O(G P).
///
/// The tokens of the replicas are used up.
fn write_by_source(
    replicas: &mut Replicas,
    local: &mut Local,
    tokens: &[u32],
    quota: &mut [u32],
) -> Traffic {
    local.sort_out(replicas);
    let experts = replicas.total.len();
    let slots = quota.len().checked_div(local.node.len()).unwrap_or(0);
    quota.fill(0);
    let (mut all, mut own, mut near) = (0, 0, 0);
    for (source, &node) in local.node.iter().enumerate() {
        let (tokens, quota) = (row(tokens, source, experts), row_mut(quota, source, slots));
        for ((slot, home), &tokens) in local.lone().zip(tokens) {
            put(quota, slot, tokens); // NONE is no slot
            all += u64::from(tokens);
            near += if home == node { u64::from(tokens) } else { 0 };
        }
    }
    for expert in 0..experts {
        let only = replicas.only(expert);
        let gpu = only.map(|replica| at(replicas.gpu, replica) as usize);
        own += gpu.map_or(0, |gpu| u64::from(at(tokens, gpu * experts + expert)));
    }
    for &expert in local.shared() {
        let kept = keep(replicas, expert as usize, tokens, slots, quota);
        own += kept;
        near += kept;
    }
    for (source, &node) in local.node.iter().enumerate() {
        let (tokens, quota) = (row(tokens, source, experts), row_mut(quota, source, slots));
        for &expert in local.shared() {
            let near_by = Some((&*local.node, node));
            near += fill(replicas, expert as usize, at(tokens, expert), quota, near_by);
        }
    }
    for source in 0..local.node.len() {
        let (tokens, quota) = (row(tokens, source, experts), row_mut(quota, source, slots));
        for &expert in local.shared() {
            fill(replicas, expert as usize, at(tokens, expert), quota, None);
        }
    }
    Traffic { leaving_node: all - near, leaving_gpu: all - own }
}

/// Own tokens of a shared expert stay: how many.
fn keep(
    replicas: &mut Replicas,
    expert: usize,
    tokens: &[u32],
    slots: usize,
    quota: &mut [u32],
) -> u64 {
    let experts = replicas.total.len();
    let mut kept = 0;
    for replica in replicas.of_expert(expert) {
        let gpu = at(replicas.gpu, replica) as usize;
        let own = u64::from(at(tokens, gpu * experts + expert)).min(at(replicas.tokens, replica));
        subtract(replicas.tokens, replica, own);
        put(quota, gpu * slots + at(replicas.slot, replica) as usize, own as u32);
        kept += own;
    }
    kept
}

/// What a source has left of an expert fills the replicas with room; those on a node alone where `near` names
/// the nodes of all GPUs and one of them. How many tokens that were.
fn fill(
    replicas: &mut Replicas,
    expert: usize,
    tokens: u32,
    quota: &mut [u32],
    near: Option<(&[u32], u32)>,
) -> u64 {
    if tokens == 0 {
        return 0;
    }
    let range = replicas.of_expert(expert);
    let mut room = 0;
    let mut left = u64::from(tokens);
    for replica in range.clone() {
        room += at(replicas.tokens, replica);
        left -= u64::from(at(quota, at(replicas.slot, replica)));
    }
    if room == 0 || left == 0 {
        return 0;
    }
    let mut filled = 0;
    for replica in range {
        let gpu = at(replicas.gpu, replica) as usize;
        if near.is_some_and(|(nodes, node)| at(nodes, gpu) != node) {
            continue;
        }
        let amount = left.min(at(replicas.tokens, replica));
        subtract(replicas.tokens, replica, amount);
        left -= amount;
        filled += amount;
        if let Some(place) = quota.get_mut(at(replicas.slot, replica) as usize) {
            *place += amount as u32;
        }
    }
    filled
}
