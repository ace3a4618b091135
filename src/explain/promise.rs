//! A promise that a placement breaks, in words.

use crate::explain::text::{Text, say};
use crate::placement::{Placement, Violation, ViolationKind};
use crate::problem::Shape;

/// Says which promise is broken, and where.
#[inline(never)]
pub fn say(text: &mut Text, shape: &Shape, placement: &Placement, found: &Violation) {
    let Violation { kind, layer, slot, expert, gpu, other_slot } = *found;
    let is_at_slot = matches!(
        kind,
        ViolationKind::Expert
            | ViolationKind::State
            | ViolationKind::Empty
            | ViolationKind::Duplicate
            | ViolationKind::Node
    );
    if is_at_slot {
        say!(text; "placement.physical_to_logical[layer %][slot %] is %", layer, slot, expert);
    }
    match kind {
        ViolationKind::None => {}
        ViolationKind::Expert => {
            say!(text; ": a slot holds -1, or an expert below num_logical_experts, %", shape.num_logical_experts());
        }
        ViolationKind::State => {
            say!(text; ", GPU % is not EPLB_GPU_ALIVE: its slots are to be -1", gpu);
        }
        ViolationKind::Empty => say!(text; ", GPU % is alive: this policy fills every slot", gpu),
        ViolationKind::Missing => {
            say!(text; "placement.physical_to_logical has expert % of layer % in no slot: give it one", expert, layer);
        }
        ViolationKind::Duplicate => {
            say!(text; ", which slot % of GPU % holds, too: EPLB_POLICY_BALANCED keeps copies apart", other_slot, gpu);
        }
        ViolationKind::Node => {
            say!(text; " on node %, slot % has its group on another: hierarchical scope keeps a group on one node",
                shape.topology().node(gpu.max(0) as usize), other_slot);
        }
        ViolationKind::Count => {
            say!(text; "placement.logical_count[layer %][expert %] is not the slots that hold it: eplb_number counts them",
                layer, expert);
        }
        ViolationKind::Rank => {
            say!(text; "placement.replica_rank[layer %][slot %] does not number the copies of expert % from 0, each once \
                (-1: none): eplb_number does", layer, slot, expert);
        }
        ViolationKind::Table => {
            say!(text; "placement.logical_to_physical[layer %][expert %] is not its slots in order of replica_rank, then \
                -1: ", layer, expert);
            if slot == -1 {
                say!(text; "one is missing, or max_replicas, %, is too narrow", placement.max_replicas);
            } else {
                say!(text; "slot % is not where it belongs", slot);
            }
        }
    }
}
