//! The optimum of a small layer by exhaustive search, slow and obvious: what no plan can beat and no bound may exceed.
//!
//! The ruler is that of `judge`: an expert of c replicas puts load / c on each of c different GPUs, a GPU holds at most its
//! slots, its time is load / speed.

use std::collections::HashMap;

/// The GPUs that may hold replicas.
#[derive(Clone, Debug, Default)]
pub struct Gpus {
    pub speed: Vec<f64>,
    pub slots: Vec<u32>,
}

/// Which placements count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// Slots may stay empty where that is better: a replica more can slow a GPU that is slow or large.
    Any,
    /// Only those that leave no slot empty but where only a duplicate could fill it.
    Full,
}

/// What placements keep besides.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Replicas of an expert, at least and at most.
    pub least: usize,
    pub most: usize,
    /// The node of each GPU, where every expert must be on two.
    pub node: Vec<usize>,
}

impl Kept {
    pub fn nothing() -> Self {
        Kept { least: 1, most: usize::MAX, node: Vec::new() }
    }
}

/// Smallest largest time over all counts and packings without duplicates; infinite when the experts do not fit.
pub fn optimum(loads: &[f64], gpus: &Gpus, fill: Fill) -> f64 {
    optimum_that_keeps(loads, gpus, fill, &Kept::nothing())
}

/// The same over those that keep more.
pub fn optimum_that_keeps(loads: &[f64], gpus: &Gpus, fill: Fill, kept: &Kept) -> f64 {
    let mut falling = loads.to_vec();
    falling.sort_by(|a, b| b.total_cmp(a));
    if (gpus.slots.iter().sum::<u32>() as usize) < loads.len() {
        return f64::INFINITY;
    }
    let mut search = Search {
        loads: &falling,
        speed: &gpus.speed,
        free: gpus.slots.iter().map(|&slots| slots.min(loads.len() as u32)).collect(),
        fill,
        kept,
        load: vec![0.0; gpus.slots.len()],
        best: f64::INFINITY,
    };
    search.expert(0, falling.iter().sum());
    search.best
}

struct Search<'a> {
    loads: &'a [f64],
    speed: &'a [f64],
    free: Vec<u32>,
    fill: Fill,
    kept: &'a Kept,
    load: Vec<f64>,
    best: f64,
}

/// A GPU as the search sees it; of those alike one is enough.
type Kind = (u64, u32, u64, usize);

impl Search<'_> {
    /// Places this expert and all that follow; `left` is their load.
    fn expert(&mut self, expert: usize, left: f64) {
        let free = self.free.iter().sum::<u32>() as usize;
        if expert == self.loads.len() {
            if self.fill == Fill::Full && free > 0 {
                return;
            }
            let times = self.load.iter().zip(self.speed).map(|(load, speed)| load / speed);
            self.best = times.fold(0.0, f64::max).min(self.best);
            return;
        }
        let others = (self.loads.len() - expert - 1) * self.kept.least;
        if free < others + self.kept.least {
            return;
        }
        // what is left must fit below the best, with some slack against rounding
        let gpus = self.free.iter().zip(&self.load).zip(self.speed);
        let room: f64 = gpus
            .filter(|((free, _), _)| **free > 0)
            .map(|((_, load), speed)| (self.best * speed - load).max(0.0))
            .sum();
        if left > room * (1.0 + 1e-9) + 1e-12 {
            return;
        }
        let open = self.free.iter().filter(|&&free| free > 0).count();
        for count in self.kept.least..=(free - others).min(open).min(self.kept.most) {
            let share = self.loads[expert] / count as f64;
            let left = left - self.loads[expert];
            self.replica(expert, 0, count, share, left, (&mut Vec::new(), &mut Vec::new()));
        }
    }

    /// Places the last `count` replicas of an expert on GPUs from `from` on.
    fn replica(
        &mut self,
        expert: usize,
        from: usize,
        count: usize,
        share: f64,
        left: f64,
        (passed, nodes): (&mut Vec<Kind>, &mut Vec<usize>),
    ) {
        if count == 0 {
            if nodes.is_empty() || nodes.iter().any(|node| *node != nodes[0]) {
                self.expert(expert + 1, left);
            }
            return;
        }
        let before = passed.len();
        for gpu in from..self.free.len() {
            let load = self.load[gpu];
            let node = self.kept.node.get(gpu).copied();
            let speed = self.speed[gpu].to_bits();
            let kind = (load.to_bits(), self.free[gpu], speed, node.unwrap_or(0));
            if self.free[gpu] == 0 || passed.contains(&kind) {
                continue;
            }
            if (load + share) / self.speed[gpu] < self.best {
                self.load[gpu] += share;
                self.free[gpu] -= 1;
                nodes.extend(node);
                self.replica(expert, gpu + 1, count - 1, share, left, (passed, nodes));
                nodes.truncate(nodes.len() - usize::from(node.is_some()));
                self.load[gpu] = load;
                self.free[gpu] += 1;
            }
            passed.push(kind);
        }
        passed.truncate(before);
    }
}

/// The same with the experts of each of `groups` groups on one node: the best over all assignments of groups. If some
/// assignment lets every slot be filled, [`Fill::Full`] asks for one that does.
pub fn optimum_in_nodes(loads: &[f64], groups: usize, nodes: &[Gpus], fill: Fill) -> f64 {
    let size = loads.len() / groups;
    let mut known: HashMap<(usize, Vec<usize>), f64> = HashMap::new();
    let mut best = f64::INFINITY;
    let fills = |assignment: &[usize]| {
        nodes.iter().enumerate().all(|(node, gpus)| {
            let experts = size * assignment.iter().filter(|&&of| of == node).count();
            gpus.slots.iter().all(|&slots| slots as usize <= experts)
                && experts <= gpus.slots.iter().sum::<u32>() as usize
        })
    };
    let filled =
        fill == Fill::Full && assignments(groups, nodes.len()).any(|assignment| fills(&assignment));
    for assignment in assignments(groups, nodes.len()) {
        if filled && !fills(&assignment) {
            continue;
        }
        let worst = nodes.iter().enumerate().map(|(node, gpus)| {
            let held: Vec<usize> = (0..groups).filter(|&group| assignment[group] == node).collect();
            let experts = held.iter().flat_map(|group| &loads[group * size..(group + 1) * size]);
            let own: Vec<f64> = experts.copied().collect();
            *known
                .entry((node, held))
                .or_insert_with(|| if own.is_empty() { 0.0 } else { optimum(&own, gpus, fill) })
        });
        best = worst.fold(0.0, f64::max).min(best);
    }
    best
}

/// Every way to give each group a node.
pub fn assignments(groups: usize, nodes: usize) -> impl Iterator<Item = Vec<usize>> {
    (0..nodes.pow(groups as u32)).map(move |mut code| {
        let mut next = || {
            let node = code % nodes;
            code /= nodes;
            node
        };
        (0..groups).map(|_| next()).collect()
    })
}
