//! `eplb report`: a plan for each window, as a table, a picture and a page.

use std::io::Write;

use eplb::{Policy, Status};

use super::super::args::{PolicyChoice, ReportArgs, policy_name};
use super::super::cluster::Cluster;
use super::super::crossing;
use super::super::error::{Error, Refused};
use super::super::moves::Moves;
use super::super::picture::Picture;
use super::super::plan::{self, Contiguous, Run};
use super::super::replay::Replay;
use super::super::report::Report;
use super::super::sweep::Sweep;
use super::super::trace::Trace;
use super::super::{spark, table};
use super::make_room;

/// Spare slots of a GPU that are compared.
const SPARE: [u32; 4] = [0, 1, 2, 4];

pub fn run(args: &ReportArgs, out: &mut impl Write) -> Result<(), Error> {
    let trace = args.loads.read()?;
    let cluster = args.cluster.for_loads(&trace);
    let runs = match args.policy {
        PolicyChoice::One(policy) => vec![plan::run(&trace, &cluster, policy)?],
        PolicyChoice::All => every_policy(&trace, &cluster)?,
    };
    let before = Contiguous::new(&trace, &cluster)?;
    // the best on average is drawn and written, the first of equals
    let mean = |run: &&Run| table::overall(run).mean;
    let Some(best) = runs.iter().rev().max_by(|a, b| mean(a).total_cmp(&mean(b))) else {
        return Err(Refused::from(Status::UnsupportedPolicy).into());
    };
    let windows = args.windows as usize;
    let replay = match Replay::order(&trace, windows) {
        Some(order) => Some(Replay::run(&trace, &cluster, best.policy, order, windows)?),
        None => None,
    };
    let moves = Moves::along(&trace, &cluster, best.policy)?;
    let deepseek = match best.policy {
        Policy::Deepseek => None,
        _ => plan::run(&trace, &cluster, Policy::Deepseek).ok(), // what it refuses cannot be beaten
    };
    let gpus = neighbours(cluster.gpus);
    let sweep = Sweep { gpus: &gpus, spare: &SPARE, policy: best.policy, costs: &args.costs };
    let sweep = sweep.possible(&trace);
    let crossing = crossing::points(&trace, &cluster)?;

    table::heading(out, &trace, &cluster)?;
    match args.policy {
        PolicyChoice::One(_) => {
            table::windows(out, &trace, &before, best)?;
            spark::layers(out, &before, best)?;
        }
        PolicyChoice::All => table::policies(out, &before, &runs)?,
    }
    make_room(&args.svg)?;
    Picture {
        trace: &trace,
        cluster: &cluster,
        before: &before,
        run: best,
        deepseek: deepseek.as_ref(),
    }
    .draw(&args.svg)
    .map_err(Error::write(&args.svg))?;
    let (svg, html) = (args.svg.display(), args.html.display());
    writeln!(out, "\n{svg}: GPU loads before and after, {}", policy_name(best.policy))?;
    make_room(&args.html)?;
    let report = Report {
        trace: &trace,
        cluster: &cluster,
        before: &before,
        runs: &runs,
        best,
        deepseek: deepseek.as_ref(),
        costs: &args.costs,
        replay: replay.as_ref(),
        moves: moves.as_ref(),
        sweep: &sweep,
        crossing: &crossing,
    };
    let data = args.html.with_extension("json");
    report.write(&args.html, &data).map_err(Error::write(&args.html))?;
    writeln!(out, "{html}: the report, for a browser")?;
    Ok(writeln!(out, "{}: its figures", data.display())?)
}

/// Half as many GPUs, as many, and twice.
fn neighbours(gpus: u32) -> Vec<u32> {
    let mut all = vec![gpus / 2, gpus, gpus.saturating_mul(2)];
    all.retain(|&gpus| gpus > 0);
    all
}

/// Runs whichever policies this version of the library serves.
fn every_policy(trace: &Trace, cluster: &Cluster) -> Result<Vec<Run>, Refused> {
    let served = |policy| match plan::run(trace, cluster, policy) {
        Err(refused) if refused.status == Status::UnsupportedPolicy => None,
        outcome => Some(outcome),
    };
    Policy::ALL.into_iter().filter_map(served).collect()
}
