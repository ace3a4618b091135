//! A batch that no copies can be made for.

use crate::batch::{Request, Widths, spare_slots};
use crate::dispatch::Batch;
use crate::explain::dispatch::Dispatch;
use crate::explain::placement::Slots;
use crate::explain::text::{Text, say};
use crate::placement::{Placement, is_entry};
use crate::problem::Shape;
use crate::status::Status;

/// A request, and the home placement with its name.
pub struct Replicate<'a> {
    pub shape: &'a Shape<'a>,
    pub home: (&'static str, &'a Placement<'a>),
    pub request: &'a Request<'a>,
    pub widths: Widths,
}

impl Replicate<'_> {
    /// Says what is wrong, and where.
    pub fn say(&self, text: &mut Text, status: Status) {
        let Replicate { shape, home: (name, home), request, widths } = *self;
        match status {
            Status::Tolerance => {
                say!(text; "request.tolerance is %: it is in 1/1024 of the least largest time, 2^20 at most",
                    request.tolerance);
            }
            Status::ListTooSmall => {
                say!(text; "out.capacity is %, the layers have % spare slots: make it that, or out.fetches NULL",
                    widths.list.unwrap_or(0), spare_slots(shape, home));
            }
            _ => {
                let slots = Slots { name, shape, held: home.physical_to_logical };
                let (tokens, by_source) = (request.tokens, request.by_source);
                let batch = Batch { tokens, by_source, effort: request.effort };
                let name = "request.tokens";
                Dispatch { slots, name, batch, max_replicas: widths.table }.say(text, status);
                if text.is_empty() && status == Status::PlacementExpert {
                    self.say_held(text);
                }
            }
        }
    }

    /// The first spare slot, if any, that is said to hold neither an expert nor -1.
    fn say_held(&self, text: &mut Text) {
        let (experts, slots) =
            (self.shape.num_logical_experts(), self.shape.num_physical_experts());
        let held = self.request.held.unwrap_or_default();
        let bad =
            |&(_, (&held, &home)): &(usize, (&i32, &i32))| home < 0 && !is_entry(held, experts);
        let mut pairs = held.iter().zip(self.home.1.physical_to_logical).enumerate();
        if let Some((at, (entry, _))) = pairs.find(bad) {
            let layer = at.checked_div(slots).unwrap_or(0);
            say!(text; "request.held[layer %][slot %] is %: a spare slot holds -1, or an expert below \
                num_logical_experts, %", layer, at - layer * slots, *entry, experts);
        }
    }
}
