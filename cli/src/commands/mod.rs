//! The commands, one a file.

mod evaluate;
mod explain;
mod fit;
mod plan;
mod replay;
mod report;
mod sweep;
mod transfers;

use std::fs;
use std::io::Write;
use std::path::Path;

use serde_json::Value;

use super::args::{Cli, Command, Loads};
use super::error::Error;
use super::trace::Trace;
use super::{generate, readers};

/// Does what was asked.
pub fn run(cli: &Cli, out: &mut impl Write) -> Result<(), Error> {
    match &cli.command {
        Command::Report(args) => report::run(args, out),
        Command::Plan(args) => plan::run(args, out),
        Command::Evaluate(args) => evaluate::run(args, out),
        Command::Replay(args) => replay::run(args, out),
        Command::Sweep(args) => sweep::run(args, out),
        Command::Transfers(args) => transfers::run(args, out),
        Command::Explain(args) => explain::run(args, out),
        Command::Fit(args) => fit::run(args, out),
    }
}

impl Loads {
    /// Reads them, or makes them up.
    fn read(&self) -> Result<Trace, Error> {
        let read = readers::read_all(&self.trace, self.most_windows as usize)?;
        Ok(read.unwrap_or_else(|| generate::deepseek_v3(self.seed)))
    }
}

/// Makes the folder of a file that is to be written.
fn make_room(path: &Path) -> Result<(), Error> {
    path.parent().map_or(Ok(()), fs::create_dir_all).map_err(Error::write(path))
}

/// One line.
fn print_json(out: &mut impl Write, value: &Value) -> Result<(), Error> {
    Ok(writeln!(out, "{value}")?)
}
