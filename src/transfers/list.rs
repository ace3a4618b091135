//! From one placement to another: which expert goes from where to where, in which round.
//!
//! The list is a program: replayed in order it turns the old placement into the new one, without a link used
//! twice in a round, a slot overwritten before its last read, or an expert that cannot be read meanwhile.
//! docs/SPEC.md ("Transfers") says what a round is.

use crate::base::arena::{Arena, Carve, Need};
use crate::base::cells::{NONE, at};
use crate::options::flags::Flags;
use crate::placement::Placement;
use crate::problem::Shape;
use crate::status::Status;
use crate::transfers::contents::{LOCAL, Moves, SETTLED};
use crate::transfers::rings::closed_ring;
use crate::transfers::rounds::{Attempt, Rounds};
use crate::transfers::sources::Sources;

/// One expert of one layer on its way into a slot.
#[allow(non_camel_case_types)] // the C name; Rust code sees it as `eplb::Transfer`
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct eplb_transfer {
    /// Layer.
    pub layer: i32,
    /// Logical expert.
    pub expert: i32,
    /// GPU that sends; destination_gpu for a copy within a GPU; -1: from outside.
    pub source_gpu: i32,
    /// Slot in which the expert stands when it is read, 0 .. P - 1; -1: from outside.
    pub source_slot: i32,
    /// GPU that receives.
    pub destination_gpu: i32,
    /// Slot into which the expert goes, 0 .. P - 1.
    pub destination_slot: i32,
    /// Round, from 0 in each layer. Of a copy within a GPU: the round before which it is made.
    pub round: u32,
    /// 0: the expert is written into destination_slot during the round. Else it is received into a spare
    /// buffer, and copied into destination_slot before this round begins. Of a copy within a GPU: round; no
    /// buffer is used.
    pub commit: u32,
}

pub use eplb_transfer as Transfer;

/// What [`transfers`] tells, in order: the transfers of a layer, then its end.
#[derive(Clone, Copy, Debug)]
pub enum TransferEvent<'t> {
    /// The next transfer, and its index in the list.
    Transfer(usize, &'t Transfer),
    /// A layer is done.
    Layer {
        /// Which.
        layer: usize,
        /// The index of the first transfer of the next layer.
        end: usize,
        /// Its transfers that use a link.
        moved: usize,
        /// Its rounds.
        rounds: u32,
    },
}

/// The sums of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TransferTotals {
    /// Entries of the list.
    pub entries: usize,
    /// Those that use a link: not copies within a GPU.
    pub moved: usize,
    /// Layers that have such.
    pub moved_layers: usize,
    /// The most rounds of a layer.
    pub rounds: u32,
}

/// What is turned into what.
#[derive(Clone, Copy, Debug)]
pub struct Transition<'a> {
    /// The placement in force.
    pub from: Placement<'a>,
    /// The new one.
    pub to: Placement<'a>,
    /// Experts of a layer that a GPU can receive beside its slots.
    pub spare_buffers: u32,
    /// [`Flags::EXTERNAL_SOURCE`] or none.
    pub flags: Flags,
}

impl Transition<'_> {
    /// # Errors
    /// [`Status::ArrayLength`].
    fn check(&self, shape: &Shape) -> Result<(), Status> {
        self.to.check_lengths(shape)?;
        self.from.check_lengths(shape)
    }
}

/// Scratch of a layer.
struct Scratch<'a> {
    moves: Moves<'a>,
    sources: Sources<'a>,
    rounds: Rounds<'a>,
}

impl<'a> Scratch<'a> {
    fn carve(arena: &mut impl Carve<'a>, shape: &Shape) -> Self {
        Scratch {
            moves: Moves::carve(arena, shape),
            sources: Sources::carve(arena, shape),
            rounds: Rounds::carve(arena, shape),
        }
    }

    /// Works out a layer: the way with the fewest rounds, the first of equals. Ends with the first way that
    /// needs no more than any order does.
    fn work_out(
        &mut self,
        shape: &Shape,
        transition: &Transition,
        layer: usize,
    ) -> Result<u32, Status> {
        let (mut best, mut best_turn) = (u32::MAX, 0);
        for turn in 0..Attempt::most(self.moves.slots) {
            let (rounds, least) = self.attempt(shape, transition, layer, turn)?;
            if rounds <= least {
                return Ok(rounds);
            }
            if rounds < best {
                (best, best_turn) = (rounds, turn);
            }
        }
        Ok(self.attempt(shape, transition, layer, best_turn)?.0)
    }

    /// The rounds of one way, and the fewest that there can be.
    fn attempt(
        &mut self,
        shape: &Shape,
        transition: &Transition,
        layer: usize,
        turn: usize,
    ) -> Result<(u32, u32), Status> {
        let (old, new) = (transition.from.layer(shape, layer), transition.to.layer(shape, layer));
        let external = transition.flags.contains(Flags::EXTERNAL_SOURCE);
        let attempt = Attempt { turn, spare: transition.spare_buffers, forced: false };
        let (topology, moves) = (shape.topology(), &mut self.moves);
        moves.read(shape, old, new)?;
        self.sources.choose(topology, moves, external)?;
        let least = moves.least_rounds();
        Ok((self.rounds.schedule(topology, moves, &mut self.sources, attempt)?, least))
    }
}

