//! The load tracker: token counts of each step into windows, in memory of the caller's.
//!
//! The open window is u32 counters that stop at 2^32 - 1. A window that closes becomes f32, which is what
//! planning takes: exact up to 2^24 tokens, rounded to nearest above (2^-24 of the count at most, 2^32 for
//! a counter that has stopped). It goes over the oldest of the ring; the ring's array is the load of a problem as
//! it lies, because the order of its windows does not matter to a plan.

use crate::load::saved::{HEADER, Header, Sums, TrackerConfig};
use crate::load::windows::{Windows, WindowsShape};
use crate::placement::is_entry;
use crate::status::Status;

/// A tracker over its memory.
#[derive(Debug)]
pub struct Tracker<'a> {
    header: Header,
    /// Header, `[L]` steps, `[L][E]` counters.
    words: &'a mut [u32],
    /// `[W][L][E]`.
    ring: &'a mut [f32],
}

impl<'a> Tracker<'a> {
    /// Makes a tracker that has seen nothing; what the memory held does not matter. O(W L E).
    ///
    /// # Errors
    /// Those of [`TrackerConfig::need`], and [`Status::TrackerTooSmall`].
    pub fn init(
        config: TrackerConfig,
        words: &'a mut [u32],
        ring: &'a mut [f32],
    ) -> Result<Self, Status> {
        let header = Header::new(config);
        let mut tracker = Tracker::over(header, words, ring)?;
        tracker.words.fill(0);
        tracker.ring.fill(0.0);
        tracker.save(header);
        Ok(tracker)
    }

    /// Takes up a tracker where it was left, by this process or another. O(1): the header is checked, the
    /// rest by [`Tracker::windows`].
    ///
    /// # Errors
    /// [`Status::TrackerForeign`], [`Status::TrackerTorn`], [`Status::TrackerTooSmall`].
    pub fn open(words: &'a mut [u32], ring: &'a mut [f32]) -> Result<Self, Status> {
        let header = Header::read(words)?;
        Tracker::over(header, words, ring)
    }

    fn over(header: Header, words: &'a mut [u32], ring: &'a mut [f32]) -> Result<Self, Status> {
        let need = header.config.need()?;
        match (words.get_mut(..need.words), ring.get_mut(..need.floats)) {
            (Some(words), Some(ring)) => Ok(Tracker { header, words, ring }),
            _ => Err(Status::TrackerTooSmall),
        }
    }

    fn save(&mut self, header: Header) {
        self.header = header;
        header.write(self.words);
    }

    /// What it was made for.
    pub fn config(&self) -> TrackerConfig {
        self.header.config
    }

    /// Windows closed since it was made.
    pub fn closed(&self) -> u64 {
        self.header.closed
    }

    /// Adds the tokens of one step of one layer: `[E]` per expert, or `[P]` per slot with the layer's row of
    /// the placement in force, -1 for an empty slot. O(E) or O(P), and O(L E) when the window closes.
    ///
    /// With steps per window, the window closes as soon as every layer has all its steps, or when a layer comes
    /// that already has them: a layer that was left out then has fewer.
    ///
    /// # Errors
    /// [`Status::TrackerLayer`], [`Status::TrackerCounts`], [`Status::PlacementExpert`], and
    /// [`Status::TrackerSlot`] for tokens at an empty slot. Nothing has changed then.
    pub fn observe(
        &mut self,
        layer: u32,
        counts: &[u32],
        physical_to_logical: Option<&[i32]>,
    ) -> Result<(), Status> {
        let TrackerConfig { num_layers, num_logical_experts, steps_per_window, .. } =
            self.header.config;
        self.check_step(layer, counts, physical_to_logical)?;
        let steps_at = HEADER + layer as usize;
        let full = |words: &[u32]| {
            steps_per_window > 0
                && words.get(steps_at).is_some_and(|&steps| steps >= steps_per_window)
        };
        if full(self.words) {
            self.close()?;
        }

        let mut header = self.header;
        let experts = num_logical_experts as usize;
        let first = HEADER + num_layers as usize + layer as usize * experts;
        let counters = self.words.get_mut(first..).and_then(|tail| tail.get_mut(..experts));
        let counters = counters.unwrap_or_default();
        match physical_to_logical {
            None => add(&mut header.sums, first, counters, counts),
            Some(row) => {
                for (&count, &expert) in counts.iter().zip(row) {
                    let expert = expert as u32 as usize; // -1 is beyond every counter
                    if let Some(counter) = counters.get_mut(expert) {
                        let sum = counter.saturating_add(count);
                        header.sums.change(first + expert, *counter, sum);
                        *counter = sum;
                    }
                }
            }
        }
        if let Some(steps) = self.words.get_mut(steps_at) {
            let more = steps.saturating_add(1);
            header.sums.change(steps_at, *steps, more);
            *steps = more;
        }
        header.observed = header.observed.saturating_add(1);
        let all = full(self.words) && header.complete + 1 == num_layers;
        if full(self.words) && !all {
            header.complete += 1;
        }
        self.save(header);
        if all { self.close() } else { Ok(()) }
    }

