//! What the tracker's memory holds, and how it is told from memory that is not a tracker's, or is torn.
//!
//! ```text
//! u32 header[20]        below
//! u32 steps[L]          steps of each layer in the open window
//! u32 counter[L][E]     tokens in the open window
//! f32 window[W][L][E]   the ring
//! ```
//!
//! The header carries a hash of itself, checked by every call, and two sums over the rest, s = sum of the words and
//! t = sum of each word times its place (Fletcher's, modulo 2^64). Being sums they follow every change of a word
//! at the cost of two additions, so that the memory is whole after each call and may be saved then; only a
//! reader of the windows adds everything up again.

use crate::base::arena::addressable;
use crate::problem::loads::check_sizes;
use crate::status::Status;

/// Words of the header.
pub const HEADER: usize = 20;

const MAGIC: u32 = u32::from_be_bytes(*b"EPLB");
const VERSION: u32 = 1;

/// What a tracker is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrackerConfig {
    /// W, windows of the ring.
    pub num_windows: u32,
    /// L.
    pub num_layers: u32,
    /// E.
    pub num_logical_experts: u32,
    /// Steps after which a window closes; 0: on demand alone.
    pub steps_per_window: u32,
}

/// Lengths of the two arrays of a tracker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrackerNeed {
    /// Words of header, steps and counters: 20 + L + L * E.
    pub words: usize,
    /// Floats of the ring: W * L * E.
    pub floats: usize,
}

impl TrackerConfig {
    /// Lengths of the memory. The bytes are 80 + 4 L + 4 L E (W + 1).
    ///
    /// # Errors
    /// [`Status::ShapeZero`]; [`Status::ShapeTooLarge`] when a size is above 2^31 - 1, or all does not fit.
    pub fn need(&self) -> Result<TrackerNeed, Status> {
        let sizes = [self.num_windows, self.num_layers, self.num_logical_experts];
        check_sizes(&sizes)?;
        let [windows, layers, experts] = sizes.map(|size| size as usize);
        let of_window = layers.checked_mul(experts).ok_or(Status::ShapeTooLarge)?;
        let words = of_window.checked_add(layers).and_then(|n| n.checked_add(HEADER));
        let (words, floats) =
            words.zip(of_window.checked_mul(windows)).ok_or(Status::ShapeTooLarge)?;
        addressable(words.checked_add(floats))?;
        Ok(TrackerNeed { words, floats })
    }
}

impl TrackerNeed {
    /// Bytes of one block that holds words and floats, in this order.
    pub fn bytes(&self) -> usize {
        (self.words + self.floats) * 4
    }
}

/// The two sums over everything behind the header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    s: u64,
    t: u64,
}

impl Sums {
    /// The word at `place` has become `new`.
    #[inline]
    pub fn change(&mut self, place: usize, old: u32, new: u32) {
        let by = u64::from(new).wrapping_sub(u64::from(old));
        self.s = self.s.wrapping_add(by);
        self.t = self.t.wrapping_add(by.wrapping_mul(place as u64));
    }

    /// Words that begin at `place` have grown: by `added` in all, and by `placed` when each is taken times how
    /// far it is from `place`.
    #[inline]
    pub fn raise(&mut self, place: usize, added: u64, placed: u64) {
        self.s = self.s.wrapping_add(added);
        self.t = self.t.wrapping_add(placed).wrapping_add(added.wrapping_mul(place as u64));
    }

    /// Sums of words that begin at `place`.
    pub fn add(&mut self, place: usize, words: impl Iterator<Item = u32>) {
        for (at, word) in words.enumerate() {
            self.change(place + at, 0, word);
        }
    }
}

/// The header, out of the words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What the tracker was made for.
    pub config: TrackerConfig,
    /// Where in the ring the next window goes.
    pub next: u32,
    /// Windows in the ring, at most W.
    pub filled: u32,
    /// Layers that have all steps of the open window.
    pub complete: u32,
    /// Steps of all layers in the open window; 0 when nothing was observed.
    pub observed: u32,
    /// Windows closed since the tracker was made.
    pub closed: u64,
    /// Of all that follows the header.
    pub sums: Sums,
}

impl Header {
    /// Of a tracker that has seen nothing: all that follows is 0.
    pub fn new(config: TrackerConfig) -> Self {
        Header {
            config,
            next: 0,
            filled: 0,
            complete: 0,
            observed: 0,
            closed: 0,
            sums: Sums::default(),
        }
    }

    fn words(&self) -> [u32; HEADER] {
        let halves = |wide: u64| [wide as u32, (wide >> 32) as u32];
        let [closed, closed_high] = halves(self.closed);
        let [s, s_high] = halves(self.sums.s);
        let [t, t_high] = halves(self.sums.t);
        let mut words = [
            MAGIC,
            VERSION,
            self.config.num_windows,
            self.config.num_layers,
            self.config.num_logical_experts,
            self.config.steps_per_window,
            self.next,
            self.filled,
            self.complete,
            self.observed,
            closed,
            closed_high,
            s,
            s_high,
            t,
            t_high,
            0,
            0,
            0,
            0,
        ];
        let [own @ .., low, high] = &mut words;
        [*low, *high] = halves(hash(own));
        words
    }

    /// Puts the header where it belongs.
    pub fn write(&self, words: &mut [u32]) {
        if let Some(place) = words.first_chunk_mut() {
            *place = self.words();
        }
    }

    /// Reads a header.
    ///
    /// # Errors
    /// [`Status::TrackerForeign`] when it is not one of this version and byte order; [`Status::TrackerTorn`]
    /// when its hash or its numbers are wrong.
    pub fn read(words: &[u32]) -> Result<Header, Status> {
        let words: &[u32; HEADER] = words.first_chunk().ok_or(Status::TrackerForeign)?;
        let [
            magic,
            version,
            num_windows,
            num_layers,
            num_logical_experts,
            steps_per_window,
            next,
            filled,
            complete,
            observed,
            closed,
            closed_high,
            s,
            s_high,
            t,
            t_high,
            _,
            _,
            _,
            _,
        ] = *words;
        if magic != MAGIC || version != VERSION {
            return Err(Status::TrackerForeign);
        }
        let wide = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
        let header = Header {
            config: TrackerConfig {
                num_windows,
                num_layers,
                num_logical_experts,
                steps_per_window,
            },
            next,
            filled,
            complete,
            observed,
            closed: wide(closed, closed_high),
            sums: Sums { s: wide(s, s_high), t: wide(t, t_high) },
        };
        let whole = header.words().iter().zip(words).all(|(expected, found)| expected == found);
        let sound = next < num_windows && filled <= num_windows && complete < num_layers;
        if whole && sound { Ok(header) } else { Err(Status::TrackerTorn) }
    }
}

/// FNV-1a over words.
fn hash(words: &[u32]) -> u64 {
    words.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &word| {
        (hash ^ u64::from(word)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
