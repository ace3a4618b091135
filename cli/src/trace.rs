//! Expert loads over time, and the CSV that they are kept in.
//!
//! A header `window,layer,expert_0,expert_1,...`, then one row per (window, layer) with the tokens
//! routed to each expert, rows in any order. Layers may be numbered from anywhere, but every window
//! has the same ones. Nothing else is let through: the planner is told the truth or nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// The load of every expert, layer and window.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// Where it comes from, in a few words: for titles.
    pub source: String,
    /// Made up, of DeepSeek-V3's shape.
    pub generated: bool,
    /// Layers of the model without experts ahead of the first, where the file says so.
    pub dense: Option<u32>,
    /// Windows of each of the traces that were joined.
    pub parts: Vec<usize>,
    /// Names of the windows, in order of first appearance.
    pub windows: Vec<String>,
    /// Numbers of the layers, ascending.
    pub layers: Vec<u32>,
    /// Logical experts of a layer.
    pub experts: usize,
    /// `[W][L][E]` tokens: what `eplb::Spec::load` takes.
    pub load: Vec<f32>,
}

impl Trace {
    /// Reads the table `path`.
    #[allow(dead_code)] // the tool reads other formats, too; the tests of the library read tables
    pub fn read(path: &Path) -> Result<Trace, TraceError> {
        Trace::parse(path, &Trace::bytes(path)?)
    }

    /// What the file `path` holds.
    pub fn bytes(path: &Path) -> Result<Vec<u8>, TraceError> {
        std::fs::read(path).map_err(|error| TraceError {
            path: path.to_owned(),
            place: None,
            what: What::Unreadable(error),
        })
    }

    /// The windows of this trace and then those of another of the same shape, of the file `path`.
    pub fn join(mut self, next: Trace, path: &Path) -> Result<Trace, TraceError> {
        if (&self.layers, self.experts) != (&next.layers, next.experts) {
            let what = What::OtherShape { layers: self.layers.len(), experts: self.experts };
            return Err(TraceError { path: path.to_owned(), place: None, what });
        }
        self.source = format!("{}, {}", self.source, next.source);
        self.parts.extend(next.parts);
        self.windows.extend(next.windows);
        self.load.extend(next.load);
        Ok(self)
    }

    /// Reads `bytes`; `path` is what errors and titles call them.
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Trace, TraceError> {
        let file = Source { path, bytes };
        let mut rows = csv::ReaderBuilder::new()
            .has_headers(false) // it is checked like any other row
            .flexible(true)
            .trim(csv::Trim::All)
            .from_reader(bytes)
            .into_byte_records()
            .map_while(Result::ok) // fields of bytes, any number of them, from memory: all is well
            .map(|record| Row { file, record });

        let header = rows.next().unwrap_or(Row { file, record: csv::ByteRecord::new() });
        let experts = header.check_header()?;
        let mut windows: Vec<(String, u64)> = Vec::new(); // and the offset where each begins
        let mut loads: BTreeMap<(usize, u32), (u64, Vec<f32>)> = BTreeMap::new();
        for row in rows {
            let (window, layer, load) = row.parse(experts)?;
            // rows of a window mostly follow each other: look from the back
            let index =
                windows.iter().rposition(|(name, _)| *name == window).unwrap_or_else(|| {
                    windows.push((window.clone(), row.offset()));
                    windows.len() - 1
                });
            if let Some((first, _)) = loads.insert((index, layer), (row.offset(), load)) {
                let first = file.row_at(first);
                return Err(row.error(1, What::Duplicate { window, layer, first }));
            }
        }

        let layers: BTreeSet<u32> = loads.keys().map(|&(_, layer)| layer).collect();
        if layers.is_empty() {
            return Err(file.error(bytes.len() as u64, 0, What::NoRows));
        }
        for (index, (window, begin)) in windows.iter().enumerate() {
            if let Some(&layer) = layers.iter().find(|&&layer| !loads.contains_key(&(index, layer)))
            {
                let what = What::MissingLayer { window: window.clone(), layer };
                return Err(file.error(*begin, 1, what));
            }
        }
        Ok(Trace {
            generated: false,
            dense: None,
            parts: vec![windows.len()],
            source: path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned(),
            windows: windows.into_iter().map(|(name, _)| name).collect(),
            layers: layers.into_iter().collect(),
            experts,
            load: loads.into_values().flat_map(|(_, load)| load).collect(), // by window, then layer
        })
    }

    /// The loads `[L][E]` of one window.
    pub fn window(&self, window: usize) -> &[f32] {
        let len = self.layers.len() * self.experts;
        &self.load[window * len..][..len]
    }

    /// The loads `[L][E]` of all windows together.
    pub fn total(&self) -> Vec<f32> {
        let mut sum = vec![0.0; self.layers.len() * self.experts];
        for window in 0..self.windows.len() {
            sum.iter_mut()
                .zip(self.window(window))
                .for_each(|(sum, &load)| *sum += f64::from(load));
        }
        sum.into_iter().map(|sum| sum as f32).collect()
    }
}

/// The file as a whole.
#[derive(Clone, Copy)]
struct Source<'f> {
    path: &'f Path,
    bytes: &'f [u8],
}

