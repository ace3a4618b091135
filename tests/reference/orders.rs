//! Every order of the transfers of a small layer, breadth first: the fewest rounds in which one placement can become
//! another, by the contract of docs/SPEC.md ("Transfers") alone. Equal GPUs, all alive.

use std::collections::BTreeSet;

/// A cell is a slot of a GPU, in any order: what settle 0 permutes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Cell {
    Keeps(i32),
    Goes(i32),
    Landed(i32),
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Gpu {
    cells: Vec<Cell>,
    /// to be received; in buffers
    wants: Vec<i32>,
    buffers: Vec<i32>,
}

type State = Vec<Gpu>;

fn start(old: &[i32], new: &[i32]) -> Gpu {
    let mut wants: Vec<i32> = new.iter().copied().filter(|&expert| expert >= 0).collect();
    let mut left = wants.clone();
    wants.sort_unstable();
    wants.dedup();
    wants.retain(|expert| !old.contains(expert));
    let mut cells: Vec<Cell> = Vec::new();
    for &expert in old {
        let kept = left.iter().position(|&other| other == expert);
        kept.map(|at| left.swap_remove(at));
        cells.push(if kept.is_some() { Cell::Keeps(expert) } else { Cell::Goes(expert) });
    }
    cells.sort();
    Gpu { cells, wants, buffers: Vec::new() }
}

/// The experts that can be read.
fn readable(state: &State) -> BTreeSet<i32> {
    let cells = state.iter().flat_map(|gpu| &gpu.cells);
    let expert = |cell: &Cell| match *cell {
        Cell::Keeps(expert) | Cell::Goes(expert) | Cell::Landed(expert) => expert,
    };
    cells.map(expert).filter(|&expert| expert >= 0).collect()
}

/// The cells that may be written over, one of each kind.
fn room(gpu: &Gpu) -> Vec<usize> {
    let cells = &gpu.cells;
    let goes = |&at: &usize| matches!(cells[at], Cell::Goes(_));
    (0..cells.len()).filter(goes).filter(|&at| at == 0 || cells[at] != cells[at - 1]).collect()
}

/// A round on its way: what can be read in it, and what is there after it.
struct Round<'a> {
    spare: usize,
    present: &'a BTreeSet<i32>,
    /// the cells that are not written over
    before: State,
    after: State,
    sent: Vec<(usize, i32)>,
}

impl Round<'_> {
    /// All ways in which the GPUs from `to` on receive.
    fn receive(&mut self, to: usize, found: &mut BTreeSet<State>) {
        if to == self.after.len() {
            let sources = self.sent.iter().all(|&(from, expert)| {
                let held = [Cell::Keeps(expert), Cell::Goes(expert), Cell::Landed(expert)];
                self.before[from].cells.iter().any(|cell| held.contains(cell))
            });
            if sources && !self.sent.is_empty() && readable(&self.before).is_superset(self.present)
            {
                self.settle(0, &mut self.after.clone(), found);
            }
            return;
        }
        self.receive(to + 1, found);
        for expert in self.after[to].wants.clone() {
            for from in 0..self.before.len() {
                if from == to || self.sent.iter().any(|&(other, _)| other == from) {
                    continue;
                }
                self.sent.push((from, expert));
                let kept = (self.before[to].clone(), self.after[to].clone());
                self.after[to].wants.retain(|&other| other != expert);
                let waiting = self.after[to].clone();
                for cell in room(&waiting) {
                    self.before[to].cells[cell] = Cell::Goes(-1);
                    self.after[to].cells[cell] = Cell::Landed(expert);
                    self.receive(to + 1, found);
                    self.before[to] = kept.0.clone();
                    self.after[to] = waiting.clone();
                }
                if waiting.buffers.len() < self.spare {
                    self.after[to].buffers.push(expert);
                    self.receive(to + 1, found);
                }
                self.after[to] = kept.1;
                self.sent.pop();
            }
        }
    }

    /// All ways to empty buffers of the GPUs from `gpu` on.
    fn settle(&self, gpu: usize, state: &mut State, found: &mut BTreeSet<State>) {
        if gpu == state.len() {
            if readable(state).is_superset(self.present) {
                let mut state = state.clone();
                for gpu in &mut state {
                    gpu.cells.sort();
                    gpu.buffers.sort_unstable();
                }
                found.insert(state);
            }
            return;
        }
        self.settle(gpu + 1, state, found);
        let kept = state[gpu].clone();
        for (at, &expert) in kept.buffers.iter().enumerate() {
            for cell in room(&kept) {
                state[gpu].cells[cell] = Cell::Landed(expert);
                state[gpu].buffers.remove(at);
                self.settle(gpu, state, found);
                state[gpu] = kept.clone();
            }
        }
    }
}

/// The fewest rounds, None = no order is safe. `width` slots a GPU.
pub fn fewest_rounds(width: usize, old: &[i32], new: &[i32], spare: usize) -> Option<usize> {
    let first: State =
        old.chunks(width).zip(new.chunks(width)).map(|(old, new)| start(old, new)).collect();
    let present = readable(&first);
    let mut seen = BTreeSet::from([first]);
    let mut front = seen.clone();
    for rounds in 0.. {
        let arrived = |gpu: &Gpu| gpu.wants.is_empty() && gpu.buffers.is_empty();
        if front.iter().any(|state| state.iter().all(arrived)) {
            return Some(rounds);
        }
        let mut next = BTreeSet::new();
        for state in front {
            let (before, after) = (state.clone(), state);
            let mut round = Round { spare, present: &present, before, after, sent: Vec::new() };
            round.receive(0, &mut next);
        }
        front = next.difference(&seen).cloned().collect();
        seen.extend(front.iter().cloned());
        if front.is_empty() {
            return None;
        }
    }
    None
}