/// What [`transfers`] needs, whatever the number of layers.
///
/// # Errors
/// [`Status::ShapeTooLarge`] for 2^30 slots and more, [`Status::UnsupportedFlag`].
pub fn need(shape: &Shape, flags: Flags) -> Result<Need, Status> {
    if !Flags::EXTERNAL_SOURCE.contains(flags) {
        return Err(Status::UnsupportedFlag);
    }
    if shape.num_physical_experts() >= 1 << 30 {
        return Err(Status::ShapeTooLarge);
    }
    let mut need = Need::default();
    Scratch::carve(&mut need, shape);
    Ok(need)
}

/// The first layer that [`transfers`] refuses; `arena` holds what it needs.
pub(crate) fn first_refused(
    shape: &Shape,
    transition: &Transition,
    mut arena: Arena,
) -> Option<usize> {
    let mut scratch = Scratch::carve(&mut arena, shape);
    (0..shape.num_layers()).find(|&layer| scratch.work_out(shape, transition, layer).is_err())
}

/// A GPU for which a layer needs a spare buffer.
pub(crate) fn blocked_gpu(
    shape: &Shape,
    transition: &Transition,
    layer: usize,
    mut arena: Arena,
) -> Option<usize> {
    let mut scratch = Scratch::carve(&mut arena, shape);
    let refused = scratch.work_out(shape, transition, layer).is_err();
    refused.then(|| closed_ring(&scratch.moves)).flatten()
}

/// Lists what turns one placement into another, layer by layer. Calls `report` for each transfer and at the end
/// of each layer, unless that would be more than `capacity` transfers. Every layer is worked out twice, first
/// without a report.
///
/// # Errors
/// [`Status::ArrayLength`], [`Status::WorkspaceTooSmall`], [`Status::UnsupportedFlag`],
/// [`Status::PlacementExpert`], [`Status::PlacementState`], [`Status::PlacementMissing`],
/// [`Status::SourceLost`], [`Status::NeedsBuffer`], [`Status::ListTooSmall`]; `report` has then not been called.
pub fn transfers(
    shape: &Shape,
    transition: &Transition,
    mut arena: Arena,
    capacity: usize,
    report: &mut dyn FnMut(TransferEvent),
) -> Result<TransferTotals, Status> {
    transition.check(shape)?;
    arena.check(need(shape, transition.flags)?)?;
    let mut scratch = Scratch::carve(&mut arena, shape);
    let mut list = |report: &mut dyn FnMut(TransferEvent)| {
        let mut totals = TransferTotals::default();
        for layer in 0..shape.num_layers() {
            let rounds = scratch.work_out(shape, transition, layer)?;
            list_layer(&scratch.moves, layer, rounds, &mut totals, report);
        }
        Ok(totals)
    };
    let totals = list(&mut unreported)?;
    if totals.entries > capacity {
        return Err(Status::ListTooSmall);
    }
    list(report)
}

/// For transfers that are only counted.
pub(crate) fn unreported(_: TransferEvent) {}

/// Tells a layer in the order in which it happens.
fn list_layer(
    moves: &Moves,
    layer: usize,
    rounds: u32,
    totals: &mut TransferTotals,
    report: &mut dyn FnMut(TransferEvent),
) {
    let moved_before = totals.moved;
    let mut tell = |expert: u32, source: Option<usize>, slot: usize, round: u32, commit: u32| {
        let gpu_of = |slot: usize| at(moves.gpu, slot) as i32;
        let transfer = Transfer {
            layer: layer as i32,
            expert: expert as i32,
            source_gpu: source.map_or(-1, gpu_of),
            source_slot: source.map_or(-1, |source| source as i32),
            destination_gpu: gpu_of(slot),
            destination_slot: slot as i32,
            round,
            commit,
        };
        totals.moved += usize::from(transfer.source_gpu != transfer.destination_gpu);
        report(TransferEvent::Transfer(totals.entries, &transfer));
        totals.entries += 1;
    };
    for content in 0..moves.slots {
        let (held, slot) = (at(moves.held, content), at(moves.place, content) as usize);
        // what goes away makes room, unless nobody is to read it
        let stays = rounds > 0 || at(moves.state, slot) == SETTLED;
        if held != NONE && slot != content && stays {
            tell(held, Some(content), slot, 0, 0);
        }
    }
    for round in 0..rounds {
        for slot in (0..moves.slots).filter(|&slot| at(moves.round, slot) == round) {
            let source = at(moves.source, slot);
            let source = (source != NONE).then(|| moves.slot_of(source));
            tell(at(moves.want, slot), source, slot, round, at(moves.commit, slot));
        }
    }
    for slot in (0..moves.slots).filter(|&slot| at(moves.state, slot) == LOCAL) {
        let mut source = moves.slot_of(at(moves.source, slot));
        if rounds == 0 {
            // together with the first copies: it is read where it stood before them
            let mut contents = moves.slots_of(at(moves.gpu, slot) as usize);
            let stands = |&content: &usize| at(moves.place, content) as usize == source;
            source = contents.find(stands).unwrap_or(source);
        }
        tell(at(moves.want, slot), Some(source), slot, rounds, rounds);
    }
    let moved = totals.moved - moved_before;
    totals.moved_layers += usize::from(moved > 0);
    totals.rounds = totals.rounds.max(rounds);
    report(TransferEvent::Layer { layer, end: totals.entries, moved, rounds });
}
