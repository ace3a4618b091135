//! What can go wrong: one line each, and an exit code.

use std::fmt;
use std::io;
use std::path::PathBuf;

use eplb::Status;

use super::trace::TraceError;

/// Why the demo stops.
#[derive(Debug)]
pub enum Error {
    /// The trace cannot be used.
    Trace(TraceError),
    /// The library refuses what was asked of it.
    Refused(Status),
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

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        Error::Refused(status)
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
            Error::Refused(status) => status.fmt(f),
            Error::Export(why) | Error::Replay(why) => f.write_str(why),
            Error::Write(path, error) => write!(f, "{}: {error}", path.display()),
            Error::Print(error) => write!(f, "standard output: {error}"),
        }
    }
}

impl std::error::Error for Error {}
