//! A batch that cannot be split over a placement.

use crate::dispatch::{Batch, MOST_TOKENS};
use crate::explain::placement::{Copies, Each, Slots};
use crate::explain::text::Text;
use crate::status::Status;

/// A batch, and the slots that its tokens go to.
pub struct Dispatch<'a> {
    pub slots: Slots<'a>,
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
        match status {
            Status::PlacementExpert => self.slots.say_entry(text),
            Status::DispatchDeadSource
            | Status::DispatchNoReplica
            | Status::DispatchTokens
            | Status::MaxReplicas => {
                for layer in 0..self.slots.shape.num_layers() {
                    if text.is_empty() {
                        self.say_layer(text, layer, status);
                    }
                }
            }
            _ => {}
        }
    }

    fn say_layer(&self, text: &mut Text, layer: usize, status: Status) {
        let topology = self.slots.shape.topology();
        if status == Status::DispatchDeadSource {
            let dead = (0..self.sources()).filter(|&source| !topology.serves(source));
            let pairs = dead.flat_map(|s| (0..self.experts()).map(move |expert| (s, expert)));
            let mut sent = pairs.map(|(s, expert)| (s, expert, self.tokens(layer, s, expert)));
            if let Some((source, expert, tokens)) = sent.find(|&(_, _, tokens)| tokens > 0) {
                text.say(
                    "batch.tokens[layer %][gpu %][expert %] is %, and GPU % is EPLB_GPU_DEAD: set \
                     its row to 0",
                    &[layer.into(), source.into(), expert.into(), tokens.into(), source.into()],
                );
            }
            return;
        }
        let serves = |gpu| topology.serves(gpu);
        let width = self.max_replicas.unwrap_or(usize::MAX);
        let found = self.slots.find_by(layer, Each::Once, &serves, &|expert, count| match status {
            Status::DispatchNoReplica => count == 0 && self.total(layer, expert) > 0,
            Status::MaxReplicas => count as usize > width,
            _ => false,
        });
        if let Some(Copies { expert, count, .. }) = found {
            if status == Status::MaxReplicas {
                return text.say(
                    "out.max_replicas is %, expert % of layer % is on % GPUs that serve: raise it",
                    &[width.into(), expert.into(), layer.into(), count.into()],
                );
            }
            return text.say(
                "batch.tokens has % for expert % of layer %, which is on no GPU that serves: \
                 repair the placement, or drop them",
                &[self.total(layer, expert).into(), expert.into(), layer.into()],
            );
        }
        let totals = (0..self.experts()).map(|expert| self.total(layer, expert));
        let all = totals.fold(0_u64, u64::saturating_add);
        if status == Status::DispatchTokens && all > MOST_TOKENS {
            text.say(
                "batch.tokens of layer % sum to %, above 2^52: split the batch",
                &[layer.into(), all.into()],
            );
        }
    }
}
