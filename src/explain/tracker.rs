//! A load tracker that cannot take what it is given, or has nothing to tell.

use crate::explain::text::Text;
use crate::load::saved::TrackerConfig;
use crate::placement::is_entry;
use crate::status::Status;

/// One step of one layer, as it is given.
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
            Status::TrackerLayer => text.say(
                "layer is %: the tracker has layers below %",
                &[self.layer.into(), config.num_layers.into()],
            ),
            Status::TrackerCounts if self.row.is_some() => text
                .say("num_counts is 0: with physical_to_logical it is the slots of the layer", &[]),
            Status::TrackerCounts => text.say(
                "num_counts is %: without physical_to_logical it is the tracker's \
                 num_logical_experts, %",
                &[self.counts.len().into(), experts.into()],
            ),
            Status::PlacementExpert => {
                let mut slots = row.iter().enumerate();
                if let Some((slot, &e)) = slots.find(|&(_, &e)| !is_entry(e, experts as usize)) {
                    text.say(
                        "physical_to_logical[slot %] is %: a slot holds -1, or an expert below the \
                         tracker's num_logical_experts, %",
                        &[slot.into(), e.into(), experts.into()],
                    );
                }
            }
            Status::TrackerSlot => {
                let mut slots = self.counts.iter().zip(row).enumerate();
                if let Some((slot, (&count, _))) = slots.find(|&(_, (&c, &e))| e == -1 && c > 0) {
                    text.say(
                        "counts[slot %] is %, and physical_to_logical[slot %] is -1: give the row \
                         that was in force",
                        &[slot.into(), count.into(), slot.into()],
                    );
                }
            }
            _ => {}
        }
    }
}

/// Says why the memory of a tracker is refused; `closes` tells a close from a look at the windows.
pub fn say_memory(text: &mut Text, status: Status, closes: bool) {
    match status {
        Status::TrackerForeign => text.say(
            "memory holds no load tracker of this version and byte order: make one with \
             eplb_tracker_init",
            &[],
        ),
        Status::TrackerTorn => text.say(
            "memory is a load tracker whose sums do not fit: save it between calls, not during \
             one, or start anew with eplb_tracker_init",
            &[],
        ),
        Status::TrackerEmpty if closes => text.say(
            "memory has observed no step since its last window: call eplb_tracker_observe before \
             eplb_tracker_close",
            &[],
        ),
        Status::TrackerEmpty => text.say(
            "memory has closed no window yet: call eplb_tracker_close, or set steps_per_window",
            &[],
        ),
        _ => {}
    }
}
