//! A batch that cannot be split over a placement.

use crate::dispatch::{Batch, MOST_TOKENS};
use crate::explain::placement::{Copies, Count, Slots};
use crate::explain::text::{Text, say};
use crate::status::Status;

/// A batch, and the slots that its tokens go to.
pub struct Dispatch<'a> {
    pub slots: Slots<'a>,
    /// What the tokens are called.
    pub name: &'static str,
    pub batch: Batch<'a>,
    /// The width of the routing table; `None` when there is none.
    pub max_replicas: Option<usize>,
}

impl Dispatch<'_> {
    fn experts(&self) -> usize {
        self.slots.shape.num_logical_experts()
    }

    /// Rows of tokens in a layer.
    fn sources(&self) -> usize {
        if self.batch.by_source { self.slots.shape.topology().num_gpus() } else { 1 }
    }

    fn tokens(&self, layer: usize, source: usize, expert: usize) -> u32 {
        let at = (layer * self.sources() + source) * self.experts() + expert;
        self.batch.tokens.get(at).copied().unwrap_or(0)
    }

    fn total(&self, layer: usize, expert: usize) -> u64 {
        let sources = 0..self.sources();
        sources.fold(0, |sum, source| sum + u64::from(self.tokens(layer, source, expert)))
    }

    /// Says where the first layer that cannot be split is wrong.
    pub fn say(&self, text: &mut Text, status: Status) {
        if status == Status::PlacementExpert {
            return self.slots.say_entry(text);
        }
        for layer in 0..self.slots.shape.num_layers() {
            match status {
                _ if !text.is_empty() => return,
                Status::DispatchDeadSource => self.say_source(text, layer),
                Status::DispatchTokens => self.say_sum(text, layer),
                Status::DispatchNoReplica | Status::MaxReplicas => {
                    self.say_copies(text, layer, status);
                }
                _ => {}
            }
        }
    }

    fn say_source(&self, text: &mut Text, layer: usize) {
        let topology = self.slots.shape.topology();
        for source in (0..self.sources()).filter(|&source| !topology.serves(source)) {
            let tokens = |&expert: &usize| self.tokens(layer, source, expert);
            if let Some(expert) = (0..self.experts()).find(|expert| tokens(expert) > 0) {
                return say!(text; "%[layer %][gpu %][expert %] is %, and GPU % is EPLB_GPU_DEAD: set its row to 0",
                    self.name, layer, source, expert, tokens(&expert), source);
            }
        }
    }

    fn say_sum(&self, text: &mut Text, layer: usize) {
        let totals = (0..self.experts()).map(|expert| self.total(layer, expert));
        let all = totals.fold(0, u64::saturating_add);
        if all > MOST_TOKENS {
            say!(text; "% of layer % sum to %, above 2^52: split the batch", self.name, layer, all);
        }
    }

    fn say_copies(&self, text: &mut Text, layer: usize, status: Status) {
        let (topology, width) = (self.slots.shape.topology(), self.max_replicas);
        let by_gpu = Count { on: &|gpu| topology.serves(gpu), place: &|_, gpu| gpu, absent: true };
        let too_many = |count| width.is_some_and(|width| count as usize > width);
        let found = self.slots.find_by(layer, &by_gpu, &mut |expert, count| match status {
            Status::MaxReplicas => too_many(count),
            _ => count == 0 && self.total(layer, expert) > 0,
        });
        let Some(Copies { expert, count, .. }) = found else { return };
        if let (Status::MaxReplicas, Some(width)) = (status, width) {
            say!(text; "out.max_replicas is %, expert % of layer % is on % GPUs that serve: raise it",
                width, expert, layer, count);
        } else {
            say!(text; "% has % for expert % of layer %, which is on no GPU that serves: repair the placement, or drop \
                them", self.name, self.total(layer, expert), expert, layer);
        }
    }
}
