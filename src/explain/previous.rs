//! A placement in force from which no plan can be made: [`crate::rebalance`] checks it layer by layer.

use crate::balanced::improve::limits::Survive;
use crate::explain::placement::{Count, Slots};
use crate::explain::text::{Text, say};
use crate::options::Options;
use crate::options::flags::Flags;
use crate::rebalance::mode::{Mode, Rebalance, most_replicas};
use crate::status::Status;

/// The placement in force of a call, and what binds a plan that starts from it.
pub struct Previous<'a> {
    pub slots: Slots<'a>,
    pub options: &'a Options<'a>,
    pub how: &'a Rebalance<'a>,
    pub max_replicas: usize,
}

impl Previous<'_> {
    /// What can be told without memory to try a repair in: the first layer that is refused, and why.
    ///
    /// # Errors
    /// [`Status::PlacementExpert`], [`Status::SourceLost`], [`Status::MaxReplicas`], [`Status::Infeasible`].
    pub fn check(&self, text: &mut Text) -> Result<(), Status> {
        (0..self.slots.shape.num_layers()).try_for_each(|layer| self.check_layer(text, layer))
    }

    #[inline(never)]
    fn check_layer(&self, text: &mut Text, layer: usize) -> Result<(), Status> {
        let topology = self.slots.shape.topology();
        if !self.slots.names_experts(layer) {
            self.slots.say_entry(text);
            return Err(Status::PlacementExpert);
        }
        let external = self.options.flags.contains(Flags::EXTERNAL_SOURCE);
        let lost = self.slots.find(layer, &|gpu| topology.serves(gpu), &|copies| copies == 0);
        if let Some(lost) = lost.filter(|_| !external) {
            self.slots.say_lost(text, lost);
            return Err(Status::SourceLost);
        }
        if self.how.mode == Mode::Anew {
            return Ok(());
        }
        let too_many = |copies| copies > most_replicas(self.max_replicas);
        if let Some(found) = self.slots.find(layer, &|gpu| topology.receives(gpu), &too_many) {
            self.slots.say_copies(text, found, self.max_replicas);
            return Err(Status::MaxReplicas);
        }
        let needed = self.least_moves(layer);
        if needed > self.how.moves(self.options) {
            say_moves(text, self.options.max_moves, layer, needed);
            return Err(Status::Infeasible);
        }
        Ok(())
    }

    /// Moves that a repair cannot do without: a copy for each expert that is on no GPU that receives, and one more
    /// for each that must be on two places and is not.
    fn least_moves(&self, layer: usize) -> u32 {
        let topology = self.slots.shape.topology();
        let survive = self.how.survive;
        let (wanted, by_node) =
            (1 + u32::from(survive != Survive::Nothing), survive == Survive::Node);
        let count = Count {
            on: &|gpu| topology.receives(gpu),
            place: &|_, gpu| if by_node { topology.node(gpu) } else { gpu },
            absent: true,
        };
        let mut needed = 0;
        let _none = self.slots.find_by(layer, &count, &mut |_, places| {
            needed += u32::saturating_sub(wanted, places);
            false
        });
        needed
    }
}

/// A repair that the limits forbid: the layer, and the moves that it needs where their number alone forbids it.
pub fn say_repair(text: &mut Text, options: &Options, refused: Option<(usize, Option<u32>)>) {
    match refused {
        Some((layer, Some(needed))) => {
            *text = Text::default();
            say_moves(text, options.max_moves, layer, needed);
        }
        Some((layer, None)) if text.is_empty() => say_beyond_repair(text, options, layer),
        _ => {}
    }
}

fn say_moves(text: &mut Text, max_moves: u32, layer: usize, needed: u32) {
    say!(text; "options.max_moves is %, repair of layer % needs %: raise it, or pass 0 for no limit",
        max_moves, layer, needed);
}

/// A repair that nothing but the limit between GPUs, or on slots that may change, can forbid.
fn say_beyond_repair(text: &mut Text, options: &Options, layer: usize) {
    if options.max_moves_per_gpu_pair > 0 {
        say!(text; "options.max_moves_per_gpu_pair is %, with which layer % of options.previous cannot be repaired: \
            raise it, or pass 0 for no limit", options.max_moves_per_gpu_pair, layer);
    } else if options.flags.contains(Flags::FILL_ONLY) {
        say!(text; "options.flags has EPLB_FLAG_FILL_ONLY, and layer % of options.previous has no empty slot for an \
            expert that is on no living GPU: clear it, or leave more slots empty", layer);
    } else {
        say!(text; "layer % of options.previous cannot be repaired within placement.max_replicas and what must survive: \
            raise max_replicas, or give more slots on living GPUs", layer);
    }
}
