//! Replicas that are several on one node and others elsewhere, of an expert that could have all on one node or each on
//! a node of its own, are brought there: step by step the search would first have to make it worse.

use crate::balanced::improve::marks::Marks;
use crate::balanced::improve::neighborhood::Neighborhood;
use crate::balanced::improve::packing::{Packing, Step};
use crate::base::cells::{NONE, at, part_mut, put};
use crate::base::keys::{descending, index_of, sort};

/// Brings the replicas of every expert that can be tidied together or apart, those with most to do first.
#[inline(never)] // off the stack of the search
pub fn tidy<const N: usize>(packing: &mut Packing<N>, marks: &mut Marks) {
    let experts = packing.empty() as usize;
    for expert in 0..experts {
        let count = at(packing.count, expert).max(1) as f32;
        let load = packing.mean_load(expert as u32) / count;
        put(marks.keys, expert, descending(load, expert));
    }
    sort(part_mut(marks.keys, 0, experts), marks.buffer);
    for index in 0..experts {
        let expert = index_of(at(marks.keys, index)) as u32;
        let Some(home) = packing.form(expert) else { continue };
        // each step brings one replica to where it stays
        for _ in 0..at(packing.count, expert) {
            let Some(step) = Neighborhood::toward(packing, marks, expert, home) else { break };
            packing.make(step);
        }
    }
}

impl<const N: usize> Packing<'_, N> {
    /// Where the replicas of an expert that is neither on one node nor once on each should be: on this node, or,
    /// `NONE`, each on another. What takes fewer steps; nothing where neither is possible.
    fn form(&self, expert: u32) -> Option<u32> {
        let (count, few) = (at(self.count, expert), self.limits.nearest.few);
        let (mut most, mut home, mut nodes) = (0, NONE, 0.0);
        for slot in self.holders(expert) {
            let (near, node) = (at(self.parts.near, slot), self.node_of(slot));
            nodes += 1.0 / near as f32;
            if near > most || near == most && node < home {
                (most, home) = (near, node);
            }
        }
        if most <= 1 || most == count || count > few {
            return None;
        }
        let nodes = (nodes + 0.5) as u32;
        let sent = self.limits.nearest.sent;
        let in_all = sent.iter().filter(|&&sent| sent > 0.0).count() as u32;
        let gpus = (at(sent, home) / self.limits.nearest.one + 0.5) as u32;
        let (apart, together) = (count <= in_all, count <= gpus);
        match (apart, together) {
            (true, false) => Some(NONE),
            (true, true) if count - nodes <= count - most => Some(NONE),
            (_, true) => Some(home),
            (false, false) => None,
        }
    }
}

impl<'s, 'p, const N: usize> Neighborhood<'s, 'p, N> {
    /// The best swap that brings a replica of `expert` to `home`, or, `NONE`, from a node with several to one without.
    fn toward(p: &'s Packing<'p, N>, marks: &mut Marks, expert: u32, home: u32) -> Option<Step> {
        let mut all = Neighborhood::at_any_cost(p, marks.budget);
        for mine in p.holders(expert) {
            let stays =
                if home == NONE { at(p.parts.near, mine) == 1 } else { p.node_of(mine) == home };
            if stays {
                continue;
            }
            for slot in 0..p.expert_at.len() {
                let node = p.node_of(slot);
                let good = if home == NONE {
                    p.holders(expert).all(|other| p.node_of(other) != node)
                } else {
                    node == home
                };
                if good && at(p.expert_at, slot) != expert {
                    all.offer_nearest(Step::Swap(mine, slot));
                }
            }
        }
        marks.left = marks.left.saturating_sub(all.looked);
        all.step
    }
}
