//! The last touch on an assignment of groups: moves and swaps between two nodes that lower the busier.

use crate::groups::search::{NONE, Nodes, TIE, float, put, word};

/// Load of a node, groups in ascending order.
fn node_load(loads: &[f64], node_of: &[u32], node: u32) -> f64 {
    loads.iter().zip(node_of).filter(|(_, at)| **at == node).fold(0.0, |sum, (&load, _)| sum + load)
}

pub fn measure(loads: &[f64], nodes: &Nodes, node_of: &[u32]) -> f64 {
    let mut worst = 0.0;
    for (node, &speed) in nodes.speed.iter().enumerate() {
        let load = node_load(loads, node_of, node as u32);
        if load > 0.0 && load / speed > worst {
            worst = load / speed;
        }
    }
    worst
}

/// Moves or swaps groups between two nodes while the busier of the two falls; first found, at most K rounds.
pub fn polish(loads: &[f64], needs: &[u32], nodes: &Nodes, node_of: &mut [u32], free: &mut [u32]) {
    for (node, free) in free.iter_mut().enumerate() {
        let used: u32 = needs
            .iter()
            .zip(node_of.iter())
            .filter(|(_, at)| **at == node as u32)
            .map(|(&need, _)| need)
            .sum();
        *free = if float(nodes.speed, node) > 0.0 {
            word(nodes.slots, node).saturating_sub(used)
        } else {
            0
        };
    }
    for _ in 0..loads.len() {
        let mut changed = false;
        for from in 0..loads.len() {
            let a = word(node_of, from);
            let sum_a = node_load(loads, node_of, a);
            let speed_a = float(nodes.speed, a as usize);
            let time_a = sum_a / speed_a;
            let (load, need) = (float(loads, from), word(needs, from));
            let groups = node_of.iter().filter(|at| **at == a).count();
            let may_leave = groups > word(nodes.least, a as usize) as usize;
            // A move to a less busy node, or a swap with one of its groups.
            for b in 0..nodes.speed.len() as u32 {
                let speed_b = float(nodes.speed, b as usize);
                if b == a || speed_b <= 0.0 {
                    continue;
                }
                let sum_b = node_load(loads, node_of, b);
                if sum_b / speed_b >= time_a {
                    continue;
                }
                let better = |delta: f64| {
                    let limit = time_a * (1.0 - TIE);
                    (sum_a - delta) / speed_a < limit && (sum_b + delta) / speed_b < limit
                };
                let (free_a, free_b) = (word(free, a as usize), word(free, b as usize));
                let mut other = NONE;
                let mut good = free_b >= need && better(load) && may_leave;
                if !good {
                    for (to, (&there, &at)) in loads.iter().zip(node_of.iter()).enumerate() {
                        let need_there = word(needs, to);
                        if at == b
                            && free_b + need_there >= need
                            && free_a + need >= need_there
                            && better(load - there)
                        {
                            other = to as u32;
                            good = true;
                            break;
                        }
                    }
                }
                if good {
                    let back = if other == NONE { 0 } else { word(needs, other as usize) };
                    put(node_of, from, b);
                    if other != NONE {
                        put(node_of, other as usize, a);
                    }
                    put(free, a as usize, (free_a + need).saturating_sub(back));
                    put(free, b as usize, (free_b + back).saturating_sub(need));
                    changed = true;
                    break;
                }
            }
        }
        if !changed {
            return;
        }
    }
}
