//! What the search remembers from step to step, and room for a look at the neighborhood of a GPU.

/// Don't-look marks, and room for a look.
pub struct Marks<'a> {
    /// By GPU: when it had seen all others and found no step.
    pub seen: &'a mut [u32],
    /// Partners by rising time in the worst window of the GPU at hand.
    pub order: &'a mut [u64],
    /// Of the GPU at hand: keys of its slots by falling load in its worst window; their loads in the worst window of
    /// the partner at hand, and what it costs to send each there.
    pub keys: &'a mut [u64],
    pub there: &'a mut [f32],
    pub fare: &'a mut [u32],
    pub buffer: &'a mut [u64],
    /// Units of effort left.
    pub left: u64,
    /// Slots that may still newly differ.
    pub budget: i32,
}
