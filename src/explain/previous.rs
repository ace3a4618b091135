//! A placement in force from which no plan can be made: [`crate::rebalance`] checks it layer by layer.

use crate::explain::placement::{BLOCK, Slots};
use crate::explain::text::Text;
use crate::options::Options;
use crate::options::flags::Flags;
use crate::placement::each_slot;
use crate::problem::Shape;
use crate::rebalance::limits::{Limits, Survive};
use crate::rebalance::mode::{Mode, Rebalance, admit};
use crate::status::Status;

/// The placement in force of a call, and what binds a plan that starts from it.
pub struct Previous<'a> {
    slots: Slots<'a>,
    options: &'a Options<'a>,
    how: Rebalance<'a>,
    limits: Limits,
    max_replicas: usize,
}

impl<'a> Previous<'a> {
    /// `None` when there is nothing to start from.
    pub fn of(shape: &'a Shape<'a>, options: &'a Options<'a>, max_replicas: usize) -> Option<Self> {
        let how = admit(shape, options, true).ok()??;
        let limits = how.limits(options, max_replicas);
        let slots = Slots { name: "options.previous", shape, held: options.previous? };
        Some(Previous { slots, options, how, limits, max_replicas })
    }

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
        let lost = self.slots.find(layer, &|gpu| topology.serves(gpu), &|count| count == 0);
        if let Some(lost) = lost.filter(|_| !self.options.flags.contains(Flags::EXTERNAL_SOURCE)) {
            text.say(
                "options.previous has expert % of layer % on no GPU that can be read: set \
                 EPLB_FLAG_EXTERNAL_SOURCE if it can be loaded from outside",
                &[lost.expert.into(), layer.into()],
            );
            return Err(Status::SourceLost);
        }
        if self.how.mode == Mode::Anew {
            return Ok(());
        }
        let most = self.limits.most_replicas;
        let receives = |gpu| topology.receives(gpu);
        if let Some(found) = self.slots.find(layer, &receives, &|count| count > most) {
            self.slots.say_copies(text, found, "placement.max_replicas", self.max_replicas);
            return Err(Status::MaxReplicas);
        }
        self.check_groups(text, layer)?;
        let needed = self.at_least(layer);
        if needed > self.limits.moves {
            say_moves(text, self.options.max_moves, layer, needed);
            return Err(Status::Infeasible);
        }
        Ok(())
    }

    /// Moves that a repair cannot do without: a copy for each expert that is on no GPU that receives, and one more
    /// for each that must be on two places and is not.
    #[inline(never)]
    fn at_least(&self, layer: usize) -> u32 {
        let topology = self.slots.shape.topology();
        let survive = self.how.survive;
        let place = |gpu| (if survive == Survive::Node { topology.node(gpu) } else { gpu }) as u32;
        let wanted = if survive == Survive::Nothing { 1 } else { 2 };
        let mut needed = 0_u32;
        for first in (0..self.slots.shape.num_logical_experts()).step_by(BLOCK) {
            // places that an expert is on, at most 2, and the first of them
            let mut on = [(0_u32, 0_u32); BLOCK];
            let slots = self.slots.layer(layer);
            let _all: Result<(), ()> = each_slot(topology, slots, |_, gpu, entry| {
                let at = (entry as usize).wrapping_sub(first);
                if let Some((places, here)) = on.get_mut(at).filter(|_| topology.receives(gpu))
                    && (*places == 0 || *places == 1 && *here != place(gpu))
                {
                    (*places, *here) = (*places + 1, place(gpu));
                }
                Ok(())
            });
            let experts = self.slots.shape.num_logical_experts() - first;
            let short = on.iter().take(experts);
            needed += short.map(|&(places, _)| u32::saturating_sub(wanted, places)).sum::<u32>();
        }
        needed
    }

    /// In hierarchical scope a limit cannot bring the experts of a group together again.
    #[inline(never)]
    fn check_groups(&self, text: &mut Text, layer: usize) -> Result<(), Status> {
        let shape = self.slots.shape;
        let topology = shape.topology();
        let Some(size) = shape.num_logical_experts().checked_div(shape.num_groups()) else {
            return Ok(());
        };
        if !self.how.hierarchical {
            return Ok(());
        }
        let slots = self.slots.layer(layer);
        let group_of = |entry: i32| usize::try_from(entry).ok().and_then(|e| e.checked_div(size));
        let first_of = |group| {
            let mut first = None;
            let _found: Result<(), ()> = each_slot(topology, slots, |slot, gpu, entry| {
                let here = group_of(entry) == Some(group) && topology.receives(gpu);
                first = here.then_some((slot, topology.node(gpu)));
                if here { Err(()) } else { Ok(()) }
            });
            first
        };
        each_slot(topology, slots, |slot, gpu, entry| {
            let Some(group) = group_of(entry).filter(|_| topology.receives(gpu)) else {
                return Ok(());
            };
            let Some((other, node)) = first_of(group) else { return Ok(()) };
            if node == topology.node(gpu) {
                return Ok(());
            }
            text.say(
                "options.previous[layer %] has group % on nodes % (slot %) and % (slot %), which no \
                 plan with a limit on moves can mend: set max_moves and max_moves_per_gpu_pair to 0",
                &[
                    layer.into(),
                    group.into(),
                    node.into(),
                    other.into(),
                    topology.node(gpu).into(),
                    slot.into(),
                ],
            );
            Err(Status::Infeasible)
        })
    }
}

/// A limit that forbids a repair.
pub fn say_moves(text: &mut Text, max_moves: u32, layer: usize, needed: u32) {
    text.say(
        "options.max_moves is %, repair of layer % needs %: raise it, or pass 0 for no limit",
        &[max_moves.into(), layer.into(), needed.into()],
    );
}

/// A repair that nothing but the limit between GPUs, or on slots that may change, can forbid.
pub fn say_beyond_repair(text: &mut Text, options: &Options, layer: usize) {
    let pairs = options.max_moves_per_gpu_pair;
    if pairs > 0 {
        text.say(
            "options.max_moves_per_gpu_pair is %, with which layer % of options.previous cannot be \
             repaired: raise it, or pass 0 for no limit",
            &[pairs.into(), layer.into()],
        );
    } else if options.flags.contains(Flags::FILL_ONLY) {
        text.say(
            "options.flags has EPLB_FLAG_FILL_ONLY, and layer % of options.previous has no empty \
             slot for an expert that is on no living GPU: clear it, or leave more slots empty",
            &[layer.into()],
        );
    } else {
        text.say(
            "layer % of options.previous cannot be repaired within placement.max_replicas and what \
             must survive: raise max_replicas, or give more slots on living GPUs",
            &[layer.into()],
        );
    }
}
