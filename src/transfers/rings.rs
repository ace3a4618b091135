//! Rings: GPUs that give away only copies of experts, and only to each other. Without a spare buffer none of them can
//! begin, and a schedule comes to a halt at nothing else (docs/DESIGN.md, "Transfers").
//!
//! One that had a free slot earlier could have begun then. So the ring is put in before that round, one transfer a
//! round: the free slot is filled, what was read for it is free now, and so on, until a slot of the first GPU is
//! free again, and the schedule goes on as it was.

use crate::base::cells::{NONE, add, at, put};
use crate::transfers::contents::{LANDING, Moves, PENDING};

/// Where a ring is entered.
struct Door {
    /// The round before which it is put in.
    round: u32,
    /// A content that was free then.
    room: usize,
    /// The slot that was received over it; NONE = nothing was: another copy went away instead.
    after: u32,
    /// That copy; NONE = there is none.
    twin: u32,
}

/// Puts in the rings that can be entered. Answers how many rounds that takes.
pub fn enter_rings(moves: &mut Moves) -> u32 {
    let mut rounds = 0;
    while let Some(door) = (0..moves.slots).find_map(|slot| door_of(moves, slot)) {
        rounds += go_round(moves, &door);
    }
    rounds
}

/// The GPU of a ring that cannot be entered.
pub fn closed_ring(moves: &Moves) -> Option<usize> {
    let slot = (0..moves.slots).find(|&slot| at(moves.state, slot) == PENDING)?;
    Some(at(moves.gpu, slot) as usize)
}

/// A door at the GPU of a slot that waits.
fn door_of(moves: &Moves, slot: usize) -> Option<Door> {
    if at(moves.state, slot) != PENDING {
        return None;
    }
    let range = moves.slots_of(at(moves.gpu, slot) as usize);
    for room in range.clone() {
        let after = at(moves.place, room);
        if after != NONE && at(moves.round, after) != NONE {
            return Some(Door { round: at(moves.round, after), room, after, twin: NONE });
        }
    }
    for room in range {
        let expert = at(moves.held, room);
        if expert == NONE || at(moves.place, room) != NONE {
            continue;
        }
        let mut twin = at(moves.head, expert);
        while twin != NONE {
            let over = at(moves.place, twin);
            if over != NONE && at(moves.round, over) != NONE {
                return Some(Door { round: at(moves.round, over), room, after: NONE, twin });
            }
            twin = at(moves.next, twin);
        }
    }
    None
}

/// Puts a ring in.
fn go_round(moves: &mut Moves, door: &Door) -> u32 {
    let start = at(moves.gpu, door.room);
    let mut room = door.room;
    let mut rounds = 0;
    loop {
        let mut here = moves.slots_of(at(moves.gpu, room) as usize);
        let Some(slot) = here.find(|&slot| at(moves.state, slot) == PENDING) else { break };
        put(moves.place, room, slot as u32);
        put(moves.state, slot, LANDING);
        put(moves.round, slot, rounds);
        rounds += 1;
        room = at(moves.source, slot) as usize;
        if door.after != NONE && at(moves.gpu, room) == start {
            put(moves.place, room, door.after);
            break;
        }
        if room == door.room {
            put(moves.source, slot, door.twin);
            break;
        }
    }
    for slot in 0..moves.slots {
        if at(moves.state, slot) == LANDING {
            add(moves.round, slot, door.round);
            moves.settle(slot);
        } else if at(moves.round, slot) != NONE && at(moves.round, slot) >= door.round {
            add(moves.round, slot, rounds);
        }
    }
    rounds
}
