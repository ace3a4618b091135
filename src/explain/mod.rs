//! Why a call is refused.
/// What is wrong with an argument, where its status does not say all.
#[derive(Clone, Copy, Debug, Default)]
pub enum Fault {
    #[default]
    Nothing,
    Alignment(usize),
    Struct {
        given: usize,
        first: usize,
        unknown: Option<usize>,
        init: &'static str,
    },
    Stride {
        given: usize,
        first: usize,
    },
    Bytes {
        given: usize,
        needed: usize,
    },
    Row {
        row: usize,
        at: usize,
    },
}
mod float;
pub mod text;
