//! Reads `vectors/*.txt` (format: `vectors/README.md`). Strict: what is not in the format is an error with its file and line.
#![allow(dead_code)] // every test crate uses another part

use std::fmt;
use std::path::Path;
use std::str::FromStr;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    pub num_layers: usize,
    pub num_logical_experts: usize,
    pub num_physical_experts: usize,
    pub num_groups: usize,
    pub num_nodes: usize,
    pub num_gpus: usize,
}

/// One problem and the plan expected for it, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    pub name: String,
    pub shape: Shape,
    /// `[L][E]`, the file's integers rounded to f32.
    pub load: Vec<f32>,
    /// `[L][P]`
    pub physical_to_logical: Vec<i32>,
    /// `[L][P]`
    pub replica_rank: Vec<i32>,
    /// `[L][E]`
    pub logical_count: Vec<i32>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    pub file: String,
    /// From 1; 0 when the file could not be read.
    pub line: usize,
    pub message: String,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.message)
    }
}

impl std::error::Error for Error {}

/// Reads a file of vectors.
pub fn read(path: impl AsRef<Path>) -> Result<Vec<Case>, Error> {
    let file = path.as_ref().display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => parse(&file, &text),
        Err(error) => Err(Error { file, line: 0, message: error.to_string() }),
    }
}

/// Parses the text of a file of vectors; `file` is for the errors. Blank lines may stand between cases only.
pub fn parse(file: &str, text: &str) -> Result<Vec<Case>, Error> {
    let mut lines = Lines { file, lines: text.lines().collect(), next: 0 };
    let mut cases = Vec::new();
    loop {
        while lines.peek() == Some("") {
            lines.next += 1;
        }
        if lines.peek().is_none() {
            return Ok(cases);
        }
        cases.push(lines.case()?);
    }
}

struct Lines<'a> {
    file: &'a str,
    lines: Vec<&'a str>,
    next: usize,
}

impl<'a> Lines<'a> {
    fn case(&mut self) -> Result<Case, Error> {
        let name = self.keyword("case")?;
        if name.is_empty() {
            return Err(self.error("case without a name"));
        }
        let shape = self.shape()?;
        let (l, e, p) = (shape.num_layers, shape.num_logical_experts, shape.num_physical_experts);
        let load: Vec<u64> = self.matrix("load", l, e)?;
        let physical_to_logical = self.matrix("physical_to_logical", l, p)?;
        let replica_rank = self.matrix("replica_rank", l, p)?;
        let logical_count = self.matrix("logical_count", l, e)?;
        self.bare("end")?;
        Ok(Case {
            name: name.to_string(),
            shape,
            load: load.into_iter().map(|x| x as f32).collect(),
            physical_to_logical,
            replica_rank,
            logical_count,
        })
    }

    fn shape(&mut self) -> Result<Shape, Error> {
        let rest = self.keyword("shape")?;
        let sizes: Vec<usize> = self.numbers(rest, 6)?;
        if sizes.contains(&0) {
            return Err(self.error("a size is 0"));
        }
        Ok(Shape {
            num_layers: sizes[0],
            num_logical_experts: sizes[1],
            num_physical_experts: sizes[2],
            num_groups: sizes[3],
            num_nodes: sizes[4],
            num_gpus: sizes[5],
        })
    }

    /// A line with the name alone, then its rows.
    fn matrix<T: FromStr>(
        &mut self,
        name: &str,
        rows: usize,
        columns: usize,
    ) -> Result<Vec<T>, Error> {
        self.bare(name)?;
        let mut all = Vec::new();
        for _ in 0..rows {
            let line = self.take(&format!("a row of {name}"))?;
            all.extend(self.numbers(line, columns)?);
        }
        Ok(all)
    }

    fn numbers<T: FromStr>(&self, line: &str, expected: usize) -> Result<Vec<T>, Error> {
        let mut all = Vec::new();
        for word in line.split_whitespace() {
            match word.parse() {
                Ok(number) => all.push(number),
                Err(_) => return Err(self.error(&format!("not a number: {word:?}"))),
            }
        }
        if all.len() != expected {
            let message = format!("{} numbers, expected {expected}", all.len());
            return Err(self.error(&message));
        }
        Ok(all)
    }

    /// A line that starts with the word; gives the rest.
    fn keyword(&mut self, word: &str) -> Result<&'a str, Error> {
        let line = self.take(&format!("{word:?}"))?;
        match line.strip_prefix(word) {
            Some(rest) if rest.is_empty() || rest.starts_with(' ') => Ok(rest.trim()),
            _ => Err(self.error(&format!("expected {word:?}, found {line:?}"))),
        }
    }

    /// A line with the word alone.
    fn bare(&mut self, word: &str) -> Result<(), Error> {
        match self.keyword(word)? {
            "" => Ok(()),
            rest => Err(self.error(&format!("unexpected {rest:?} after {word:?}"))),
        }
    }

    fn peek(&self) -> Option<&'a str> {
        self.lines.get(self.next).map(|line| line.trim())
    }

    fn take(&mut self, what: &str) -> Result<&'a str, Error> {
        let line = self.peek();
        self.next += 1;
        line.ok_or_else(|| self.error(&format!("expected {what}, found the end of the file")))
    }

    /// An error on the line taken last.
    fn error(&self, message: &str) -> Error {
        Error { file: self.file.to_string(), line: self.next, message: message.to_string() }
    }
}
