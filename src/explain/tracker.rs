//! A load tracker that cannot take what it is given.

use crate::explain::text::{Text, say};
use crate::load::saved::TrackerConfig;
use crate::placement::is_entry;
use crate::status::Status;

/// One step of one layer, as it is given.
#[derive(Clone, Copy)]
pub struct Step<'a> {
    pub layer: u32,
    pub counts: &'a [u32],
    pub row: Option<&'a [i32]>,
}

impl Step<'_> {
    /// Says what the tracker cannot take.
    pub fn say(&self, text: &mut Text, config: &TrackerConfig, status: Status) {
        let experts = config.num_logical_experts;
        let row = self.row.unwrap_or_default();
        match status {
            Status::TrackerLayer => {
                say!(text; "layer is %: the tracker has layers below %", self.layer, config.num_layers);
            }
            Status::TrackerCounts if self.row.is_some() => {
                say!(text; "num_counts is 0: with physical_to_logical it is the slots of the layer");
            }
            Status::TrackerCounts => {
                say!(text; "num_counts is %: without physical_to_logical it is the tracker's num_logical_experts, %",
                    self.counts.len(), experts);
            }
            Status::PlacementExpert => {
                let mut slots = row.iter().enumerate();
                if let Some((slot, &e)) = slots.find(|&(_, &e)| !is_entry(e, experts as usize)) {
                    say!(text; "physical_to_logical[slot %] is %: a slot holds -1, or an expert below the tracker's \
                        num_logical_experts, %", slot, e, experts);
                }
            }
            Status::TrackerSlot => {
                let mut slots = self.counts.iter().zip(row).enumerate();
                if let Some((slot, (&count, _))) = slots.find(|&(_, (&c, &e))| e == -1 && c > 0) {
                    say!(text; "counts[slot %] is %, and physical_to_logical[slot %] is -1: give the row that was in \
                        force", slot, count, slot);
                }
            }
            _ => {}
        }
    }
}
