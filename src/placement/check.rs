//! Does a placement keep its promises, and if not, which one and where.

use crate::base::arena::{Arena, Need};
use crate::base::cells::{part, row};
use crate::placement::ledger::{Layer, Ledger};
use crate::placement::maps::{Placement, given};
use crate::placement::walk::{by_gpu, each_slot, is_entry};
use crate::problem::{Scope, Shape};
use crate::status::Status;

/// Which promise a placement breaks.
#[allow(non_camel_case_types)] // the C name; Rust code sees it as `eplb::ViolationKind`
#[repr(u32)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum eplb_violation_kind {
    /// None.
    #[default]
    None = 0,
    /// A slot holds a number that is neither -1 nor an expert.
    Expert = 1,
    /// A slot of a dead or leaving GPU is not empty.
    State = 2,
    /// A slot is empty. Compatibility policies only.
    Empty = 3,
    /// An expert has no replica.
    Missing = 4,
    /// An expert has two replicas on one GPU. EPLB_POLICY_BALANCED only.
    Duplicate = 5,
    /// Hierarchical scope: the experts of a group sit on more than one node.
    Node = 6,
    /// logical_count differs from what physical_to_logical holds.
    Count = 7,
    /// replica_rank does not number the replicas of an expert from 0, or is not -1 at an empty slot.
    Rank = 8,
    /// logical_to_physical does not list the slots of an expert in order of rank, padded with -1.
    Table = 9,
}

/// The first broken promise that eplb_check found: layers in order, in a layer by kind, then by
/// lowest slot or expert. -1 where a field does not apply.
#[allow(non_camel_case_types)] // the C name; Rust code sees it as `eplb::Violation`
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct eplb_violation {
    /// EPLB_VIOLATION_KIND_*.
    pub kind: eplb_violation_kind,
    /// Layer.
    pub layer: i32,
    /// Slot.
    pub slot: i32,
    /// Expert.
    pub expert: i32,
    /// GPU.
    pub gpu: i32,
    /// The slot that this one does not agree with: of EPLB_VIOLATION_KIND_DUPLICATE the other one on the GPU, of
    /// EPLB_VIOLATION_KIND_NODE the first one of the group.
    pub other_slot: i32,
}

pub use eplb_violation as Violation;
pub use eplb_violation_kind as ViolationKind;
use eplb_violation_kind as Kind;

impl Violation {
    /// No promise is broken.
    pub const NONE: Violation =
        Violation { kind: Kind::None, layer: -1, slot: -1, expert: -1, gpu: -1, other_slot: -1 };
}

/// What the maker of a placement promised beyond the maps being consistent.
#[derive(Clone, Copy, Debug)]
pub struct Promises {
    /// Groups stay on a node where this scope is hierarchical.
    pub scope: Scope,
    /// Every slot of a living GPU is in use.
    pub full: bool,
    /// No two replicas of an expert on one GPU.
    pub distinct: bool,
}

/// What [`check`] needs of an arena.
pub(crate) fn need(shape: &Shape) -> Need {
    Ledger::need(shape)
}

/// Finds the first broken promise. O(L (P + E max_replicas)), workspace O(E + P + K).
///
/// # Errors
/// [`Status::ArrayLength`], [`Status::ShapeTooLarge`], [`Status::WorkspaceTooSmall`].
pub fn check(
    shape: &Shape,
    promises: &Promises,
    mut arena: Arena,
    placement: &Placement,
) -> Result<Option<Violation>, Status> {
    placement.check_lengths(shape)?;
    arena.check(need(shape))?;
    Ok(first_broken(shape, promises, placement, Ledger::carve(&mut arena, shape)))
}

/// The same without a workspace: O(L P (P + E / 64)).
pub(crate) fn check_slowly(
    shape: &Shape,
    promises: &Promises,
    placement: &Placement,
) -> Option<Violation> {
    first_broken(shape, promises, placement, Ledger::without_memory(&mut [0; 64]))
}

#[inline(never)] // once, whatever memory there is
fn first_broken(
    shape: &Shape,
    promises: &Promises,
    placement: &Placement,
    mut ledger: Ledger,
) -> Option<Violation> {
    let (experts, width) = (shape.num_logical_experts(), placement.max_replicas);
    (0..shape.num_layers()).find_map(|index| {
        let table = placement.logical_to_physical;
        let layer = Layer {
            shape,
            index,
            slots: placement.layer(shape, index),
            ranks: given(placement.replica_rank, index, shape.num_physical_experts()),
            table: table.map(|table| row(table, index, experts * width)),
            width,
        };
        let counts = given(placement.logical_count, index, experts);
        check_layer(&layer, promises, counts, &mut ledger).err()
    })
}

/// A kind at a time, so that the lowest kind is found first.
fn check_layer(
    layer: &Layer,
    promises: &Promises,
    counts: &[i32],
    ledger: &mut Ledger,
) -> Result<(), Violation> {
    check_slots(layer, promises)?;
    ledger.begin(layer);
    check_present(layer, ledger)?;
    if promises.distinct {
        check_distinct(layer, ledger)?;
    }
    if layer.shape.is_hierarchical(promises.scope) {
        check_nodes(layer, ledger)?;
    }
    check_count(layer, counts, ledger)?;
    check_rank(layer, ledger)?;
    check_table(layer, ledger)
}