impl Source<'_> {
    /// The row, from 1, that is read next at an offset. Rows are counted here because the reader skips
    /// empty ones, and the second byte of a CR LF, without counting them.
    fn row_at(&self, offset: u64) -> u64 {
        let (before, after) = self.bytes.split_at(self.bytes.len().min(offset as usize));
        let skipped = after.iter().take_while(|byte| b"\r\n".contains(byte));
        1 + before.iter().chain(skipped).filter(|&&byte| byte == b'\n').count() as u64
    }

    /// Columns count from 0 in the code, from 1 in messages.
    fn error(&self, offset: u64, column: usize, what: What) -> TraceError {
        let place = Some((self.row_at(offset), column + 1));
        TraceError { path: self.path.to_owned(), place, what }
    }
}

/// A row that knows where it is.
struct Row<'f> {
    file: Source<'f>,
    record: csv::ByteRecord,
}

impl Row<'_> {
    /// Where its reading began.
    fn offset(&self) -> u64 {
        self.record.position().map_or(0, csv::Position::byte)
    }

    fn error(&self, column: usize, what: What) -> TraceError {
        self.file.error(self.offset(), column, what)
    }

    fn text(&self, column: usize) -> String {
        String::from_utf8_lossy(self.record.get(column).unwrap_or_default()).into_owned()
    }

    /// The number of experts, when the header is one.
    fn check_header(&self) -> Result<usize, TraceError> {
        for column in 0..self.record.len().max(3) {
            let expected = match column {
                0 => "window".to_string(),
                1 => "layer".to_string(),
                _ => format!("expert_{}", column - 2),
            };
            if self.text(column) != expected {
                let found = self.text(column);
                return Err(self.error(column, What::Header { expected, found }));
            }
        }
        Ok(self.record.len() - 2)
    }

    fn parse(&self, experts: usize) -> Result<(String, u32, Vec<f32>), TraceError> {
        let (columns, expected) = (self.record.len(), experts + 2);
        if columns < expected {
            return Err(self.error(columns, What::ShortRow { columns, expected }));
        }
        if columns > expected {
            return Err(self.error(expected, What::LongRow { columns, expected }));
        }
        let layer = self.text(1).parse().map_err(|_| self.error(1, What::Layer(self.text(1))))?;
        let load = (2..expected).map(|column| self.count(column)).collect::<Result<_, _>>()?;
        Ok((self.text(0), layer, load))
    }

    fn count(&self, column: usize) -> Result<f32, TraceError> {
        let text = self.text(column);
        match text.parse::<f32>() {
            Err(_) => Err(self.error(column, What::NotANumber(text))),
            Ok(count) if !count.is_finite() => Err(self.error(column, What::NotFinite(text))),
            Ok(count) if count < 0.0 => Err(self.error(column, What::Negative(text))),
            Ok(count) => Ok(count),
        }
    }
}

/// Why a trace cannot be used: one line that names the file and, where there is one, the place.
#[derive(Debug)]
pub struct TraceError {
    path: PathBuf,
    /// Row and column, both from 1.
    place: Option<(u64, usize)>,
    what: What,
}

#[derive(Debug)]
enum What {
    Unreadable(io::Error),
    Header { expected: String, found: String },
    NoRows,
    ShortRow { columns: usize, expected: usize },
    LongRow { columns: usize, expected: usize },
    Layer(String),
    NotANumber(String),
    NotFinite(String),
    Negative(String),
    Duplicate { window: String, layer: u32, first: u64 },
    MissingLayer { window: String, layer: u32 },
    OtherShape { layers: usize, experts: usize },
}

impl fmt::Display for TraceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.path.display())?;
        if let Some((row, column)) = self.place {
            write!(f, "row {row}, column {column}: ")?;
        }
        // text from the file is quoted with escapes: a line break in it stays on our one line
        match &self.what {
            What::Unreadable(error) => write!(f, "{error}"),
            What::Header { expected, found } => {
                write!(f, "the header says {found:?} where it should say {expected:?}")
            }
            What::NoRows => write!(f, "there are no rows below the header"),
            What::ShortRow { columns, expected } => {
                write!(f, "the row ends after {columns} of {expected} columns")
            }
            What::LongRow { columns, expected } => {
                write!(f, "the row has {columns} columns, the header {expected}")
            }
            What::Layer(text) => write!(f, "{text:?} is not the number of a layer"),
            What::NotANumber(text) => write!(f, "{text:?} is not a number"),
            What::NotFinite(text) => write!(f, "{text:?} is not a finite number"),
            What::Negative(text) => write!(f, "the count {text:?} is negative"),
            What::Duplicate { window, layer, first } => {
                write!(f, "layer {layer} of window {window:?} is already in row {first}")
            }
            What::OtherShape { layers, experts } => {
                write!(
                    f,
                    "the layers and experts are not those of the traces before: {layers}, {experts}"
                )
            }
            What::MissingLayer { window, layer } => {
                write!(f, "window {window:?}, which begins here, has no row for layer {layer}")
            }
        }
    }
}

impl std::error::Error for TraceError {}
