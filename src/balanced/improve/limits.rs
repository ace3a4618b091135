//! What the search may change, and what a change costs.

use crate::balanced::improve::split::Nearest;
use crate::base::cells::{NONE, at};

pub use crate::bound::lower::Survive;

/// Limits of the search. Slices that are empty do not bind.
#[derive(Clone, Copy, Debug)]
pub struct Limits<'a> {
    /// Slots that may newly differ from the placement in force; `u32::MAX`: no limit, and none is counted.
    pub moves: u32,
    /// A placement that has this balance is better the fewer of its slots newly differ; infinite: none is enough.
    pub enough: f64,
    /// By slot: the placement in force, the number of experts for none. Only read when moves are limited.
    pub in_force: &'a [u32],
    /// Slots of a GPU that may get experts from one other; 0: no limit.
    pub per_pair: u32,
    pub sources: Sources<'a>,
    /// Replicas of an expert.
    pub max_replicas: u32,
    /// Whether a slot may be left empty.
    pub may_empty: bool,
    pub survive: Survive,
    /// By GPU: its node. By expert: the node that it is bound to, `u32::MAX` for none.
    pub node: &'a [u32],
    pub home: &'a [u32],
    /// How tokens are split over replicas.
    pub nearest: Nearest<'a>,
    /// Whether every expert in force must stay.
    pub pinned: bool,
    /// By expert: 1 where it is to have a primary, so that no GPU has more than it must; empty: none.
    pub primaries: &'a [u32],
}

/// What limits ask memory for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Kind {
    /// Whether moves have a price.
    pub priced: bool,
    /// Nodes of GPUs that send to the nearest, else 0.
    pub nodes: usize,
    /// Whether there are primaries.
    pub primaries: bool,
}

impl Limits<'_> {
    /// No limit but the replicas of an expert.
    pub const fn none(max_replicas: u32) -> Self {
        Limits {
            moves: u32::MAX,
            enough: f64::INFINITY,
            in_force: &[],
            per_pair: 0,
            sources: Sources { head: &[], next: &[], gpu: &[], node: &[] },
            max_replicas,
            may_empty: false,
            survive: Survive::Nothing,
            node: &[],
            home: &[],
            nearest: Nearest::EVEN,
            pinned: false,
            primaries: &[],
        }
    }

    /// Whether moves have a price.
    pub fn counts_moves(&self) -> bool {
        self.moves != u32::MAX || self.per_pair > 0
    }

    /// What they ask memory for.
    pub fn kind(&self) -> Kind {
        let nodes = self.nearest.sent.len();
        Kind { priced: self.counts_moves(), nodes, primaries: !self.primaries.is_empty() }
    }
}

/// Which GPU an expert that is new to a GPU comes from: the nearest that held it, on the same node if one there did,
/// lowest index first. GPUs and slots are those of the placement in force, also of what is not planned for.
#[derive(Clone, Copy, Debug)]
pub struct Sources<'a> {
    /// By expert: the first slot that held it on a GPU that can be read. By slot: the next with the same expert; its
    /// GPU.
    pub head: &'a [u32],
    pub next: &'a [u32],
    pub gpu: &'a [u32],
    /// By GPU: its node.
    pub node: &'a [u32],
}

impl Sources<'_> {
    /// The one for a GPU on `node`; `u32::MAX` when no GPU can be read for it.
    pub fn nearest(&self, node: u32, expert: u32) -> u32 {
        let mut best = NONE;
        let mut slot = self.head.get(expert as usize).copied().unwrap_or(NONE);
        while let Some(&from) = self.gpu.get(slot as usize) {
            let near = at(self.node, from as usize) == node;
            if best == NONE || near && at(self.node, best as usize) != node {
                best = from;
            }
            slot = self.next.get(slot as usize).copied().unwrap_or(NONE);
        }
        best
    }
}
