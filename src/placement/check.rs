//! Does a placement keep its promises, and if not, which one and where.

use crate::base::arena::{Arena, Need};
use crate::placement::ledger::{Arrays, Glances, Layer, Ledger, Walk};
use crate::placement::{Placement, each_slot, is_entry, row};
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
    Arrays::need(shape)
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
    let mut arrays = Arrays::carve(&mut arena, shape);
    Ok(first_broken(shape, promises, placement, &mut arrays))
}

/// The same without a workspace: O(L P (P + E / 64)).
pub(crate) fn check_slowly(
    shape: &Shape,
    promises: &Promises,
    placement: &Placement,
) -> Option<Violation> {
    first_broken(shape, promises, placement, &mut Glances::new())
}

fn first_broken(
    shape: &Shape,
    promises: &Promises,
    placement: &Placement,
    ledger: &mut impl Ledger,
) -> Option<Violation> {
    let (experts, width) = (shape.num_logical_experts(), placement.max_replicas);
    (0..shape.num_layers()).find_map(|index| {
        let table = placement.logical_to_physical;
        let layer = Layer {
            shape,
            index,
            slots: placement.layer(shape, index),
            ranks: row(placement.replica_rank, index, shape.num_physical_experts()),
            table: table.map(|table| row(Some(table), index, experts * width)),
            width,
        };
        let counts = row(placement.logical_count, index, experts);
        check_layer(&layer, promises, counts, ledger).err()
    })
}

fn check_layer(
    layer: &Layer,
    promises: &Promises,
    counts: &[i32],
    ledger: &mut impl Ledger,
) -> Result<(), Violation> {
    check_slots(layer, promises)?;
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

    /// One at a slot.
    fn broken_at(&self, kind: Kind, slot: usize, gpu: usize, expert: i32) -> Violation {
        Violation { slot: slot as i32, gpu: gpu as i32, expert, ..self.broken(kind) }
    }

    /// Calls `visit` with every slot, its GPU and what it holds.
    fn walk(
        &self,
        visit: impl FnMut(usize, usize, i32) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        each_slot(self.shape.topology(), self.slots, visit)
    }
}

/// Numbers in range, nothing on dead GPUs, no empty slot where there may be none. A pass per kind, so that the
/// lowest kind is reported.
fn check_slots(layer: &Layer, promises: &Promises) -> Result<(), Violation> {
    let (experts, topology) = (layer.shape.num_logical_experts(), layer.shape.topology());
    let kinds = [(Kind::Expert, true), (Kind::State, true), (Kind::Empty, promises.full)];
    for (kind, _) in kinds.into_iter().filter(|&(_, promised)| promised) {
        layer.walk(|slot, gpu, expert| {
            let good = match kind {
                Kind::Expert => is_entry(expert, experts),
                Kind::State => expert < 0 || topology.receives(gpu),
                _ => expert >= 0 || !topology.receives(gpu),
            };
            if good { Ok(()) } else { Err(layer.broken_at(kind, slot, gpu, expert)) }
        })?;
    }
    Ok(())
}

fn check_present(layer: &Layer, ledger: &mut impl Ledger) -> Result<(), Violation> {
    ledger.begin(Walk::Count, layer);
    let mut experts = 0..layer.shape.num_logical_experts();
    match experts.find(|&expert| ledger.count(layer, expert) == 0) {
        Some(expert) => Err(Violation { expert: expert as i32, ..layer.broken(Kind::Missing) }),
        None => Ok(()),
    }
}

fn check_distinct(layer: &Layer, ledger: &mut impl Ledger) -> Result<(), Violation> {
    ledger.begin(Walk::Distinct, layer);
    layer.walk(|slot, gpu, expert| {
        if expert < 0 || !ledger.is_again(layer, slot, gpu) {
            return Ok(());
        }
        let before = layer.slots.get(..slot).unwrap_or_default();
        let other = before.iter().rposition(|&other| other == expert);
        let other_slot = other.map_or(-1, |other| other as i32);
        Err(Violation { other_slot, ..layer.broken_at(Kind::Duplicate, slot, gpu, expert) })
    })
}

fn check_nodes(layer: &Layer, ledger: &mut impl Ledger) -> Result<(), Violation> {
    ledger.begin(Walk::Nodes, layer);
    layer.walk(|slot, gpu, expert| {
        let Some(group) = layer.group(slot) else { return Ok(()) };
        let node = layer.shape.topology().node(gpu);
        if ledger.home(layer, group, node) == node {
            return Ok(());
        }
        let mut slots = 0..slot;
        let first = slots.find(|&other| layer.group(other) == Some(group));
        let other_slot = first.map_or(-1, |first| first as i32);
        Err(Violation { other_slot, ..layer.broken_at(Kind::Node, slot, gpu, expert) })
    })
}

fn check_count(layer: &Layer, counts: &[i32], ledger: &mut impl Ledger) -> Result<(), Violation> {
    let mut given = counts.iter().enumerate();
    match given.find(|&(expert, &given)| given != ledger.count(layer, expert) as i32) {
        Some((expert, _)) => Err(Violation { expert: expert as i32, ..layer.broken(Kind::Count) }),
        None => Ok(()),
    }
}

fn check_rank(layer: &Layer, ledger: &mut impl Ledger) -> Result<(), Violation> {
    ledger.begin(Walk::Ranks, layer);
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

fn check_table(layer: &Layer, ledger: &mut impl Ledger) -> Result<(), Violation> {
    if layer.table.is_none() {
        return Ok(());
    }
    ledger.begin(Walk::Table, layer);
    for expert in 0..layer.shape.num_logical_experts() {
        let count = ledger.count(layer, expert) as usize;
        let found =
            |slot| Err(Violation { expert: expert as i32, slot, ..layer.broken(Kind::Table) });
        if count > layer.width {
            return found(-1);
        }
        for (place, &slot) in layer.row(expert).iter().enumerate() {
            if place >= count {
                if slot != -1 {
                    return found(slot);
                }
                continue;
            }
            // holds the expert, is listed once, and where ranks are given stands at its rank
            let index = usize::try_from(slot).unwrap_or(usize::MAX);
            let holds = layer.slots.get(index) == Some(&(expert as i32));
            let in_order = layer.ranks.get(index).is_none_or(|&given| given == place as i32);
            if !holds || !in_order || ledger.is_listed(layer, expert, place, index) {
                return found(slot);
            }
        }
    }
    Ok(())
}
