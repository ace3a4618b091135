//! A lower bound on the largest GPU load that no placement can beat.
//!
//! Two arguments, the larger of which holds. *Mean*: the total load over the total speed. *Largest
//! replica*: take any counts that fill the slots, let x be the largest load / count, and y the
//! smallest load / (count - 1) among experts with more than one replica. If all replicas were below
//! min(x, y), every expert would need at least its count, and the one at x one more: too many slots.
//! So some replica is at least min(x, y), and the fastest GPU that could hold it takes that / speed.
//! D'Hondt's counts make x and y meet.

use crate::arena::Arena;
use crate::order::{descending, heap, index_of};
use crate::problem::{Problem, Shape};

/// Scratch of the bound.
#[derive(Debug)]
pub struct Scratch<'a> {
    /// `[E]` experts by load / count.
    heap: &'a mut [u64],
    /// `[E]` replicas.
    count: &'a mut [u32],
}

impl<'a> Scratch<'a> {
    /// Takes the scratch of the bound: O(E).
    pub fn carve(arena: &mut Arena<'a>, shape: &Shape) -> Self {
        Scratch {
            heap: arena.u64s.take(shape.num_logical_experts()),
            count: arena.u32s.take(shape.num_logical_experts()),
        }
    }
}

/// The bound for one layer. O(E + (P - E) log E + G).
pub fn lower_bound(problem: &Problem, layer: usize, scratch: &mut Scratch) -> f64 {
    let topology = problem.shape().topology();
    let load = problem.load(0, layer);
    let (mut slots, mut total_speed, mut fastest) = (0, 0.0, 0.0);
    for gpu in (0..topology.num_gpus()).filter(|&gpu| topology.receives(gpu)) {
        let speed = f64::from(topology.speed(gpu));
        slots += topology.slots(gpu);
        total_speed += speed;
        if speed > fastest {
            fastest = speed;
        }
    }
    let total = load.iter().fold(0.0, |sum, &load| sum + f64::from(load));
    let mean = total / total_speed;
    let replica = smallest_largest_replica(load, slots, scratch) / fastest;
    if mean > replica { mean } else { replica }
}

/// At least this large is the largest replica, however `slots` are shared out.
fn smallest_largest_replica(load: &[f32], slots: usize, scratch: &mut Scratch) -> f64 {
    scratch.count.fill(1);
    for (key, (expert, &load)) in scratch.heap.iter_mut().zip(load.iter().enumerate()) {
        *key = descending(load, expert);
    }
    heap::build(scratch.heap);
    for _ in load.len()..slots {
        let expert = index_of(heap::top(scratch.heap));
        if let (Some(count), Some(&load)) = (scratch.count.get_mut(expert), load.get(expert)) {
            *count += 1;
            heap::replace_top(scratch.heap, descending(load / *count as f32, expert));
        }
    }
    let (mut largest, mut next) = (0.0, f64::INFINITY);
    for (&load, &count) in load.iter().zip(scratch.count.iter()) {
        let load = f64::from(load);
        let replica = load / f64::from(count);
        if replica > largest {
            largest = replica;
        }
        if count > 1 && load / f64::from(count - 1) < next {
            next = load / f64::from(count - 1);
        }
    }
    if largest < next { largest } else { next }
}
