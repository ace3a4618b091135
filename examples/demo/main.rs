//! Plans every window of a trace of expert loads and shows what it brings: a table, a picture, and
//! on request a placement file for a serving engine. `cargo run --release --example demo -- --help`.

mod cli;
mod error;
mod export;
mod generate;
mod paint;
mod picture;
mod plan;
mod replay;
mod replay_picture;
mod replay_table;
mod table;
mod trace;

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use eplb::{Policy, Status};

use cli::{Cli, Engine, Order, PolicyChoice, policy_name};
use error::Error;
use picture::Picture;
use plan::{Contiguous, Run, Summary};
use replay::Replay;
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
    if let Some(order) = cli.replay {
        return replay(cli, &trace, order, out);
    }
    let runs = match cli.policy {
        PolicyChoice::One(policy) => vec![plan::run(&trace, &cli.cluster, policy)?],
        PolicyChoice::All => every_policy(cli, &trace)?,
    };
    let before = Contiguous::new(&trace, &cli.cluster)?;
    // the best on average is drawn and written
    let mean = |run: &&Run| table::overall(run).mean;
    let Some(best) = runs.iter().max_by(|a, b| mean(a).total_cmp(&mean(b))) else {
        return Err(Error::Refused(Status::UnsupportedPolicy));
    };

    table::heading(out, &trace, &cli.cluster)?;
    match cli.policy {
        PolicyChoice::One(_) => table::windows(out, &trace, &before, best)?,
        PolicyChoice::All => table::policies(out, &before, &runs)?,
    }
    make_room(&cli.svg)?;
    Picture { trace: &trace, cluster: &cli.cluster, before: &before, run: best }
        .draw(&cli.svg)
        .map_err(Error::write(&cli.svg))?;
    writeln!(
        out,
        "\n{}: GPU loads before and after, {}",
        cli.svg.display(),
        policy_name(best.policy)
    )?;
    if let Some(path) = &cli.out {
        write_placement(cli, &trace, best.policy, path, out)?;
    }
    Ok(())
}

/// Plans along the trace with every strategy, scored on what it has not seen.
fn replay(cli: &Cli, trace: &Trace, order: Order, out: &mut impl Write) -> Result<(), Error> {
    let PolicyChoice::One(policy) = cli.policy else {
        return Err(Error::Replay("a replay compares strategies, with one policy".to_string()));
    };
    let replay = Replay::run(trace, &cli.cluster, policy, order, cli.windows as usize)?;
    table::heading(out, trace, &cli.cluster)?;
    replay_table::print(out, &replay)?;
    make_room(&cli.svg)?;
    replay_picture::draw(&replay, trace, &cli.cluster, &cli.svg).map_err(Error::write(&cli.svg))?;
    writeln!(out, "\n{}: balance of every strategy, step by step", cli.svg.display())?;
    Ok(())
}

/// Runs whichever policies this version of the library serves.
fn every_policy(cli: &Cli, trace: &Trace) -> Result<Vec<Run>, Status> {
    let served = |policy| match plan::run(trace, &cli.cluster, policy) {
        Err(Status::UnsupportedPolicy) => None,
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
