//! The check with memory and the check without find the same.

extern crate std;
use crate::base::arena::Arena;
use crate::placement::check::{check, check_slowly};
use crate::placement::ledger::Ledger;
use crate::placement::maps::Placement;
use crate::placement::{Numbering, Promises, number};
use crate::problem::{Scope, Shape, Spec};
use std::vec;
use std::vec::Vec;

/// Numbers that look random (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % n
    }
}

/// The maps of a placement, a few entries of each off.
struct Maps {
    held: Vec<i32>,
    ranks: Vec<i32>,
    counts: Vec<i32>,
    table: Vec<i32>,
    max_replicas: usize,
}

impl Maps {
    fn broken(shape: &Shape, random: &mut Random) -> Self {
        let (layers, experts) = (shape.num_layers(), shape.num_logical_experts());
        let slots = shape.num_physical_experts();
        let hold = |slot| (slot % slots % experts) as i32;
        let max_replicas = 1 + random.below(4);
        let mut maps = Maps {
            held: (0..layers * slots).map(hold).collect(),
            ranks: vec![0; layers * slots],
            counts: vec![0; layers * experts],
            table: vec![-1; layers * experts * max_replicas],
            max_replicas,
        };
        for _ in 0..random.below(3) {
            let (one, other) = (random.below(layers * slots), random.below(layers * slots));
            maps.held.swap(one, other);
        }
        let numbering = Numbering {
            replica_rank: Some(&mut maps.ranks),
            logical_count: Some(&mut maps.counts),
            logical_to_physical: Some(&mut maps.table),
            max_replicas,
        };
        let _wide_enough_or_not = number(shape, &maps.held, numbering);
        for map in [&mut maps.held, &mut maps.ranks, &mut maps.counts, &mut maps.table] {
            if random.below(5) == 0 {
                let at = random.below(map.len());
                map[at] = [-1, -2, 0, 1, experts as i32, i32::MIN, i32::MAX][random.below(7)];
            }
        }
        maps
    }

    fn some(&self, random: &mut Random) -> Placement<'_> {
        Placement {
            physical_to_logical: &self.held,
            replica_rank: (random.below(3) > 0).then_some(&self.ranks[..]),
            logical_count: (random.below(3) > 0).then_some(&self.counts[..]),
            logical_to_physical: (random.below(3) > 0).then_some(&self.table[..]),
            max_replicas: self.max_replicas,
        }
    }
}

/// The same violation is found with and without memory, in random placements.
#[test]
fn memory_does_not_matter() {
    let mut random = Random(88_172_645_463_325_252);
    let mut kinds = [0; 10];
    for round in 0..30_000 {
        let experts = if round % 40 == 0 { 64 + random.below(100) } else { 1 + random.below(9) };
        let (gpus, layers) = (1 + random.below(5), 1 + random.below(2));
        let mut slots = || (experts / gpus + random.below(4)) as u32;
        let gpu_slots: Vec<u32> = (0..gpus).map(|_| slots()).collect();
        let gpu_state: Vec<u8> = (0..gpus).map(|_| (random.below(9) / 7) as u8).collect();
        let spec = Spec {
            num_layers: layers as u32,
            num_logical_experts: experts as u32,
            num_physical_experts: gpu_slots.iter().sum(),
            num_groups: [1, 2, 3, experts][random.below(4)] as u32,
            num_nodes: 1 + random.below(gpus) as u32,
            num_gpus: gpus as u32,
            gpu_slots: Some(&gpu_slots),
            gpu_state: Some(&gpu_state),
            ..Spec::default()
        };
        let Ok(shape) = Shape::new(&spec) else { continue };
        let maps = Maps::broken(&shape, &mut random);
        let promises = Promises {
            scope: [Scope::Auto, Scope::Global, Scope::Hierarchical][random.below(3)],
            full: random.below(2) == 0,
            distinct: random.below(2) == 0,
        };
        let placement = maps.some(&mut random);
        let mut memory = vec![7; Ledger::need(&shape).u32s];
        let arena = Arena::new(&mut [], &mut [], &mut memory, &mut []);
        let found = check(&shape, &promises, arena, &placement).unwrap();
        assert_eq!(found, check_slowly(&shape, &promises, &placement), "{spec:?} {placement:?}");
        kinds[found.map_or(0, |found| found.kind as usize)] += 1;
    }
    assert!(kinds.iter().all(|&times| times > 50), "{kinds:?}");
}
