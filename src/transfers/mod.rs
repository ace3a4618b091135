//! From one placement to another: which expert goes from where to where, and when.

pub mod contents;
pub mod list;
pub mod matching;
pub mod rings;
pub mod rounds;
pub mod sources;
