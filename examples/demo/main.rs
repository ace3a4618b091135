//! Plans every window of a trace of expert loads and shows what it brings: a table, a picture, a report for a
//! browser, and on request a placement file for a serving engine. `cargo run --release --example demo -- --help`.

mod cli;
mod error;
mod export;
mod figures;
mod generate;
mod moves;
mod moves_picture;
mod paint;
mod picture;
mod plan;
mod progress;
mod replay;
mod replay_picture;
mod replay_table;
mod report;
mod spark;
mod table;
mod trace;

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use eplb::{Policy, Status};

use cli::{Cli, Engine, PolicyChoice, policy_name};
use error::{Error, Refused};
use moves::Moves;
use picture::Picture;
use plan::{Contiguous, Run, Summary};
use replay::Replay;
use report::Report;
use trace::Trace;

fn main() -> ExitCode {
    match run(&Cli::parse(), &mut io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if error.exit_code() != 0 {
                eprintln!("demo: {error}");
            }
            ExitCode::from(error.exit_code())
        }
    }
}

fn run(cli: &Cli, out: &mut impl Write) -> Result<(), Error> {
    let trace = match Trace::read_all(&cli.trace)? {
        Some(trace) => trace,
        None => generate::deepseek_v3(cli.seed),
    };
    if cli.replay.is_some() && matches!(cli.policy, PolicyChoice::All) {
        return Err(Error::Replay("a replay compares strategies, with one policy".to_string()));
    }
    let runs = match cli.policy {
        PolicyChoice::One(policy) => vec![plan::run(&trace, &cli.cluster, policy)?],
        PolicyChoice::All => every_policy(cli, &trace)?,
    };
    let before = Contiguous::new(&trace, &cli.cluster)?;
    // the best on average is drawn and written, the first of equals
    let mean = |run: &&Run| table::overall(run).mean;
    let Some(best) = runs.iter().rev().max_by(|a, b| mean(a).total_cmp(&mean(b))) else {
        return Err(Refused::from(Status::UnsupportedPolicy).into());
    };
    let windows = cli.windows as usize;
    let replay = match cli.replay.or_else(|| Replay::order(&trace, windows)) {
        Some(order) => Some(Replay::run(&trace, &cli.cluster, best.policy, order, windows)?),
        None => None,
    };
    let moves = Moves::along(&trace, &cli.cluster, best.policy)?;

    table::heading(out, &trace, &cli.cluster)?;
    match (&replay, cli.policy) {
        (Some(replay), _) if cli.replay.is_some() => {
            replay_table::print(out, replay)?;
            moves.as_ref().map_or(Ok(()), |moves| replay_table::moves(out, moves))?;
        }
        (_, PolicyChoice::One(_)) => {
            table::windows(out, &trace, &before, best)?;
            spark::layers(out, &before, best)?;
        }
        (_, PolicyChoice::All) => table::policies(out, &before, &runs)?,
    }
    writeln!(out)?;
    make_room(&cli.svg)?;
    let what = match &replay {
        Some(replay) if cli.replay.is_some() => {
            replay_picture::draw(replay, &trace, &cli.cluster, &cli.svg)
                .map_err(Error::write(&cli.svg))?;
            "balance of every strategy, step by step".to_string()
        }
        _ => {
            Picture { trace: &trace, cluster: &cli.cluster, before: &before, run: best }
                .draw(&cli.svg)
                .map_err(Error::write(&cli.svg))?;
            format!("GPU loads before and after, {}", policy_name(best.policy))
        }
    };
    writeln!(out, "{}: {what}", cli.svg.display())?;
    make_room(&cli.html)?;
    let report = Report {
        trace: &trace,
        cluster: &cli.cluster,
        before: &before,
        runs: &runs,
        best,
        replay: replay.as_ref(),
        moves: moves.as_ref(),
    };
    report.write(&cli.html).map_err(Error::write(&cli.html))?;
    writeln!(out, "{}: the report, for a browser", cli.html.display())?;
    if let Some(path) = &cli.out {
        write_placement(cli, &trace, best.policy, path, out)?;
    }
    Ok(())
}

/// Runs whichever policies this version of the library serves.
fn every_policy(cli: &Cli, trace: &Trace) -> Result<Vec<Run>, Refused> {
    let served = |policy| match plan::run(trace, &cli.cluster, policy) {
        Err(refused) if refused.status == Status::UnsupportedPolicy => None,
        outcome => Some(outcome),
    };
    Policy::ALL.into_iter().filter_map(served).collect()
}

/// Plans on the loads of all windows together, and says what that is worth in each.
fn write_placement(
    cli: &Cli,
    trace: &Trace,
    policy: Policy,
    path: &Path,
    out: &mut impl Write,
) -> Result<(), Error> {
    let planned = plan::plan(&cli.cluster, trace.experts, &trace.total(), policy)?;
    let mut metrics = Vec::new();
    for window in 0..trace.windows.len() {
        let spec = cli.cluster.spec(trace.experts, trace.window(window));
        metrics.extend(plan::evaluate(&spec, cli.cluster.scope, &planned.placement)?);
    }
    make_room(path)?;
    let dense_layers = dense_layers(cli, trace);
    let rows =
        export::write(path, cli.engine, trace, &cli.cluster, dense_layers, &planned.placement)?;
    write!(out, "{}: {rows} layers for {}", path.display(), cli.engine.name())?;
    if cli.engine == Engine::Sglang && dense_layers > 0 {
        write!(out, ", the first {dense_layers} for layers without experts")?;
    }
    let mean = Summary::of(&metrics).mean;
    writeln!(out, "; planned on all windows together, balance {mean:.4} over the windows")?;
    Ok(())
}

/// Layers of the model before the first of the trace.
fn dense_layers(cli: &Cli, trace: &Trace) -> usize {
    const DEEPSEEK_V3: (usize, usize) = (58, 256); // of 61 layers, the first 3 are dense
    let shape = (trace.layers.len(), trace.experts);
    let known = if shape == DEEPSEEK_V3 { 3 } else { 0 };
    cli.dense_layers.unwrap_or(known) as usize
}

/// Makes the folder of a file that is to be written.
fn make_room(path: &Path) -> Result<(), Error> {
    path.parent().map_or(Ok(()), fs::create_dir_all).map_err(Error::write(path))
}
