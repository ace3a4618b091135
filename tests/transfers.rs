//! Transfers: every list replayed slot by slot, the published cases, the real trace, refusals.

mod common;
#[allow(dead_code)] // the demo uses more of it
#[path = "../examples/demo/generate.rs"]
mod generate;
#[path = "reference/replay.rs"]
mod replay;
#[allow(dead_code)]
#[path = "../examples/demo/trace.rs"]
mod trace;

use common::{Memory, plan};
use eplb::{
    EPLB_FLAG_EXTERNAL_SOURCE, EPLB_GPU_ALIVE, EPLB_GPU_DEAD, EPLB_GPU_LEAVING, Operation, Options,
    Placement, Scope, Shape, Spec, Status, Transfer, TransferEvent,
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use replay::{Machine, Replayed, replay};

/// A list, the ends of its layers, their rounds.
struct List {
    transfers: Vec<Transfer>,
    end: Vec<usize>,
    rounds: Vec<u32>,
}

fn transfers(
    spec: &Spec,
    flags: u32,
    old: &[i32],
    new: &[i32],
    spare: u32,
) -> Result<List, Status> {
    let shape = Shape::new(spec)?;
    let options = Options { previous: Some(old), flags, ..Options::default() };
    let need = eplb::workspace(Operation::Transfers, &shape, &options)?;
    let mut memory = Memory::new(&need);
    let mut list = List { transfers: Vec::new(), end: Vec::new(), rounds: Vec::new() };
    let totals = eplb::transfers(
        &shape,
        &options,
        memory.arena(),
        &Placement::of(new),
        spare,
        usize::MAX,
        &mut |event| match event {
            TransferEvent::Transfer(index, transfer) => {
                assert_eq!(index, list.transfers.len());
                list.transfers.push(*transfer);
            }
            TransferEvent::Layer { layer, end, rounds } => {
                assert_eq!((layer, end), (list.end.len(), list.transfers.len()));
                list.end.push(end);
                list.rounds.push(rounds);
            }
        },
    )?;
    assert_eq!(totals.entries, list.transfers.len());
    assert_eq!(Some(totals.rounds), list.rounds.iter().copied().max());
    Ok(list)
}

/// Lists and replays every layer.
fn replayed(
    spec: &Spec,
    flags: u32,
    old: &[i32],
    new: &[i32],
    spare: u32,
) -> Result<Vec<Replayed>, Status> {
    let list = transfers(spec, flags, old, new, spare)?;
    let shape = Shape::new(spec)?;
    let topology = shape.topology();
    let gpus = 0..topology.num_gpus();
    let gpu: Vec<usize> = gpus.clone().flat_map(|g| vec![g; topology.slots(g)]).collect();
    let machine = Machine {
        gpu: &gpu,
        node: &gpus.clone().map(|gpu| topology.node(gpu)).collect::<Vec<_>>(),
        serves: &gpus.clone().map(|gpu| topology.serves(gpu)).collect::<Vec<_>>(),
        receives: &gpus.map(|gpu| topology.receives(gpu)).collect::<Vec<_>>(),
        spare: spare as usize,
        external: flags & EPLB_FLAG_EXTERNAL_SOURCE != 0,
    };
    let slots = gpu.len();
    let mut start = 0;
    let layers = (0..list.end.len()).map(|layer| {
        let (old, new) = (&old[layer * slots..][..slots], &new[layer * slots..][..slots]);
        let entries = &list.transfers[start..list.end[layer]];
        start = list.end[layer];
        assert!(entries.iter().all(|entry| entry.layer == layer as i32));
        replay(&machine, old, new, entries, list.rounds[layer] as usize)
            .unwrap_or_else(|fault| panic!("{fault}\nold {old:?}\nnew {new:?}\n{entries:#?}"))
    });
    Ok(layers.collect())
}

fn spec(experts: usize, slots: usize, gpus: usize) -> Spec<'static> {
    Spec {
        num_layers: 1,
        num_logical_experts: experts as u32,
        num_physical_experts: slots as u32,
        num_gpus: gpus as u32,
        ..Spec::default()
    }
}

