//! `eplb sweep`: how many spare slots, and which number of GPUs, are worth having.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::super::args::SweepArgs;
use super::super::error::Error;
use super::super::sweep::{self, Point};
use super::super::trace::Trace;
use super::super::{sweep_picture, table};
use super::{make_room, print_json};

pub fn run(args: &SweepArgs, out: &mut impl Write) -> Result<(), Error> {
    let trace = args.loads.read()?;
    let points = sweep::run(args, &trace)?;
    make_room(&args.svg)?;
    sweep_picture::draw(&points, &trace, &args.svg).map_err(Error::write(&args.svg))?;
    if args.format.json {
        let rows: Vec<Value> = points.iter().map(row).collect();
        return print_json(out, &json!({ "trace": trace.source, "clusters": rows }));
    }
    print(out, &trace, &points)?;
    Ok(writeln!(out, "\n{}: balance over spare slots", args.svg.display())?)
}

fn row(point: &Point) -> Value {
    json!({
        "gpus": point.gpus,
        "slots_per_gpu": point.slots_per_gpu,
        "spare": point.spare,
        "balance": point.balance,
        "unseen": point.unseen,
        "bound": point.bound,
        "plan_seconds_per_layer": point.seconds,
        "bytes_per_gpu": point.bytes,
    })
}

fn print(out: &mut impl Write, trace: &Trace, points: &[Point]) -> io::Result<()> {
    let extent = table::extent(trace);
    writeln!(out, "{}: {extent}, {} experts; global scope\n", trace.source, trace.experts)?;
    writeln!(
        out,
        " GPUs   slots/GPU  spare   balance  unseen   bound   GB/GPU  planning us/layer"
    )?;
    for point in points {
        let Point { gpus, slots_per_gpu, spare, balance, bound, .. } = point;
        let unseen = point.unseen.map_or("      ".to_string(), |unseen| format!("{unseen:6.4}"));
        writeln!(
            out,
            "{gpus:5}  {slots_per_gpu:10}  {spare:5}    {balance:6.4}  {unseen}  {bound:6.4}  {:7.1}  {:17.1}",
            1e-9 * point.bytes,
            1e6 * point.seconds,
        )?;
    }
    writeln!(
        out,
        "\nbalance = planned on all windows together; unseen = each window left out of the plan it is measured with;\n\
         bound = no plan for one window alone is better. spare = slots of a GPU beyond the fewest that hold every expert."
    )
}
