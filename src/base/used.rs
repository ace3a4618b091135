//! Which parts of a search change a plan: counted in unit tests, nothing in a build. A part that no problem uses is
//! not worth its lines.

/// A part of the search that some plans owe their balance to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    PackingBound,
    Construct,
    Rematch,
    Swap,
    EjectionChain,
    OtherCounts,
    CountsOfPairs,
    Recount,
    UphillRecount,
    PreferPlain,
    Exhaustive,
}

/// This part has changed something.
#[cfg(not(test))]
#[inline(always)]
pub fn used(_: Part) {}

#[cfg(test)]
pub use counting::{taken, used};

#[cfg(test)]
mod counting {
    extern crate std;
    use super::Part;
    use std::cell::RefCell;
    use std::collections::BTreeSet;

    std::thread_local! {
        static USED: RefCell<BTreeSet<Part>> = const { RefCell::new(BTreeSet::new()) };
    }

    pub fn used(part: Part) {
        USED.with_borrow_mut(|used| used.insert(part));
    }

    /// The parts that this thread has used since it was asked last.
    pub fn taken() -> BTreeSet<Part> {
        USED.take()
    }
}
