//! What can go wrong: one line each, and an exit code.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use eplb::{Operation, Options, Placement, Spec, Status};

use super::readers::ReadError;

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
            Some(refusal) => Refused { status, text: own_words(&refusal.to_string()) },
            None => status.into(),
        }
    }
}

/// A sentence of the library, which names its arguments, in the words of the command line.
pub fn own_words(text: &str) -> String {
    const WORDS: [(&str, &str); 15] = [
        ("problem.num_physical_experts", "--slots"),
        ("problem.num_logical_experts", "the number of experts"),
        ("problem.num_layers", "the number of layers"),
        ("problem.num_windows", "the number of windows"),
        ("problem.num_groups", "--groups"),
        ("problem.num_nodes", "--nodes"),
        ("problem.num_gpus", "--gpus"),
        ("num_groups", "--groups"), // where a sentence names it for the second time
        ("num_nodes", "--nodes"),
        ("num_gpus", "--gpus"),
        ("problem.load", "loads"),
        ("options.previous", "--previous"),
        ("options.max_moves", "--moves"),
        ("options.policy", "--policy"),
        ("options.scope", "--scope"),
    ];
    WORDS.iter().fold(text.to_string(), |text, (theirs, ours)| text.replace(theirs, ours))
}

impl From<Status> for Refused {
    fn from(status: Status) -> Self {
        Refused { status, text: status.to_string() }
    }
}

/// Why the tool stops.
#[derive(Debug)]
pub enum Error {
    /// The trace cannot be used.
    Trace(ReadError),
    /// The library refuses what was asked of it.
    Refused(Refused),
    /// What was asked for cannot be done, and why.
    Impossible(String),
    /// A placement cannot be read.
    Import(PathBuf, String),
    /// A file cannot be written.
    Write(PathBuf, Box<dyn std::error::Error>),
    /// Standard output is gone.
    Print(io::Error),
}

impl Error {
    /// 2 when the input is at fault, 1 when the output is, 0 when nobody reads on.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Trace(_) | Error::Refused(_) | Error::Impossible(_) | Error::Import(..) => 2,
            Error::Print(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
            Error::Write(..) | Error::Print(_) => 1,
        }
    }

    /// A placement at `path` that cannot be read.
    pub fn import(path: &Path, why: impl ToString) -> Error {
        Error::Import(path.to_owned(), why.to_string())
    }

    /// For `map_err` of what writes to a file.
    pub fn write<E: Into<Box<dyn std::error::Error>>>(path: &Path) -> impl Fn(E) -> Error {
        move |error| Error::Write(path.to_owned(), error.into())
    }
}

impl From<ReadError> for Error {
    fn from(error: ReadError) -> Self {
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
            Error::Impossible(why) => f.write_str(why),
            Error::Import(path, why) => write!(f, "{}: {why}", path.display()),
            Error::Write(path, error) => write!(f, "{}: {error}", path.display()),
            Error::Print(error) => write!(f, "standard output: {error}"),
        }
    }
}

impl std::error::Error for Error {}
