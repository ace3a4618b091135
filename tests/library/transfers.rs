//! Transfers: every list replayed slot by slot, the published cases, the real trace, refusals.

use crate::common::{Memory, plan};
use crate::generate;
use crate::reference::orders::fewest_rounds;
use crate::reference::replay::{Machine, Replayed, replay};
use crate::trace;
use eplb::{
    EPLB_GPU_ALIVE, EPLB_GPU_DEAD, EPLB_GPU_LEAVING, Flags, Operation, Options, Placement, Scope,
    Shape, Spec, Status, Transfer, TransferEvent, Transition,
};
use rand::{Rng, SeedableRng, rngs::StdRng};

/// A list, the ends of its layers, their rounds.
struct List {
    transfers: Vec<Transfer>,
    end: Vec<usize>,
    rounds: Vec<u32>,
}

fn transfers(
    spec: &Spec,
    flags: Flags,
    old: &[i32],
    new: &[i32],
    spare_buffers: u32,
) -> Result<List, Status> {
    let shape = Shape::new(spec)?;
    let (from, to) = (Placement::of(old), Placement::of(new));
    let transition = Transition { from, to, spare_buffers, flags };
    let need = eplb::workspace(Operation::Transfers, &shape, &Options::default())?;
    let mut memory = Memory::new(&need);
    let mut list = List { transfers: Vec::new(), end: Vec::new(), rounds: Vec::new() };
    let totals =
        eplb::transfers(
            &shape,
            &transition,
            memory.arena(),
            usize::MAX,
            &mut |event| match event {
                TransferEvent::Transfer(index, transfer) => {
                    assert_eq!(index, list.transfers.len());
                    list.transfers.push(*transfer);
                }
                TransferEvent::Layer { layer, end, moved, rounds } => {
                    assert_eq!((layer, end), (list.end.len(), list.transfers.len()));
                    let here = &list.transfers[list.end.last().copied().unwrap_or(0)..];
                    let over_links = |entry: &&Transfer| entry.source_gpu != entry.destination_gpu;
                    assert_eq!(moved, here.iter().filter(over_links).count());
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
    flags: Flags,
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
        serves: &gpus.clone().map(|gpu| topology.serves(gpu)).collect::<Vec<_>>(),
        receives: &gpus.map(|gpu| topology.receives(gpu)).collect::<Vec<_>>(),
        spare: spare as usize,
        external: flags.contains(Flags::EXTERNAL_SOURCE),
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
    let list = transfers(&spec(3, 4, 2), Flags::NONE, &[0, 1, 1, 2], &[0, 1, 0, 2], 0).unwrap();
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
    let done = replayed(&spec(10, 20, 5), Flags::NONE, &old, &new, 0).unwrap()[0];
    assert_eq!((done.moved, done.rounds), (6, 4));

    // a ring: one round when slots are double-buffered, not without
    let (old, new) = ([0, 1, 2, 3], [1, 2, 3, 0]);
    let done = replayed(&spec(4, 4, 4), Flags::NONE, &old, &new, 1).unwrap()[0];
    assert_eq!((done.moved, done.rounds, done.buffers), (4, 1, 1));
    assert_eq!(replayed(&spec(4, 4, 4), Flags::NONE, &old, &new, 0), Err(Status::NeedsBuffer));
}

const HEAD: &str = "slots/GPUs nodes spare  layers refused  at_bound   bound  rounds  moved  local";

/// What many layers came to.
#[derive(Debug, Default)]
struct Sums {
    layers: usize,
    refused: usize,
    /// as few rounds as the bound has
    at_bound: usize,
    least: usize,
    rounds: usize,
    moved: usize,
    local: usize,
}

impl Sums {
    fn add(&mut self, result: Result<Vec<Replayed>, Status>) {
        match result {
            Ok(layers) => {
                for done in layers {
                    self.layers += 1;
                    self.at_bound += usize::from(done.rounds == done.least);
                    self.least += done.least;
                    self.rounds += done.rounds;
                    self.moved += done.moved;
                    self.local += done.local;
                }
            }
            Err(status) => {
                assert_eq!(status, Status::NeedsBuffer);
                self.layers += 1;
                self.refused += 1;
            }
        }
    }

    fn at_bound(&self) -> f64 {
        self.at_bound as f64 / self.layers as f64
    }

    fn print(&self, (slots, gpus, nodes): (usize, usize, u32), spare: u32) {
        let mean = |sum: usize| sum as f64 / (self.layers - self.refused).max(1) as f64;
        println!(
            "{slots:>7}/{gpus:<4} {nodes:>3} {spare:>5} {:>7} {:>7} {:>9.4} {:>7.3} {:>7.3} {:>6.1} {:>6.1}",
            self.layers,
            self.refused,
            self.at_bound(),
            mean(self.least),
            mean(self.rounds),
            mean(self.moved),
            mean(self.local)
        );
    }
}

/// Every ordered pair of windows, layer by layer: from the BALANCED plan of the one to that of the other. On
/// the generated trace, or the one that EPLB_TRACE names.
#[test]
fn trace_pairs() {
    let (trace, published) = match std::env::var_os("EPLB_TRACE") {
        Some(path) => (trace::Trace::read(path.as_ref()).unwrap(), true),
        None => (generate::deepseek_v3(1), false),
    };
    // fewer layers in a checked build: it takes ten times as long
    let layers = if cfg!(debug_assertions) { 4 } else { trace.layers.len() };
    println!("{HEAD}");
    // share of layers with as few rounds as the bound has, without buffers, with one, with two
    let rows: [(usize, usize, u32, [f64; 3]); 3] = [
        (288, 32, 1, [0.0, 0.44, 0.76]),
        (320, 64, 1, [0.0, 0.12, 0.36]),
        (288, 32, 4, [0.0, 0.22, 0.48]),
    ];
    let mut good = true;
    for (slots, gpus, nodes, floors) in rows {
        let size = trace.layers.len() * trace.experts;
        let plans: Vec<Vec<i32>> = trace
            .load
            .chunks(size)
            .map(|load| {
                let load = &load[..layers * trace.experts];
                let spec =
                    Spec { num_layers: layers as u32, load, ..spec(trace.experts, slots, gpus) };
                let options = Options { scope: Scope::Global, ..Options::default() };
                plan(&spec, &options).unwrap().physical_to_logical
            })
            .collect();
        let spec = Spec { num_nodes: nodes, ..spec(trace.experts, slots, gpus) };
        for (spare, floor) in (0_u32..).zip(floors) {
            // without buffers every layer takes all attempts: a seventh of the pairs
            let every = if spare == 0 { 7 } else { 1 };
            let mut sums = Sums::default();
            for (a, old) in plans.iter().enumerate() {
                for (_, new) in
                    plans.iter().enumerate().filter(|&(b, _)| b != a && (a + b) % every == 0)
                {
                    for (old, new) in old.chunks(slots).zip(new.chunks(slots)) {
                        sums.add(replayed(&spec, Flags::NONE, old, new, spare));
                    }
                }
            }
            sums.print((slots, gpus, nodes), spare);
            good &= spare == 0 || sums.refused == 0;
            // the generated trace is not held to the floors of the real one
            let held = published && layers == trace.layers.len();
            good &= !held || sums.at_bound() >= floor && sums.refused == 0;
        }
    }
    assert!(good);
}

/// From the plan of one window to that of another within 48 moves: one buffer serves all of them.
#[test]
fn budgets() {
    let (trace, layers) = match std::env::var_os("EPLB_TRACE") {
        Some(path) => (trace::Trace::read(path.as_ref()).unwrap(), 58),
        None => (generate::deepseek_v3(1), 4),
    };
    println!("{HEAD}");
    let (slots, gpus) = (288, 32);
    let size = trace.layers.len() * trace.experts;
    let mut sums = [Sums::default(), Sums::default(), Sums::default()];
    let loads = || trace.load.chunks(size).map(|load| &load[..layers * trace.experts]);
    let options = Options { scope: Scope::Global, ..Options::default() };
    for (a, before) in loads().enumerate() {
        let spec =
            |load| Spec { num_layers: layers as u32, load, ..spec(trace.experts, slots, gpus) };
        let old = plan(&spec(before), &options).unwrap().physical_to_logical;
        let limited = Options { previous: Some(&old), max_moves: 48, ..options };
        for (_, load) in loads().enumerate().filter(|&(b, _)| b != a) {
            let new = plan(&spec(load), &limited).unwrap().physical_to_logical;
            for (old, new) in old.chunks(slots).zip(new.chunks(slots)) {
                for (spare, sums) in (0..).zip(&mut sums) {
                    let one = crate::transfers::spec(trace.experts, slots, gpus);
                    sums.add(replayed(&one, Flags::NONE, old, new, spare));
                }
            }
        }
    }
    (0..).zip(&sums).for_each(|(spare, sums)| sums.print((slots, gpus, 1), spare));
    assert_eq!(sums[1].refused + sums[2].refused, 0);
    assert!(sums[1].at_bound() >= 0.7 && sums[2].at_bound() >= 0.88);
}

/// Those that have received send on: the senders of one expert double.
#[test]
fn relays() {
    for gpus in [2, 4, 5, 8, 16, 17, 33_usize] {
        // expert 0 stands on GPU 0 and is to be everywhere
        let old: Vec<i32> = (0..2 * gpus).map(|slot| if slot == 1 { 0 } else { -1 }).collect();
        let new: Vec<i32> = (0..2 * gpus).map(|slot| slot as i32 % 2 - 1).collect();
        let done = replayed(&spec(1, 2 * gpus, gpus), Flags::NONE, &old, &new, 0).unwrap()[0];
        assert_eq!(done.rounds, gpus.next_power_of_two().ilog2() as usize, "{gpus} GPUs");
    }
    // two hot experts and two others leave one GPU: the hot ones first
    let old = [0, 1, 2, 3, 4, -1, -1, -1, 5, -1, -1, -1, 6, -1, -1, -1, 7, -1, -1, -1];
    let new = [0, 1, 2, 3, 4, 0, 1, 2, 5, 0, 1, 3, 6, 0, 1, -1, 7, -1, -1, -1];
    let done = replayed(&spec(8, 20, 5), Flags::NONE, &old, &new, 0).unwrap()[0];
    assert_eq!((done.moved, done.rounds), (8, 4));
}

/// Small layers against every order that there is: none is refused that has one, and one buffer always serves.
#[test]
fn every_order() {
    let mut random = StdRng::seed_from_u64(3);
    let (mut layers, mut fewest, mut refused) = (0, [0; 3], 0);
    while layers < if cfg!(debug_assertions) { 100 } else { 1_000 } {
        let (gpus, width) = (random.random_range(2..5_usize), random.random_range(1..4_usize));
        let slots = gpus * width;
        let experts = random.random_range(slots.div_ceil(2)..=slots);
        let all = vec![true; slots];
        let mut row = || random_slots(&mut random, experts, &all, true).unwrap();
        let (old, new) = (row(), row());
        let receives = |slot: &usize| {
            let first = slot / width * width;
            new[*slot] >= 0 && !old[first..first + width].contains(&new[*slot])
        };
        if !(1..=6).contains(&(0..slots).filter(receives).count()) {
            continue;
        }
        layers += 1;
        for (spare, fewest) in fewest.iter_mut().enumerate() {
            let rounds = fewest_rounds(width, &old, &new, spare);
            let spec = spec(experts, slots, gpus);
            match replayed(&spec, Flags::NONE, &old, &new, spare as u32) {
                Ok(done) => {
                    let rounds = rounds.expect("no order is safe");
                    assert!(done[0].rounds >= rounds);
                    *fewest += usize::from(done[0].rounds == rounds);
                }
                Err(status) => {
                    assert_eq!((status, spare, rounds), (Status::NeedsBuffer, 0, None));
                    refused += 1;
                }
            }
        }
    }
    println!("{layers} layers, {refused} need a buffer, as few rounds as any order: {fewest:?}");
    assert!(
        refused * 10 > layers && fewest[1] * 50 >= layers * 49 && fewest[2] * 50 >= layers * 49
    );
}

/// A random row of slots: `experts` at least once on GPUs that may hold them, the rest anything or empty.
fn random_slots(
    random: &mut StdRng,
    experts: usize,
    open: &[bool],
    everywhere: bool,
) -> Option<Vec<i32>> {
    let mut slots: Vec<usize> = (0..open.len()).filter(|&slot| open[slot]).collect();
    for i in (1..slots.len()).rev() {
        slots.swap(i, random.random_range(0..=i));
    }
    let mut held = vec![-1; open.len()];
    if slots.len() < experts {
        return None;
    }
    for (i, &slot) in slots.iter().enumerate() {
        if i < experts && everywhere {
            held[slot] = i as i32;
        } else if random.random_range(0..4) > 0 {
            held[slot] = random.random_range(0..experts) as i32;
        }
    }
    Some(held)
}

/// Anything to anything: duplicates, empty slots, uneven, dead and leaving GPUs, nodes, lost experts.
#[test]
fn random_placements() {
    let mut random = StdRng::seed_from_u64(7);
    let mut seen = [0; 3];
    for _ in 0..20_000 {
        let gpus = random.random_range(1..7_usize);
        let nodes = random.random_range(1..=gpus);
        let gpu_slots: Vec<u32> = (0..gpus).map(|_| random.random_range(0..5)).collect();
        let slots = gpu_slots.iter().sum::<u32>() as usize;
        let mut state: Vec<u8> = (0..gpus)
            .map(|_| match random.random_range(0..8) {
                0 => EPLB_GPU_DEAD,
                1 => EPLB_GPU_LEAVING,
                _ => EPLB_GPU_ALIVE,
            })
            .collect();
        state[0] = EPLB_GPU_ALIVE;
        let of_gpu: Vec<usize> =
            (0..gpus).flat_map(|gpu| vec![gpu; gpu_slots[gpu] as usize]).collect();
        let alive: Vec<bool> = of_gpu.iter().map(|&gpu| state[gpu] == EPLB_GPU_ALIVE).collect();
        let room = alive.iter().filter(|&&alive| alive).count();
        if room == 0 {
            continue;
        }
        let experts = random.random_range(1..=room);
        let everywhere = random.random_range(0..4) > 0;
        let Some(new) = random_slots(&mut random, experts, &alive, true) else { continue };
        let all = vec![true; slots];
        let Some(old) = random_slots(&mut random, experts, &all, everywhere) else { continue };
        let spec = Spec {
            num_nodes: nodes as u32,
            gpu_slots: Some(&gpu_slots),
            gpu_state: Some(&state),
            ..spec(experts, slots, gpus)
        };
        let spare = random.random_range(0..3);
        let lost = (0..experts as i32).any(|expert| {
            !(0..slots).any(|slot| old[slot] == expert && state[of_gpu[slot]] != EPLB_GPU_DEAD)
        });
        let external = random.random_range(0..2) != 0;
        let flags = if external { Flags::EXTERNAL_SOURCE } else { Flags::NONE };
        match replayed(&spec, flags, &old, &new, spare) {
            Ok(_) => {
                assert!(!lost || external);
                seen[0] += 1;
            }
            Err(Status::SourceLost) => {
                assert!(lost && !external);
                seen[1] += 1;
            }
            Err(status) => {
                assert_eq!((status, spare), (Status::NeedsBuffer, 0));
                seen[2] += 1;
                assert!(replayed(&spec, flags, &old, &new, 1).is_ok());
            }
        }
    }
    println!("listed, lost, needs a buffer: {seen:?}");
    assert!(seen[0] > 10_000 && seen[1] > 100 && seen[2] > 10);
}

/// The nearest source: on the node if one of its GPUs holds the expert.
#[test]
fn sources_are_near_and_even() {
    // expert 0 on GPUs 0 (node 0) and 2 (node 1); GPUs 1 and 3 receive it
    let old = [0, -1, 1, -1, 0, -1, 2, -1];
    let new = [0, -1, 1, 0, 0, -1, 2, 0];
    let spec = Spec { num_nodes: 2, ..spec(3, 8, 4) };
    let list = transfers(&spec, Flags::NONE, &old, &new, 0).unwrap();
    let pairs: Vec<_> = list.transfers.iter().map(|t| (t.source_gpu, t.destination_gpu)).collect();
    assert_eq!(pairs, [(0, 1), (2, 3)]);
    assert_eq!(list.rounds, [1]);
}
