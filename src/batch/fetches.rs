//! The list of fetches: who sends, in which round.

use crate::base::cells::at;
use crate::base::table::TableMut;
use crate::batch::layout::{FETCHED, Layout};
use crate::batch::request::Fetch;

/// Writes the fetches of a layer into a list from a place on, by round, then by slot: how many.
pub fn write(
    layout: &Layout,
    layer: usize,
    (list, from): (&mut dyn TableMut<Fetch>, usize),
) -> usize {
    let made = layout.made();
    let (mut written, mut round) = (0, 0);
    while written < made.len() && (round as usize) <= made.len() {
        for slot in 0..layout.kind.len() {
            if at(layout.kind, slot) == FETCHED && round_of(layout, slot) == round {
                let sender = at(layout.sender, slot);
                let fetch = Fetch {
                    layer: layer as i32,
                    expert: at(layout.expert, slot) as i32,
                    source_gpu: at(layout.gpu, sender) as i32,
                    source_slot: sender as i32,
                    destination_gpu: at(layout.gpu, slot) as i32,
                    destination_slot: slot as i32,
                    round,
                    tokens: u32::try_from(at(layout.tokens, slot)).unwrap_or(u32::MAX),
                };
                list.set(from + written, fetch);
                written += 1;
            }
        }
        round += 1;
    }
    written
}

/// How many fetched copies an expert passes before it comes to a slot.
fn round_of(layout: &Layout, slot: usize) -> u32 {
    let mut here = at(layout.sender, slot);
    let mut round = 0;
    while at(layout.kind, here) == FETCHED && (round as usize) < layout.made().len() {
        here = at(layout.sender, here);
        round += 1;
    }
    round
}
