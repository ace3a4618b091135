//! `eplb sweep`: how many spare slots, and which number of GPUs, are worth having.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::super::args::SweepArgs;
use super::super::error::Error;
use super::super::sweep::{Point, Sweep};
use super::super::trace::Trace;
use super::super::{sweep_picture, table};
use super::{make_room, print_json};

pub fn run(args: &SweepArgs, out: &mut impl Write) -> Result<(), Error> {
    let trace = args.loads.read()?;
    let SweepArgs { gpus, spare, policy, costs, .. } = args;
    let points = Sweep { gpus, spare, policy: *policy, costs }.run(&trace)?;
    make_room(&args.svg)?;
    sweep_picture::draw(&points, &trace, &args.svg).map_err(Error::write(&args.svg))?;
    if args.format.json {
        let rows: Vec<Value> = points.iter().map(Point::json).collect();
        return print_json(out, &json!({ "trace": trace.source, "clusters": rows }));
    }
    print(out, &trace, &points)?;
    Ok(writeln!(out, "\n{}: balance, time and bytes over spare slots", args.svg.display())?)
}

impl Point {
    /// All figures.
    pub fn json(&self) -> Value {
        json!({
            "gpus": self.gpus,
            "slots_per_gpu": self.slots_per_gpu,
            "spare": self.spare,
            "balance": self.balance,
            "unseen": self.unseen.map(|unseen| unseen.balance),
            "unseen_deepseek": self.deepseek.map(|unseen| unseen.balance),
            "bound": self.bound,
            "busiest_tokens": self.busiest,
            "seconds": self.seconds,
            "plan_seconds_per_layer": self.planning,
            "bytes_per_gpu": self.bytes,
        })
    }
}

fn print(out: &mut impl Write, trace: &Trace, points: &[Point]) -> io::Result<()> {
    let extent = table::extent(trace);
    let unit = match points.first().and_then(|point| point.seconds) {
        Some(_) => "seconds",
        None => "Mtokens",
    };
    writeln!(out, "{}: {extent}, {} experts; global scope\n", trace.source, trace.experts)?;
    writeln!(
        out,
        " GPUs  slots/GPU  spare   balance  unseen  DEEPSEEK   bound  {unit:>9}  GB/GPU  planning us/layer"
    )?;
    for point in points {
        let Point { gpus, slots_per_gpu, spare, balance, bound, .. } = point;
        let [unseen, deepseek] = [point.unseen, point.deepseek].map(|unseen| {
            unseen.map_or("      ".to_string(), |unseen| format!("{:6.4}", unseen.balance))
        });
        writeln!(
            out,
            "{gpus:5}  {slots_per_gpu:9}  {spare:5}    {balance:6.4}  {unseen}    {deepseek}  {bound:6.4}  {:9.3}  {:6.1}  {:17.1}",
            point.seconds.unwrap_or(1e-6 * point.busiest),
            1e-9 * point.bytes,
            1e6 * point.planning,
        )?;
    }
    writeln!(
        out,
        "\nbalance = planned on all windows together; unseen = each window left out of the plan it is measured with,\n\
         DEEPSEEK the same; bound = no plan for one window alone is better. {unit} = of the busiest GPUs, all layers one\n\
         after another, in a window. spare = slots of a GPU beyond the fewest that hold every expert."
    )
}
