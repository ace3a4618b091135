//! `eplb explain`: whether a plan can be made, or which argument stands in its way.

use std::io::Write;

use eplb::{Operation, Options, Placement, Shape, Status};
use serde_json::json;

use super::super::args::ExplainArgs;
use super::super::error::{Error, Refused, own_words};
use super::super::table;
use super::print_json;

pub fn run(args: &ExplainArgs, out: &mut impl Write) -> Result<(), Error> {
    let trace = args.loads.read()?;
    let cluster = args.cluster.for_loads(&trace);
    let total = trace.total();
    let spec = cluster.spec_together(&trace, args.policy, &total);
    let options = Options { policy: args.policy, scope: cluster.scope, ..Options::default() };
    let slots = u64::from(spec.num_layers) * u64::from(spec.num_physical_experts);
    let placement = vec![0; usize::try_from(slots).unwrap_or(0)];
    let maps = Placement::of(&placement);
    if let Some(refusal) = eplb::explain(Operation::Plan, &spec, &options, Some(&maps)) {
        let why = own_words(&refusal.to_string());
        return match args.format.json {
            true => print_json(out, &json!({ "possible": false, "why": why })),
            false => Ok(writeln!(out, "{why}")?),
        };
    }
    let workspace = Shape::new(&spec)
        .and_then(|shape| eplb::workspace(Operation::Plan, &shape, &options)?.bytes())
        .map_err(|status: Status| Refused::from(status))?;
    if args.format.json {
        let scope = table::scope_name(&cluster);
        let value = json!({ "possible": true, "scope": scope, "workspace_bytes": workspace });
        return print_json(out, &value);
    }
    table::heading(out, &trace, &cluster)?;
    Ok(writeln!(out, "A plan can be made; its workspace is {workspace} bytes.")?)
}
