//! `eplb plan`: one placement for all windows together.

use std::io::Write;

use eplb::Options;
use serde_json::json;

use super::super::args::{PlanArgs, policy_name};
use super::super::cluster::Cluster;
use super::super::error::{Error, Refused};
use super::super::plan::place;
use super::super::trace::Trace;
use super::super::{export, import, table};
use super::evaluate::judge;
use super::{make_room, print_json};

pub fn run(args: &PlanArgs, out: &mut impl Write) -> Result<(), Error> {
    let trace = args.loads.read()?;
    let cluster = args.cluster.for_loads(&trace);
    let previous = match &args.previous {
        Some(path) => Some(import::read(path)?.of_trace(&trace, cluster.slots)?),
        None => None,
    };
    let placement = together(args, &trace, &cluster, previous.as_deref())?;
    let judged = judge(&trace, &cluster, &placement)?;
    let moved = previous.map(|was| was.iter().zip(&placement).filter(|(a, b)| a != b).count());
    let rows = match &args.out {
        Some(path) => {
            make_room(path)?;
            Some(export::write(path, args.form, &trace, &cluster, &placement)?)
        }
        None => None,
    };
    if args.format.json {
        let mut value = judged.json(&trace, &cluster);
        value["policy"] = policy_name(args.policy).into();
        value["moved_slots"] = moved.into();
        let rows: Vec<&[i32]> = placement.chunks(cluster.slots as usize).collect();
        value["physical_to_logical"] = json!(rows);
        return print_json(out, &value);
    }
    table::heading(out, &trace, &cluster)?;
    writeln!(out, "\nPolicy {}, one placement for all windows", policy_name(args.policy))?;
    judged.print(out, &trace)?;
    if let Some(moved) = moved {
        let layers = trace.layers.len() as f64;
        writeln!(out, "\n{:.1} slots of a layer change", moved as f64 / layers)?;
    }
    if let (Some(path), Some(rows)) = (&args.out, rows) {
        let dense = rows - trace.layers.len();
        write!(out, "\n{}: {rows} layers for {}", path.display(), args.form.engine.name())?;
        match dense {
            0 => writeln!(out)?,
            _ => writeln!(out, ", the first {dense} for layers without experts")?,
        }
    }
    Ok(())
}

/// A plan for all windows; where the policy plans a single load, for their sum.
fn together(
    args: &PlanArgs,
    trace: &Trace,
    cluster: &Cluster,
    previous: Option<&[i32]>,
) -> Result<Vec<i32>, Refused> {
    let (policy, max_moves) = (args.policy, args.moves.unwrap_or(0));
    let options =
        Options { policy, scope: cluster.scope, previous, max_moves, ..Options::default() };
    let total = trace.total();
    place(&cluster.spec_together(trace, policy, &total), &options)
}
