//! Two placements between which no transfers lead.

use crate::base::arena::Arena;
use crate::explain::placement::Slots;
use crate::explain::text::{Text, say};
use crate::placement::each_slot;
use crate::problem::Shape;
use crate::status::Status;
use crate::transfers::list::{Transition, blocked_gpu, first_refused};

/// The placement that is left, and the one that is to come.
pub struct Transfers<'a> {
    from: Slots<'a>,
    to: Slots<'a>,
}

impl<'a> Transfers<'a> {
    /// Of a transition.
    pub fn of(shape: &'a Shape<'a>, transition: &Transition<'a>) -> Self {
        let slots = |name, held| Slots { name, shape, held };
        let from = slots("from.physical_to_logical", transition.from.physical_to_logical);
        let to = slots("to.physical_to_logical", transition.to.physical_to_logical);
        Transfers { from, to }
    }

    /// Says where the first layer that is refused is wrong. `arena` holds what listing needs.
    pub fn say(&self, text: &mut Text, transition: &Transition, mut arena: Arena, status: Status) {
        let shape = self.to.shape;
        let layer = first_refused(shape, transition, arena.rest()).unwrap_or(0);
        match status {
            Status::PlacementExpert if !self.from.names_experts(layer) => self.from.say_entry(text),
            Status::PlacementExpert => self.to.say_entry(text),
            Status::PlacementMissing => {
                if let Some(found) = self.to.find(layer, &|_| true, &|copies| copies == 0) {
                    self.to.say_missing(text, found);
                }
            }
            Status::PlacementState => self.say_state(text, layer),
            Status::SourceLost => {
                let serves = |gpu| shape.topology().serves(gpu);
                let lost = self.from.find(layer, &serves, &|copies| copies == 0);
                let wanted = |expert| self.to.layer(layer).contains(&(expert as i32));
                if let Some(lost) = lost.filter(|lost| wanted(lost.expert)) {
                    self.from.say_lost(text, lost);
                }
            }
            Status::NeedsBuffer => {
                say!(text; "spare_buffers is %, layer % needs 1", transition.spare_buffers, layer);
                if let Some(gpu) = blocked_gpu(shape, transition, layer, arena) {
                    say!(text; ": GPU % is one of a ring that has nothing free and waits for itself, raise it", gpu);
                }
            }
            _ => {}
        }
    }

    /// What a GPU that does not receive is to hold.
    fn say_state(&self, text: &mut Text, layer: usize) {
        let topology = self.to.shape.topology();
        let old = self.from.layer(layer);
        let _first = each_slot(topology, self.to.layer(layer), |slot, gpu, expert| {
            let first = (0..gpu).fold(0, |sum, before| sum + topology.slots(before));
            let held = old.get(first..).and_then(|rest| rest.get(..topology.slots(gpu)));
            let leaving = topology.serves(gpu) && !topology.receives(gpu);
            let new = !held.unwrap_or_default().contains(&expert);
            if expert < 0 || topology.serves(gpu) && !(leaving && new) {
                return Ok(());
            }
            let state = if leaving { "EPLB_GPU_LEAVING" } else { "EPLB_GPU_DEAD" };
            say!(text; "to.physical_to_logical[layer %][slot %] is %, GPU % is %: plan with this gpu_state",
                layer, slot, expert, gpu, state);
            Err(())
        });
    }
}
