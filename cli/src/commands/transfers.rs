//! `eplb transfers`: what has to travel from one placement to another.

use std::io::Write;

use eplb::{
    Flags, Operation, Options, Placement, Shape, Spec, Status, TransferEvent, TransferTotals,
    Transition, transfers,
};
use serde_json::{Value, json};

use super::super::args::TransfersArgs;
use super::super::error::{Error, Refused};
use super::super::import;
use super::super::plan::Memory;
use super::print_json;

pub fn run(args: &TransfersArgs, out: &mut impl Write) -> Result<(), Error> {
    let ((from, slots), (to, new)) =
        (import::read(&args.from)?.whole()?, import::read(&args.to)?.whole()?);
    if (from.len(), slots) != (to.len(), new) {
        let why = format!("{} slots, where {} has {}", to.len(), args.from.display(), from.len());
        return Err(Error::import(&args.to, why));
    }
    let experts = 1 + from.iter().chain(&to).copied().max().unwrap_or(0).max(0) as u32;
    let size = |n: usize| u32::try_from(n).unwrap_or(u32::MAX); // which the library refuses
    let spec = Spec {
        num_layers: size(from.len() / slots.max(1)),
        num_logical_experts: experts,
        num_physical_experts: size(slots),
        num_nodes: args.nodes,
        num_gpus: args.gpus,
        ..Spec::default()
    };
    let listed = list(&spec, args.spare_buffers, &from, &to);
    let listed = listed.map_err(|status| refusal(status, args, &spec, &to))?;
    if args.format.json {
        return print_json(out, &listed.json());
    }
    let TransferTotals { entries, moved, moved_layers, rounds } = listed.totals;
    let inside = entries - moved;
    writeln!(
        out,
        "{moved} experts travel between GPUs, in {moved_layers} of {} layers; {inside} are copied within one",
        spec.num_layers
    )?;
    writeln!(
        out,
        "at most {rounds} rounds in a layer; in a round a GPU sends at most one expert and receives one"
    )?;
    Ok(())
}

/// The list, as JSON has it.
struct Listed {
    transfers: Vec<Value>,
    layers: Vec<Value>,
    totals: TransferTotals,
}

impl Listed {
    fn json(&self) -> Value {
        json!({
            "moved": self.totals.moved,
            "rounds": self.totals.rounds,
            "layers": self.layers,
            "transfers": self.transfers,
        })
    }
}

fn list(spec: &Spec, spare_buffers: u32, from: &[i32], to: &[i32]) -> Result<Listed, Status> {
    let shape = Shape::new(spec)?;
    let options = Options::default();
    let mut memory = Memory::new(eplb::workspace(Operation::Transfers, &shape, &options)?);
    let (from, to) = (Placement::of(from), Placement::of(to));
    let transition = Transition { from, to, spare_buffers, flags: Flags::default() };
    let (mut entries, mut layers) = (Vec::new(), Vec::new());
    let mut report = |event: TransferEvent| match event {
        TransferEvent::Transfer(_, entry) => entries.push(json!({
            "layer": entry.layer, "expert": entry.expert,
            "source_gpu": entry.source_gpu, "source_slot": entry.source_slot,
            "destination_gpu": entry.destination_gpu, "destination_slot": entry.destination_slot,
            "round": entry.round, "commit": entry.commit,
        })),
        TransferEvent::Layer { moved, rounds, .. } => {
            layers.push(json!({ "moved": moved, "rounds": rounds }));
        }
    };
    let totals = transfers(&shape, &transition, memory.arena(), usize::MAX, &mut report)?;
    Ok(Listed { transfers: entries, layers, totals })
}

/// Why there is no list.
fn refusal(status: Status, args: &TransfersArgs, spec: &Spec, to: &[i32]) -> Error {
    match status {
        Status::NeedsBuffer => Error::Impossible(format!(
            "--spare-buffers {} is too few: GPUs would have to trade experts at the same moment",
            args.spare_buffers
        )),
        _ => Refused::of(status, Operation::Transfers, spec, &Options::default(), to).into(),
    }
}
