//! Does a placement keep its promises, and if not, which one and where.

use super::{Placement, each_slot, is_entry, row};
use crate::arena::{Arena, Carve, Need};
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

/// Scratch of [`check`].
#[derive(Debug)]
struct Scratch<'a> {
    /// `[E]` replicas found.
    count: &'a mut [u32],
    /// `[E]` one more than the last GPU on which the expert was seen; then where its ranks start.
    mark: &'a mut [u32],
    /// `[P]` ranks or slots already seen.
    seen: &'a mut [u32],
    /// `[K]` one more than the node of a group.
    group_node: &'a mut [u32],
}

fn carve<'a>(arena: &mut impl Carve<'a>, shape: &Shape) -> Scratch<'a> {
    Scratch {
        count: arena.u32s(shape.num_logical_experts()),
        mark: arena.u32s(shape.num_logical_experts()),
        seen: arena.u32s(shape.num_physical_experts()),
        group_node: arena.u32s(shape.num_groups()),
    }
}

/// What [`check`] needs of an arena.
pub(crate) fn need(shape: &Shape) -> Need {
    let mut need = Need::default();
    carve(&mut need, shape);
    need
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
    let mut scratch = carve(&mut arena, shape);
    Ok((0..shape.num_layers())
        .find_map(|layer| check_layer(shape, promises, &mut scratch, placement, layer).err()))
}

/// A violation with every place unknown.
fn broken(kind: Kind, layer: usize) -> Violation {
    Violation { kind, layer: layer as i32, ..Violation::NONE }
}

fn check_layer(
    shape: &Shape,
    promises: &Promises,
    scratch: &mut Scratch,
    placement: &Placement,
    layer: usize,
) -> Result<(), Violation> {
    let slots = placement.layer(shape, layer);
    check_slots(shape, promises, scratch, slots, layer)?;
    check_distinct(shape, promises, scratch, slots, layer)?;
    check_nodes(shape, promises, scratch, slots, layer)?;
    check_count(shape, scratch, placement, layer)?;
    check_rank(shape, scratch, placement, slots, layer)?;
    check_table(shape, scratch, placement, slots, layer)
}

/// Numbers in range, nothing on dead GPUs, no empty slot where there may be none, every expert.
fn check_slots(
    shape: &Shape,
    promises: &Promises,
    scratch: &mut Scratch,
    slots: &[i32],
    layer: usize,
) -> Result<(), Violation> {
    let experts = shape.num_logical_experts();
    let found = |kind, slot: usize, gpu: usize, expert| Violation {
        slot: slot as i32,
        gpu: gpu as i32,
        expert,
        ..broken(kind, layer)
    };
    scratch.count.fill(0);
    // a pass per kind, so that the lowest kind is reported
    each_slot(shape.topology(), slots, |slot, gpu, expert| {
        if !is_entry(expert, experts) {
            return Err(found(Kind::Expert, slot, gpu, expert));
        }
        if let Some(count) = scratch.count.get_mut(expert as usize) {
            *count += 1;
        }
        Ok(())
    })?;
    each_slot(shape.topology(), slots, |slot, gpu, expert| {
        if expert >= 0 && !shape.topology().receives(gpu) {
            return Err(found(Kind::State, slot, gpu, expert));
        }
        Ok(())
    })?;
    each_slot(shape.topology(), slots, |slot, gpu, expert| {
        if promises.full && expert < 0 && shape.topology().receives(gpu) {
            return Err(found(Kind::Empty, slot, gpu, expert));
        }
        Ok(())
    })?;
    match scratch.count.iter().position(|&count| count == 0) {
        Some(expert) => Err(Violation { expert: expert as i32, ..broken(Kind::Missing, layer) }),
        None => Ok(()),
    }
}

fn check_distinct(
    shape: &Shape,
    promises: &Promises,
    scratch: &mut Scratch,
    slots: &[i32],
    layer: usize,
) -> Result<(), Violation> {
    if !promises.distinct {
        return Ok(());
    }
    scratch.mark.fill(0);
    each_slot(shape.topology(), slots, |slot, gpu, expert| {
        if let Some(mark) = scratch.mark.get_mut(expert as usize) {
            if *mark == gpu as u32 + 1 {
                let here = slots.get(..slot).unwrap_or_default();
                let other = here.iter().rposition(|&before| before == expert);
                return Err(Violation {
                    slot: slot as i32,
                    gpu: gpu as i32,
                    expert,
                    other_slot: other.map_or(-1, |other| other as i32),
                    ..broken(Kind::Duplicate, layer)
                });
            }
            *mark = gpu as u32 + 1;
        }
        Ok(())
    })
}

