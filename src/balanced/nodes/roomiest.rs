//! The assignment for which loads and slots together allow most.

use crate::base::cells::copy;
use crate::groups::{Assignment, Room};

/// Halvings of the time that the slots of the nodes are to allow: to a thousandth.
const HALVINGS: u32 = 10;
/// Placements of a group tried for each.
const ROOMIER: u32 = 1_000;
/// Room is looked for up to this many times the least that the busiest node can do, in four halvings more.
pub const HIGHEST: f64 = 16.0;

/// An assignment for which loads and slots together prove about as little as for any, if they prove less than
/// `most`; whether there is one.
#[inline(never)]
pub fn find_roomiest(
    load: &[f32],
    (mut least, mut most): (f64, f64),
    groups: &mut Assignment,
    room: &mut Room,
    roomiest: &mut [u32],
) -> bool {
    let mut found = false;
    let high = if most >= least * HIGHEST { 4 } else { 0 };
    for _ in 0..HALVINGS + high {
        let time = 0.5 * (least + most);
        room.set_time(load, time, groups.fastest());
        if groups.assign_within(time, room.pieces(), ROOMIER) {
            (most, found) = (time, true);
            copy(roomiest, groups.node_of());
        } else {
            least = time;
        }
    }
    found
}
