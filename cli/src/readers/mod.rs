//! Loads out of files that engines write. The format is told by the content; nothing of a file is run, and a damaged
//! one is refused with the place.

mod array;
mod fault;
mod json;
mod names;
mod npy;
mod pickle;
mod sglang;
mod torch;
mod tree;
mod unzip;
mod vllm;
mod windows;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::trace::{Trace, TraceError};
use array::Array;
use fault::Fault;
use json::Json;
use sglang::Recorded;
use unzip::Archive;
use windows::Window;

/// Why a file cannot be read: one line that names it and, where there is one, the place.
#[derive(Debug)]
pub enum ReadError {
    /// A table of CSV.
    Table(TraceError),
    /// Any other.
    File(PathBuf, Fault),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::Table(error) => error.fmt(f),
            ReadError::File(path, fault) => write!(f, "{}: {fault}", path.display()),
        }
    }
}

impl std::error::Error for ReadError {}

/// What a file holds.
enum Content {
    /// Windows.
    Windows(Trace),
    /// What SGLang's recorder counted on one rank.
    Rank(BTreeMap<u64, Array>),
}

/// Reads files that follow each other in time; those of the ranks of SGLang's recorder are added up. Its steps become at
/// most `most` windows.
pub fn read_all(paths: &[PathBuf], most: usize) -> Result<Option<Trace>, ReadError> {
    let mut joined: Option<Trace> = None;
    let mut ranks: BTreeMap<u64, Array> = BTreeMap::new();
    for path in paths {
        let of_file = |fault| ReadError::File(path.clone(), fault);
        match read(path, most)? {
            Content::Windows(_) if !ranks.is_empty() => return Err(of_file(mixed())),
            Content::Windows(next) => {
                joined = Some(match joined {
                    Some(trace) => trace.join(next, path).map_err(ReadError::Table)?,
                    None => next,
                });
            }
            Content::Rank(_) if joined.is_some() => return Err(of_file(mixed())),
            Content::Rank(passes) => {
                for (number, step) in passes {
                    sglang::add(&mut ranks, number, step).map_err(of_file)?;
                }
            }
        }
    }
    match paths.first() {
        Some(path) if !ranks.is_empty() => {
            let step = |(number, load)| Window { name: format!("step {number}"), load };
            let steps = ranks.into_iter().map(step).collect();
            recording(steps, path, most)
                .map(Some)
                .map_err(|fault| ReadError::File(path.clone(), fault))
        }
        _ => Ok(joined),
    }
}

fn mixed() -> Fault {
    Fault::new("one file is of a rank of SGLang's recorder, another is not: give them alone")
}

/// Reads the file `path`.
fn read(path: &Path, most: usize) -> Result<Content, ReadError> {
    let of_file = |fault| ReadError::File(path.to_owned(), fault);
    let bytes = Trace::bytes(path).map_err(ReadError::Table)?;
    let start = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes).trim_ascii_start();
    match *start {
        [b'P', b'K', 3, 4, ..] => zipped(&bytes, path, most),
        [0x80, ..] => Err(Fault::new(
            "is a bare pickle, not the zip that torch.save writes since 1.6: save it again",
        )),
        [b'{' | b'[', ..] => text(&bytes, path, most),
        _ if bytes.starts_with(npy::MAGIC) => {
            let array = npy::npy(&mut &bytes[..], bytes.len() as u64);
            array.and_then(|array| table(array, path))
        }
        _ => return Trace::parse(path, &bytes).map(Content::Windows).map_err(ReadError::Table),
    }
    .map_err(of_file)
}

/// An .npz, or what torch.save wrote.
fn zipped(bytes: &[u8], path: &Path, most: usize) -> Result<Content, Fault> {
    let mut archive = Archive::new(bytes)?;
    if archive.names().any(|name| name.ends_with(".npy")) {
        return table(npy::npz(&mut archive)?, path);
    }
    let mut records = torch::Records::new(archive)?;
    let pickle = records.pickle()?;
    let tree = torch::Torch::new(records, &pickle)?;
    recorded(sglang::read(&tree, bytes.len() as u64)?, path, most)
}

fn text(bytes: &[u8], path: &Path, most: usize) -> Result<Content, Fault> {
    match json::parse(bytes)? {
        Json::One(value) if !vllm::is_dump(&value) => {
            recorded(sglang::read(&&value, bytes.len() as u64)?, path, most)
        }
        content => windows::trace(vllm::read(&content)?, path).map(Content::Windows),
    }
}

fn table(array: Array, path: &Path) -> Result<Content, Fault> {
    windows::trace(Window::all(array.loads()?, "window"), path).map(Content::Windows)
}

fn recorded(recorded: Recorded, path: &Path, most: usize) -> Result<Content, Fault> {
    match recorded {
        Recorded::Steps(array) => {
            recording(Window::all(array, "step"), path, most).map(Content::Windows)
        }
        Recorded::Passes(passes) => Ok(Content::Rank(passes)),
    }
}

/// The steps of SGLang's recorder, which counts layers without experts, too.
fn recording(steps: Vec<Window>, path: &Path, most: usize) -> Result<Trace, Fault> {
    windows::trace(windows::merge(steps, most), path).map(windows::without_dense)
}
