//! `eplb`: plans, judges and sizes expert placements from traces of expert loads. `eplb --help` lists the commands;
//! `make demo` runs the first, `report`.

mod args;
mod cluster;
mod commands;
mod costs;
mod crossing;
mod crossing_picture;
mod error;
mod export;
mod figures;
mod fit;
mod generate;
mod import;
mod measured;
mod moves;
mod moves_picture;
mod paint;
mod picture;
mod plan;
mod progress;
mod readers;
mod replay;
mod replay_picture;
mod replay_table;
mod report;
mod spark;
mod sweep;
mod sweep_picture;
mod table;
mod trace;

use std::io;
use std::process::ExitCode;

use clap::Parser;

use args::Cli;

fn main() -> ExitCode {
    match commands::run(&Cli::parse(), &mut io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if error.exit_code() != 0 {
                eprintln!("eplb: {error}");
            }
            ExitCode::from(error.exit_code())
        }
    }
}
