//! The search against all assignments.

extern crate std;
use crate::base::arena::{Arena, Need};
use crate::groups::search::{Scratch, Search};
use crate::groups::task::{Task, largest_time};
use std::vec;
use std::vec::Vec;

/// Whether the groups are where they may be.
fn is_allowed(task: &Task, node_of: &[u32]) -> bool {
    (0..task.speed.len()).all(|node| {
        let on = |group: &usize| node_of[*group] as usize == node;
        let groups: Vec<usize> = (0..node_of.len()).filter(on).collect();
        let slots: u32 = groups.iter().map(|&group| task.need(group, node)).sum();
        slots <= task.slots[node]
            && groups.len() >= task.least[node] as usize
            && (groups.is_empty() || task.speed[node] > 0.0)
    })
}

/// Time of the busiest node.
fn time(task: &Task, node_of: &[u32]) -> f64 {
    let mut loads = vec![0.0; task.speed.len()];
    node_of.iter().zip(task.load).for_each(|(&node, &load)| loads[node as usize] += load);
    largest_time(loads.into_iter(), task.speed)
}

/// The least time of the busiest node by trying everything; infinite when nothing fits.
fn least_time(task: &Task, node_of: &mut Vec<u32>) -> f64 {
    if node_of.len() == task.load.len() {
        let allowed = is_allowed(task, node_of);
        return if allowed { time(task, node_of) } else { f64::INFINITY };
    }
    let mut least = f64::INFINITY;
    for node in 0..task.speed.len() as u32 {
        node_of.push(node);
        least = least.min(least_time(task, node_of));
        node_of.pop();
    }
    least
}

#[test]
fn the_search_finds_the_least_time() {
    let mut state = 88_172_645_463_325_252_u64;
    let mut below = |n: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) % n
    };
    let mut found = 0;
    for _ in 0..2_000 {
        let (groups, nodes) = (1 + below(6), 1 + below(3));
        let load: Vec<f64> = (0..groups).map(|_| below(9) as f64).collect();
        let need: Vec<u32> = (0..2 * groups).map(|_| 1 + below(3) as u32).collect();
        let row: Vec<u32> = (0..nodes).map(|_| below(2) as u32).collect();
        let speed: Vec<f64> =
            (0..nodes).map(|_| [1.0, 1.0, 2.0, 0.5, 0.0][below(5) as usize]).collect();
        let slots: Vec<u32> = (0..nodes).map(|_| 3 + below(2 * groups) as u32).collect();
        let mut least = vec![0; nodes as usize];
        least[0] = if speed[0] > 0.0 { below(2) as u32 } else { 0 };
        // nodes of one kind are alike
        let kind: Vec<u64> = (0..nodes as usize)
            .map(|node| speed[node].to_bits() ^ u64::from(slots[node] << 1 | row[node]))
            .collect();
        let task = Task {
            load: &load,
            need: &need,
            row: &row,
            speed: &speed,
            slots: &slots,
            least: &least,
            kind: &kind,
            fastest: &[],
        };
        let mut size = Need::default();
        Scratch::carve(&mut size, groups as usize, nodes as usize);
        let (mut f64s, mut u32s) = (vec![7.0; size.f64s], vec![7; size.u32s]);
        let mut arena = Arena::new(&mut [], &mut f64s, &mut u32s, &mut []);
        let mut scratch = Scratch::carve(&mut arena, groups as usize, nodes as usize);
        let mut node_of = vec![0; groups as usize];
        let outcome = Search::new(task, &mut scratch).assign(0.0, 100_000, &mut node_of);
        let best = least_time(&task, &mut Vec::new());
        assert!(outcome.exact && outcome.floor <= best, "{outcome:?} {best}");
        if best < f64::INFINITY {
            assert!((outcome.time - best).abs() <= 1e-9 && is_allowed(&task, &node_of));
            found += 1;
        }
    }
    assert!((500..1_990).contains(&found), "{found}");
}
