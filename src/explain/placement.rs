//! What the slots of a placement hold, without memory to count in: so many experts at a time.

use crate::explain::text::{Text, say};
use crate::placement::{each_slot, is_entry};
use crate::problem::Shape;
use core::convert::Infallible;

/// Experts that are counted in one walk over the slots.
const BLOCK: usize = 64;

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

/// What counts as a copy, and of which experts.
pub struct Count<'f> {
    /// GPUs whose slots count.
    pub on: &'f dyn Fn(usize) -> bool,
    /// Where a slot is, by its number and its GPU: copies that follow one another at one place count once.
    pub place: &'f dyn Fn(usize, usize) -> usize,
    /// Experts that no slot holds are looked at, too.
    pub absent: bool,
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
            say!(text; "%[layer %][slot %] is %: a slot holds -1, or an expert below num_logical_experts, %",
                self.name, layer, at - layer * slots, entry, experts);
        }
    }

    /// The first expert of a layer whose copies, on the GPUs that `on` names, are `wrong`.
    pub fn find(
        &self,
        layer: usize,
        on: &dyn Fn(usize) -> bool,
        wrong: &dyn Fn(u32) -> bool,
    ) -> Option<Copies> {
        let count = Count { on, place: &|slot, _| slot, absent: wrong(0) };
        self.find_by(layer, &count, &mut |_, copies| wrong(copies))
    }

    /// The same for a rule that knows the expert. O(P (P + E / 64)), and O(P^2) where absent experts are not looked at.
    #[inline(never)]
    pub fn find_by(
        &self,
        layer: usize,
        count: &Count,
        wrong: &mut dyn FnMut(usize, u32) -> bool,
    ) -> Option<Copies> {
        let (topology, slots) = (self.shape.topology(), self.layer(layer));
        let experts = self.shape.num_logical_experts();
        let mut first = 0;
        while first < experts {
            // copies, and one more than the place of the last
            let mut counts = [(0_u32, 0_usize); BLOCK];
            let mut next = if count.absent { first + BLOCK } else { experts };
            let Ok(()) = each_slot(topology, slots, |slot, gpu, entry| {
                let Ok(expert) = usize::try_from(entry) else { return Ok(()) };
                let here = (count.place)(slot, gpu) + 1;
                if expert >= first + BLOCK {
                    next = next.min(expert);
                }
                if let Some((copies, last)) = counts.get_mut(expert.wrapping_sub(first))
                    && (count.on)(gpu)
                    && *last != here
                {
                    (*copies, *last) = (*copies + 1, here);
                }
                Ok::<(), Infallible>(())
            });
            let counts = counts.iter().take(experts - first).enumerate();
            let mut found = counts.map(|(at, &(copies, _))| (first + at, copies));
            if let Some((expert, count)) = found.find(|&(expert, copies)| wrong(expert, copies)) {
                return Some(Copies { layer, expert, count });
            }
            first = next;
        }
        None
    }

    /// An expert that no GPU that serves holds.
    pub fn say_missing(&self, text: &mut Text, found: Copies) {
        say!(text; "% has expert % of layer % on no GPU that serves: give it a slot on a GPU that is not EPLB_GPU_DEAD",
            self.name, found.expert, found.layer);
    }

    /// An expert that is needed, and that no GPU that can be read holds.
    pub fn say_lost(&self, text: &mut Text, found: Copies) {
        say!(text; "% has expert % of layer % on no GPU that can be read: set EPLB_FLAG_EXTERNAL_SOURCE if it can be \
            loaded from outside", self.name, found.expert, found.layer);
    }

    /// An expert with more copies than `placement.max_replicas`.
    pub fn say_copies(&self, text: &mut Text, found: Copies, max_replicas: usize) {
        say!(text; "placement.max_replicas is %, % has % copies of expert % in layer %: raise it to that",
            max_replicas, self.name, found.count, found.expert, found.layer);
    }
}
