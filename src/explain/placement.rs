//! What the slots of a placement hold, without memory to count in: so many experts at a time.

use crate::explain::text::Text;
use crate::placement::{each_slot, is_entry};
use crate::problem::Shape;

/// Experts that are counted in one walk over the slots.
pub const BLOCK: usize = 64;

/// A map `[L][P]`, and what the caller calls it.
#[derive(Clone, Copy)]
pub struct Slots<'a> {
    pub name: &'static str,
    pub shape: &'a Shape<'a>,
    pub held: &'a [i32],
}

/// An expert of a layer, and its copies.
#[derive(Clone, Copy)]
pub struct Copies {
    pub layer: usize,
    pub expert: usize,
    pub count: u32,
}

/// Which experts a rule is about.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Each {
    /// All.
    Expert,
    /// All, and of several copies on one GPU the first counts.
    Once,
    /// Those that a slot holds.
    Held,
}

impl<'a> Slots<'a> {
    /// The slots of a layer.
    pub fn layer(&self, layer: usize) -> &'a [i32] {
        let slots = self.shape.num_physical_experts();
        let rows = self.held.get(layer * slots..).unwrap_or_default();
        rows.get(..slots).unwrap_or_default()
    }

    /// Whether every slot of a layer holds an expert or none.
    pub fn names_experts(&self, layer: usize) -> bool {
        let experts = self.shape.num_logical_experts();
        self.layer(layer).iter().all(|&entry| is_entry(entry, experts))
    }

    /// The first slot, if any, that holds neither an expert nor -1.
    pub fn say_entry(&self, text: &mut Text) {
        let (slots, experts) =
            (self.shape.num_physical_experts(), self.shape.num_logical_experts());
        let mut entries = self.held.iter().enumerate();
        if let Some((at, &entry)) = entries.find(|&(_, &entry)| !is_entry(entry, experts)) {
            let layer = at.checked_div(slots).unwrap_or(0);
            text.say(
                "%[layer %][slot %] is %: a slot holds -1, or an expert below num_logical_experts, %",
                &[
                    self.name.into(),
                    layer.into(),
                    (at - layer * slots).into(),
                    entry.into(),
                    experts.into(),
                ],
            );
        }
    }

    /// The first expert of a layer whose copies, on the GPUs that `on` names, are `wrong`. O(P (P + E / 64)), and
    /// O(P^2) where no copies at all are not wrong.
    pub fn find(
        &self,
        layer: usize,
        on: &dyn Fn(usize) -> bool,
        wrong: &dyn Fn(u32) -> bool,
    ) -> Option<Copies> {
        let each = if wrong(0) { Each::Expert } else { Each::Held };
        self.find_by(layer, each, on, &|_, count| wrong(count))
    }

    /// The same for a rule that knows the expert.
    #[inline(never)]
    pub fn find_by(
        &self,
        layer: usize,
        each: Each,
        on: &dyn Fn(usize) -> bool,
        wrong: &dyn Fn(usize, u32) -> bool,
    ) -> Option<Copies> {
        let (topology, slots) = (self.shape.topology(), self.layer(layer));
        let experts = self.shape.num_logical_experts();
        let mut first = 0;
        while first < experts {
            // copies, and one more than the GPU of the last
            let mut counts = [(0_u32, 0_u32); BLOCK];
            let mut next = if each == Each::Held { experts } else { first + BLOCK };
            let _all: Result<(), ()> = each_slot(topology, slots, |_, gpu, entry| {
                let Ok(expert) = usize::try_from(entry) else { return Ok(()) };
                let here = gpu as u32 + 1;
                if expert >= first + BLOCK {
                    next = next.min(expert);
                }
                if let Some((count, last)) = counts.get_mut(expert.wrapping_sub(first))
                    && on(gpu)
                    && !(each == Each::Once && *last == here)
                {
                    (*count, *last) = (*count + 1, here);
                }
                Ok(())
            });
            let counts = counts.iter().take(experts - first).enumerate();
            let mut found = counts.map(|(at, &(count, _))| (first + at, count));
            if let Some((expert, count)) = found.find(|&(expert, count)| wrong(expert, count)) {
                return Some(Copies { layer, expert, count });
            }
            first = next;
        }
        None
    }

    /// The same in the first layer that has one.
    pub fn find_in_any(
        &self,
        on: &dyn Fn(usize) -> bool,
        wrong: &dyn Fn(u32) -> bool,
    ) -> Option<Copies> {
        (0..self.shape.num_layers()).find_map(|layer| self.find(layer, on, wrong))
    }

    /// An expert that no GPU that serves holds.
    pub fn say_missing(&self, text: &mut Text, found: Copies) {
        text.say(
            "% has expert % of layer % on no GPU that serves: give it a slot on a GPU that is not \
             EPLB_GPU_DEAD",
            &[self.name.into(), found.expert.into(), found.layer.into()],
        );
    }

    /// An expert with more copies than may be.
    pub fn say_copies(&self, text: &mut Text, found: Copies, limit: &'static str, value: usize) {
        text.say(
            "% is %, % has % copies of expert % in layer %: raise it to that",
            &[
                limit.into(),
                value.into(),
                self.name.into(),
                found.count.into(),
                found.expert.into(),
                found.layer.into(),
            ],
        );
    }
}