    /// All that can be wrong with [`Tracker::observe`].
    pub(crate) fn check_step(
        &self,
        layer: u32,
        counts: &[u32],
        physical_to_logical: Option<&[i32]>,
    ) -> Result<(), Status> {
        let TrackerConfig { num_layers, num_logical_experts, .. } = self.header.config;
        if layer >= num_layers {
            return Err(Status::TrackerLayer);
        }
        match physical_to_logical {
            None if counts.len() != num_logical_experts as usize => Err(Status::TrackerCounts),
            None => Ok(()),
            Some(row) => check_slots(counts, row, num_logical_experts),
        }
    }

    /// All that can be wrong with [`Tracker::close`].
    pub(crate) fn check_close(&self) -> Result<(), Status> {
        if self.header.observed == 0 { Err(Status::TrackerEmpty) } else { Ok(()) }
    }

    /// Closes the open window: it becomes the newest of the ring, in place of the oldest when the ring is
    /// full. O(L E).
    ///
    /// # Errors
    /// [`Status::TrackerEmpty`] when nothing was observed since the last one.
    pub fn close(&mut self) -> Result<(), Status> {
        self.check_close()?;
        let mut header = self.header;
        let TrackerConfig { num_windows, num_layers, num_logical_experts, .. } = header.config;
        let matrix = num_layers as usize * num_logical_experts as usize;
        let start = header.next as usize * matrix;
        let place = self.words.len() + start; // of the window among all words
        let (Some(open), Some(window)) = (
            self.words.get_mut(HEADER..),
            self.ring.get_mut(start..).and_then(|tail| tail.get_mut(..matrix)),
        ) else {
            return Err(Status::TrackerTorn);
        };
        let counters = open.get(num_layers as usize..).unwrap_or_default();
        for (at, (counter, load)) in counters.iter().zip(window).enumerate() {
            let tokens = *counter as f32;
            header.sums.change(place + at, load.to_bits(), tokens.to_bits());
            *load = tokens;
        }
        empty(&mut header, open);
        header.next = if header.next + 1 >= num_windows { 0 } else { header.next + 1 };
        header.filled = num_windows.min(header.filled.saturating_add(1));
        header.closed = header.closed.saturating_add(1);
        self.save(header);
        Ok(())
    }

    /// Forgets what the open window has observed, if anything: after a warm-up, or traffic that is not like what is to
    /// come. The closed windows stay. O(L E).
    pub fn discard(&mut self) {
        let mut header = self.header;
        empty(&mut header, self.words.get_mut(HEADER..).unwrap_or_default());
        self.save(header);
    }

    /// The windows in the ring, all of them filled: while it is not full, as many as have been closed. Checks
    /// the memory as a whole. O(W L E).
    ///
    /// # Errors
    /// [`Status::TrackerTorn`]; [`Status::TrackerEmpty`] while no window has been closed.
    pub fn windows(&self) -> Result<Windows<'_>, Status> {
        let mut sums = Sums::default();
        sums.add(HEADER, self.words.iter().skip(HEADER).copied());
        sums.add(self.words.len(), self.ring.iter().map(|load| load.to_bits()));
        if sums != self.header.sums {
            return Err(Status::TrackerTorn);
        }
        let Header { config, next, filled, .. } = self.header;
        if filled == 0 {
            return Err(Status::TrackerEmpty);
        }
        let oldest = if filled < config.num_windows { 0 } else { next };
        let sizes = [filled, config.num_layers, config.num_logical_experts];
        Windows::new(WindowsShape::new(sizes, oldest, 0)?, self.ring, None)
    }
}

/// Empties the open window: its steps and counters, which are the words behind the header.
fn empty(header: &mut Header, open: &mut [u32]) {
    for (at, word) in open.iter_mut().enumerate() {
        header.sums.change(HEADER + at, *word, 0);
        *word = 0;
    }
    header.complete = 0;
    header.observed = 0;
}

/// Every slot holds an expert or is empty, and an empty one has no tokens.
fn check_slots(counts: &[u32], row: &[i32], experts: u32) -> Result<(), Status> {
    if counts.is_empty() || counts.len() != row.len() {
        return Err(Status::TrackerCounts);
    }
    counts.iter().zip(row).try_for_each(|(&count, &expert)| {
        if !is_entry(expert, experts as usize) {
            Err(Status::PlacementExpert)
        } else if expert == -1 && count > 0 {
            Err(Status::TrackerSlot)
        } else {
            Ok(())
        }
    })
}

/// Adds counts to counters that begin at the word `first`.
fn add(sums: &mut Sums, first: usize, counters: &mut [u32], counts: &[u32]) {
    // what is added, and each times its place among the counters: no product of 64-bit numbers in the loop
    let (mut added, mut placed) = (0_u64, 0_u64);
    for (at, (counter, &count)) in (0_u32..).zip(counters.iter_mut().zip(counts)) {
        let sum = counter.saturating_add(count);
        let by = u64::from(sum.wrapping_sub(*counter));
        added = added.wrapping_add(by);
        placed = placed.wrapping_add(by * u64::from(at));
        *counter = sum;
    }
    sums.raise(first, added, placed);
}
