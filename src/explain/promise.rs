//! A promise that a placement breaks, in words.

use crate::explain::text::{Text, Value};
use crate::placement::{Placement, Violation, ViolationKind};
use crate::problem::Shape;

/// Says which promise is broken, and where.
#[inline(never)]
pub fn say(text: &mut Text, shape: &Shape, placement: &Placement, found: &Violation) {
    let experts = shape.num_logical_experts();
    let (layer, slot, expert): (Value, Value, Value) =
        (found.layer.into(), found.slot.into(), found.expert.into());
    let (gpu, other): (Value, Value) = (found.gpu.into(), found.other_slot.into());
    let at = "placement.physical_to_logical[layer %][slot %] is %";
    match found.kind {
        ViolationKind::None => {}
        ViolationKind::Expert => {
            text.say(at, &[layer, slot, expert]);
            text.say(
                ": a slot holds -1, or an expert below num_logical_experts, %",
                &[experts.into()],
            );
        }
        ViolationKind::State => {
            text.say(at, &[layer, slot, expert]);
            text.say(", GPU % is not EPLB_GPU_ALIVE: its slots are to be -1", &[gpu]);
        }
        ViolationKind::Empty => {
            text.say(at, &[layer, slot, expert]);
            text.say(", GPU % is alive: this policy fills every slot", &[gpu]);
        }
        ViolationKind::Missing => text.say(
            "placement.physical_to_logical has expert % of layer % in no slot: give it one",
            &[expert, layer],
        ),
        ViolationKind::Duplicate => {
            text.say(at, &[layer, slot, expert]);
            text.say(
                ", which slot % of GPU % holds, too: EPLB_POLICY_BALANCED keeps copies apart",
                &[other, gpu],
            );
        }
        ViolationKind::Node => {
            text.say(at, &[layer, slot, expert]);
            text.say(
                " on node %, slot % has its group on another: hierarchical scope keeps a group on \
                 one node",
                &[shape.topology().node(found.gpu.max(0) as usize).into(), other],
            );
        }
        ViolationKind::Count => text.say(
            "placement.logical_count[layer %][expert %] is not the slots that hold it: eplb_number \
             counts them",
            &[layer, expert],
        ),
        ViolationKind::Rank => text.say(
            "placement.replica_rank[layer %][slot %] does not number the copies of expert % from \
             0, each once (-1: none): eplb_number does",
            &[layer, slot, expert],
        ),
        ViolationKind::Table => {
            text.say(
                "placement.logical_to_physical[layer %][expert %] is not its slots in order of \
                 replica_rank, then -1",
                &[layer, expert],
            );
            if found.slot == -1 {
                let width = placement.max_replicas;
                text.say(": one is missing, or max_replicas, %, is too narrow", &[width.into()]);
            } else {
                text.say(": slot % is not where it belongs", &[slot]);
            }
        }
    }
}
