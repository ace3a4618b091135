//! From the tokens of each replica to quotas and a table.

use crate::base::cells::{at, put, row, row_mut};
use crate::dispatch::batch::QuotasMut;
use crate::dispatch::local::Local;
use crate::dispatch::replicas::Replicas;
use crate::dispatch::route;
use crate::dispatch::source_quotas::Traffic;

/// Writes the quotas and the table of a layer whose tokens are with the replicas; `sources` is `[G][E]`, who sends them,
/// where that is known and has been read. How many leave where they come from. The tokens of the replicas are used up with
/// sources.
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
            let Local { sources, hand, .. } = local;
            traffic = hand.write(replicas, sources, tokens, quota);
            rows = sources.len();
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