fn check_nodes(
    shape: &Shape,
    promises: &Promises,
    scratch: &mut Scratch,
    slots: &[i32],
    layer: usize,
) -> Result<(), Violation> {
    let Some(size) = shape.num_logical_experts().checked_div(shape.num_groups()) else {
        return Ok(());
    };
    if size == 0 || !shape.is_hierarchical(promises.scope) {
        return Ok(());
    }
    scratch.group_node.fill(0);
    let group_of = |expert: i32| usize::try_from(expert).ok().and_then(|e| e.checked_div(size));
    each_slot(shape.topology(), slots, |slot, gpu, expert| {
        let group = group_of(expert);
        if let Some(home) = group.and_then(|group| scratch.group_node.get_mut(group)) {
            let node = shape.topology().node(gpu) as u32 + 1;
            if *home != 0 && *home != node {
                let first = slots.iter().position(|&other| group_of(other) == group);
                return Err(Violation {
                    slot: slot as i32,
                    gpu: gpu as i32,
                    expert,
                    other_slot: first.map_or(-1, |first| first as i32),
                    ..broken(Kind::Node, layer)
                });
            }
            *home = node;
        }
        Ok(())
    })
}

fn check_count(
    shape: &Shape,
    scratch: &mut Scratch,
    placement: &Placement,
    layer: usize,
) -> Result<(), Violation> {
    let given = row(placement.logical_count, layer, shape.num_logical_experts());
    match given.iter().zip(scratch.count.iter()).position(|(&given, &found)| given != found as i32)
    {
        Some(expert) => Err(Violation { expert: expert as i32, ..broken(Kind::Count, layer) }),
        None => Ok(()),
    }
}

fn check_rank(
    shape: &Shape,
    scratch: &mut Scratch,
    placement: &Placement,
    slots: &[i32],
    layer: usize,
) -> Result<(), Violation> {
    let ranks = row(placement.replica_rank, layer, shape.num_physical_experts());
    if ranks.is_empty() {
        return Ok(());
    }
    // mark: where the ranks of each expert start in `seen`
    let mut start = 0;
    for (mark, &count) in scratch.mark.iter_mut().zip(scratch.count.iter()) {
        *mark = start;
        start += count;
    }
    scratch.seen.fill(0);
    for (slot, (&expert, &rank)) in slots.iter().zip(ranks).enumerate() {
        let good = match usize::try_from(expert) {
            Err(_) => rank == -1,
            Ok(index) => {
                let count = scratch.count.get(index).copied().unwrap_or(0);
                let start = scratch.mark.get(index).copied().unwrap_or(0);
                let in_range = rank >= 0 && (rank as u32) < count;
                let place = scratch.seen.get_mut(start as usize + rank.max(0) as usize);
                in_range && place.is_some_and(|place| core::mem::replace(place, 1) == 0)
            }
        };
        if !good {
            return Err(Violation { slot: slot as i32, expert, ..broken(Kind::Rank, layer) });
        }
    }
    Ok(())
}

fn check_table(
    shape: &Shape,
    scratch: &mut Scratch,
    placement: &Placement,
    slots: &[i32],
    layer: usize,
) -> Result<(), Violation> {
    let width = placement.max_replicas;
    let table = row(placement.logical_to_physical, layer, shape.num_logical_experts() * width);
    if placement.logical_to_physical.is_none() {
        return Ok(());
    }
    let ranks = row(placement.replica_rank, layer, shape.num_physical_experts());
    scratch.seen.fill(0);
    for (expert, &count) in scratch.count.iter().enumerate() {
        let entries = row(Some(table), expert, width);
        let count = count as usize;
        let found =
            |slot| Err(Violation { expert: expert as i32, slot, ..broken(Kind::Table, layer) });
        if count > width {
            return found(-1);
        }
        for (rank, &slot) in entries.iter().enumerate() {
            if rank >= count {
                if slot != -1 {
                    return found(slot);
                }
                continue;
            }
            // holds the expert, is listed once, and where ranks are given stands at its rank
            let index = usize::try_from(slot).unwrap_or(usize::MAX);
            let holds = slots.get(index) == Some(&(expert as i32));
            let once =
                scratch.seen.get_mut(index).is_some_and(|seen| core::mem::replace(seen, 1) == 0);
            let in_order = ranks.get(index).is_none_or(|&given| given == rank as i32);
            if !(holds && once && in_order) {
                return found(slot);
            }
        }
    }
    Ok(())
}
