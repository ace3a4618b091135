//! The slots that hold the same expert, linked one to the next.

/// No expert, no slot, no GPU.
pub const NONE: u32 = u32::MAX;

/// Slots with the same expert.
#[derive(Clone, Copy, Debug)]
pub struct Holders<'b> {
    /// `[P]` the next of each slot.
    pub next: &'b [u32],
    pub here: u32,
}

impl Iterator for Holders<'_> {
    type Item = usize;
    #[inline]
    fn next(&mut self) -> Option<usize> {
        if self.here == NONE {
            return None;
        }
        let slot = self.here as usize;
        self.here = self.next.get(slot).copied().unwrap_or(NONE);
        Some(slot)
    }
}
