//! What can go wrong: one line each, and an exit code.

use std::fmt;
use std::io;
use std::path::PathBuf;

use eplb::{Operation, Options, Placement, Spec, Status};

use super::trace::TraceError;

/// A call that the library refuses, and its sentence about it.
#[derive(Debug)]
pub struct Refused {
    /// What the call answered.
    pub status: Status,
    text: String,
}

impl Refused {
    /// Asks the library which argument it is; the placement of a plan is of no interest but for its length.
    pub fn of(
        status: Status,
        operation: Operation,
        spec: &Spec,
        options: &Options,
        placement: &[i32],
    ) -> Self {
        match eplb::explain(operation, spec, options, Some(&Placement::of(placement))) {
            Some(refusal) => Refused { status, text: refusal.to_string() },
            None => status.into(),
        }
    }
}

impl From<Status> for Refused {
    fn from(status: Status) -> Self {
        Refused { status, text: status.to_string() }
    }
}

/// Why the demo stops.
#[derive(Debug)]
pub enum Error {
    /// The trace cannot be used.
    Trace(TraceError),
    /// The library refuses what was asked of it.
    Refused(Refused),
    /// The engine cannot take this placement.
    Export(String),
    /// What was asked for cannot be replayed.
    Replay(String),
    /// A file cannot be written.
    Write(PathBuf, Box<dyn std::error::Error>),
    /// Standard output is gone.
    Print(io::Error),
}

impl Error {
    /// 2 when the input is at fault, 1 when the output is, 0 when nobody reads on.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Trace(_) | Error::Refused(_) | Error::Export(_) | Error::Replay(_) => 2,
            Error::Print(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
            Error::Write(..) | Error::Print(_) => 1,
        }
    }

    /// For `map_err` of what writes to a file.
    pub fn write<E: Into<Box<dyn std::error::Error>>>(
        path: &std::path::Path,
    ) -> impl Fn(E) -> Error {
        move |error| Error::Write(path.to_owned(), error.into())
    }
}

impl From<TraceError> for Error {
    fn from(error: TraceError) -> Self {
        Error::Trace(error)
    }
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        Error::Refused(refused)
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Error::Print(error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Trace(error) => error.fmt(f),
            Error::Refused(refused) => f.write_str(&refused.text),
            Error::Export(why) | Error::Replay(why) => f.write_str(why),
            Error::Write(path, error) => write!(f, "{}: {error}", path.display()),
            Error::Print(error) => write!(f, "standard output: {error}"),
        }
    }
}

impl std::error::Error for Error {}
