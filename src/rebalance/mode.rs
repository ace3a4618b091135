//! How a plan from a placement goes, decided from the shape and the options alone.

use crate::afresh::{self, FROM_NOTHING, Way};
use crate::balanced::improve::limits::Survive;
use crate::options::flags::{EPLB_MOVES_NONE, Flags};
use crate::options::{Options, check_target};
use crate::problem::{Shape, StaticSplit};
use crate::status::Status;

/// Moves that are counted, but not limited.
pub const COUNTED: u32 = u32::MAX - 1;

/// How much of the placement in force may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// All of it: the plan from nothing, GPUs renamed.
    Anew,
    /// What the limits allow.
    Limited,
    /// What must.
    Repair,
}

/// How a plan from a placement goes, decided from the shape and the options alone.
#[derive(Clone, Copy)]
pub struct Rebalance<'a> {
    /// How to plan from nothing, and the options for that.
    pub way: Way,
    pub fresh: Options<'a>,
    pub mode: Mode,
    pub balanced: bool,
    pub survive: Survive,
    pub fill_only: bool,
    /// Groups are bound to nodes.
    pub hierarchical: bool,
    /// Replicas on a node share what it sends: where groups are bound to nodes, or there is one, that is an even split.
    pub nearest: bool,
    /// Active experts cost time: plans are compared in seconds, and searched so that GPUs have no more primaries than they
    /// must.
    pub seconds: bool,
    pub primaries: bool,
}

/// How a plan goes; `None` when there is nothing to start from and nothing to survive. `has_previous`: there is a
/// placement in force, or memory is asked for as if there were one.
pub fn admit<'a>(
    shape: &Shape,
    options: &Options<'a>,
    has_previous: bool,
) -> Result<Option<Rebalance<'a>>, Status> {
    let fill_only = options.flags.contains(Flags::FILL_ONLY);
    let mode = match options.max_moves {
        EPLB_MOVES_NONE => Mode::Repair,
        0 if options.max_moves_per_gpu_pair == 0 && !fill_only => Mode::Anew,
        _ => Mode::Limited,
    };
    let limited = mode != Mode::Anew;
    check_target(options.target)?;
    let from_placement = limited || options.target > 0;
    if from_placement && !has_previous {
        return Err(Status::MovesWithoutPrevious);
    }
    let survive = survive_of(options);
    let balanced = options.is_balanced();
    if !balanced && (survive != Survive::Nothing || fill_only) {
        return Err(Status::UnsupportedFlag);
    }
    if !balanced && from_placement {
        return Err(Status::UnsupportedPrevious);
    }
    if !balanced && options.split != StaticSplit::Even {
        return Err(Status::UnsupportedSplit);
    }
    let mut fresh = from_nothing(options);
    let seconds = shape.reads();
    if seconds {
        // every slot is filled: which replicas do not pay is seen then
        fresh.flags = fresh.flags & Flags::DISPATCH;
    }
    let way = afresh::admit(shape, &fresh)?;
    let hierarchical = shape.is_hierarchical(options.scope) && shape.topology().num_nodes() > 1;
    check_survival(shape, survive, hierarchical, limited)?;
    let nearest = options.split == StaticSplit::Nearest
        && !shape.is_hierarchical(options.scope)
        && shape.topology().num_nodes() > 1;
    let empties = limited && options.flags.contains(Flags::EMPTY_SLOTS);
    if seconds && (options.target > 0 || empties) {
        return Err(Status::UnsupportedCost);
    }
    if !has_previous && survive == Survive::Nothing && !nearest && !seconds {
        return Ok(None);
    }
    Ok(Some(Rebalance {
        way,
        fresh,
        mode,
        balanced,
        survive,
        fill_only,
        hierarchical,
        nearest,
        seconds,
        primaries: seconds,
    }))
}

/// Refuses what cannot survive as it is to.
fn check_survival(
    shape: &Shape,
    survive: Survive,
    hierarchical: bool,
    limited: bool,
) -> Result<(), Status> {
    if survive == Survive::Nothing {
        return Ok(());
    }
    if hierarchical && survive == Survive::Gpu && !limited {
        return Err(Status::UnsupportedFlag);
    }
    let room = places_for_two(shape, survive);
    let twice = shape.num_logical_experts().saturating_mul(2);
    let impossible = hierarchical && survive == Survive::Node || room < twice;
    if impossible { Err(Status::Infeasible) } else { Ok(()) }
}

/// The same options, with nothing to start from.
pub fn from_nothing<'a>(options: &Options<'a>) -> Options<'a> {
    Options {
        max_moves: 0,
        max_moves_per_gpu_pair: 0,
        target: 0,
        flags: options.flags & FROM_NOTHING,
        previous: None,
        ..*options
    }
}

/// What every expert must be on two of.
pub fn survive_of(options: &Options) -> Survive {
    if options.flags.contains(Flags::SURVIVE_NODE) {
        Survive::Node
    } else if options.flags.contains(Flags::SURVIVE_GPU) {
        Survive::Gpu
    } else {
        Survive::Nothing
    }
}

/// Slots where every expert is to be on two places: no place counts an expert twice.
pub fn places_for_two(shape: &Shape, survive: Survive) -> usize {
    let topology = shape.topology();
    let experts = shape.num_logical_experts();
    let mut room = 0_usize;
    for gpu in 0..topology.num_gpus() {
        let here = if survive == Survive::Gpu {
            shape.usable_slots(gpu)
        } else if (0..gpu).any(|before| topology.node(before) == topology.node(gpu)) {
            0 // counted at the first GPU of the node
        } else {
            (gpu..topology.num_gpus())
                .filter(|&other| topology.node(other) == topology.node(gpu))
                .fold(0_usize, |sum, other| sum.saturating_add(shape.usable_slots(other)))
        };
        room = room.saturating_add(here.min(experts));
    }
    room
}

impl Rebalance<'_> {
    /// Nodes of GPUs that send to the nearest; 0: tokens are split evenly.
    pub fn nodes(&self, shape: &Shape) -> usize {
        if self.nearest { shape.topology().num_nodes() } else { 0 }
    }

    /// GPUs stay on their node when they take other names.
    pub fn by_node(&self) -> bool {
        self.hierarchical || self.nearest || self.survive == Survive::Node
    }

    /// Slots that may newly differ; `u32::MAX`: all, and they are not counted.
    pub fn moves(&self, options: &Options) -> u32 {
        match options.max_moves {
            0 if self.mode == Mode::Anew => u32::MAX,
            // of a repair no more is made than must be
            0 | EPLB_MOVES_NONE => COUNTED,
            moves => moves,
        }
    }
}

/// Replicas that an expert may have, when a table has room for so many; 0: there is no limit.
pub fn most_replicas(max_replicas: usize) -> u32 {
    match u32::try_from(max_replicas) {
        Ok(0) | Err(_) => u32::MAX,
        Ok(most) => most,
    }
}