impl Layer<'_> {
    /// A violation with every place unknown.
    fn broken(&self, kind: Kind) -> Violation {
        Violation { kind, layer: self.index as i32, ..Violation::NONE }
    }

    /// One of an expert.
    fn broken_for(&self, kind: Kind, expert: usize) -> Violation {
        Violation { expert: expert as i32, ..self.broken(kind) }
    }

    /// One at a slot, which does not agree with another, if it is that.
    fn broken_at(
        &self,
        kind: Kind,
        slot: usize,
        gpu: usize,
        expert: i32,
        other: Option<usize>,
    ) -> Violation {
        let other_slot = other.map_or(-1, |other| other as i32);
        Violation { slot: slot as i32, gpu: gpu as i32, expert, other_slot, ..self.broken(kind) }
    }
}

/// Numbers in range, nothing on dead GPUs, no empty slot where there may be none.
fn check_slots(layer: &Layer, promises: &Promises) -> Result<(), Violation> {
    let (experts, topology) = (layer.shape.num_logical_experts(), layer.shape.topology());
    for kind in [Kind::Expert, Kind::State, Kind::Empty] {
        each_slot(topology, layer.slots, |slot, gpu, expert| {
            let good = match kind {
                Kind::Expert => is_entry(expert, experts),
                Kind::State => expert < 0 || topology.receives(gpu),
                _ => expert >= 0 || !promises.full || !topology.receives(gpu),
            };
            if good { Ok(()) } else { Err(layer.broken_at(kind, slot, gpu, expert, None)) }
        })?;
    }
    Ok(())
}

fn check_present(layer: &Layer, ledger: &mut Ledger) -> Result<(), Violation> {
    let mut experts = 0..layer.shape.num_logical_experts();
    let missing = experts.find(|&expert| ledger.count(layer, expert) == 0);
    missing.map_or(Ok(()), |expert| Err(layer.broken_for(Kind::Missing, expert)))
}

fn check_distinct(layer: &Layer, ledger: &mut Ledger) -> Result<(), Violation> {
    for (gpu, first, held) in by_gpu(layer.shape.topology(), layer.slots) {
        for (place, &expert) in held.iter().enumerate() {
            let before = part(held, 0, place);
            if expert >= 0 && ledger.is_again(expert, gpu, before) {
                let other = before.iter().rposition(|&other| other == expert);
                let other = other.map(|other| first + other);
                return Err(layer.broken_at(Kind::Duplicate, first + place, gpu, expert, other));
            }
        }
    }
    Ok(())
}

fn check_nodes(layer: &Layer, ledger: &mut Ledger) -> Result<(), Violation> {
    let topology = layer.shape.topology();
    each_slot(topology, layer.slots, |slot, gpu, expert| {
        let Some(group) = layer.group(slot) else { return Ok(()) };
        let node = topology.node(gpu);
        if ledger.home(layer, group, node) == node {
            return Ok(());
        }
        let first = (0..slot).find(|&other| layer.group(other) == Some(group));
        Err(layer.broken_at(Kind::Node, slot, gpu, expert, first))
    })
}

fn check_count(layer: &Layer, counts: &[i32], ledger: &mut Ledger) -> Result<(), Violation> {
    let mut given = counts.iter().enumerate();
    let wrong = given.find(|&(expert, &given)| given != ledger.count(layer, expert) as i32);
    wrong.map_or(Ok(()), |(expert, _)| Err(layer.broken_for(Kind::Count, expert)))
}

fn check_rank(layer: &Layer, ledger: &mut Ledger) -> Result<(), Violation> {
    ledger.begin_ranks();
    for (slot, (&entry, &rank)) in layer.slots.iter().zip(layer.ranks).enumerate() {
        let good = match layer.expert(slot) {
            None => rank == -1,
            Some(expert) => {
                let in_range = rank >= 0 && (rank as u32) < ledger.count(layer, expert);
                in_range && !ledger.is_taken(layer, slot)
            }
        };
        if !good {
            let slot = slot as i32;
            return Err(Violation { slot, expert: entry, ..layer.broken(Kind::Rank) });
        }
    }
    Ok(())
}

fn check_table(layer: &Layer, ledger: &mut Ledger) -> Result<(), Violation> {
    if layer.table.is_none() {
        return Ok(());
    }
    ledger.begin_table();
    for expert in 0..layer.shape.num_logical_experts() {
        let count = ledger.count(layer, expert) as usize;
        let wrong = |slot| Err(Violation { slot, ..layer.broken_for(Kind::Table, expert) });
        if count > layer.width {
            return wrong(-1);
        }
        let row = layer.row(expert);
        for (place, &slot) in row.iter().enumerate() {
            // holds the expert, is listed once, and where ranks are given stands at its rank
            let holds = layer.slots.get(slot as usize) == Some(&(expert as i32));
            let in_order =
                layer.ranks.get(slot as usize).is_none_or(|&given| given == place as i32);
            let good = if place < count {
                holds && in_order && !ledger.is_listed(slot as usize, part(row, 0, place))
            } else {
                slot == -1
            };
            if !good {
                return wrong(slot);
            }
        }
    }
    Ok(())
}