/// FIELD.md, case F.
#[test]
fn published_cases() {
    let list = transfers(&spec(3, 4, 2), 0, &[0, 1, 1, 2], &[0, 1, 0, 2], 0).unwrap();
    let one = Transfer {
        source_gpu: 0,
        source_slot: 0,
        destination_gpu: 1,
        destination_slot: 2,
        ..Transfer::default()
    };
    assert_eq!(list.transfers, [one]);

    // transfers (1,3), (2,4), (0,1), (0,2), (0,3), (0,4): four rounds suffice
    let old = [0, 1, 2, 3, 4, 6, -1, -1, 5, 7, -1, -1, 8, -1, -1, -1, 9, -1, -1, -1];
    let new = [0, 1, 2, 3, 4, 6, 0, -1, 5, 7, 1, -1, 8, 2, 4, -1, 9, 3, 5, -1];
    let done = replayed(&spec(10, 20, 5), 0, &old, &new, 0).unwrap()[0];
    assert_eq!((done.moved, done.rounds), (6, 4));

    // a ring: one round when slots are double-buffered, not without
    let (old, new) = ([0, 1, 2, 3], [1, 2, 3, 0]);
    let done = replayed(&spec(4, 4, 4), 0, &old, &new, 1).unwrap()[0];
    assert_eq!((done.moved, done.rounds, done.buffers), (4, 1, 1));
    assert_eq!(replayed(&spec(4, 4, 4), 0, &old, &new, 0), Err(Status::NeedsBuffer));
}

#[test]
fn trace_pairs() {
    let trace = match std::env::var_os("EPLB_TRACE") {
        Some(path) => trace::Trace::read(path.as_ref()).unwrap(),
        None => generate::deepseek_v3(1),
    };
    for (slots, gpus, nodes) in [(288, 32, 1), (320, 64, 1)] {
        let layers = trace.layers.len();
        let plans: Vec<Vec<i32>> = trace
            .load
            .chunks(layers * trace.experts)
            .map(|load| {
                let spec =
                    Spec { num_layers: layers as u32, load, ..spec(trace.experts, slots, gpus) };
                let options = Options { scope: Scope::Global, ..Options::default() };
                plan(&spec, &options).unwrap().physical_to_logical
            })
            .collect();
        for spare in [1] {
            let (mut layers_done, mut at_degree, mut refused, mut total) =
                (0, 0, 0, Replayed::default());
            let mut degree_sum = 0;
            let mut within = 0;
            let mut hist = std::collections::BTreeMap::new();
            for (a, old) in plans.iter().enumerate() {
                for (b, new) in plans.iter().enumerate().filter(|&(b, _)| b != a) {
                    let _ = b;
                    for layer in 0..layers {
                        let spec = Spec { num_nodes: nodes, ..spec(trace.experts, slots, gpus) };
                        let at = layer * slots..(layer + 1) * slots;
                        layers_done += 1;
                        match replayed(&spec, 0, &old[at.clone()], &new[at], spare) {
                            Ok(done) => {
                                let done = done[0];
                                let free = replayed(
                                    &spec,
                                    0,
                                    &old[layer * slots..(layer + 1) * slots],
                                    &new[layer * slots..(layer + 1) * slots],
                                    9,
                                )
                                .unwrap()[0];
                                assert_eq!(free.rounds, free.sends.max(free.receives));
                                within += usize::from(done.rounds <= free.rounds);
                                if done.rounds > free.rounds.min(done.sends.max(done.receives)) {
                                    *hist
                                        .entry((
                                            free.rounds,
                                            done.rounds,
                                            done.sends.max(done.receives),
                                        ))
                                        .or_insert(0) += 1;
                                }
                                let degree = done.sends.max(done.receives);
                                degree_sum += degree;
                                at_degree += usize::from(done.rounds == degree);
                                total.rounds += done.rounds;
                                total.moved += done.moved;
                                total.local += done.local;
                                total.hops += done.hops;
                                total.sends += done.sends;
                                total.receives += done.receives;
                            }
                            Err(status) => {
                                assert_eq!(status, Status::NeedsBuffer);
                                refused += 1;
                            }
                        }
                    }
                }
            }
            println!("within {:.4} {hist:?}", within as f64 / layers_done as f64);
            let n = (layers_done - refused).max(1) as f64;
            println!(
                "{slots}/{gpus} nodes {nodes} spare {spare}: {layers_done} layers, {refused} refused, at degree {:.4}, rounds {:.3} degree {:.3} in {:.3} out {:.3} moved {:.1} local {:.1} hops {:.2}",
                at_degree as f64 / layers_done as f64,
                total.rounds as f64 / n,
                degree_sum as f64 / n,
                total.receives as f64 / n,
                total.sends as f64 / n,
                total.moved as f64 / n,
                total.local as f64 / n,
                total.hops as f64 / n
            );
        }
    }
}
